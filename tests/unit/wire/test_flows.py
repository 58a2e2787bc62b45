"""Flows and streams: names, order, one write a turn, bounds, brakes, clocks, ends."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.flows import FlowGone, ISink
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.sip.prepared import Prepared
from lyncpy.wire.connection_shares import COMING_AT_ONCE
from lyncpy.wire.flows import Flows, Seal
from lyncpy.wire.settings import Settings
from lyncpy.wire.stream import AT_ONCE, SipFactory, SipStream
from lyncpy.wire.tls import TlsFailed
from tests.kit.flows import NoOtherNodes
from tests.kit.meters import MemoryMeter

HEAD = (
    "Via: SIP/2.0/TLS 192.0.2.7:4711\r\nFrom: <sip:alice@example.com>;tag=1;epid=a\r\n"
    "To: <sip:alice@example.com>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: {length}\r\n\r\n"
)
OPTIONS = f"OPTIONS sip:example.com SIP/2.0\r\n{HEAD.format(length=0)}".encode()
GARBLED = OPTIONS.replace(b"CSeq:", b"CSeq")
TOO_LONG = f"OPTIONS sip:example.com SIP/2.0\r\n{HEAD.format(length='x')}".encode()
OK = Response(200, "OK", Headers([("Call-ID", "1")]))


@implementer(ISink)
class _Hall:
    """Writes down what the wire tells, and does what the test wants."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.on_arrived: Callable[[FlowName, Request | Response], None] = lambda flow, message: None

    def opened(self, flow: FlowName, peer: str, secure: bool) -> None:
        """Write down."""
        self.told.append(("opened", flow, peer, secure))

    def arrived(self, flow: FlowName, message: Request | Response) -> None:
        """Write down and act."""
        self.told.append(("arrived", flow, message))
        self.on_arrived(flow, message)

    def garbled(self, flow: FlowName, message: Request | None, status: int, reason: str) -> None:
        """Write down."""
        self.told.append(("garbled", flow, status))

    def drained(self, flow: FlowName) -> None:
        """Write down."""
        self.told.append(("drained", flow))

    def closed(self, flow: FlowName, reason: str) -> None:
        """Write down."""
        self.told.append(("closed", flow, reason))

    def words(self) -> list[str]:
        """What happened, without the details."""
        return [entry[0] for entry in self.told]


class _Transport(StringTransport):
    """Counts writes and remembers how it was ended."""

    def __init__(self) -> None:
        StringTransport.__init__(self)
        self.writes: list[bytes] = []
        self.ended = ""
        self.options: list[str] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def loseConnection(self) -> None:
        self.ended = self.ended or "lost"

    def abortConnection(self) -> None:
        self.ended = "aborted"

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.options.append("no delay")

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options.append("keep alive")


class Wire:
    """A table of flows, a hall that listens, and clients at will."""

    def __init__(
        self,
        *,
        secure: bool = False,
        strangers_total: int = 10_000,
        strangers_per_address: int = 500,
        **settings: Any,
    ) -> None:
        self.settings = Settings(domain="example.com", **settings)
        self.clock = Clock()
        self.timers = Timers(self.clock, self.clock.seconds)
        self.meter = MemoryMeter()
        self.hall = _Hall()
        self.seal: Seal = lambda flow, message: message
        self.flows = Flows(
            NodeName("node"),
            self.settings,
            self.timers,
            self.meter,
            lambda call: self.clock.callLater(0, call),
            NoOtherNodes(),
            strangers_total=strangers_total,
            strangers_per_address=strangers_per_address,
        )
        self.flows.seal_with(lambda flow, message: self.seal(flow, message))
        self.factory = SipFactory(self.flows, self.hall, self.settings, self.timers, secure=secure)

    def connect(self, host: str = "192.0.2.7") -> "Client | None":
        """Accept a client, if the wire does."""
        protocol = self.factory.buildProtocol(IPv4Address("TCP", host, 4711))
        return Client(self, protocol) if protocol is not None else None

    def client(self, host: str = "192.0.2.7") -> "Client":
        """Accept a client."""
        client = self.connect(host)
        assert client is not None
        return client

    def signed_in(self, host: str = "192.0.2.7") -> "Client":
        """Accept a client on whose connection somebody signs in."""
        client = self.client(host)
        self.flows.vouch(client.name, known=True)
        return client

    def turn(self) -> None:
        """Let the next turn of the reactor begin."""
        self.clock.advance(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)


