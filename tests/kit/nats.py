"""A real nats-server on 127.0.0.1, a client of the test's own that hears what is said there, and a proxy that spoils it."""

import contextlib
import json
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.core.timers import Timers, steady
from tests.kit.certificates import Issued
from tests.kit.daemon import PATIENCE_S, Daemon, answers
from tests.kit.ports import free_ports


class NatsServer:
    """Starts, freezes, kills and starts again one server; its port stays."""

    def __init__(self, configuration: str = "", *, port: int = 0) -> None:
        """Write its configuration; nothing runs yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="lyncpy-nats-"))
        self.port = port or free_ports(1)[0]
        self._file = self.folder / "nats.conf"
        self._file.write_text(f'host: 127.0.0.1\nport: {self.port}\nping_interval: "30s"\n{configuration}\n')
        self._daemon = Daemon(self.folder / "log")

    @property
    def url(self) -> str:
        """What [bus] url says of it."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._daemon.pid

    def configure(self, lines: str) -> "NatsServer":
        """Add lines to its configuration."""
        with self._file.open("a") as file:
            file.write(f"{lines}\n")
        return self

    def certify(self, issued: Issued) -> "NatsServer":
        """Have it speak TLS with this certificate, and nothing else."""
        for name, content in (("server.pem", issued.pem), ("server.key", issued.key_pem())):
            (self.folder / name).write_bytes(content)
        return self.configure(
            f'tls {{ cert_file: "{self.folder}/server.pem", key_file: "{self.folder}/server.key", timeout: 5 }}'
        )

    def start(self) -> "NatsServer":
        """Start it, and wait until it takes connections."""
        self._daemon.start(["nats-server", "-c", str(self._file)], lambda: answers("127.0.0.1", self.port))
        return self

    @property
    def tells(self) -> int:
        """How many servers of its cluster it tells a new client of, itself included."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as one, one.makefile("rb") as said:
            return len(json.loads(said.readline().removeprefix(b"INFO ")).get("connect_urls", ()))

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        self._daemon.stop(number)

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP, SIGCONT, SIGUSR2 (it is about to end)."""
        self._daemon.signal(number)

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


