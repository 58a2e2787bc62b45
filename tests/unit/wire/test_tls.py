"""TLS on the socket: every cut, full sockets, goodbyes, and what is no TLS."""

import importlib.util
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.core.timers import Timers
from lyncpy.wire.certificate import CheckedCredentials, make_context
from lyncpy.wire.handshakes import Handshakes
from lyncpy.wire.tls import FULL, TlsConnection, TlsFailed
from tests.kit.certificates import Issued, issue
from tests.kit.meters import MemoryMeter
from tests.kit.pump import Pump, TlsClient

SERVER = issue("sip.example.com")
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@implementer(IHandshakeListener)
class Listening(Protocol):
    """Writes down what it hears; `answer` may act on what came."""

    def __init__(self) -> None:
        """Begin with an empty page."""
        self.shaken = 0
        self.heard = b""
        self.lost: list[Failure] = []
        self.answer: Callable[[bytes], object] = lambda data: None
        self.on_shaken: Callable[[], object] = lambda: None

    def handshakeCompleted(self) -> None:
        """Count."""
        self.shaken += 1
        self.on_shaken()

    def dataReceived(self, data: bytes) -> None:
        """Keep, and answer."""
        self.heard += data
        self.answer(data)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Keep the reason."""
        self.lost.append(reason)


@implementer(IPushProducer)
class Producing:
    """A producer that writes down how it is driven."""

    def __init__(self) -> None:
        """Begin running."""
        self.paused = False
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        """Stop."""
        self.paused = True
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """Go."""
        self.paused = False
        self.calls.append("resume")

    def stopProducing(self) -> None:
        """End."""
        self.calls.append("stop")


class Scripted:
    """OpenSSL's side of a connection: its next calls give or raise what a test has written down, all others are its own.

    Attributes:
        answers: What the next calls come to, in order.
        asked: How often it was asked to read or write, and was not gone past.
    """

    def __init__(self, real: SSL.Connection) -> None:
        """Stand before the real one."""
        self._real = real
        self.answers: list[SSL.Error] = []
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        """Give what the real one has; as long as there is a script, nothing by which it could be gone past."""
        if self.answers and name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._real, name)

    def recv(self, size: int) -> bytes:
        """Read."""
        self.asked += 1
        self._fail()
        return self._real.recv(size)

    def send(self, data: bytes) -> int:
        """Write."""
        self.asked += 1
        self._fail()
        return self._real.send(data)

    def shutdown(self) -> bool:
        """Say goodbye."""
        self._fail()
        return self._real.shutdown()

    def _fail(self) -> None:
        if self.answers:
            raise self.answers.pop(0)


class Line:
    """A server's connection and its client, joined by a pair of sockets."""

    tls: Scripted
    """What the server has of OpenSSL."""

    def __init__(
        self,
        *,
        version: ssl.TLSVersion | None = None,
        room: int = 0,
        chain: tuple[Issued, ...] = (),
        of: type[TlsConnection] = TlsConnection,
    ) -> None:
        """Connect; `room` is how little the server's socket takes at once."""
        ours, theirs = socket.socketpair()
        if room:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        context = make_context(
            CheckedCredentials(SERVER.certificate, SERVER.key, tuple(c.certificate for c in chain)), "1.2"
        )
        self.pump = Pump()
        self.protocol = Listening()
        self.handshakes = Handshakes(Timers(self.pump, lambda: 0.0), MemoryMeter())
        port: Any = SimpleNamespace(context=lambda: context, handshakes=self.handshakes)
        self.server = of(ours, self.protocol, ("192.0.2.7", 4711), port, 1, self.pump)
        Protocol.makeConnection(self.protocol, self.server)
        self.client = TlsClient(theirs, version=version)

    def shake(self) -> "Line":
        """Do the whole handshake."""
        for _ in range(20):
            done = self.client.shake()
            self.client.send()
            self.pump.turn()
            if done and self.protocol.shaken:
                break
        return self

    def lost(self) -> type[BaseException] | None:
        """Give the kind of end the protocol was told of, None while it lives."""
        assert len(self.protocol.lost) <= 1, "an end is told once"
        return self.protocol.lost[0].type if self.protocol.lost else None


