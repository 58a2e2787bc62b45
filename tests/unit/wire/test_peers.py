"""Sockets towards gateways: datagrams, connections that are kept, and who is not heard."""

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import fail, succeed
from twisted.internet.error import CannotListenError, ConnectError, ConnectionDone, DNSLookupError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from lyncpy.contracts.peers import PeerPlace, PeerUnreachable
from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Headers, Message, Request
from lyncpy.wire import peers as module
from lyncpy.wire.peers import PeerWire
from tests.kit.fakes import awaited
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of

GATEWAY = "192.0.2.7"


def asked() -> Request:
    """A request of ours."""
    via = ("Via", "SIP/2.0/UDP sip.example.com:5068;branch=z9hG4bKa;rport")
    return Request("OPTIONS", "sip:192.0.2.7", Headers([via, ("Call-ID", "a"), ("CSeq", "1 OPTIONS")]))


class Datagrams:
    """A port of UDP that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.fails = False

    def write(self, data: bytes, place: tuple[str, int]) -> None:
        """Keep it, or fail as the system would."""
        if self.fails:
            raise OSError("network is unreachable")
        self.sent.append((data, place))

    def stopListening(self) -> Any:
        """Close."""
        return succeed(None)


class Reactor(MemoryReactorClock):
    """One with datagrams and names."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types here
        self.datagrams = Datagrams()
        self.protocol: Any = None
        self.is_taken = False

    def listenUDP(self, port: int, protocol: Any, **more: Any) -> Any:
        """Open a port."""
        if self.is_taken:
            raise CannotListenError("", port, "in use")
        protocol.transport, self.protocol = self.datagrams, protocol
        return self.datagrams

    def resolve(self, name: str, timeout: Any = ()) -> Any:
        """Know one name."""
        return succeed(GATEWAY) if name == "gw.example.net" else fail(DNSLookupError("no such name"))


class Hall:
    """Who hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Message, PeerPlace]] = []
        self.gone: list[PeerPlace] = []

    def arrived(self, message: Message, origin: PeerPlace) -> None:
        """Keep it."""
        self.heard.append((message, origin))

    def lost(self, place: PeerPlace, reason: str) -> None:
        """Keep it."""
        self.gone.append(place)

    def is_known(self, address: str) -> bool:
        """Know one gateway."""
        return address == GATEWAY


class Room:
    """A wire that is open."""

    def __init__(self) -> None:
        self.reactor, self.hall, self.meter = Reactor(), Hall(), MemoryMeter()
        self.wire = PeerWire(self.reactor, self.meter)
        self.wire.hear_with(self.hall)
        result_of(awaited(self.wire.listen(5068, "")))

    def connects(self, number: int = 0) -> tuple[Any, StringTransport]:
        """Let a connection of ours be made."""
        host, port, factory, _, _ = self.reactor.tcpClients[number]
        protocol: Any = factory.buildProtocol(IPv4Address("TCP", host, port))
        transport = StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport


@pytest.fixture
def room() -> Room:
    """Port and gateway."""
    return Room()


def test_a_datagram_is_one_message(room: Room) -> None:
    """It goes to an address, and what comes from there is heard; nothing that is no SIP, and nobody else."""
    place = PeerPlace("udp", GATEWAY, 5060)
    room.wire.send(place, asked())
    assert room.reactor.datagrams.sent == [(encode(asked()), (GATEWAY, 5060))]
    for data in (encode(asked()), b"\r\n\r\n", b"hello\r\n\r\n", b"SIP/2.0 200 OK\r\nContent-Length: x\r\n\r\n"):
        room.reactor.protocol.datagramReceived(data, (GATEWAY, 5062))
    room.reactor.protocol.datagramReceived(encode(asked()), ("198.51.100.1", 5060))
    [(message, origin)] = room.hall.heard
    assert origin == PeerPlace("udp", GATEWAY, 5062)
    assert message.via.params["rport"] == "5062"
    assert room.meter.value("lyncpy_wire_peer_strangers_total") == 1
    room.reactor.datagrams.fails = True
    with pytest.raises(PeerUnreachable):
        room.wire.send(place, asked())


def test_a_connection_is_made_once_and_kept(room: Room) -> None:
    """What waits for it is sent then; answers come on it, and its end is told."""
    place = PeerPlace("tcp", GATEWAY, 5060)
    room.wire.send(place, asked())
    room.wire.send(place, asked())
    assert len(room.reactor.tcpClients) == 1
    protocol, transport = room.connects()
    room.wire.send(place, asked())
    assert transport.value() == 3 * encode(asked())
    protocol.dataReceived(encode(asked())[:10])
    protocol.dataReceived(encode(asked())[10:] + b"\r\n\r\n")
    assert [origin for _, origin in room.hall.heard] == [place]
    protocol.connectionLost(Failure(ConnectionDone()))
    assert room.hall.gone == [place]
    room.wire.send(place, asked())
    assert len(room.reactor.tcpClients) == 2


def test_a_connection_that_cannot_be_made_is_told(room: Room) -> None:
    """What waited for it is gone."""
    place = PeerPlace("tcp", GATEWAY, 5060)
    room.wire.send(place, asked())
    connector: Any = None
    room.reactor.tcpClients[0][2].clientConnectionFailed(connector, Failure(ConnectError()))
    assert room.hall.gone == [place]


def test_what_waits_is_bounded(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one connection, and the connections themselves."""
    monkeypatch.setattr(module, "WAITING_BYTES", 300)
    monkeypatch.setattr(module, "CONNECTIONS_MOST", 1)
    place = PeerPlace("tcp", GATEWAY, 5060)
    for _ in range(2):
        room.wire.send(place, asked())
    with pytest.raises(PeerUnreachable, match="too much waits"):
        room.wire.send(place, asked())
    with pytest.raises(PeerUnreachable, match="too many"):
        room.wire.send(PeerPlace("tcp", GATEWAY, 5061), asked())