class Subscriber:
    """A plain client with a socket: it subscribes to a pattern and reads what comes. Knows nothing of our own client."""

    def __init__(self, server: NatsServer, pattern: str, port: int = 0) -> None:
        """Subscribe."""
        self._socket = socket.create_connection(("127.0.0.1", port or server.port), PATIENCE_S)
        self._file = self._socket.makefile("rb")
        assert self._file.readline().startswith(b"INFO ")
        self._socket.sendall(f'CONNECT {{"verbose":false}}\r\nSUB {pattern} 1\r\nPING\r\n'.encode())
        assert self._file.readline() == b"PONG\r\n"
        self._come: list[tuple[str, bytes]] = []

    def publish(self, subject: str, payload: bytes, reply: str = "") -> None:
        """Publish, and wait until the server has it."""
        self._socket.sendall(f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\nPING\r\n")
        while self._read() != b"PONG\r\n":
            pass

    def next(self) -> tuple[str, bytes]:
        """Wait for the next message; give its subject and its bytes."""
        while not self._come:
            self._read()
        return self._come.pop(0)

    def _read(self) -> bytes:
        """Read what the server says next, and keep it if it is a message; give its line."""
        line = self._file.readline()
        assert line, "the server has closed the connection"
        if line.startswith(b"MSG "):
            _, subject, *_, size = line.split()
            self._come.append((subject.decode(), self._file.read(int(size) + 2)[:-2]))
        return line

    def next_json(self, subject: str) -> dict[str, Any]:  # Any: what stands in it
        """Wait for a message with a subject that matches a regular expression; give what is in it."""
        while True:
            found, data = self.next()
            if re.fullmatch(subject, found):
                told: dict[str, Any] = json.loads(data)
                return told

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self._socket.close()


_LAST_TURNS: Final = 4
"""A client, its proxy, the proxy's connection to the server, and none."""


class ReactorLoop:
    """A reactor of the test's own, which runs while something is waited for."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self.reactor: Any = EPollReactor()  # Any: a reactor is several interfaces
        steady(self.reactor)
        # Names are looked up in its threads, which begin with it.
        self.reactor.startRunning(installSignalHandlers=False)
        self.timers = Timers(self.reactor, time.time)
        self.cleanups: list[Callable[[], None]] = []

    def until(self, condition: Callable[[], object]) -> None:
        """Run until something holds."""
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until, "it does not happen"
            self.reactor.iterate(0.005)

    def passes(self, seconds: float) -> None:
        """Run for a while: for what must not happen meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.reactor.iterate(0.005)

    def wait(self, work: Any) -> Any:  # Any: whatever is awaited
        """Run until a Deferred or a coroutine has ended; give its result, or raise its error."""
        results: list[Any] = []
        deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        _ = deferred.addBoth(results.append)
        self.until(lambda: results)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def close(self) -> None:
        """End all that was begun, and leave no descriptor open."""
        for cleanup in reversed(self.cleanups):
            cleanup()
        # Twisted closes the socket of a port or an aborted connection in the turn after, and one's end may be another's.
        for _ in range(_LAST_TURNS):
            self.reactor.iterate(0)
            for one in self.reactor.removeAll():
                one.connectionLost(Failure(ConnectionAbortedError()))
        self.reactor.fireSystemEvent("shutdown")
        for call in self.reactor.getDelayedCalls():
            call.cancel()
        # The last that a bus's thread does is to wake the reactor, which has to be there.
        until = time.monotonic() + PATIENCE_S
        while any(one.name == "bus" for one in threading.enumerate()) and time.monotonic() < until:
            self.reactor.iterate(0.005)
        for internal in self.reactor.getReaders():
            internal.connectionLost(None)


class SpoilingProxy(Factory):
    """Stands between clients and a server, and loses, repeats, holds back or cuts what the server delivers.

    Attributes:
        copies: How often each message is passed on, by its payload; 0: it is lost.
        held: Whether messages wait until `release`.
        greeting: What is said in place of all that the server says; None: nothing is.
    """

    def __init__(self, loop: ReactorLoop, server: NatsServer) -> None:
        """Listen."""
        self.loop = loop
        self.server = server
        self.copies: Callable[[bytes], int] = lambda payload: 1
        self.held = False
        self.greeting: bytes | None = None
        self.wires: list[_Through] = []
        port = loop.reactor.listenTCP(0, self, interface="127.0.0.1")
        self.port = port.getHost().port
        loop.cleanups.append(port.stopListening)

    @property
    def url(self) -> str:
        """What [bus] url says of it."""
        return f"nats://127.0.0.1:{self.port}"

    def buildProtocol(self, addr: object) -> Protocol:
        """Connect a client through."""
        wire = _Through(self)
        self.wires.append(wire)
        return wire

    def cut(self) -> None:
        """Cut all connections."""
        for wire in tuple(self.wires):
            wire.transport.abortConnection()

    def release(self) -> None:
        """Pass on what was held back, the last first."""
        self.held = False
        for wire in self.wires:
            wire.release()


class _Through(Protocol):
    transport: Any

    def __init__(self, proxy: SpoilingProxy) -> None:
        self._proxy = proxy
        self._server: Any = None
        self._early = b""
        self._buffer = b""
        self._held: list[bytes] = []

    def connectionMade(self) -> None:
        factory = ClientFactory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: _Server(self)  # type: ignore[method-assign]
        factory.clientConnectionFailed = lambda *_: self.transport.abortConnection()  # type: ignore[method-assign]
        self._proxy.loop.reactor.connectTCP("127.0.0.1", self._proxy.server.port, factory)

    def dataReceived(self, data: bytes) -> None:
        if self._server is None:
            self._early += data
        else:
            self._server.write(data)

    def connectionLost(self, reason: object = None) -> None:
        if self in self._proxy.wires:
            self._proxy.wires.remove(self)
        if self._server is not None:
            self._server.abortConnection()

    def connected_to(self, transport: Any) -> None:
        self._server = transport
        transport.write(self._early)

    def from_server(self, data: bytes) -> None:
        if self._proxy.greeting is not None:
            self.transport.write(self._proxy.greeting)
            return
        self._buffer += data
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line = self._buffer[:end]
            size = int(line.split()[-1]) + 2 if line.startswith((b"MSG ", b"HMSG ")) else 0
            if len(self._buffer) < end + 2 + size:
                return
            whole, self._buffer = self._buffer[: end + 2 + size], self._buffer[end + 2 + size :]
            self._pass_on(whole, whole[end + 2 : -2] if size else None)

    def _pass_on(self, whole: bytes, payload: bytes | None) -> None:
        if payload is None:
            self.transport.write(whole)
        elif whole.startswith(b"HMSG "):
            # The server's own word, that nobody listens there: with it a test sees that all before it has arrived.
            self.transport.write(whole)
        elif self._proxy.held:
            self._held.append(whole * self._proxy.copies(payload))
        else:
            self.transport.write(whole * self._proxy.copies(payload))

    def release(self) -> None:
        held, self._held = self._held, []
        self.transport.write(b"".join(reversed(held)))


class _Server(Protocol):
    transport: Any

    def __init__(self, through: _Through) -> None:
        self._through = through

    def connectionMade(self) -> None:
        self._through.connected_to(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._through.from_server(data)

    def connectionLost(self, reason: object = None) -> None:
        self._through.transport.loseConnection()


@contextlib.contextmanager
def nats(configuration: str = "") -> Iterator[NatsServer]:
    """Give a server that runs, and remove it."""
    server = NatsServer(configuration)
    try:
        yield server.start()
    finally:
        server.remove()


@implementer(IHostnameResolver, IHostResolution)
class Names:
    """Knows every name, as one of this machine; what is asked is kept."""

    name = "any"

    def __init__(self, loop: ReactorLoop) -> None:
        """Stand in for the machine's own."""
        self.asked: list[str] = []
        loop.reactor.installNameResolver(self)

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Answer."""
        self.asked.append(hostName)
        resolutionReceiver.resolutionBegan(self)
        resolutionReceiver.addressResolved(IPv4Address("TCP", "127.0.0.1", portNumber))
        resolutionReceiver.resolutionComplete()
        return self

    def cancel(self) -> None:
        """Nothing is under way."""