class Client:
    """One connection, seen from outside."""

    def __init__(self, wire: Wire, protocol: SipStream) -> None:
        self.transport = _Transport()
        self.protocol = protocol
        Protocol.makeConnection(protocol, self.transport)
        names = wire.flows.names()
        self.name = names[-1] if names else FlowName("")

    def send(self, data: bytes) -> None:
        """Bytes come from the client."""
        self.protocol.dataReceived(data)

    def stop_reading(self) -> None:
        """The client reads no more: its transport has enough."""
        producer: Any = self.transport.producer
        producer.pauseProducing()

    def lose(self, why: Exception | None = None) -> None:
        """The connection is gone."""
        self.protocol.connectionLost(Failure(why or ConnectionDone()))

    @property
    def is_read(self) -> bool:
        """Whether the wire reads from this client."""
        return self.transport.producerState == "producing"


@pytest.fixture
def wire() -> Wire:
    """A wire without TLS."""
    return Wire()


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The formats of all lines that are logged above debug."""
    lines: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event["log_level"].name != "debug":
            lines.append(f"{event['log_level'].name}: {event['log_format']}")

    globalLogPublisher.addObserver(observe)  # type: ignore[arg-type]  # an observer is any callable
    yield lines
    globalLogPublisher.removeObserver(observe)  # type: ignore[arg-type]  # as above


# Arriving.


def test_a_connection_is_named_and_announced(wire: Wire) -> None:
    """The hall hears of a connection, then of its messages in order, then of its end."""
    client = wire.client()
    client.send(OPTIONS * 2)
    client.lose()
    assert wire.hall.words() == ["opened", "arrived", "arrived", "closed"]
    assert wire.hall.told[0] == ("opened", "node/1", "192.0.2.7", False)
    assert wire.hall.told[-1] == ("closed", "node/1", "closed by the client")
    assert wire.flows.names() == ()


def test_a_name_is_never_used_again(wire: Wire) -> None:
    """Who still holds the name of a closed connection does not reach another one."""
    wire.client().lose()
    assert wire.client().name == "node/2"


def test_with_tls_a_flow_begins_after_the_handshake() -> None:
    """Nobody hears of a client that never gets through TLS."""
    wire = Wire(secure=True)
    client = wire.client()
    client.send(b"bytes before the handshake do not exist")
    assert (wire.hall.told, wire.flows.names()) == ([], ())
    client.protocol.handshakeCompleted()
    assert wire.hall.told == [("opened", "node/1", "192.0.2.7", True)]


def test_keep_alives_are_heard_but_not_told(wire: Wire) -> None:
    """A client's CRLFs keep its connection, and cost the hall nothing."""
    client = wire.client()
    wire.advance(10)
    client.send(b"\r\n\r\n\r\n")
    assert wire.hall.words() == ["opened"]
    assert wire.flows.facts()[0].heard == 10


def test_what_cannot_be_read_is_told_as_such_and_the_rest_goes_on(wire: Wire) -> None:
    """One broken message does not cost a client its connection."""
    client = wire.client()
    client.send(GARBLED + OPTIONS)
    assert wire.hall.words() == ["opened", "garbled", "arrived"]
    assert client.transport.ended == ""


def test_a_client_that_speaks_no_sip_is_told_so_and_closed(wire: Wire) -> None:
    """Somebody with a browser or a terminal sees why."""
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert client.transport.writes[0].startswith(b"SIP/2.0 400 ")
    assert (client.transport.ended, wire.flows.names()) == ("lost", ())


def test_lost_framing_is_answered_once_and_closes(wire: Wire) -> None:
    """What came before is still handed over; then nobody knows where messages begin."""
    client = wire.client()
    wire.hall.on_arrived = lambda flow, message: wire.flows.send(flow, OK)
    client.send(OPTIONS + TOO_LONG + OPTIONS)
    client.send(OPTIONS)
    assert wire.hall.words() == ["opened", "arrived", "garbled"]
    assert [data[:11] for data in client.transport.writes] == [b"SIP/2.0 200"]
    assert client.transport.ended == "lost"


