"""Sends SIP to servers of others, and hears them: datagrams, and connections that are kept until they end.

A connection is known by the place at its other end, whoever has made it, so that an answer goes back on the way on which its
request came. Who may not send is not read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import maybeDeferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import CannotListenError, ConnectionDone, MessageLengthError
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.networks import address_of
from lyncpy.contracts.peers import IPeerWire, PeerListener, PeerPlace, PeerUnreachable
from lyncpy.contracts.regular_file import read_regular
from lyncpy.sip.decoder import Decoder, Garbled, Ping
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import Origin
from lyncpy.sip.message import Message, Request

CONNECT_S: Final = 10
"""Seconds that a connection and its TLS handshake may take."""

CONNECTIONS_MOST: Final = 256
"""Connections at once to and from gateways."""

WAITING_BYTES: Final = 262_144
"""Bytes that wait while a connection is made, or while the other end does not read; what is more is not sent."""


_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


@implementer(IPushProducer)
class _Line(Protocol):
    """A connection."""

    def __init__(self, wire: "PeerWire", place: PeerPlace) -> None:
        self._wire = wire
        self.place = place
        self._decoder = Decoder()
        self._is_full = self._is_cut = False
        self._waiting = 0
        """Bytes that were written since it is full."""

    def connectionMade(self) -> None:
        """Note that it can be used."""
        transport: Any = self.transport  # Any: a promise of Twisted's
        transport.registerProducer(self, True)  # noqa: FBT003 - as Twisted has it
        self._wire.connected(self)

    def pauseProducing(self) -> None:
        """Count from now on what is written: the other end does not read."""
        self._is_full = True

    def resumeProducing(self) -> None:
        """Write as much as there is: it has read."""
        self._is_full, self._waiting = False, 0

    def stopProducing(self) -> None:
        """Do nothing: the connection says that it is gone."""

    def dataReceived(self, data: bytes) -> None:
        """Hand over the messages that are whole."""
        self._wire.read(self._decoder, data, self.place)
        if self._decoder.lost is not None:
            self.cut()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 - Twisted's signature
        """Note that it is gone."""
        self._wire.disconnected(self, reason.getErrorMessage())

    def write(self, data: bytes) -> bool:
        """Send bytes; tell whether there was room. Where there is none it is broken off, for nobody reads."""
        transport: Any = self.transport  # Any: as above
        if self._is_full and self._waiting + len(data) > WAITING_BYTES:
            transport.abortConnection()
            return False
        self._waiting += len(data) if self._is_full else 0
        transport.write(data)
        return True

    def cut(self) -> None:
        """Close it, once."""
        transport: Any = self.transport  # Any: as above
        if not self._is_cut:
            self._is_cut = True
            transport.unregisterProducer()  # TLS would wait for it to end
            transport.loseConnection()


class _Datagrams(DatagramProtocol):
    def __init__(self, wire: "PeerWire") -> None:
        self._wire = wire

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:  # Any: Twisted's
        self._wire.datagram(datagram, str(addr[0]).removeprefix("::ffff:"), int(addr[1]))


class _Doors(Factory):
    """Makes a protocol for who may connect."""

    noisy = False

    def __init__(self, wire: "PeerWire") -> None:
        self._wire = wire

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Take a connection, or refuse it."""
        host = str(getattr(addr, "host", "")).removeprefix("::ffff:")
        return self._wire.let_in(PeerPlace("tcp", host, int(getattr(addr, "port", 0))))


