"""Sends packets of HEP to a Homer server, over UDP or TCP. Nothing waits for it, and nothing fails with it."""

from collections import deque
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IPushProducer, ITransport
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.tracing import IHomer
from lyncpy.contracts.workload import IUnit

WAITING_BYTES: Final = 1_048_576
"""Bytes that wait while a connection is made, or while the server does not read."""

CONNECT_S: Final = 5.0
PAUSE_S: Final = 5.0
"""From a try that failed to the next."""


class _Line(Protocol):
    """A connection of TCP to Homer, which says nothing."""

    def __init__(self, homer: "Homer") -> None:
        self._homer = homer

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: B008 - Twisted's signature
        """Make another one when there is something to send."""
        self._homer.lost(reason)


@implementer(IHomer, IUnit, IPushProducer)
class Homer:
    """One Homer server; "": there is none, and nothing is sent.

    To a connection of TCP it is the producer: what the server does not read waits here, within a bound.

    Args:
        place: `udp://HOST:PORT` or `tcp://HOST:PORT`.
        reactor: Any, because it is several interfaces.
    """

    name = "homer"

    def __init__(self, place: str, reactor: Any) -> None:
        self._place = urlsplit(place)
        self._reactor = reactor
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._trouble = ""
        self._is_trying = False
        self._is_paused = False
        self._not_before = 0.0
        self._line: ITransport | None = None
        self._port: Any = None  # Any: of UDP, while it is open
        self._datagrams: DatagramProtocol | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Do nothing: a connection is made when there is something to send."""

    async def close(self) -> None:
        """Send nothing any more."""
        self._is_closed = True
        self._waiting.clear()
        if self._line is not None:
            self._line.loseConnection()
        if self._port is not None:
            await self._port.stopListening()

    def trouble(self) -> str:
        """Say why nothing reaches the server now; "": it does, or it is not known that it does not."""
        return self._trouble

    def send(self, packet: bytes) -> bool:
        """Send a packet, or have it wait for its turn; False: it is lost."""
        if self._is_closed or not self._place.hostname or self._waiting_bytes + len(packet) > WAITING_BYTES:
            return False
        self._waiting.append(packet)
        self._waiting_bytes += len(packet)
        self._send()
        return True

    def pauseProducing(self) -> None:
        """Send nothing more: the server does not read."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """Send what waits: the server has read."""
        self._is_paused = False
        self._send()

    def stopProducing(self) -> None:
        """Do nothing: the connection says that it is gone."""

    def lost(self, reason: Failure) -> None:
        """Note that the connection is gone."""
        self._line, self._is_paused = None, False
        self._trouble = f"the connection to {self._place.netloc} is lost: {reason.getErrorMessage()}"
        self._not_before = self._reactor.seconds() + PAUSE_S

    def _send(self) -> None:
        if self._line is None and self._datagrams is None:
            self._connect()
            return
        while self._waiting and not self._is_paused:
            packet = self._waiting.popleft()
            self._waiting_bytes -= len(packet)
            if self._line is not None:
                self._line.write(packet)
            elif self._datagrams is not None:
                self._datagram(packet)

    def _datagram(self, packet: bytes) -> None:
        transport: Any = self._datagrams.transport if self._datagrams is not None else None  # Any: of UDP
        try:
            transport.write(packet)
        except (MessageLengthError, OSError) as error:
            self._trouble = f"a packet could not be sent to {self._place.netloc}: {error}"

    def _connect(self) -> None:
        if self._is_trying or self._reactor.seconds() < self._not_before:
            return
        self._is_trying = True
        self._reach(self._place.hostname or "", self._place.port or 9060)

    def _reach(self, host: str, port: int) -> None:
        if self._place.scheme == "udp":
            found: Deferred[str] = self._reactor.resolve(host, (1, 2, 2))
            _ = found.addCallbacks(self._found, self._failed, callbackArgs=(port,)).addErrback(self._failed)
            return
        factory: Factory = Factory.forProtocol(lambda: _Line(self))
        endpoint = HostnameEndpoint(self._reactor, host, port, timeout=CONNECT_S)
        connecting: Any = endpoint.connect(factory)  # Any: the protocol
        _ = connecting.addCallbacks(self._connected, self._failed)

    def _connected(self, line: Protocol) -> None:
        self._is_trying, self._trouble = False, ""
        transport: Any = line.transport  # Any: of TCP
        if self._is_closed:
            transport.loseConnection()
            return
        self._line = transport
        transport.registerProducer(self, True)  # noqa: FBT003 - as Twisted has it
        self._send()

    def _found(self, address: str, port: int) -> None:
        self._is_trying, self._trouble = False, ""
        if self._is_closed:
            return
        datagrams = DatagramProtocol()
        self._port = self._reactor.listenUDP(0, datagrams)
        transport: Any = datagrams.transport  # Any: of UDP
        transport.connect(address, port)
        self._datagrams = datagrams
        self._send()

    def _failed(self, failure: Failure) -> None:
        self._is_trying = False
        self._waiting.clear()
        self._waiting_bytes = 0
        self._trouble = f"{self._place.netloc} cannot be reached: {failure.getErrorMessage()}"
        self._not_before = self._reactor.seconds() + PAUSE_S