def test_a_bug_in_the_hall_costs_one_message_only(wire: Wire, log: list[str]) -> None:
    """A message that meets a bug is logged; the connection and the next message live."""

    def fail(flow: FlowName, message: Request | Response) -> None:
        raise ZeroDivisionError

    client = wire.client()
    wire.hall.on_arrived = fail
    client.send(OPTIONS * 2)
    assert wire.hall.words() == ["opened", "arrived", "arrived"]
    assert [line.split(":")[0] for line in log] == ["critical", "critical"]
    assert client.transport.ended == ""


def test_an_ipv4_client_of_a_socket_for_both_families_has_one_address(wire: Wire) -> None:
    """The same client has the same address for limits and logs, whichever socket took it."""
    protocol = wire.factory.buildProtocol(IPv6Address("TCP", "::ffff:192.0.2.9", 1))
    assert protocol is not None
    assert protocol.peer == "192.0.2.9"


# Sending.


def test_all_of_a_turn_leave_in_one_write(wire: Wire) -> None:
    """Fan-out costs a system call per client, not per message."""
    one, two = wire.client(), wire.client()
    for _ in range(3):
        wire.flows.send(one.name, OK)
        wire.flows.send_raw(two.name, b"raw")
    assert (one.transport.writes, two.transport.writes) == ([], [])
    wire.turn()
    assert [len(client.transport.writes) for client in (one, two)] == [1, 1]
    assert one.transport.writes[0].count(b"SIP/2.0 200 OK\r\n") == 3
    assert two.transport.writes == [b"rawrawraw"]


def test_answers_given_at_once_leave_at_once_together(wire: Wire) -> None:
    """What a batch of requests is answered leaves with the batch, without waiting for a turn."""
    client = wire.client()
    wire.hall.on_arrived = lambda flow, message: wire.flows.send(flow, OK)
    client.send(OPTIONS * 3)
    assert [data.count(b"200 OK") for data in client.transport.writes] == [3]
    wire.turn()
    assert len(client.transport.writes) == 1


def test_what_is_passed_on_leaves_before_others_are_read(wire: Wire) -> None:
    """It does not wait for the end of the turn; all that one read brought for somebody leaves in one write."""
    sender, receiver = wire.client(), wire.client()
    wire.hall.on_arrived = lambda flow, message: wire.flows.send_raw(receiver.name, b"passed on;")
    sender.send(OPTIONS * 2)
    assert receiver.transport.writes == [b"passed on;passed on;"]
    wire.flows.send_raw(receiver.name, b"later")
    wire.turn()
    assert receiver.transport.writes[1:] == [b"later"]


def test_what_was_queued_before_leaves_with_an_answer_in_order(wire: Wire) -> None:
    """Order is the order of sending, also across the two ways to the socket."""
    client = wire.client()
    wire.flows.send_raw(client.name, b"first,")
    wire.hall.on_arrived = lambda flow, message: wire.flows.send_raw(flow, b"second")
    client.send(OPTIONS)
    wire.flows.send_raw(client.name, b"third")
    wire.turn()
    assert client.transport.writes == [b"first,second", b"third"]


def test_messages_are_sealed_for_their_flow(wire: Wire) -> None:
    """What leaves carries the signature of its own connection."""
    client = wire.client()
    wire.seal = lambda flow, message: None if isinstance(message, Prepared) else message.edited(put=[("X-Seal", flow)])
    wire.flows.send(client.name, OK)
    wire.turn()
    assert b"X-Seal: node/1\r\n" in client.transport.writes[0]


def test_what_the_seal_holds_back_does_not_leave(wire: Wire) -> None:
    """Between two signing keys nothing leaves unsigned; whoever holds it back sends it later."""
    client = wire.client()
    wire.seal = lambda flow, message: None
    wire.flows.send(client.name, OK)
    wire.turn()
    assert client.transport.writes == []


def test_nothing_is_sent_to_a_flow_that_is_gone(wire: Wire) -> None:
    """Whoever sends learns at once that nobody is there."""
    client = wire.client()
    client.lose()
    with pytest.raises(FlowGone):
        wire.flows.send(client.name, OK)
    with pytest.raises(FlowGone):
        wire.flows.send_raw(client.name, b"x")
    assert wire.flows.peer(client.name) == ""
    wire.flows.close_flow(client.name, "again")
    wire.flows.pause_reading(client.name)
    wire.flows.resume_reading(client.name)


