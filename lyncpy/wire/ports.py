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

SLOWLY_S: Final = 0.02
"""Seconds between two of whom are accepted slowly; fifty a second get in, whatever else there is."""


class PlainPort(Port):
    """A listening port that lets others have their turn, however many want in.

    Args:
        is_busy: Whether to accept slowly: who is not accepted waits in the kernel, and has no time limit yet.
    """

    def __init__(
        self,
        port: int,
        factory: IProtocolFactory,
        is_busy: Callable[[], bool],
        *,
        interface: str,
        backlog: int,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
    ) -> None:
        super().__init__(port, factory, backlog, interface, reactor)
        self._is_busy = is_busy
        self._later = reactor.callLater

    def doRead(self) -> None:
        """Accept some of those who wait; the reactor comes back for the others."""
        is_busy = self._is_busy()
        # Twisted's own number grows with every full round.
        self.numberAccepts = 1 if is_busy else min(self.numberAccepts, ACCEPTED_AT_ONCE)
        super().doRead()  # type: ignore[no-untyped-call]  # Twisted's has no types
        if is_busy and self.connected:
            self.stopReading()  # type: ignore[no-untyped-call]  # as above
            self._later(SLOWLY_S, self._go_on)

    def _go_on(self) -> None:
        if self.connected and not self.disconnecting:
            self.startReading()  # type: ignore[no-untyped-call]  # as above


class TlsPort(PlainPort):
    """A listening port whose connections are TLS from their first byte.

    Args:
        context: Gives the TLS context; asked for each connection.
        handshakes: Whose turn it is to shake hands.
        is_busy: See `PlainPort`.
    """

    talks = False
    transport = TlsConnection  # type: ignore[assignment]  # Port documents that any class with Server's arguments does
    _type = "TLS"

    def __init__(
        self,
        port: int,
        factory: IProtocolFactory,
        context: Callable[[], SSL.Context],
        handshakes: Handshakes,
        is_busy: Callable[[], bool] = lambda: False,
        *,
        interface: str,
        backlog: int,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
    ) -> None:
        super().__init__(port, factory, is_busy, interface=interface, backlog=backlog, reactor=reactor)
        self.context = context
        self.handshakes = handshakes