Connect = Callable[..., Line]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Make lines, and take them down after the test."""
    lines: list[Line] = []

    def make(**how: Any) -> Line:
        real, made = SSL.Connection, list[Scripted]()

        def scripted(context: SSL.Context, sock: socket.socket) -> Scripted:
            made.append(Scripted(real(context, sock)))
            return made[-1]

        with monkeypatch.context() as patch:
            patch.setattr(SSL, "Connection", scripted)
            lines.append(Line(**how))
        [lines[-1].tls] = made
        return lines[-1]

    yield make
    for line in lines:
        line.server.abortConnection()
        line.pump.turn()
        line.client.sock.close()


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def line(request: pytest.FixtureRequest, connect: Connect) -> Line:
    """A line after its handshake, once for each version of TLS."""
    return connect(version=request.param).shake()


# The handshake.


@pytest.mark.parametrize("version", VERSIONS)
def test_shakes_hands_when_every_byte_comes_alone(connect: Connect, version: ssl.TLSVersion) -> None:
    """A client on a terrible line signs in like any other."""
    line = connect(version=version)
    for _ in range(4):
        line.client.shake()
        for byte in line.client.pending():
            line.client.sock.send(bytes([byte]))
            line.pump.turn()
    assert (line.client.shaken, line.protocol.shaken, line.protocol.lost) == (True, 1, [])
    for byte in _encrypted(line, b"hello"):
        line.client.sock.send(bytes([byte]))
        line.pump.turn()
    assert line.protocol.heard == b"hello"
    assert line.server.security.startswith(version.name.replace("_", "."))


@pytest.mark.parametrize("ends", ["closed", "aborted", "given up by the client"])
def test_a_connection_may_end_while_its_handshake_waits_for_its_turn(connect: Connect, ends: str) -> None:
    """Nothing is read meanwhile, and nothing of it is left."""
    line = connect()
    line.client.shake()
    line.client.send()
    # The reactor finds bytes; the turn of the handshake comes later, since others took their time.
    since = line.handshakes.begin_at_once()
    assert since is not None
    line.handshakes.begun_at_once(since - 1.0)
    assert line.server.doRead() is None
    assert line.server not in line.pump.readers
    if ends == "closed":
        line.server.loseConnection()
    elif ends == "aborted":
        line.server.abortConnection()
    else:
        line.client.sock.close()
    line.pump.turn(4)
    assert line.lost() in (ConnectionDone, ConnectionAborted, ConnectionLost)
    assert line.protocol.shaken == 0
    assert line.pump.readers == line.pump.writers == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_shakes_hands_through_a_socket_that_is_full(connect: Connect, version: ssl.TLSVersion) -> None:
    """A long chain that does not fit into the socket leaves when the client reads."""
    chain = tuple(issue(f"authority {number}") for number in range(60))
    line = connect(version=version, room=4096, chain=chain)
    line.client.shake()
    line.client.send()
    line.pump.turn(3)
    assert not line.pump.is_busy(), "while the client does not read there is nothing to do"
    for _ in range(200):
        line.client.fetch_once(512)
        line.client.shake()
        line.client.send()
        line.pump.turn()
        if line.client.shaken and line.protocol.shaken:
            break
    assert (line.client.shaken, line.protocol.shaken) == (True, 1)


def test_writes_before_the_handshake_leave_after_it(connect: Connect) -> None:
    """Whoever speaks too early is heard nevertheless, and not in the clear."""
    line = connect()
    line.server.write(b"early")
    with pytest.raises(BlockingIOError):
        line.client.sock.recv(100)
    line.shake()
    assert line.client.read() == b"early"


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"REGISTER sip:example.com SIP/2.0\r\n\r\n", "TLS: wrong version number"),
        (b"GET / HTTP/1.1\r\n\r\n", "TLS: http request"),
        (b"\x16\x03\x01\x00\x05hello", "TLS: "),
        (b"\x00" * 2000, "TLS: "),
        (b"\x16\x03\x01\xff\xff" + b"\x01" * 70000, "TLS: "),
    ],
)
def test_what_is_no_tls_is_turned_away_with_a_reason(connect: Connect, garbage: bytes, reason: str) -> None:
    """An operator reads why a client did not get in."""
    line = connect()
    with suppress(BlockingIOError):
        line.client.sock.sendall(garbage)
    line.pump.turn(3)
    assert line.lost() is TlsFailed
    assert str(line.protocol.lost[0].value).startswith(reason)
    assert line.protocol.shaken == 0
    assert line.server.fileno() == -1


def test_a_version_that_is_too_old_is_turned_away_with_a_reason(connect: Connect) -> None:
    """A client without TLS 1.2 gets an alert, and the log says what it lacked."""
    line = connect()
    hello = bytes.fromhex("16030100350100003103010000000000000000000000000000000000000000000000000000000000000000")
    line.client.sock.send(hello + bytes.fromhex("00000a002f0035000a000500ff0100".ljust(30, "0"))[:15])
    line.pump.turn(2)
    assert line.lost() is TlsFailed
    assert line.client.sock.recv(10)[0] == 21, "an alert record"


def test_a_reset_in_the_handshake_is_an_end_like_any_other(connect: Connect) -> None:
    """A client that vanishes half-way leaves nothing behind."""
    line = connect()
    line.client.shake()
    line.client.sock.send(line.client.pending()[:50])
    line.pump.turn()
    line.client.sock.close()
    line.pump.turn(2)
    assert line.lost() is ConnectionLost
    assert not line.pump.readers | line.pump.writers


def test_closing_during_the_handshake_closes(connect: Connect) -> None:
    """Who is not ready yet is not waited for."""
    line = connect()
    line.client.shake()
    line.client.send()
    line.server.loseConnection()
    line.pump.turn()
    assert (line.lost(), line.client.is_ended()) == (ConnectionDone, True)


def test_renegotiation_is_refused_and_the_connection_lives_on(connect: Connect) -> None:
    """A client cannot make us sign again and again (TLS 1.2)."""
    ours = connect()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    for _ in range(4):
        _quietly(client.do_handshake)
        _exchange(client, ours)
    assert ours.protocol.shaken == 1
    assert client.renegotiate()
    _quietly(client.do_handshake)
    _exchange(client, ours)
    with pytest.raises(SSL.Error, match="no renegotiation"):
        client.do_handshake()
    assert ours.lost() is None
    assert ours.protocol.shaken == 1


# Reading.


def test_hears_what_comes_and_nothing_is_left_inside(line: Line) -> None:
    """A message longer than a record arrives whole, without a further byte from outside."""
    message = bytes(range(256)) * 400
    line.client.send(message)
    line.pump.turn(20)
    assert line.protocol.heard == message
    assert not line.pump.is_busy()


def test_a_paused_connection_is_not_read_and_loses_nothing(line: Line) -> None:
    """Backpressure: what a held client sends waits in its own socket."""
    line.server.pauseProducing()
    line.client.send(b"wait for me")
    line.pump.turn(3)
    assert (line.protocol.heard, line.pump.is_busy()) == (b"", False)
    line.server.resumeProducing()
    line.pump.turn()
    assert line.protocol.heard == b"wait for me"


def test_reading_that_has_to_write_waits_for_the_socket(line: Line) -> None:
    """An answer that TLS itself owes (a key update) does not make the reactor spin, nor lose data."""
    line.tls.answers = [SSL.WantWriteError()]
    line.client.send(b"after the update")
    assert line.server.doRead() is None
    assert (line.server in line.pump.readers, line.server in line.pump.writers) == (False, True)
    line.pump.turn()
    assert line.protocol.heard == b"after the update"
    assert (line.server in line.pump.readers, line.server in line.pump.writers) == (True, False)


def test_writing_that_has_to_read_waits_for_the_client(line: Line) -> None:
    """A write that TLS cannot do before it has read goes on when something comes."""
    line.tls.answers = [SSL.WantReadError()]
    line.server.pauseProducing()
    line.server.write(b"hello")
    assert (line.server in line.pump.readers, line.server in line.pump.writers) == (True, False)
    assert line.client.read() == b""
    line.client.send(b"x")
    line.pump.turn()
    assert line.client.read() == b"hello"
    assert (line.server in line.pump.readers, line.server in line.pump.writers) == (False, False), "paused as before"


# Writing.


def test_writes_leave_at_once(line: Line) -> None:
    """An answer does not wait for the next turn of the reactor, and goes the shorter way to OpenSSL, as what is read."""
    line.client.send(b"one and two?")
    line.pump.turn()
    line.tls.asked = 0
    line.server.writeSequence([b"one ", b"two"])
    assert line.client.read() == b"one two"
    line.client.send(b"thanks")
    line.pump.turn()
    assert line.protocol.heard == b"one and two?thanks"
    assert line.tls.asked == 0
    assert line.server not in line.pump.writers


@pytest.mark.parametrize("version", VERSIONS)
def test_a_slow_reader_gets_all_in_order(connect: Connect, version: ssl.TLSVersion) -> None:
    """A megabyte through a narrow socket arrives byte for byte, however it is written."""
    line = connect(version=version, room=4096).shake()
    producer = Producing()
    line.server.registerProducer(producer, streaming=True)
    whole = b"".join(number.to_bytes(4, "big") for number in range(250_000))
    got, position, step = b"", 0, 1
    for _ in range(20_000):
        if position < len(whole) and not producer.paused:
            line.server.write(whole[position : position + step])
            position, step = position + step, step * 3 % 200_003
        line.client.fetch_once(3000)
        got += line.client.read()
        line.pump.turn()
        if len(got) == len(whole):
            break
    assert got == whole
    assert producer.calls[:2] == ["pause", "resume"]
    assert line.server not in line.pump.writers


def test_a_reader_that_has_stopped_pauses_the_producer_and_costs_no_turns(connect: Connect) -> None:
    """Nothing spins while a client does not read."""
    line = connect(room=4096).shake()
    producer = Producing()
    line.server.registerProducer(producer, streaming=True)
    line.server.write(b"x" * (FULL + 50_000))
    line.pump.turn(5)
    assert producer.calls == ["pause"]
    assert not line.pump.is_busy()
    line.server.abortConnection()
    line.pump.turn()
    assert (producer.calls, line.lost()) == (["pause", "stop"], ConnectionAborted)


def test_a_pull_producer_is_asked_when_all_is_sent(line: Line) -> None:
    """The other kind of producer works as Twisted promises."""
    producer = Producing()
    line.server.registerProducer(producer, streaming=False)
    assert producer.calls == ["resume"]
    line.pump.addWriter(line.server)
    line.pump.turn()
    assert producer.calls == ["resume", "resume"]


def test_any_pyopenssl_will_do(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a release hides the shorter ways to OpenSSL, the longer ones do the same, and writes leave at once."""
    spec = importlib.util.find_spec("lyncpy.wire.tls")
    assert spec is not None
    assert spec.loader is not None
    tls = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(Binding, "lib", object())
        spec.loader.exec_module(tls)
    line = connect(of=tls.TlsConnection).shake()
    line.server.write(b"by the longer way")
    assert line.client.read() == b"by the longer way"
    assert line.server not in line.pump.writers
    line.client.send(b"and back")
    line.pump.turn()
    assert line.protocol.heard == b"and back"
    assert line.server.security.startswith("TLSv1.3 ")