def test_an_operator_sees_what_a_flow_did(wire: Wire) -> None:
    """Counts per connection and in total."""
    client = wire.client()
    client.send(OPTIONS)
    wire.flows.send_raw(client.name, b"12345")
    assert wire.flows.facts()[0].unwritten_bytes == 5
    wire.turn()
    (facts,) = wire.flows.facts()
    assert (facts.messages_in, facts.bytes_in) == (1, len(OPTIONS))
    assert (facts.messages_out, facts.bytes_out, facts.unwritten_bytes) == (1, 5, 0)
    assert (facts.peer, facts.held) == ("192.0.2.7", False)
    assert wire.flows.peer(client.name) == "192.0.2.7"
    read = {name.removeprefix("lyncpy_wire_"): gauge() for name, gauge in wire.meter.gauges.items()}
    assert read == {
        "connections_count": 1,
        "refused_connections_total": 0,
        "strangers_count": 1,
        "strangers_bytes": 0,
        "handshakes_waiting_count": 0,
        "made_room_connections_total": 0,
        "unread_bytes": 0,
        "dropped_connections_total": 0,
        "received_messages_total": 1,
        "sent_messages_total": 1,
        "received_bytes_total": len(OPTIONS),
        "sent_bytes_total": 5,
    }


# Brakes.


def test_whoever_sends_many_at_once_waits_behind_those_who_send_one(wire: Wire) -> None:
    """A few of each connection are heard in a turn, in order; meanwhile nothing more is read from it."""
    many, one = wire.client(), wire.client()
    many.send(OPTIONS * (2 * AT_ONCE + 1))
    one.send(OPTIONS)
    heard = [entry[1] for entry in wire.hall.told if entry[0] == "arrived"]
    assert heard == [many.name] * AT_ONCE + [one.name]
    assert (many.is_read, one.is_read) == (False, True)
    many.send(OPTIONS)  # bytes that were on their way
    wire.turn()
    heard = [entry[1] for entry in wire.hall.told if entry[0] == "arrived"]
    assert heard.count(many.name) == 2 * AT_ONCE + 2
    assert many.is_read


def test_keep_alives_are_no_messages(wire: Wire) -> None:
    """However many of them come with a few messages, these are heard in the same turn."""
    many = wire.client()
    many.send(OPTIONS + b"\r\n\r\n" * (20 * AT_ONCE) + OPTIONS)
    assert wire.hall.words().count("arrived") == 2
    assert many.is_read


def test_a_connection_that_ends_with_messages_to_come_ends(wire: Wire) -> None:
    """Nothing of it is heard afterwards."""
    many = wire.client()
    many.send(OPTIONS * (AT_ONCE + 1))
    many.lose()
    wire.turn()
    assert wire.hall.words().count("arrived") == AT_ONCE


def test_a_held_flow_is_neither_read_nor_heard(wire: Wire) -> None:
    """A client that asks too fast waits, in order, and loses nothing."""
    client = wire.client()
    wire.hall.on_arrived = lambda flow, message: wire.flows.pause_reading(flow)
    client.send(OPTIONS * 3)
    assert (wire.hall.words(), client.is_read) == (["opened", "arrived"], False)
    wire.flows.resume_reading(client.name)
    assert wire.hall.words() == ["opened", "arrived"], "in a later turn"
    wire.turn()
    assert (wire.hall.words(), client.is_read) == (["opened", "arrived", "arrived"], False), "held again"
    wire.hall.on_arrived = lambda flow, message: None
    wire.flows.resume_reading(client.name)
    wire.flows.resume_reading(client.name)
    wire.turn()
    assert (wire.hall.words()[2:], client.is_read) == (["arrived", "arrived"], True)


def test_bytes_that_still_come_while_held_keep_their_place(wire: Wire) -> None:
    """A transport may have had more in its hands."""
    client = wire.client()
    wire.flows.pause_reading(client.name)
    client.send(OPTIONS[:50])
    client.send(OPTIONS[50:] + OPTIONS)
    assert wire.hall.words() == ["opened"]
    wire.flows.resume_reading(client.name)
    wire.turn()
    assert wire.hall.words() == ["opened", "arrived", "arrived"]


def test_hold_and_release_within_a_turn_is_no_release_too_many(wire: Wire) -> None:
    """The hall may change its mind."""
    client = wire.client()
    wire.flows.pause_reading(client.name)
    wire.flows.resume_reading(client.name)
    wire.flows.pause_reading(client.name)
    wire.turn()
    assert not client.is_read
    client.lose()
    wire.turn()


