"""A network between two programs of this machine that can be cut: what is sent then goes nowhere, and nobody is told.

A proxy, because firewall rules and network namespaces are not allowed on every machine. As with a cable that is pulled, connections
stay as they are and nothing comes; what was sent meanwhile arrives when the network is there again.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.protocol import ClientFactory, Factory, Protocol


class Gap:
    """One way to one port of 127.0.0.1.

    Args:
        reactor: The one.
        port: What comes is passed on to it.
        kept_alive_s: For how long connections outlive a cut where their programs ask the system for keepalives, which a proxy
            answers though the other end is out of reach; 0: they do not, and connections stay.
    """

    def __init__(self, reactor: Any, port: int, kept_alive_s: float = 0.0) -> None:  # Any: several interfaces at once
        self.is_cut = False
        self._kept_alive_s = kept_alive_s
        self._ending: Any = None  # Any: a delayed call, or None
        self._reactor = reactor
        self._to: Final = port
        self._ends: set[_End] = set()
        self._waiting: list[Callable[[], None]] = []
        factory = Factory()
        factory.noisy, factory.protocol = False, partial(_End, self)
        self._listening = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.port: Final[int] = self._listening.getHost().port

    def cut(self) -> None:
        """Let nothing through."""
        self.is_cut = True
        for end in self._ends:
            end.transport.pauseProducing()
        if self._kept_alive_s:
            self._ending = self._reactor.callLater(self._kept_alive_s, self._end_all)

    def heal(self) -> None:
        """Let everything through, and what has waited."""
        self.is_cut = False
        if self._ending is not None and self._ending.active():
            self._ending.cancel()
        waiting, self._waiting = self._waiting, []
        for begin in waiting:
            begin()
        for end in tuple(self._ends):
            end.transport.resumeProducing()

    def _end_all(self) -> None:
        for end in tuple(self._ends):
            end.transport.abortConnection()

    def joined(self, end: "_End") -> None:
        """Know an end of a connection."""
        self._ends.add(end)
        if self.is_cut:
            end.transport.pauseProducing()

    def left(self, end: "_End") -> None:
        """Forget it."""
        self._ends.discard(end)

    def connect(self, end: "_End") -> None:
        """Connect the other side of who has come, as soon as it can be reached."""
        if self.is_cut:
            self._waiting.append(lambda: self.connect(end))
            return
        factory = ClientFactory()
        factory.noisy, factory.protocol = False, partial(_End, self, end)
        factory.clientConnectionFailed = lambda *_: end.transport.abortConnection()  # type: ignore[method-assign]
        self._reactor.connectTCP("127.0.0.1", self._to, factory)


class _End(Protocol):
    """One side of a connection."""

    transport: Any  # Any: several interfaces at once

    def __init__(self, gap: Gap, other: "_End | None" = None) -> None:
        self._gap = gap
        self._other = other
        self._early = b""
        self._is_over = False

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._gap.joined(self)
        if self._other is None:
            self._gap.connect(self)
        else:
            self._other.meet(self)

    def meet(self, other: "_End") -> None:
        """Know the other side."""
        if self._is_over:
            other.transport.abortConnection()
            return
        self._other = other
        other.transport.write(self._early)

    def dataReceived(self, data: bytes) -> None:
        if self._other is None:
            self._early += data
        else:
            self._other.transport.write(data)

    def connectionLost(self, reason: object = None) -> None:
        self._is_over = True
        self._gap.left(self)
        if self._other is not None and not self._other._is_over:
            self._other.transport.loseConnection()
