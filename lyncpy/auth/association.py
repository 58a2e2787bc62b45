"""What a finished handshake leaves behind: it verifies and signs each message of one connection.

The association does not know its scheme: it is given how either side signs a text. This
code runs for every message of the server, so what cannot change is written once, at the
start.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Final, Protocol

from zope.interface import implementer

from lyncpy.auth.signing import around_number, signed_fields
from lyncpy.contracts.arrival import Identity
from lyncpy.contracts.authenticator import IAssociation, Invalid
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import BLANKS
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Headers, Message, Response
from lyncpy.sip.prepared import Prepared

WINDOW: Final = 4_096
"""How far behind the newest message number another may come.

[MS-SIPAE] 3.2.5 has 256. Requests wait for their turn while the same client's responses, which
are newer, do not: what is under way and what waits of one connection has to fit.
"""

VERSION_SAID: Final = 4
"""The first version of signatures that is named in them: clients of version 3 are not told ([MS-SIPREGE] 4.1.1)."""

_SEEN_MASK: Final = (1 << WINDOW) - 1
_NUMBER_DIGITS: Final = 10
_NONCES_AT_ONCE: Final = 256
# What changes from one header of a client to its next one, in the order in which clients write it.
_CHANGING: Final = re.compile(r'crand="([^"]*)", cnum="([0-9]+)", response="([^"]*)"')


def nonces() -> Iterator[str]:
    """Give random numbers of 32 bits in hexadecimal digits, for ever; one call to the system gives many."""
    while True:
        digits = token_hex(4 * _NONCES_AT_ONCE).upper()
        for at in range(0, len(digits), 8):
            yield digits[at : at + 8]


class Signer(Protocol):
    """How we sign."""

    def hex(self, text: bytes) -> str:
        """Give a text's signature, in upper-case hexadecimal digits."""


class Verifier(Protocol):
    """How the client's signatures are verified: some are made again and compared, some cannot be."""

    def holds(self, text: bytes, signature: str) -> bool:
        """Tell whether hexadecimal digits, of either case and perhaps none at all, are the signature of a text."""


class ReplayWindow:
    """The message numbers that were seen: each is accepted once, in any order within `WINDOW`.

    The first number may be any: a client's count goes on over re-authentication.
    """

    __slots__ = ("_highest", "_seen")

    def __init__(self) -> None:
        self._highest = -1
        self._seen = 0

    def is_new(self, number: int) -> bool:
        """Tell whether a message of this number may be taken."""
        behind = self._highest - number
        return behind < 0 or (behind < WINDOW and not self._seen >> behind & 1)

    def mark_seen(self, number: int) -> None:
        """Remember a number as seen."""
        ahead = number - self._highest
        if ahead <= 0:
            self._seen |= 1 << -ahead
        else:
            self._seen = (self._seen << ahead | 1) & _SEEN_MASK if ahead < WINDOW else 1
            self._highest = number


@dataclass(frozen=True, slots=True)
class SignatureParameters:
    """The parameters of each signature that the handshake has agreed on.

    Spec: [MS-SIPAE] 2.2.1, 2.2.2.
    """

    opaque: str
    """Names the association towards the client."""

    realm: str
    target: str
    """The server's name, as the challenge gave it."""

    version: int
    """Of the signature."""

    is_told: bool = True
    """Whether the client has heard `opaque` before it signs; after a handshake of one step it has not, and may leave it out."""