def test_a_client_that_does_not_read_is_not_read(wire: Wire) -> None:
    """What waits for it stays here, and it cannot ask for more."""
    client = wire.client()
    producer: Any = client.transport.producer
    producer.pauseProducing()
    wire.flows.send_raw(client.name, b"later")
    wire.turn()
    assert (client.transport.writes, client.is_read) == ([], False)
    wire.flows.pause_reading(client.name)
    producer.resumeProducing()
    wire.turn()
    assert (client.transport.writes, client.is_read) == ([b"later"], False), "the hall holds it still"
    wire.flows.resume_reading(client.name)
    wire.turn()
    assert client.is_read


def test_a_client_that_never_reads_is_dropped_with_a_line(log: list[str]) -> None:
    """Its memory has a bound; nothing more is queued for it."""
    wire = Wire(unwritten_bytes=65_536)
    client = wire.client()
    producer: Any = client.transport.producer
    producer.pauseProducing()
    wire.flows.send_raw(client.name, b"x" * 65_536)
    with pytest.raises(FlowGone):
        wire.flows.send_raw(client.name, b"x")
    assert (client.transport.ended, client.transport.writes) == ("aborted", [])
    with pytest.raises(FlowGone):
        wire.flows.send_raw(client.name, b"x")
    wire.turn()
    client.lose(ConnectionAborted())
    assert wire.hall.told[-1] == ("closed", "node/1", "the client does not read")
    assert [line for line in log if "unread" in line]


def test_a_client_that_reads_gets_a_message_of_any_length() -> None:
    """The bound is on what piles up, not on one answer with a thousand contacts."""
    wire = Wire(unwritten_bytes=65_536)
    client = wire.client()
    wire.flows.send_raw(client.name, b"x" * 100_000)
    wire.turn()
    assert client.transport.writes == [b"x" * 100_000]


# Bounds.


def test_signed_in_connections_are_bounded_in_total_and_per_address(log: list[str]) -> None:
    """Where nobody is left to make room, one more is refused; the log says it once a minute, with a count."""
    wire = Wire(connections=3, connections_per_address=2)
    first, second = wire.signed_in(), wire.signed_in()
    assert wire.connect() is None
    wire.signed_in("192.0.2.8")
    assert wire.connect("192.0.2.9") is None
    assert len(log) == 1
    wire.advance(61)
    assert wire.connect("192.0.2.9") is None
    assert len(log) == 2
    first.lose()
    assert wire.connect() is not None
    second.lose()


def test_the_oldest_stranger_of_an_address_makes_room_for_the_next() -> None:
    """Whoever comes late gets in, however many came from the same address before."""
    wire = Wire(strangers_per_address=2)
    clients = [wire.client() for _ in range(4)]
    assert [client.transport.ended for client in clients] == ["aborted", "aborted", "", ""]
    assert wire.flows.names() == ("node/3", "node/4")


def test_an_ipv6_host_has_one_share_whatever_it_calls_itself() -> None:
    """The last 64 bits are a host's own to choose."""
    wire = Wire(strangers_per_address=1)
    first = wire.client("2001:db8::1")
    wire.client("2001:db8::2")
    other = wire.client("2001:db8:0:1::1")
    assert (first.transport.ended, other.transport.ended) == ("aborted", "")


@pytest.mark.parametrize("secure", [True, False], ids=["in the handshake", "silent"])
def test_a_flood_makes_room_for_somebody_new(secure: bool) -> None:
    """Twenty addresses hold every place there is: who comes from elsewhere has one, and keeps it."""
    wire = Wire(secure=secure, connections=200, strangers_total=150)
    flood = [wire.client(f"198.51.100.{number % 20}") for number in range(1000)]
    honest = wire.client("192.0.2.9")
    flood += [wire.client(f"198.51.100.{number % 20}") for number in range(1000)]
    assert honest.transport.ended == ""
    assert sum(not client.transport.ended for client in flood) == 149


def test_a_known_address_does_not_make_room_for_strangers() -> None:
    """Where somebody has signed in before, the next one of them is let in and stays."""
    wire = Wire(connections=10, strangers_total=4)
    wire.signed_in("192.0.2.9").lose()
    known = [wire.client("192.0.2.9") for _ in range(3)]
    flood = [wire.client(f"198.51.100.{number}") for number in range(100)]
    assert [client.transport.ended for client in known] == [""] * 3
    assert sum(not client.transport.ended for client in flood) == 1


