"""A network in memory: connections as pairs of buffers, with latency, cuts and clients that do not read.

The server's end of a `Line` is a Twisted transport with the habits that matter here: it
closes when all is sent, aborts in a later turn, and tells its producer to pause when the
other end does not read. The client's end is the `Line` itself. No byte arrives in the turn
in which it was sent.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IPushProducer, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

HIGH_WATER_BYTES: Final = 65_536
"""What the server's end keeps before it tells its producer to pause, as Twisted's does."""

SERVER: Final = IPv4Address("TCP", "192.0.2.1", 5061)


class Refused(Exception):
    """The server did not take the connection."""


class Network:
    """Everything between clients and one door of the server.

    Attributes:
        latency_s: What every byte takes from one end to the other from now on.
        piece_bytes: How many bytes arrive at the server together; None: as they were sent.
        lines: Every connection that was ever made, oldest first.
    """

    def __init__(self, clock: Clock, latency_s: float = 0.0) -> None:
        """Begin without a door; `open` gives it one."""
        self.clock = clock
        self.latency_s = latency_s
        self.piece_bytes: int | None = None
        self.lines: list[Line] = []
        self._factory: IProtocolFactory | None = None
        self._port = 40_000

    def open(self, factory: IProtocolFactory) -> None:
        """Let connections in, to the protocols of this factory."""
        self._factory = factory

    def close(self) -> None:
        """Let nobody in any more; what is connected stays."""
        self._factory = None

    def connect(
        self,
        address: str,
        received: Callable[[bytes], None],
        ended: Callable[[], None] = lambda: None,
    ) -> "Line":
        """Connect a client.

        Args:
            address: The client's IP address.
            received: Takes what the server sends.
            ended: Called once when the connection is over, whoever ended it.

        Raises:
            Refused: Nobody listens, or the server has no room.
        """
        self._port += 1
        peer = IPv4Address("TCP", address, self._port)
        protocol = self._factory.buildProtocol(peer) if self._factory is not None else None
        if protocol is None:
            raise Refused(f"{address} is not let in")
        line = Line(self, peer, protocol, received, ended)
        self.lines.append(line)
        protocol.makeConnection(line.server)
        return line


class Line:
    """One connection, as its client holds it.

    Attributes:
        server: The other end.
        is_open: Whether the client may still send.
    """

    def __init__(
        self,
        network: Network,
        peer: IPv4Address,
        protocol: IProtocol,
        received: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        self.peer = peer
        self.is_open = True
        self._network = network
        self._protocol = protocol
        self._received = received
        self._ended = ended
        self._reads = True
        self._unread: list[bytes] = []
        self._latest = 0.0
        self.server = ServerEnd(self)

    # What a client does.

    def send(self, data: bytes) -> None:
        """Send bytes to the server; after the end they go nowhere."""
        if not self.is_open:
            return
        size = self._network.piece_bytes or max(len(data), 1)
        for start in range(0, len(data), size):
            self.later(partial(self.server.deliver, self._protocol, data[start : start + size]))

    def hang_up(self) -> None:
        """Close politely: what was sent arrives before the end does."""
        if self.is_open:
            self._end()
            self.later(lambda: self.server.lose(ConnectionDone()))

    def cut(self) -> None:
        """Break the connection at once; what is under way is lost."""
        if self.is_open:
            self._end()
            self.server.lose(ConnectionLost())

    def vanish(self) -> None:
        """Be gone without a word, as when the cable is pulled: the server is told nothing."""
        self._end()

    def stop_reading(self) -> None:
        """Leave what comes in the buffers."""
        self._reads = False

    def read_again(self) -> None:
        """Read what has come meanwhile, and what comes."""
        self._reads = True
        unread, self._unread = self._unread, []
        for data in unread:
            self._received(data)
        self.server.taken(sum(map(len, unread)))

    # What the other end does.

    def carry(self, data: bytes) -> None:
        """Bring bytes to the client."""
        self.later(lambda: self._arrived(data))

    def ended_by_server(self) -> None:
        """Let the client know that it is over."""
        self.later(self._end)

    @property
    def protocol(self) -> IProtocol:
        """Give what the server made for this connection."""
        return self._protocol

    def _arrived(self, data: bytes) -> None:
        if not self.is_open:
            return
        if self._reads:
            self._received(data)
            self.server.taken(len(data))
        else:
            self._unread.append(data)

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            self._ended()

    def later(self, call: Callable[[], None]) -> None:
        """Call when the latency has passed, and never before what was asked for earlier: bytes keep their order."""
        clock = self._network.clock
        now = float(clock.seconds())
        self._latest = max(self._latest, now + self._network.latency_s)
        clock.callLater(self._latest - now, call)


@implementer(ITransport)
class ServerEnd:
    """The server's transport of a line."""

    def __init__(self, line: Line) -> None:
        self.disconnecting = False
        self._line = line
        self._lost = False
        self._unsent = 0
        self._paused_by_protocol = False
        self._undelivered: list[bytes] = []
        self._producer: IPushProducer | None = None
        self._producer_paused = False

    # What the server calls.

    def write(self, data: bytes) -> None:
        """Send; beyond the high water mark the producer is told to pause."""
        if self._lost or self.disconnecting:
            return
        self._unsent += len(data)
        self._line.carry(data)
        if self._unsent > HIGH_WATER_BYTES and self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()

    def writeSequence(self, data: list[bytes]) -> None:  # type: ignore[override]  # any iterable would do; the server sends lists
        """Send all."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close when the client has taken all."""
        self.disconnecting = True
        self._close_when_empty()

    def abortConnection(self) -> None:
        """Close, in a later turn, whatever is left."""
        self.disconnecting = True
        self._line.later(lambda: self.lose(ConnectionAborted()))
        self._line.ended_by_server()

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Take whom to pause."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Pause nobody any more."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Hand over nothing that the client sends."""
        self._paused_by_protocol = True

    def resumeProducing(self) -> None:
        """Hand over what came meanwhile, and what comes."""
        self._paused_by_protocol = False
        undelivered, self._undelivered = self._undelivered, []
        for data in undelivered:
            self.deliver(self._line.protocol, data)

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        """Give the client's address."""
        return self._line.peer

    def getHost(self) -> IPv4Address:
        """Give our own."""
        return SERVER

    # What the line calls.

    def deliver(self, protocol: IProtocol, data: bytes) -> None:
        """Hand over what a client sent."""
        if self._lost:
            return
        if self._paused_by_protocol:
            self._undelivered.append(data)
        else:
            protocol.dataReceived(data)

    def taken(self, count: int) -> None:
        """The client has read."""
        self._unsent -= count
        if self._producer_paused and not self._unsent:
            self._producer_paused = False
            if self._producer is not None:
                self._producer.resumeProducing()
        self._close_when_empty()

    def lose(self, reason: Exception) -> None:
        """The connection is over."""
        if not self._lost:
            self._lost = True
            self._line.protocol.connectionLost(Failure(reason))

    def _close_when_empty(self) -> None:
        if self.disconnecting and not self._unsent and not self._lost:
            self._line.later(lambda: self.lose(ConnectionDone()))
            self._line.ended_by_server()