def test_a_write_to_a_client_that_is_gone_ends_the_connection_later(line: Line) -> None:
    """Whoever writes is not pulled away from under his own feet."""
    line.client.sock.close()
    line.server.write(b"x" * 100)
    line.server.write(b"y" * 100)
    assert line.lost() is None
    line.pump.turn(2)
    assert line.lost() is not None
    line.server.write(b"after the end")


# The end.


def test_a_goodbye_is_answered(line: Line) -> None:
    """A client that closes properly hears our goodbye too."""
    assert line.client.say_goodbye() is False
    line.pump.turn()
    assert line.lost() is ConnectionDone
    assert line.client.say_goodbye() is True


def test_a_client_that_has_said_goodbye_still_gets_what_was_for_it(connect: Connect) -> None:
    """Half-closed: all that was written before arrives, then the goodbye."""
    line = connect(room=4096).shake()
    whole = b"z" * 300_000
    line.server.write(whole)
    line.client.say_goodbye()
    got = b""
    for _ in range(3000):
        line.pump.turn()
        line.client.fetch_once(5000)
        got += line.client.read()
        if line.protocol.lost:
            break
    assert got + line.client.read() == whole
    assert line.lost() is ConnectionDone


def test_an_end_without_goodbye_is_a_loss(line: Line) -> None:
    """A client that just vanishes is told apart from one that leaves."""
    line.client.sock.close()
    line.pump.turn()
    assert line.lost() is ConnectionLost