def test_a_whole_company_may_come_back_from_one_address() -> None:
    """From where users have signed in before, the bound on strangers of an address does not count; elsewhere it does."""
    wire = Wire(strangers_per_address=2)
    wire.flows.places.know("192.0.2.9")
    company = [wire.client("192.0.2.9") for _ in range(300)]
    flood = [wire.client("198.51.100.1") for _ in range(300)]
    assert sum(not client.transport.ended for client in company) == 300
    assert sum(not client.transport.ended for client in flood) == 2


def test_a_door_is_busy_while_many_users_are_on_their_way_in() -> None:
    """A flood of strangers does not make it so: it would keep users out."""
    wire = Wire(strangers_per_address=1000)
    wire.flows.places.know("192.0.2.9")
    for _ in range(500):
        wire.client("198.51.100.1")
    company = [wire.client("192.0.2.9") for _ in range(COMING_AT_ONCE - 1)]
    assert not wire.flows.places.is_busy()
    company.append(wire.client("192.0.2.9"))
    assert wire.flows.places.is_busy()
    wire.flows.vouch(company[7].name, known=True)
    assert not wire.flows.places.is_busy()


def test_who_signed_in_makes_room_for_nobody_until_he_is_revoked() -> None:
    """A flood costs no user his connection."""
    wire = Wire(connections=4, strangers_total=2)
    user = wire.signed_in()
    for number in range(10):
        wire.client(f"198.51.100.{number}")
    assert user.transport.ended == ""
    wire.flows.vouch(user.name, known=False)
    assert wire.flows.places.is_stranger(user.protocol)


def test_unfinished_messages_of_strangers_are_bounded_together() -> None:
    """Half messages cost as much memory as the bound says, whoever sends how many."""
    wire = Wire(strangers_bytes=1_048_576, stranger_body_bytes=16_384)
    half = b"MESSAGE sip:example.com SIP/2.0\r\n" + HEAD.format(length=16_000).encode() + b"x" * 15_000
    clients = [wire.client(f"198.51.100.{number}") for number in range(100)]
    for client in clients:
        client.send(half)
        assert wire.meter.gauges["lyncpy_wire_strangers_bytes"]() <= 1_048_576
    ended = [client.transport.ended for client in clients]
    assert ended == sorted(ended, reverse=True), "the one that began first goes first"
    assert ended.count("") > 60
    for client in clients:
        client.lose()
    assert wire.meter.gauges["lyncpy_wire_strangers_bytes"]() == 0


def test_a_stranger_may_send_less_than_a_user() -> None:
    """A large body is refused before sign-in and skipped, not kept; afterwards it arrives."""
    wire = Wire()
    client = wire.client()
    large = b"MESSAGE sip:example.com SIP/2.0\r\n" + HEAD.format(length=100_000).encode() + b"x" * 100_000
    client.send(large)
    assert wire.hall.told[-1] == ("garbled", client.name, 413)
    wire.flows.vouch(client.name, known=True)
    client.send(large)
    assert wire.hall.words()[-1] == "arrived"


def test_clients_that_do_not_read_are_bounded_together(log: list[str]) -> None:
    """Many deaf clients cost as much memory as the bound says; the one with most coming goes, and no other."""
    wire = Wire(unwritten_total_bytes=1_048_576)
    deaf = [wire.signed_in() for _ in range(4)]
    hearing = wire.signed_in()
    for client in deaf:
        client.stop_reading()
    for number in range(20):
        for client in deaf[number % 2 :]:
            with contextlib.suppress(FlowGone):
                wire.flows.send_raw(client.name, b"x" * 40_000)
        assert wire.meter.gauges["lyncpy_wire_unread_bytes"]() <= 1_048_576 + 40_000
    assert {client.transport.ended for client in deaf} == {"", "aborted"}
    assert hearing.transport.ended == ""
    assert any("dropped" in line for line in log)
    for client in deaf:
        client.lose()
    assert wire.meter.gauges["lyncpy_wire_unread_bytes"]() == 0


# Relays.

RELAY = "192.0.2.200"
V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 5061\r\n"


