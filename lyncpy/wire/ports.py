"""Listening ports, without TLS and with it."""

from collections.abc import Callable
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.tcp import Port

from lyncpy.wire.handshakes import Handshakes
from lyncpy.wire.tls import TlsConnection

ACCEPTED_AT_ONCE: Final = 16
"""Connections accepted in one turn: each costs a tenth of a millisecond, and strangers that were closed for them
give their files back in the next."""


class PlainPort(Port):
    """A listening port that lets others have their turn, however many want in."""

    def doRead(self) -> None:
        """Accept some of those who wait; the reactor comes back for the others."""
        # Twisted's own number grows with every full round.
        self.numberAccepts = min(self.numberAccepts, ACCEPTED_AT_ONCE)
        super().doRead()  # type: ignore[no-untyped-call]  # Twisted's has no types


class TlsPort(PlainPort):
    """A listening port whose connections are TLS from their first byte.

    Args:
        context: Gives the TLS context; asked for each connection.
        handshakes: Whose turn it is to shake hands.
    """

    transport = TlsConnection  # type: ignore[assignment]  # Port documents that any class with Server's arguments does
    _type = "TLS"

    def __init__(
        self,
        port: int,
        factory: IProtocolFactory,
        context: Callable[[], SSL.Context],
        handshakes: Handshakes,
        *,
        interface: str,
        backlog: int,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
    ) -> None:
        super().__init__(port, factory, backlog, interface, reactor)
        self.context = context
        self.handshakes = handshakes
