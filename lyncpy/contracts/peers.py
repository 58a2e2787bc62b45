"""Servers of others, which send and are sent SIP without signing in: gateways and trunks."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zope.interface import Interface

from lyncpy.sip.message import Request, Response


class PeerUnreachable(Exception):
    """Nothing can be sent to a place; the text says why."""


@dataclass(frozen=True, slots=True)
class PeerPlace:
    """Where a server is, or from where one has sent something."""

    transport: str
    """"udp", "tcp" or "tls"."""

    address: str
    """An IP address."""

    port: int
    name: str = field(default="", compare=False)
    """By which its certificate has to be."""

    authority: str = field(default="", compare=False)
    """A file with the certificates of those who may have issued it; "": those of the system."""

    @property
    def is_reliable(self) -> bool:
        """Whether what is sent there arrives, or the connection ends."""
        return self.transport != "udp"

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.transport}:{host}:{self.port}"


class PeerListener(Protocol):
    """Hears what comes from other servers."""

    def arrived(self, message: Request | Response, origin: PeerPlace) -> None:
        """Handle a whole message; what is sent to `origin` goes back on the way on which it came."""

    def lost(self, place: PeerPlace, reason: str) -> None:
        """Note that a connection could not be made, or has ended: what was sent there may not have arrived."""

    def is_known(self, address: str) -> bool:
        """Tell whether anybody may send from this IP address."""


class IPeerWire(Interface):
    """Sends SIP to other servers, and hears them: datagrams, and connections that are kept."""

    def hear_with(listener: PeerListener) -> None:
        """Set who hears; called once, before it is opened."""

    def send(place: PeerPlace, message: Request | Response) -> None:
        """Send a message; a connection is made where there is none, and what waits for it is bounded.

        Raises:
            PeerUnreachable: Nothing was sent.
        """

    def close_place(place: PeerPlace) -> None:
        """Close a connection; unknown ones are ignored."""

    def addresses(host: str) -> Awaitable[Sequence[str]]:
        """Give the IP addresses of a name, or of an address itself.

        Raises:
            PeerUnreachable: The name has none, or nobody answers.
        """

    def listen(port: int, address: str) -> Awaitable[None]:
        """Open a port for datagrams and connections; 0: datagrams are sent from any port, and nobody connects.

        Raises:
            PeerUnreachable: It cannot be opened.
        """

    def close() -> Awaitable[None]:
        """Close all."""