def test_a_relay_tells_the_true_address() -> None:
    """Log, limits and operators see the client's address, not the relay's."""
    wire = Wire(relays=[RELAY], connections_per_address=2)
    clients = [wire.client(RELAY) for _ in range(5)]
    assert wire.hall.told == []
    for number, client in enumerate(clients):
        client.send(V1.replace(b"113.9", b"113.%d" % number) + OPTIONS)
    assert wire.hall.words() == ["opened", "arrived"] * 5
    assert [entry[2] for entry in wire.hall.told if entry[0] == "opened"] == [f"203.0.113.{n}" for n in range(5)]
    assert [facts.peer for facts in wire.flows.facts()] == [f"203.0.113.{n}" for n in range(5)]


def test_the_true_address_counts() -> None:
    """Behind a relay a crowd makes room among itself, as it would in front of it."""
    wire = Wire(relays=[RELAY], strangers_per_address=2)
    clients = [wire.client(RELAY) for _ in range(3)]
    for client in clients:
        client.send(V1)
    assert [client.transport.ended for client in clients] == ["aborted", "", ""]


@pytest.mark.parametrize("first", [OPTIONS, b"PROXY nonsense is no header\r\n", b"\0" * 40])
def test_a_relay_that_does_not_tell_is_cut(first: bytes, log: list[str]) -> None:
    """What a client behind the relay sends could else pass for the header."""
    wire = Wire(relays=["192.0.2.0/24"])
    client = wire.client(RELAY)
    client.send(first)
    assert client.transport.ended == "aborted"
    assert wire.hall.told == []
    assert len(log) == 1


def test_nobody_else_is_believed(wire: Wire, log: list[str]) -> None:
    """A header from an address that no setting names is refused like all that is no SIP."""
    client = wire.client()
    client.send(V1 + OPTIONS)
    assert wire.hall.words() == ["opened"]
    assert client.transport.ended == "lost"
    assert log == ["info: {flow} from {address} closed: {reason}{hint}"]


def test_a_relay_that_sends_no_header_is_exempt_from_counts() -> None:
    """With the setting off, its connections begin at once, and are as many as all others' together."""
    wire = Wire(relays=[RELAY], relays_send_proxy=False, connections_per_address=2, strangers_per_address=1)
    clients = [wire.client(RELAY) for _ in range(5)]
    clients[0].send(OPTIONS)
    assert wire.hall.words() == ["opened"] * 5 + ["arrived"]
    assert not any(client.transport.ended for client in clients)


def test_a_relay_that_says_nothing_is_cut_in_time() -> None:
    """A header has as long as a handshake."""
    wire = Wire(relays=[RELAY], handshake_s=15)
    client = wire.client(RELAY)
    client.send(V1[:20])
    wire.advance(16)
    assert client.transport.ended == "aborted"


# Clocks.


def test_a_slow_handshake_is_cut(log: list[str]) -> None:
    """Whoever connects and says nothing does not keep his place."""
    wire = Wire(secure=True, handshake_s=15)
    client = wire.client()
    wire.advance(14.9)
    assert client.transport.ended == ""
    wire.advance(0.2)
    assert client.transport.ended == "aborted"
    client.lose(ConnectionAborted())
    assert (wire.hall.told, len(log)) == ([], 1)


def test_a_client_that_tls_turns_away_is_logged_with_the_reason(log: list[str]) -> None:
    """The operator finds out why somebody cannot connect; a mere knock is not worth a line."""
    wire = Wire(secure=True)
    wire.client().lose(TlsFailed("TLS: unsupported protocol"))
    wire.client().lose(ConnectionLost())
    assert log == ["info: {address} turned away: {reason}"]


def test_a_connection_lives_while_it_is_heard() -> None:
    """Only silence closes it, and a keep-alive is not silence."""
    wire = Wire(idle_s=900)
    client = wire.client()
    for _ in range(10):
        wire.advance(300)
        client.send(b"\r\n\r\n")
    wire.advance(899)
    assert client.transport.ended == ""
    wire.advance(2)
    assert client.transport.ended == "lost"
    client.lose()
    assert wire.hall.told[-1] == ("closed", "node/1", "silent for too long")


# Ends.


