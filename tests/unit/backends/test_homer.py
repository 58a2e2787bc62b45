"""Sending to a Homer server: nothing waits for it, and nothing fails with it."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import fail, succeed
from twisted.internet.error import ConnectError, DNSLookupError, MessageLengthError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from lyncpy.backends.homer import PAUSE_S, WAITING_BYTES, Homer
from lyncpy.contracts.tracing import IHomer
from lyncpy.contracts.workload import IUnit
from tests.kit.results import result_of


class Datagrams:
    """A port of UDP that keeps what is sent."""

    def __init__(self) -> None:
        """Send nothing yet."""
        self.sent: list[tuple[str, int, bytes]] = []
        self.place = ("", 0)
        self.is_open = True
        self.error: Exception | None = None

    def connect(self, host: str, port: int) -> None:
        """Send there from now on."""
        self.place = (host, port)

    def write(self, data: bytes) -> None:
        """Keep it, or fail as the system would."""
        if self.error is not None:
            raise self.error
        self.sent.append((*self.place, data))

    def stopListening(self) -> Any:
        """Close."""
        self.is_open = False
        return succeed(None)


class UdpReactor(MemoryReactorClock):
    """One that resolves any name, unless it is said to know none."""

    def __init__(self) -> None:
        """Know all names."""
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types here
        self.datagrams = Datagrams()
        self.knows = True
        self.asked = 0

    def resolve(self, name: str, timeout: Any = ()) -> Any:
        """Give an address."""
        self.asked += 1
        return succeed("192.0.2.9") if self.knows else fail(DNSLookupError("no such name"))

    def listenUDP(self, port: int, protocol: Any, *more: Any) -> Any:
        """Open a port."""
        protocol.transport = self.datagrams
        return self.datagrams


def test_is_what_it_says() -> None:
    """The implementation declares the promises."""
    homer = Homer("", UdpReactor())
    assert IHomer.providedBy(homer)
    assert IUnit.providedBy(homer)
    assert not homer.send(b"HEP3")
    result_of(homer.open())
    result_of(homer.close())


def test_each_packet_is_a_datagram() -> None:
    """To the address that the name has."""
    reactor = UdpReactor()
    homer = Homer("udp://homer.example.com:9061", reactor)
    assert homer.send(b"one")
    assert homer.send(b"two")
    assert reactor.datagrams.sent == [("192.0.2.9", 9061, b"one"), ("192.0.2.9", 9061, b"two")]
    reactor.datagrams.error = MessageLengthError("too long")
    assert homer.send(b"three")
    assert "could not be sent" in homer.trouble()
    result_of(homer.close())
    assert not reactor.datagrams.is_open
    assert not homer.send(b"four")


def test_a_name_that_is_not_known_is_asked_for_again_after_a_while() -> None:
    """What waited is lost, and the trouble has a sentence until it is over."""
    reactor = UdpReactor()
    reactor.knows = False
    homer = Homer("udp://homer.example.com:9060", reactor)
    homer.send(b"one")
    homer.send(b"two")
    assert reactor.asked == 1
    assert homer.trouble().startswith("homer.example.com:9060 cannot be reached")
    reactor.knows = True
    reactor.advance(PAUSE_S)
    homer.send(b"three")
    assert reactor.datagrams.sent == [("192.0.2.9", 9060, b"two"), ("192.0.2.9", 9060, b"three")]
    assert homer.trouble() == ""


def connected(reactor: MemoryReactorClock) -> tuple[Any, StringTransport]:
    """Accept the connection that was asked for last."""
    _, _, factory, *_ = reactor.tcpClients[-1]
    protocol: Any = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 9060))
    transport = StringTransport()
    protocol.makeConnection(transport)
    return protocol, transport


def test_packets_follow_one_another_over_tcp() -> None:
    """What came before the connection goes first; one that is lost is made again."""
    reactor = MemoryReactorClock()
    homer = Homer("tcp://127.0.0.1:9060", reactor)
    homer.send(b"one")
    homer.send(b"two")
    assert len(reactor.tcpClients) == 1
    protocol, transport = connected(reactor)
    homer.send(b"three")
    assert transport.value() == b"onetwothree"
    protocol.connectionLost(Failure(ConnectError()))
    assert "is lost" in homer.trouble()
    homer.send(b"four")
    reactor.advance(PAUSE_S)
    homer.send(b"five")
    _, transport = connected(reactor)
    assert transport.value() == b"fourfive"
    result_of(homer.close())
    assert transport.disconnecting


def test_a_server_that_does_not_read_costs_no_more_than_the_bound() -> None:
    """What waits for it goes when it reads again; what is too much is lost."""
    reactor = MemoryReactorClock()
    homer = Homer("tcp://127.0.0.1:9060", reactor)
    homer.send(b"one")
    _, transport = connected(reactor)
    producer: Any = transport.producer
    producer.pauseProducing()
    assert homer.send(b"two")
    assert not homer.send(bytes(WAITING_BYTES))
    assert transport.value() == b"one"
    producer.resumeProducing()
    producer.stopProducing()
    assert transport.value() == b"onetwo"


def test_a_server_that_is_not_there_costs_its_packets() -> None:
    """And no more of them than a bound."""
    reactor = MemoryReactorClock()
    homer = Homer("tcp://127.0.0.1:9060", reactor)
    assert homer.send(bytes(WAITING_BYTES))
    assert not homer.send(b"one more")
    factory: Any = reactor.tcpClients[-1][2]
    factory.clientConnectionFailed(None, Failure(ConnectError()))
    reactor.advance(1)
    assert "cannot be reached" in homer.trouble()
    assert homer.send(b"later")


def test_a_connection_that_comes_after_the_end_is_closed() -> None:
    """Nobody sends there any more."""
    reactor = MemoryReactorClock()
    homer = Homer("tcp://127.0.0.1:9060", reactor)
    homer.send(b"one")
    result_of(homer.close())
    _, transport = connected(reactor)
    assert transport.value() == b""
