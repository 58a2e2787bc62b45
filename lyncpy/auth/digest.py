"""Digest, by which guests prove that they know a conference's key.

It signs the method, the Request-URI and a count, and nothing else of a message: the rest is
as safe as the connection. A challenge is good for the connection and the conference that it
was made for, answers to it are counted, and it ends. What a client calls itself in
`username` is part of its sum and decides nothing.

Spec: RFC 2617 §3, RFC 3261 §22; [MS-SIPAE] 3.2.5.6, 4.5: MD5-sess is what Lync offers, and
its client sends credentials with every request.
"""

import hmac
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.guests import GuestAccess, IKeyProof, Proof
from lyncpy.contracts.names import FlowName
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request

CHALLENGES_PER_FLOW: Final = 8
"""Challenges of one connection that count at once; for a ninth one is forgotten."""

_NEEDED: Final = frozenset(("username", "realm", "nonce", "uri", "response", "cnonce", "nc"))
_ALGORITHMS: Final = frozenset(("md5", "md5-sess"))
_COUNT: Final = re.compile(r"[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True)
class DigestCredentials:
    """What a client sends."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    cnonce: str
    nc: str
    """Eight hexadecimal digits: how often it has answered this challenge."""

    session: bool
    """Whether the algorithm is MD5-sess; else it is MD5."""


@dataclass(slots=True)
class _Challenge:
    conference: str
    at: float
    count: int = 0
    cnonce: str = ""
    """The client's first: for MD5-sess a key is made once, by RFC 2617 §3.2.2.2."""

    key: str | None = None
    """With which it was answered rightly."""


@implementer(IKeyProof)
class DigestProof:
    """The open digest challenges of all connections.

    Args:
        answer_s: Seconds that a challenge waits for its first right answer.
        lifetime_s: Seconds for which it is good from then on.
    """

    scheme = "Digest"

    def __init__(self, *, answer_s: float, lifetime_s: float) -> None:
        self._answer_s = answer_s
        self._lifetime_s = lifetime_s
        self._flows: dict[FlowName, dict[str, _Challenge]] = {}

    def challenge(self, flow: FlowName, door: GuestAccess, now: float, *, stale: bool = False) -> str:
        """Give a new challenge. See the promise."""
        nonce = secrets.token_urlsafe(24)
        mine = self._flows.setdefault(flow, {})
        if len(mine) >= CHALLENGES_PER_FLOW:
            # What is in use outlasts what nobody has answered: a burst of requests without proof must not end it.
            del mine[next((old for old, one in mine.items() if one.key is None), next(iter(mine)))]
        mine[nonce] = _Challenge(door.conference, now)
        again = ", stale=true" if stale else ""
        opaque = secrets.token_hex(4).upper()
        return f'Digest realm="{door.realm}", nonce="{nonce}", opaque="{opaque}", algorithm=MD5-sess, qop="auth"{again}'

    def check(self, flow: FlowName, request: Request, credentials: str, door: GuestAccess, now: float) -> Proof:
        """Judge credentials. See the promise.

        Whether a challenge is stale is said before the sum is looked at: who guesses keys
        must not learn by it which guess was right.
        """
        found = read_credentials(credentials)
        if found is None or found.realm != door.realm or found.uri != request.uri:
            return Proof.WRONG
        challenge = self._flows.get(flow, {}).get(found.nonce)
        count = int(found.nc, 16)
        if challenge is None or challenge.conference != door.conference or count <= challenge.count:
            return Proof.STALE
        if now - challenge.at >= (self._answer_s if challenge.key is None else self._lifetime_s):
            return Proof.STALE
        # One guess for each answer: a wrong one is spent too.
        challenge.count = count
        # Where there is no key, something nobody knows: it takes as long, and comes to the same.
        keys = (challenge.key,) if challenge.key is not None else door.keys or (secrets.token_hex(8),)
        proven = _proven(found, request.method, keys, {challenge.cnonce or found.cnonce, found.cnonce})
        if proven is None:
            return Proof.WRONG
        challenge.key = proven
        challenge.cnonce = challenge.cnonce or found.cnonce
        return Proof.PROVEN

    def drop_challenges(self, flow: FlowName) -> None:
        """Drop the challenges of a connection."""
        self._flows.pop(flow, None)


def _proven(found: DigestCredentials, method: str, keys: Sequence[str], cnonces: Collection[str]) -> str | None:
    """Return the key of which credentials are the proof; all are tried, so that the time tells nothing."""
    proven = None
    for key in keys:
        for cnonce in cnonces:
            if hmac.compare_digest(answer(found, key, method, session_cnonce=cnonce), found.response):
                proven = key
    return proven


def read_credentials(value: str) -> DigestCredentials | None:
    """Read the value of an Authorization header; None when it is not what this scheme asks for.

    Spec: RFC 2617 §3.2.2; an algorithm that is not named is MD5.
    """
    try:
        scheme, given = parse_auth(value)
    except RemoteProtocolError:
        return None
    algorithm = given.get("algorithm", "MD5").lower()
    if scheme.lower() != "digest" or algorithm not in _ALGORITHMS or not _is_whole(given):
        return None
    return DigestCredentials(
        given["username"],
        given["realm"],
        given["nonce"],
        given["uri"],
        given["response"].lower(),
        given["cnonce"],
        given["nc"],
        session=algorithm == "md5-sess",
    )


def _is_whole(given: Mapping[str, str]) -> bool:
    """Tell whether everything is there that goes into the sum, in its form: the count is read as a number, the response compared."""
    if given.get("qop") != "auth" or not given.keys() >= _NEEDED:
        return False
    return _COUNT.fullmatch(given["nc"]) is not None and given["response"].isascii()


def answer(credentials: DigestCredentials, key: str, method: str, *, session_cnonce: str = "") -> str:
    """Give the response that belongs to these credentials, as 32 hexadecimal digits.

    Args:
        credentials: Its own `response` is not looked at.
        key: The password.
        method: Of the request.
        session_cnonce: The client nonce of the session's first request, for MD5-sess; "": that of this one.

    Spec: RFC 2617 §3.2.2.1 to 3.2.2.3, with qop auth.
    """
    secret = _hash(f"{credentials.username}:{credentials.realm}:{key}")
    if credentials.session:
        secret = _hash(f"{secret}:{credentials.nonce}:{session_cnonce or credentials.cnonce}")
    asked = _hash(f"{method}:{credentials.uri}")
    return _hash(f"{secret}:{credentials.nonce}:{credentials.nc}:{credentials.cnonce}:auth:{asked}")


def _hash(text: str) -> str:
    return md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