@implementer(IAssociation)
class Association:
    """A security association of any scheme.

    Args:
        identity: Who is at the other end.
        expires: Monotonic seconds; after it nothing verifies.
        credential: Names what opened it, where that can be revoked by itself; else "".
        client: Verifies the client's signatures.
        server: Makes the server's signatures.
        parameters: Those of the challenge.
        nonces: Shared by all associations.
        proof: A token, in base64, that proves us to a client that has asked for it: its keys are not whole before; else "".
    """

    __slots__ = (
        "_client",
        "_front",
        "_given",
        "_nonces",
        "_opaque",
        "_proof",
        "_realm",
        "_sent",
        "_server",
        "_tail",
        "_target",
        "_trusted",
        "_unnamed",
        "_version",
        "_window",
        "credential",
        "expires",
        "identity",
    )

    def __init__(
        self,
        identity: Identity,
        expires: float,
        credential: str,
        *,
        client: Verifier,
        server: Signer,
        parameters: SignatureParameters,
        nonces: Iterator[str],
        proof: str,
    ) -> None:
        self.identity = identity
        self.expires = expires
        self.credential = credential
        self._client = client
        self._server = server
        self._opaque = opaque = parameters.opaque
        self._unnamed = opaque if not parameters.is_told else ""
        self._realm = realm = parameters.realm
        self._target = target = parameters.target
        self._version = version = parameters.version
        self._nonces = nonces
        self._proof = proof
        self._window = ReplayWindow()
        self._sent = 0
        self._front = f"<{realm}><{target}>"
        self._given = self._front, version
        # Clients of Lync are told the version of each signature; older ones are not ([MS-SIPAE] 2.2.2).
        said = f", version={version}" if version >= VERSION_SAID else ""
        self._tail = f'opaque="{opaque}", qop="auth", targetname="{target}", realm="{realm}"{said}'
        self._trusted: str | None = None

    def verify(self, message: Message, now: float) -> Invalid | None:
        """Check a message of the client; see the promise.

        Spec: [MS-SIPAE] 3.3.5 (processing of signed messages).
        """
        if now >= self.expires:
            return Invalid.EXPIRED
        header = credentials(message.headers, self.identity.scheme)
        if header is None:
            return Invalid.UNSIGNED
        beginning, rand, number, response = self._read(header)
        if not response:
            return Invalid.UNSIGNED
        # The count is compared as a number and signed as text: so ten digits of ASCII at most.
        if not number.isascii() or not number.isdigit() or len(number) > _NUMBER_DIGITS:
            return Invalid.BAD_SIGNATURE
        count = int(number)
        if not self._window.is_new(count):
            return Invalid.REPLAYED
        text = f"<{self.identity.scheme}><{rand}><{number}>{self._front}{signed_fields(message, self._version)}"
        # Headers may hold bytes that are no UTF-8; they are signed as they came.
        if not self._client.holds(text.encode("utf-8", "surrogateescape"), response):
            return Invalid.BAD_SIGNATURE
        # Only now: a forged message must not use up the number of a real one.
        self._window.mark_seen(count)
        self._trusted = beginning
        return None

    def _read(self, header: str) -> tuple[str | None, str, str, str]:
        """Give the part of a credential that does not change, and crand, cnum and response; no response: not ours.

        A client writes the same beginning before each of them; one that has been read and
        proved need not be taken apart again.
        """
        trusted = self._trusted
        if trusted is not None and header.startswith(trusted):
            found = _CHANGING.fullmatch(header, len(trusted))
            if found:
                rand, number, response = found.groups()
                return trusted, rand, number, response
        beginning, mark, _ = header.partition("crand=")
        try:
            _, given = parse_auth(header)
        except RemoteProtocolError:
            return None, "", "", ""
        # Spec: [MS-SIPAE] 3.3.5: what does not match realm, target and association is not ours to verify.
        for name, own in (("realm", self._realm), ("targetname", self._target)):
            if given.get(name, "").lower() != own.lower():
                return None, "", "", ""
        if given.get("opaque", self._unnamed).lower() != self._opaque.lower():
            return None, "", "", ""
        named = "opaque=" in beginning or "opaque" not in given
        whole = mark and "realm=" in beginning and "targetname=" in beginning and named
        return (
            beginning if whole else None,
            given.get("crand", ""),
            given.get("cnum", ""),
            given.get("response", ""),
        )

    def sign(self, message: Message) -> tuple[str, str]:
        """Compute the Authentication-Info field of a complete message; the first response brings the proof that is owed.

        Spec: [MS-SIPAE] 2.2.2, 3.3.4; clients read each of these parameters between quotes.
        """
        value = self._signature(f"{self._front}{signed_fields(message, self._version)}")
        if self._proof and isinstance(message, Response):
            value += self._take_proof()
        return "Authentication-Info", value

    @property
    def owes_proof(self) -> bool:
        """Tell whether the client waits for the token that proves us."""
        return bool(self._proof)

    def seal(self, prepared: Prepared) -> None:
        """Sign a prepared request: fill in its signature."""
        template = prepared.template
        memo = template.memo
        if memo is None or memo[0] != self._given:
            before, after = around_number(
                self._version,
                template.dialog_text,
                template.method,
                template.status,
                template.asserted,
                template.expires,
            )
            memo = template.memo = (self._given, f"{self._front}{before}", after)
        value = self._signature(f"{memo[1]}{prepared.number}{memo[2]}")
        if self._proof and isinstance(prepared, Response):
            value += self._take_proof()
        prepared.signature = f"Authentication-Info: {value}\r\n"

    def _take_proof(self) -> str:
        proof, self._proof = self._proof, ""
        return f', gssapi-data="{proof}"'

    def _signature(self, fields: str) -> str:
        self._sent += 1
        scheme = self.identity.scheme
        rand = next(self._nonces)
        proof = self._server.hex(f"<{scheme}><{rand}><{self._sent}>{fields}".encode("utf-8", "surrogateescape"))
        return f'{scheme} rspauth="{proof}", srand="{rand}", snum="{self._sent}", {self._tail}'


def credentials(headers: Headers, scheme: str) -> str | None:
    """Give the credentials of this scheme (any letters' case), if a client sent some.

    After REGISTER some clients write Proxy-Authorization, also in a REGISTER.
    """
    for name in ("authorization", "proxy-authorization"):
        place = headers.layout.places.get(name)
        if place is None:
            continue
        value = headers.lines[place].partition(":")[2].strip(BLANKS)
        if value.startswith(scheme) or value[: len(scheme)].lower() == scheme.lower():
            return value
        for other in headers.get_all(name):
            if other[: len(scheme)].lower() == scheme.lower():
                return other
    return None
