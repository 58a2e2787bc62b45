"""Tickets of Kerberos: who verifies them, and what remains of one (RFC 4120, RFC 4121)."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final

from zope.interface import Interface

from lyncpy.contracts.authenticator import AuthenticationDenied
from lyncpy.contracts.names import domain_of

TOKEN_BYTES: Final = 48_000
"""The longest token that is looked at: Windows makes none that are longer (MaxTokenSize)."""

SIP_SERVICE: Final = "sip"
"""The first part of the name of the service that clients ask tickets for to sign in over SIP."""

HTTP_SERVICE: Final = "HTTP"
"""The same for web services (RFC 4559 §4)."""


def service_name(service: str, place: str) -> str:
    """Give the name of a service in the one form in which names are compared: Windows writes them in any case (RFC 4120 §6.2).

    Args:
        service: As SIP_SERVICE.
        place: The server's name; a dot at its end is none of it.
    """
    return f"{service.lower()}/{domain_of(place)}"


class IMics(Interface):
    """Signatures by the session key of a ticket ([MS-SIPAE] 3.2.4.1: GSS_GetMIC)."""

    def sign(text: bytes) -> bytes:
        """Give the signature of a text."""

    def holds(text: bytes, mic: bytes) -> bool:
        """Tell whether this is the other side's signature of a text."""


@dataclass(frozen=True, slots=True)
class AcceptedTicket:
    """A ticket that holds, shown by whom it was given to."""

    principal: str
    """Whose it is: `alice@EXAMPLE.TEST`, as the KDC wrote it."""

    own_realm: bool
    """Whether the realm is this server's own, and not one that its KDC trusts."""

    lifetime_s: float
    """Seconds until it ends."""

    mics: IMics = field(repr=False)

    reply: bytes = field(default=b"", repr=False)
    """The token that proves this server to the client; empty where it did not ask."""


class ITickets(Interface):
    """Verifies tickets with the keys of this server's services. Each is good for one time."""

    def accept(token: bytes, service: str, peer: str) -> Awaitable[AcceptedTicket | AuthenticationDenied]:
        """Verify a token: an AP-REQ, bare or within GSS-API or SPNEGO. Never blocks the reactor.

        Where too many wait already, of all or of that place, it is refused and good for another time. Places take turns.

        Args:
            token: Of any length; what is longer than TOKEN_BYTES is refused.
            service: The first part of the service's name, SIP_SERVICE or HTTP_SERVICE; a ticket for another one is refused.
            peer: The network address that shows it.
        """