@implementer(IPeerWire)
class PeerWire:
    """Sockets towards other servers.

    Args:
        reactor: Any, because it is several interfaces.
        meter: Counts.
    """

    log = Logger()

    def __init__(self, reactor: Any, meter: IMeter) -> None:
        self._reactor = reactor
        self._listener: PeerListener | None = None
        self._lines: dict[PeerPlace, _Line] = {}
        self._waiting: dict[PeerPlace, list[bytes]] = {}
        """What is to be sent once there is a connection."""

        self._ports: list[Any] = []  # Any: of datagrams and of connections
        self._datagrams: _Datagrams | None = None
        self._is_closed = False
        self._strangers = meter.counter(
            "lyncpy_wire_peer_strangers_total", "Datagrams and connections from addresses that are no gateway's."
        )
        self._broken = meter.counter("lyncpy_wire_peer_broken_total", "What gateways sent that is no SIP.")
        meter.gauge("lyncpy_wire_peer_connections_count", "Connections to and from gateways.", self._lines.__len__)

    # --- the promise

    def hear_with(self, listener: PeerListener) -> None:
        """Set who hears."""
        self._listener = listener

    def send(self, place: PeerPlace, message: Message) -> None:
        """Send a message; see the promise."""
        data = encode(message)
        if self._is_closed:
            raise PeerUnreachable("the server ends")
        if place.transport == "udp":
            self._send_datagram(place, data)
            return
        line = self._lines.get(place)
        if line is not None:
            if not line.write(data):
                raise PeerUnreachable(f"{place} does not read")
        elif place in self._waiting:
            if sum(map(len, self._waiting[place])) + len(data) > WAITING_BYTES:
                raise PeerUnreachable(f"too much waits for {place}")
            self._waiting[place].append(data)
        else:
            self._connect(place, data)

    def close_place(self, place: PeerPlace) -> None:
        """Close a connection; unknown ones are ignored."""
        if (line := self._lines.get(place)) is not None:
            line.cut()

    async def addresses(self, host: str) -> Sequence[str]:
        """Give the addresses of a name; see the promise."""
        if (address := address_of(host)) is not None:
            return (str(address),)
        try:
            return (str(await self._reactor.resolve(host, (1, 2, 2))),)
        except OSError as error:
            raise PeerUnreachable(f'the name "{host}" has no address: {error}') from error

    async def listen(self, port: int, address: str) -> None:
        """Open the ports; see the promise."""
        self._is_closed = False
        self._datagrams = _Datagrams(self)
        try:
            self._ports.append(self._reactor.listenUDP(port, self._datagrams, interface=address, maxPacketSize=65_535))
            if port:
                self._ports.append(self._reactor.listenTCP(port, _Doors(self), interface=address))
        except CannotListenError as error:
            await self._stop_listening()
            raise PeerUnreachable(f"port {port} cannot be opened: {error.socketError}") from error

    async def close(self) -> None:
        """Close all."""
        self._is_closed = True
        self._waiting.clear()
        for line in tuple(self._lines.values()):
            line.cut()
        await self._stop_listening()

    async def _stop_listening(self) -> None:
        ports, self._ports, self._datagrams = self._ports, [], None
        for port in ports:
            await maybeDeferred(port.stopListening)

    # --- sending

    def _send_datagram(self, place: PeerPlace, data: bytes) -> None:
        transport: Any = None if self._datagrams is None else self._datagrams.transport  # Any: of UDP
        if transport is None:
            raise PeerUnreachable("no port for datagrams is open")
        try:
            transport.write(data, (place.address, place.port))
        except (MessageLengthError, OSError) as error:
            raise PeerUnreachable(f"{place} cannot be reached: {error}") from error

    def _connect(self, place: PeerPlace, data: bytes) -> None:
        if len(self._lines) + len(self._waiting) >= CONNECTIONS_MOST:
            raise PeerUnreachable("too many connections to gateways")
        self._waiting[place] = [data]
        trusting: Any = succeed(None)  # Any: a Deferred of what Twisted trusts
        if place.transport == "tls" and place.authority:
            pool = self._reactor.getThreadPool()
            trusting = deferToThreadPool(self._reactor, pool, _trusted, place.authority)
        _ = trusting.addCallback(self._reach, place).addErrback(self._failed, place)

    def _reach(self, trusted: Any, place: PeerPlace) -> Any:  # Any: as above; the protocol, later
        """Connect to a place; of TLS, to who has a certificate of its name by who is trusted."""
        kind = TCP6ClientEndpoint if ":" in place.address else TCP4ClientEndpoint
        endpoint: Any = kind(self._reactor, place.address, place.port, timeout=CONNECT_S)
        if place.transport == "tls":
            options = optionsForClientTLS(place.name or place.address, trustRoot=trusted or platformTrust())
            endpoint = wrapClientTLS(options, endpoint)
        return endpoint.connect(Factory.forProtocol(lambda: _Line(self, place)))

    def _failed(self, failure: Failure, place: PeerPlace) -> None:
        if self._waiting.pop(place, None) is not None:
            self._lost(place, failure.getErrorMessage())

    # --- what lines and ports call

    def connected(self, line: _Line) -> None:
        """Keep a connection, and send what has waited for it."""
        if self._is_closed:
            line.cut()
            return
        self._lines[line.place] = line
        for data in self._waiting.pop(line.place, ()):
            line.write(data)

    def disconnected(self, line: _Line, reason: str) -> None:
        """Forget a connection."""
        if self._lines.get(line.place) is line:
            del self._lines[line.place]
            self._lost(line.place, reason)

    def let_in(self, place: PeerPlace) -> Protocol | None:
        """Take a connection of a gateway; None: it is none, or there are too many."""
        if not self._is_known(place.address) or len(self._lines) >= CONNECTIONS_MOST or self._is_closed:
            self._strangers.add()
            return None
        return _Line(self, place)

    def datagram(self, data: bytes, address: str, port: int) -> None:
        """Hand over what a datagram of a gateway holds: one message."""
        if not self._is_known(address):
            self._strangers.add()
            return
        if data.strip(b"\r\n\0 "):
            self.read(Decoder(), data, PeerPlace("udp", address, port))

    def read(self, decoder: Decoder, data: bytes, place: PeerPlace) -> None:
        """Hand over the messages that bytes complete."""
        try:
            items = decoder.feed(data)
        except RemoteProtocolError:  # nobody can tell where the next message begins
            self._broken.add()
            return
        for item in items:
            if isinstance(item, Ping):
                continue
            if isinstance(item, Garbled) or self._listener is None:
                self._broken.add()
                self.log.debug("{place} sent what cannot be read", place=str(place))
                continue
            if isinstance(item, Request):
                item.mark(Origin(place.address, place.port, "0"))
            self._listener.arrived(item, place)

    def _is_known(self, address: str) -> bool:
        return self._listener is not None and self._listener.is_known(address)

    def _lost(self, place: PeerPlace, reason: str) -> None:
        if self._listener is not None and not self._is_closed:
            self._listener.lost(place, reason)


def _trusted(file: str) -> Any:  # Any: as above
    """Trust who the certificates of a file belong to; may wait for a disk."""
    blocks = read_regular(Path(file)).split(_BEGIN)[1:]
    if not blocks:
        raise ValueError(f"{file} holds no certificate")
    return trustRootFromCertificates([Certificate.loadPEM(_BEGIN + block) for block in blocks])