def test_close_sends_what_is_queued_first_then_nothing(wire: Wire) -> None:
    """The last answer leaves; the client is not heard any more."""
    client = wire.client()
    producer: Any = client.transport.producer
    producer.pauseProducing()
    wire.flows.send_raw(client.name, b"goodbye")
    wire.flows.close_flow(client.name, "signed out by operator")
    assert (client.transport.writes, client.transport.ended) == ([b"goodbye"], "lost")
    client.send(OPTIONS)
    with pytest.raises(FlowGone):
        wire.flows.send_raw(client.name, b"more")
    wire.turn()
    client.lose()
    assert wire.hall.told == [
        ("opened", "node/1", "192.0.2.7", False),
        ("closed", "node/1", "signed out by operator"),
    ]


def test_a_close_that_takes_too_long_is_cut(wire: Wire) -> None:
    """A client that does not take its goodbye does not keep its place."""
    client = wire.client()
    wire.flows.close_flow(client.name, "reason")
    wire.advance(4.9)
    assert client.transport.ended == "lost"
    wire.advance(0.2)
    assert client.transport.ended == "aborted"


def test_closing_from_the_middle_of_a_batch_ends_the_batch(wire: Wire) -> None:
    """After a refusal that closes, the rest of what came is not looked at."""
    client = wire.client()

    def refuse(flow: FlowName, message: Request | Response) -> None:
        wire.flows.send(flow, OK)
        wire.flows.close_flow(flow, "refused")

    wire.hall.on_arrived = refuse
    client.send(OPTIONS * 3)
    assert wire.hall.words() == ["opened", "arrived"]
    assert len(client.transport.writes) == 1


def test_the_end_is_in_words(wire: Wire) -> None:
    """An operator reads how connections ended."""
    for why in (ConnectionDone(), ConnectionLost(), TlsFailed("TLS: bad record mac")):
        wire.client().lose(why)
    assert [entry[2] for entry in wire.hall.told if entry[0] == "closed"] == [
        "closed by the client",
        "connection lost",
        "TLS: bad record mac",
    ]


def test_closing_all_waits_for_the_last() -> None:
    """A server that stops says goodbye to everybody, also to those in the handshake, and waits."""
    wire = Wire()
    ready = wire.client()
    wire.factory.secure = True
    shaking = wire.client()
    done = Deferred.fromCoroutine(wire.flows.close_all("the server stops"))
    assert (ready.transport.ended, shaking.transport.ended) == ("lost", "aborted")
    shaking.lose(ConnectionAborted())
    assert not done.called
    _ = done.addCallback(lambda _: wire.hall.told.append(("waited",)))
    ready.lose()
    assert wire.hall.words() == ["opened", "closed", "waited"]
    assert Deferred.fromCoroutine(wire.flows.close_all("nobody there")).called


# Full connections.


def test_a_client_that_does_not_read_is_full_until_it_reads() -> None:
    """Who asked is told when there is room; who did not ask is not disturbed."""
    wire = Wire()
    client, other = wire.client(), wire.client()
    producer: Any = client.transport.producer
    assert not wire.flows.is_full(client.name)
    producer.pauseProducing()
    assert wire.flows.is_full(client.name)
    assert not wire.flows.is_full(other.name)
    producer.resumeProducing()
    assert wire.hall.told[-1] == ("drained", client.name)
    assert not wire.flows.is_full(client.name)
    producer.pauseProducing()
    producer.resumeProducing()
    assert wire.hall.words().count("drained") == 1


def test_what_waits_within_a_turn_fills_a_connection_too() -> None:
    """A thousand documents of one turn are put off before they reach the bound, and told of in the next."""
    wire = Wire()
    client = wire.client()
    wire.flows.send_raw(client.name, b"x" * 65_536)
    assert not wire.flows.is_full(client.name)
    wire.flows.send_raw(client.name, b"x")
    assert wire.flows.is_full(client.name)
    wire.turn()
    assert wire.hall.told[-1] == ("drained", client.name)


def test_a_connection_whose_client_gets_new_keys_is_full() -> None:
    """While messages are held back for its keys, no more than one document waits with them."""
    wire = Wire()
    client = wire.client()
    wire.seal = lambda flow, message: None
    wire.flows.send(client.name, OK)
    assert wire.flows.is_full(client.name)
    wire.seal = lambda flow, message: message
    wire.flows.send(client.name, OK)
    wire.turn()
    assert wire.hall.told[-1] == ("drained", client.name)


def test_a_connection_that_is_gone_is_not_full(wire: Wire) -> None:
    """Sending says that it is gone."""
    client = wire.client()
    client.lose()
    assert not wire.flows.is_full(client.name)