@pytest.mark.parametrize(
    "error",
    [SSL.SysCallError(104, "ECONNRESET"), SSL.Error([("system library", "", "")]), SSL.Error([])],
    ids=["reset", "system", "nothing"],
)
def test_a_broken_network_is_a_loss_and_no_fault_of_tls(line: Line, error: SSL.Error) -> None:
    """OpenSSL tells of a reset in several ways; the log always says the same."""
    line.tls.answers = [error]
    line.client.send(b"x")
    line.pump.turn()
    assert line.lost() is ConnectionLost


def test_a_goodbye_that_cannot_be_sent_now_is_sent_later(line: Line) -> None:
    """Also the last alert waits for room, and a failing one closes."""
    line.tls.answers = [SSL.WantWriteError(), SSL.Error([])]
    line.server.loseConnection()
    line.pump.turn()
    assert (line.lost(), line.server in line.pump.writers) == (None, True)
    line.pump.turn()
    assert line.lost() is ConnectionDone


def test_a_client_that_resets_instead_of_a_goodbye_ends_the_wait(line: Line) -> None:
    """After our goodbye any end will do."""
    line.server.loseConnection()
    line.pump.turn()
    assert line.lost() is None
    line.client.sock.close()  # with our goodbye unread in it: the kernel resets
    line.pump.turn()
    assert line.lost() is ConnectionDone


