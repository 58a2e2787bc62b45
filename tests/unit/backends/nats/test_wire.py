"""The socket of one connection: what waits for the server, and how it ends."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from lyncpy.backends.nats.address import ServerAddress
from lyncpy.backends.nats.client_tls import AuthoritiesUnusable, CheckedServer
from lyncpy.backends.nats.credentials import Credentials
from lyncpy.backends.nats.frames import ReceivedMessage, ServerInfo
from lyncpy.backends.nats.session import NatsSession, SessionTerms
from lyncpy.backends.nats.wire import Wire

CHUNK = 100
"""Bytes that the transport of these tests takes before it is full."""


def _any(thing: object) -> Any:  # Any: what Twisted has not typed
    return thing


class Transport(StringTransport):
    """A socket that is full after some bytes, as one of Twisted's says it, until `drain`."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nothing."""

    def write(self, data: bytes) -> None:
        """Take it."""
        _any(super()).write(data)
        if len(_any(self).value()) > CHUNK and self.producer is not None:
            self.producer.pauseProducing()

    def drain(self) -> bytes:
        """Have the server take all."""
        taken: bytes = _any(self).value()
        _any(self).clear()
        if self.producer is not None:
            self.producer.resumeProducing()
        return taken


class Holder:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def ready(self, wire: Wire, info: ServerInfo, *, is_vouched: bool) -> None:
        """So."""
        self.heard.append(f"ready {is_vouched}")

    def cluster(self, wire: Wire, info: ServerInfo, *, is_vouched: bool) -> None:
        """So."""
        self.heard.append(f"cluster {is_vouched}")

    def deliver(self, delivery: ReceivedMessage) -> None:
        """So."""
        self.heard.append(f"message {delivery.subject}")

    def complaint(self, wire: Wire, text: str) -> None:
        """So."""
        self.heard.append(f"complaint {text}")

    def answered(self) -> None:
        """So."""
        self.heard.append("answered")

    def lost(self, wire: Wire, reason: str) -> None:
        """So."""
        self.heard.append(f"lost {reason}")


def no_tls() -> CheckedServer:
    """Fail as a file of authorities may."""
    raise AuthoritiesUnusable("no authorities")


def made(terms: SessionTerms | None = None) -> tuple[Wire, Any, Holder]:
    """Give a connection on which 1,000 bytes may wait, its transport, and who hears of it."""
    holder = Holder()
    wire = Wire(holder, ServerAddress("a", 1), NatsSession(terms or SessionTerms("n", Credentials())), no_tls, 1_000)
    transport = _any(Transport)()
    _any(wire).makeConnection(transport)
    return wire, transport, holder


def ready() -> tuple[Wire, Any, Holder]:
    """Give one on which the server has taken us."""
    wire, transport, holder = made()
    wire.dataReceived(b"INFO {}\r\nPONG\r\n")
    transport.drain()
    assert wire.is_ready and wire.was_ready and holder.heard == ["ready True"]
    return wire, transport, holder


def test_what_waits_is_bounded_and_not_what_has_left() -> None:
    """A slow server that is never empty takes all the same what it takes; in its order."""
    wire, transport, _ = ready()
    expected, found = b"", b""
    for number in range(100):
        data = b"%090d\n" % number
        assert wire.has_room(len(data)), number
        wire.send(data)
        expected += data
        if number > 8:
            found += transport.drain()
    for _ in range(10):
        found += transport.drain()
    assert found == expected
    wire.send(b"x" * (CHUNK + 1))
    wire.send(b"x" * 999)
    assert wire.has_room(1) and not wire.has_room(2)


def test_what_is_repeated_leaves_room_for_what_is_not() -> None:
    """Half of it: however much users say to each other, there is room for news."""
    wire, _, _ = ready()
    wire.send(b"x" * (CHUNK + 1))
    wire.send(b"x" * 499)
    assert wire.has_room(1, is_repeated=True) and not wire.has_room(2, is_repeated=True)
    assert wire.has_room(501)


def test_it_ends_in_order() -> None:
    """When the server has read all; a transport does not close as long as it has a producer. Nothing is published meanwhile."""
    wire, transport, _ = ready()
    for _ in range(3):
        wire.send(b"x" * 101)
    wire.leave()
    wire.leave()
    assert not wire.is_ready and not transport.disconnecting
    found = b""
    while data := transport.drain():
        found += data
    assert found == b"x" * 303 + b"PING\r\n"
    wire.dataReceived(b"MSG a 1 0\r\n\r\nPONG\r\n")
    assert transport.producer is None and transport.disconnecting and not transport.disconnected
    wire, transport, _ = made(SessionTerms("n", Credentials()))
    wire.leave()
    assert transport.disconnecting and not transport.value()


def test_a_server_that_asks_and_takes_no_answers_is_left() -> None:
    """Its PINGs are answered within the bound of what may wait."""
    wire, transport, holder = ready()
    wire.dataReceived(b"PING\r\n" * 1_000)
    assert transport.disconnected
    assert len(transport.value()) < CHUNK + 10
    wire.connectionLost(Failure(ConnectionLost()))
    assert holder.heard[-1] == "lost it asks, and takes no answers"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([b"-ERR 'Stale Connection'\r\n"], "lost Stale Connection"),
        ([b"-ERR 'maximum subscriptions exceeded'\r\n", b"PING\r\n"], "lost Connection to the other side was lost"),
        ([b"-ERR 'Permissions Violation for Publish to \"a\"'\r\n"], "lost Connection to the other side was lost"),
    ],
)
def test_why_it_ended_is_the_servers_last_word(said: list[bytes], reason: str) -> None:
    """What it refused before, and went on, is not."""
    wire, _, holder = ready()
    for data in said:
        wire.dataReceived(data)
    wire.connectionLost(Failure(ConnectionLost()))
    assert holder.heard[1].startswith("complaint ")
    assert holder.heard[-1].startswith(reason)


def test_what_the_session_says_is_told() -> None:
    """Of its cluster, of messages, and of answers."""
    wire, transport, holder = ready()
    wire.dataReceived(b"INFO {}\r\nMSG a 1 0\r\n\r\n")
    wire.probe()
    assert transport.value() == b"PING\r\n"
    wire.dataReceived(b"PONG\r\n")
    assert holder.heard[1:] == ["cluster True", "message a", "answered"]
    wire.stopProducing()
    wire.dataReceived(b"garbage\r\n")
    assert transport.disconnected and "is no line of NATS" in wire.reason


@pytest.mark.parametrize(
    "terms", [SessionTerms("n", Credentials(), True, True), SessionTerms("n", Credentials(), True)]
)
def test_authorities_matter_where_tls_begins(terms: SessionTerms) -> None:
    """And the connection ends with why they cannot be used."""
    wire, transport, _ = made(terms)
    if not terms.tls_first:
        assert not transport.disconnected
        wire.dataReceived(b'INFO {"tls_available":true}\r\n')
    assert transport.disconnected and wire.reason == "no authorities"


def test_connecting_can_be_broken_off() -> None:
    """In order or not: there is nothing to say yet."""
    wire = Wire(Holder(), ServerAddress("a", 1), NatsSession(SessionTerms("n", Credentials())), no_tls, 1_000)
    wire.abort()
    connecting: Deferred[Any] = Deferred()
    wire.connecting = connecting
    _ = connecting.addErrback(lambda why: None)
    wire.leave()
    assert connecting.called
