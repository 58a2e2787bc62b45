"""Tickets without a KDC: the token says whose it is, and signatures are made with random numbers, as those of GSS-API may be."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_bytes

from zope.interface import implementer

from lyncpy.auth.signing import signed_fields
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.kerberos import AcceptedTicket, IMics, ITickets
from lyncpy.sip.message import Request

TARGET = "sip/fe1.contoso.test"
REALM = "SIP Communications Service"
PROOF = b"it is me"


@implementer(IMics)
class PaperMics:
    """Signs with a key and a random number; the two directions have different keys."""

    def __init__(self, mine: bytes, theirs: bytes) -> None:
        self._mine, self._theirs = mine, theirs

    def sign(self, text: bytes) -> bytes:
        """Give a signature, each time another."""
        salt = token_bytes(4)
        return salt + hmac.digest(self._mine, salt + text, "md5")

    def holds(self, text: bytes, mic: bytes) -> bool:
        """Tell whether this is the other side's."""
        return hmac.compare_digest(hmac.digest(self._theirs, mic[:4] + text, "md5"), mic[4:])


@implementer(ITickets)
@dataclass
class PaperTickets:
    """Accepts tokens `principal|seconds`, or `principal|seconds|mutual` of who wants a proof; refuses those that a test says."""

    refused: dict[bytes, DenialReason] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    own: str = "CONTOSO.TEST"
    peers: list[str] = field(default_factory=list)

    async def accept(self, token: bytes, service: str, peer: str) -> AcceptedTicket | AuthenticationDenied:
        """Accept or refuse."""
        self.asked.append(service)
        self.peers.append(peer)
        if token in self.refused:
            return AuthenticationDenied(self.refused[token], detail="as the test says")
        principal, seconds, *asks = token.decode().split("|")
        own = principal.endswith(f"@{self.own}")
        return AcceptedTicket(principal, own, float(seconds), PaperMics(b"server", b"client"), PROOF if asks else b"")


class TicketClient:
    """A client that shows tickets over SIP."""

    def __init__(self, token: bytes, *, version: int = 4, opaque: str = "", mutual: bool = False) -> None:
        self.token, self.version, self._mutual = token, version, mutual
        self.mics = PaperMics(b"client", b"server")
        self._opaque = opaque
        self._count = 0

    def show(self, request: Request, **more: str) -> Request:
        """Give a REGISTER with the token, signed where the version is one that signs it and the key is whole."""
        shown = {"gssapi-data": base64.b64encode(self.token).decode()} | more
        return self.sign(request, shown, signed=self.version >= 4 and not self._mutual)

    def sign(self, request: Request, more: Mapping[str, str] | None = None, *, signed: bool = True) -> Request:
        """Give a request with its signature."""
        given = {"qop": "auth", "realm": REALM, "targetname": TARGET, **(more or {})}
        if self._opaque:
            given["opaque"] = self._opaque
        value = "Kerberos " + ", ".join(f'{name}="{text}"' for name, text in given.items())
        if self.version > 2:
            value += f", version={self.version}"
        if signed:
            self._count += 1
            text = f"<Kerberos><0000000a><{self._count}><{REALM}><{TARGET}>{signed_fields(request, self.version)}"
            value += f', crand="0000000a", cnum="{self._count}", response="{self.mics.sign(text.encode()).hex()}"'
        return request.edited(last=[("Authorization", value)])