def test_a_broken_record_ends_the_connection_with_a_reason(line: Line) -> None:
    """Somebody tampered: the connection ends, and the log says why."""
    record = bytearray(_encrypted(line, b"hello"))
    record[-1] ^= 1
    line.client.sock.send(record)
    line.pump.turn()
    assert line.lost() is TlsFailed
    assert line.protocol.heard == b""


def test_our_close_sends_what_is_left_then_goodbye_then_waits(line: Line) -> None:
    """The last answer arrives though the client was still talking."""
    line.server.write(b"last words")
    line.client.send(b"I was just saying")
    line.server.loseConnection()
    line.server.write(b"too late")
    line.pump.turn()
    assert line.lost() is None, "the client has not closed yet"
    assert line.client.read() == b"last words"
    line.client.send(b"and another thing")
    line.pump.turn(2)
    assert (line.protocol.heard, line.client.is_ended(), line.pump.is_busy()) == (b"", True, False)
    line.client.sock.close()
    line.pump.turn()
    assert line.lost() is ConnectionDone


def test_our_close_through_a_full_socket_completes(connect: Connect) -> None:
    """The goodbye itself may have to wait for room."""
    line = connect(room=4096).shake()
    whole = b"q" * 120_000
    line.server.write(whole)
    line.server.loseWriteConnection()
    got = b""
    for _ in range(2000):
        line.pump.turn()
        line.client.fetch_once(1000)
        got += line.client.read()
        if line.client.is_ended():
            break
    assert got == whole
    line.client.sock.close()
    line.pump.turn()
    assert line.lost() is ConnectionDone


def test_an_abort_is_told_later_and_once(line: Line) -> None:
    """Aborting from the middle of a message is safe; nothing is heard or written after it."""

    def abort(_: bytes) -> None:
        line.server.abortConnection()
        line.server.abortConnection()
        line.server.write(b"never")
        assert line.lost() is None

    line.protocol.answer = abort
    line.client.send(b"bye")
    line.pump.turn()
    assert line.lost() is ConnectionAborted
    assert (line.client.read(), line.client.is_ended()) == (b"", True)
    assert not line.pump.readers | line.pump.writers


def test_an_abort_at_the_handshakes_end_sends_nothing(connect: Connect) -> None:
    """A protocol that does not want a client after all says nothing to it."""
    line = connect()
    line.server.write(b"welcome")
    line.protocol.on_shaken = lambda: line.server.abortConnection()
    line.shake()
    assert (line.lost(), line.client.read()) == (ConnectionAborted, b"")


def test_a_connection_knows_its_peer_also_after_the_end(line: Line) -> None:
    """What is written to the log at the end still names the client."""
    line.server.abortConnection()
    line.pump.turn()
    assert (line.server.getPeer().host, line.server.getPeer().port) == ("192.0.2.7", 4711)
    assert line.server.security == ""
    line.server.connectionLost(Failure(ConnectionDone()))
    assert line.lost() is ConnectionAborted


def _encrypted(line: Line, data: bytes) -> bytes:
    line.client.write(data)
    return line.client.pending()


def _quietly(call: Any) -> None:
    with suppress(SSL.WantReadError):
        call()


def _exchange(client: SSL.Connection, line: Line) -> None:
    """Carry what a client in memory has to say to the line, and back."""
    with suppress(SSL.WantReadError):
        line.client.sock.sendall(client.bio_read(65536))
    line.pump.turn(2)
    with suppress(BlockingIOError):
        client.bio_write(line.client.sock.recv(65536))