def test_a_gateway_that_connects_is_answered_there(room: Room) -> None:
    """Whoever is none is turned away; what is no SIP ends the connection."""
    [(port, factory, *_)] = room.reactor.tcpServers
    assert port == 5068
    assert factory.buildProtocol(IPv4Address("TCP", "198.51.100.1", 40000)) is None
    line: Any = factory.buildProtocol(IPv4Address("TCP", GATEWAY, 40000))
    transport = StringTransport()
    line.makeConnection(transport)
    line.dataReceived(encode(asked()))
    [(_, origin)] = room.hall.heard
    room.wire.send(origin, asked())
    assert transport.value() == encode(asked())
    line.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    assert transport.disconnecting


def test_whoever_does_not_read_is_left(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as more waits than may; the connection is full, of TLS as well, when it says so."""
    monkeypatch.setattr(module, "WAITING_BYTES", 2 * len(encode(asked())))
    place = PeerPlace("tcp", GATEWAY, 5060)
    room.wire.send(place, asked())
    _, transport = room.connects()
    for _ in range(5):
        room.wire.send(place, asked())
    line: Any = transport.producer
    line.pauseProducing()
    room.wire.send(place, asked())
    line.resumeProducing()
    line.pauseProducing()
    for _ in range(2):
        room.wire.send(place, asked())
    assert not transport.disconnecting
    with pytest.raises(PeerUnreachable, match="does not read"):
        room.wire.send(place, asked())
    assert transport.disconnecting


def test_a_closed_wire_sends_nothing(room: Room) -> None:
    """Connections are closed, and none is made or taken any more."""
    place = PeerPlace("tcp", GATEWAY, 5060)
    room.wire.send(place, asked())
    _, transport = room.connects()
    room.wire.close_place(PeerPlace("tcp", GATEWAY, 1))
    room.wire.close_place(place)
    assert transport.disconnecting
    room.wire.send(PeerPlace("tcp", GATEWAY, 5061), asked())
    result_of(awaited(room.wire.close()))
    _, late = room.connects(1)
    assert late.disconnecting
    with pytest.raises(PeerUnreachable):
        room.wire.send(place, asked())
    with pytest.raises(PeerUnreachable):
        PeerWire(room.reactor, MemoryMeter()).send(PeerPlace("udp", GATEWAY, 5060), asked())


def test_names_and_ports_that_are_not_there_are_told_in_words(room: Room) -> None:
    """An address is its own; of a name the first counts."""
    assert result_of(awaited(room.wire.addresses("192.0.2.7"))) == ("192.0.2.7",)
    assert result_of(awaited(room.wire.addresses("gw.example.net"))) == (GATEWAY,)
    with pytest.raises(PeerUnreachable, match="no address"):
        result_of(awaited(room.wire.addresses("other.example.net")))
    room.reactor.is_taken = True
    with pytest.raises(PeerUnreachable, match="port 5068"):
        result_of(awaited(PeerWire(room.reactor, MemoryMeter()).listen(5068, "")))


def test_places_are_written_for_people() -> None:
    """Of IPv6 with brackets."""
    assert str(PeerPlace("udp", "2001:db8::7", 5060)) == "udp:[2001:db8::7]:5060"
    assert str(PeerPlace("tls", GATEWAY, 5061)) == "tls:192.0.2.7:5061"
