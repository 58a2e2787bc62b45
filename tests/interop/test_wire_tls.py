"""The doors on real sockets: OpenSSL's client and Python's, good ones and bad ones."""

import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from lyncpy.contracts.flows import FlowGone, ISink
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.wire.certificate import Certificate, CertificateUnusable
from lyncpy.wire.files import OpenFiles
from lyncpy.wire.flows import Flows
from lyncpy.wire.listener import Connections, Listener
from lyncpy.wire.ports import CannotOpen
from lyncpy.wire.settings import Settings
from tests.kit.certificates import Key, authority, issue, put, put_both
from tests.kit.flows import NoOtherNodes
from tests.kit.meters import MemoryMeter
from tests.kit.ports import free_ports
from tests.kit.tls_client import secured

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

NAME = "sip.example.com"
OPTIONS = (
    b"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.7:4711;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\nCall-ID: 1\r\n"
    b"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
LINES = OPTIONS.replace(b"\r", b"")
"""The same as a human types it."""


@implementer(ISink)
class Echo:
    """A hall that answers everything with 200 and writes down the rest."""

    def __init__(self) -> None:
        self.flows: Flows | None = None
        self.told: list[tuple[str, ...]] = []
        self.securities: list[str] = []
        self.flood = b""

    def opened(self, flow: FlowName, peer: str, secure: bool) -> None:
        """Write down."""
        self.told.append(("opened", peer, "TLS" if secure else "TCP"))
        assert self.flows is not None
        self.securities.append(self.flows.facts()[-1].security)

    def arrived(self, flow: FlowName, message: Request | Response) -> None:
        """Answer, or flood."""
        assert self.flows is not None
        assert isinstance(message, Request)
        if self.flood:
            self.flows.send_raw(flow, self.flood)
        self.flows.send(flow, response_to(message, 200))

    def garbled(self, flow: FlowName, message: Request | None, status: int, reason: str) -> None:
        """Write down."""
        self.told.append(("garbled", reason))

    def drained(self, flow: FlowName) -> None:
        """Nobody asks here whether a connection is full."""

    def closed(self, flow: FlowName, reason: str) -> None:
        """Write down."""
        self.told.append(("closed", reason))


class Server:
    """Real ports on loopback, with a hall that echoes."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.put(NAME)
        (folder / "ca.pem").write_bytes(authority().pem)
        tls_port, tcp_port = free_ports(2)
        ports = {"tls_port": tls_port, "tcp_port": tcp_port}
        known = {"domain": "example.com", "tls_host": "127.0.0.1", "close_s": 1, **ports, **settings}
        self.settings = Settings.model_validate(known)
        timers = Timers(reactor, time.time)
        self.hall = Echo()
        self.flows = self.hall.flows = Flows(
            NodeName("node"),
            self.settings,
            timers,
            MemoryMeter(),
            lambda call: reactor.callLater(0, call),
            NoOtherNodes(),
            strangers_total=10_000,
            strangers_per_address=500,
        )
        self.certificate = Certificate(self.settings, folder, lambda: datetime.now(UTC))
        files = OpenFiles(self.settings.connections, 0, 0)
        self.listener = Listener(reactor, self.flows, self.hall, self.certificate, self.settings, timers, files, {})

    def put(self, name: str, key: Key | None = None) -> None:
        """Lay a fresh certificate for this name where the settings look for it."""
        put(self.folder, issue(name, today=datetime.now(UTC), key=key))

    def port(self, kind: str = "tls") -> int:
        """The port as it really is."""
        return next(door.port for door in self.listener.doors if door.kind == kind)

    def client(self, name: str = NAME) -> ssl.SSLSocket:
        """Connect as a client that trusts the authority and checks the name. Blocks: for threads."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        raw = socket.create_connection(("127.0.0.1", self.port()), timeout=10)
        return secured(context, raw, name)


def ask(client: socket.socket) -> bytes:
    """Send a request and read its answer."""
    client.sendall(OPTIONS)
    return client.recv(65536)


def s_client(server: Server, *options: str, send: Sequence[bytes] = (OPTIONS,), wait: float = 0.3) -> str:
    """Run OpenSSL's client, give it each piece and a moment to act on it, and give all that it says.

    Blocks: for threads.
    """
    address = f"127.0.0.1:{server.port()}"
    verify = ["-CAfile", str(server.folder / "ca.pem"), "-verify_return_error", "-verify_hostname", NAME]
    command = ["openssl", "s_client", "-connect", address, "-servername", NAME, *verify, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            for piece in send:
                process.stdin.write(piece)
                process.stdin.flush()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(wait)
        try:
            output, _ = process.communicate(b"\nQ\n", timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return output.decode(errors="replace")


Opened = Callable[..., Awaitable[Server]]


@pytest.fixture
def open_server(tmp_path: Path) -> Iterator[Opened]:
    """Open servers, and close them after the test, within a bound."""
    servers: list[Server] = []

    async def make(**settings: Any) -> Server:
        server = Server(tmp_path, **settings)
        servers.append(server)
        await server.listener.open()
        return server

    yield make
    for server in servers:
        pytest_twisted.blockon(Deferred.fromCoroutine(closed(server)))


async def closed(server: Server) -> None:
    """Close a server as the house does: the doors, then the connections."""
    await server.listener.close()
    await Connections(server.flows).close()


async def until(true: Callable[[], bool]) -> None:
    """Wait until something has become true, five seconds at most."""
    for _ in range(500):
        if true():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssls_client_verifies_us_and_is_answered(open_server: Opened, version: str) -> None:
    """The chain and the name hold, and a request is answered."""
    server = await open_server()
    said = await deferToThread(s_client, server, version, "-crlf", send=[LINES])
    assert "SIP/2.0 200 OK" in said
    assert server.hall.told[0] == ("opened", "127.0.0.1", "TLS")


@pytest.mark.parametrize("with_", ["tickets", "numbers"])
async def test_openssls_client_resumes_a_session(open_server: Opened, with_: str) -> None:
    """By a ticket, or by the session's number, as Windows without tickets does."""
    server = await open_server()
    options = ["-tls1_2", "-reconnect", *(["-no_ticket"] if with_ == "numbers" else [])]
    said = await deferToThread(s_client, server, *options, send=[b""], wait=2.0)
    assert (said.count("New, TLSv1.2"), said.count("Reused, TLSv1.2")) == (1, 5)


class Returning:
    """A client that comes back with the session that it had. Its methods block: for threads."""

    def __init__(self, server: Server, version: ssl.TLSVersion) -> None:
        """Take the version of TLS that it speaks."""
        self.server = server
        self.context = ssl.create_default_context(cafile=str(server.folder / "ca.pem"))
        self.context.minimum_version = self.context.maximum_version = version
        self.session: ssl.SSLSession | None = None

    def comes(self) -> bool:
        """Connect, ask and leave; tell whether the session was resumed."""
        raw = socket.create_connection(("127.0.0.1", self.server.port()), timeout=10)
        with self.context.wrap_socket(raw, server_hostname=NAME, session=self.session) as client:
            assert b"SIP/2.0 200 OK" in ask(client)  # tickets of TLS 1.3 come before it
            self.session = client.session
            return bool(client.session_reused)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_device_that_comes_back_resumes_until_the_keys_are_replaced(
    open_server: Opened, version: ssl.TLSVersion
) -> None:
    """Then it shakes hands in full, once, and notices nothing else; so it does when there is a new certificate."""
    server = await open_server()
    device = Returning(server, version)

    async def comes(times: int) -> Sequence[bool]:
        return [await deferToThread(device.comes) for _ in range(times)]

    assert await comes(4) == [False, True, True, True]
    server.certificate.renew_keys()
    assert await comes(3) == [False, True, True]
    server.put(NAME)
    server.listener.reload()
    assert await comes(3) == [False, True, True]
    assert "resumed" in server.hall.securities[1]
    assert "resumed" not in server.hall.securities[0]


async def test_each_client_is_shown_the_certificate_that_it_can_use(open_server: Opened) -> None:
    """ECDSA, which costs the server a tenth; RSA whoever knows no other, and all whose TLS forbids the mixture."""
    server = await open_server()
    now = datetime.now(UTC)
    put_both(server.folder, issue(NAME, today=now, key=rsa.generate_private_key(65537, 2048)), issue(NAME, today=now))
    server.listener.reload()

    def shown(*options: str) -> str:
        return next(line for line in s_client(server, *options).splitlines() if "Peer signature type" in line)

    for version in ("-tls1_2", "-tls1_3"):
        assert "ECDSA" in (await deferToThread(shown, version)).upper()
        assert "RSA-PSS" in (await deferToThread(shown, version, "-sigalgs", "rsa_pss_rsae_sha256")).upper().replace(
            "_", "-"
        )


async def test_old_tls_is_refused_unless_it_is_allowed(open_server: Opened) -> None:
    """Clients of before 2013 get in when the operator says so, and an alert otherwise."""
    server = await open_server()
    old = ("-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0")
    assert "alert protocol version" in await deferToThread(s_client, server, *old)
    server = await open_server(tls_minimum="1.0")
    server.put(NAME, key=rsa.generate_private_key(65537, 2048))
    server.listener.reload()
    assert "New, SSLv3, Cipher is AES128-SHA" in await deferToThread(s_client, server, *old)
    assert "TLSv1.3" in await deferToThread(s_client, server)


async def test_a_key_update_in_the_middle_goes_unnoticed(open_server: Opened) -> None:
    """A client that changes its keys (TLS 1.3) and wants ours changed is answered as before."""
    server = await open_server()

    def work() -> str:
        return s_client(server, "-tls1_3", "-crlf", send=[LINES, b"K\n", LINES, b"K\n", LINES])

    said = await deferToThread(work)
    assert said.count("SIP/2.0 200 OK") == 3
    assert said.count("KEYUPDATE") == 2


async def test_a_goodbye_is_answered_and_told(open_server: Opened) -> None:
    """A client that closes properly sees us close properly."""
    server = await open_server()

    def work() -> bytes:
        with server.client() as client:
            answer = ask(client)
            client.unwrap().close()
        return answer

    assert (await deferToThread(work)).startswith(b"SIP/2.0 200 OK\r\n")
    await until(lambda: ("closed", "closed by the client") in server.hall.told)


async def test_garbage_and_resets_leave_nothing_behind(open_server: Opened) -> None:
    """Scanners come and go; honest clients notice nothing."""
    server = await open_server()

    def work() -> bytes:
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\x00" * 4096, b""):
            for reset in (False, True):
                with socket.create_connection(("127.0.0.1", server.port())) as raw:
                    raw.sendall(data)
                    if reset:
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with server.client() as client:
            answer = ask(client)
            # A signed-in client whose machine crashes.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return answer

    assert (await deferToThread(work)).startswith(b"SIP/2.0 200 OK")
    await until(lambda: not server.flows.names() and ("closed", "connection lost") in server.hall.told)
    await server.flows.close_all("all are gone already")


async def test_a_silent_client_does_not_get_through_the_handshake(open_server: Opened) -> None:
    """Whoever connects and says nothing is cut."""
    server = await open_server(handshake_s=1)

    def work() -> bytes:
        with socket.create_connection(("127.0.0.1", server.port()), timeout=5) as raw:
            try:
                return raw.recv(1)
            except ConnectionResetError:
                return b""

    assert await deferToThread(work) == b""


async def test_a_slow_reader_gets_all_and_one_that_stops_is_dropped(open_server: Opened) -> None:
    """Ten megabytes arrive as they were sent; who does not read costs a bounded memory."""
    server = await open_server(unwritten_bytes=1_000_000)
    server.hall.flood = bytes(range(256)) * 3500

    def slow() -> list[int]:
        got = []
        with server.client() as client:
            for _ in range(5):
                client.sendall(OPTIONS)
                answer = b""
                while not answer.endswith(b"Content-Length: 0\r\n\r\n"):
                    answer += client.recv(7000)
                got.append(answer.find(b"SIP/2.0"))
                assert answer.startswith(server.hall.flood)
        return got

    assert await deferToThread(slow) == [len(server.hall.flood)] * 5

    stopped = await deferToThread(server.client)
    await until(lambda: len(server.flows.names()) == 1)
    (name,) = server.flows.names()
    with pytest.raises(FlowGone):
        for _ in range(100):
            server.flows.send_raw(name, server.hall.flood)
            await deferLater(reactor, 0)
    await until(lambda: ("closed", "the client does not read") in server.hall.told)
    stopped.close()


async def test_a_new_certificate_serves_new_connections_and_drops_none(open_server: Opened) -> None:
    """Renewal is a reload; a bad file changes nothing."""
    server = await open_server()
    old = await deferToThread(server.client)
    server.put("new.example.com")
    assert "new.example.com" in server.listener.reload()[0]
    new = await deferToThread(server.client, "new.example.com")
    for client in (old, new):
        assert (await deferToThread(ask, client)).startswith(b"SIP/2.0 200 OK")
        client.close()
    (server.folder / "server.key").write_text("no key")
    with pytest.raises(CertificateUnusable, match="private_key"):
        server.listener.reload()
    still = await deferToThread(server.client, "new.example.com")
    still.close()


async def test_closing_says_goodbye_within_a_bound(open_server: Opened) -> None:
    """A stopping server ends every connection properly where the client lets it, and in time where not."""
    server = await open_server()
    polite, deaf = [await deferToThread(server.client) for _ in range(2)]
    knocking = socket.create_connection(("127.0.0.1", server.port()))
    await until(lambda: len(server.flows.names()) == 2)
    server.flows.send_raw(server.flows.names()[1], b"x" * 2_000_000)

    def be_polite() -> bytes:
        with polite:
            return polite.recv(100)

    goodbye = deferToThread(be_polite)
    await closed(server)
    assert await goodbye == b"", "an end, not an error"
    assert server.hall.told.count(("closed", "the server stops")) == 2
    assert server.listener.doors == ()
    deaf.close()
    knocking.close()


async def test_the_plain_door_is_on_loopback(open_server: Opened) -> None:
    """Tests and a relay on this machine may come without TLS."""
    server = await open_server()

    def work() -> bytes:
        with socket.create_connection(("127.0.0.1", server.port("tcp"))) as raw:
            return ask(raw)

    assert (await deferToThread(work)).startswith(b"SIP/2.0 200 OK")
    assert server.hall.told[0] == ("opened", "127.0.0.1", "TCP")


async def test_all_addresses_are_both_families(open_server: Opened) -> None:
    """Without a host, clients come by IPv4 and by IPv6, and an IPv4 address looks like one."""
    server = await open_server(tls_host="", tcp_port=0)
    (door,) = server.listener.doors

    def work() -> None:
        for host in ("127.0.0.1", "::1")[: 2 if door.host == "::" else 1]:
            context = ssl.create_default_context(cafile=str(server.folder / "ca.pem"))
            with socket.create_connection((host, door.port)) as raw, secured(context, raw, NAME):
                pass

    await deferToThread(work)
    await until(lambda: ("opened", "127.0.0.1", "TLS") in server.hall.told)


async def test_a_port_that_cannot_be_opened_is_said_in_a_sentence(open_server: Opened, tmp_path: Path) -> None:
    """The operator reads section, setting and remedy."""
    first = await open_server()
    taken = Server(tmp_path, tls_port=first.port(), tcp_port=0)
    with pytest.raises(CannotOpen, match=r"\[sip\] tls_port: .* another program uses it; stop"):
        await taken.listener.open()
    with pytest.raises(CannotOpen, match=r"no such address; correct tls_host"):
        await open_server(tls_host="192.0.2.1")
    with pytest.raises(CannotOpen, match="both 0"):
        await open_server(tls_port=0, tcp_port=0)


# Relays.

V1 = b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 5061\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([203, 0, 113, 9, 127, 0, 0, 1]) + b"\x9c\x40\x13\xc5"


def relayed(server: Server, header: bytes, *, slowly: bool = False) -> bytes:
    """Come as a relay does: its header, then a client's TLS. Blocks: for threads."""
    context = ssl.create_default_context(cafile=str(server.folder / "ca.pem"))
    raw = socket.create_connection(("127.0.0.1", server.port()), timeout=10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in [header[i : i + 1] for i in range(len(header))] if slowly else [header]:
        raw.sendall(piece)
        if slowly:
            time.sleep(0.001)
    try:
        with secured(context, raw, NAME) as client:
            return ask(client)
    except OSError:
        return b""


@pytest.mark.parametrize("header", [V1, V2], ids=["version 1", "version 2"])
@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "byte by byte"])
async def test_a_relay_tells_for_whom_a_connection_is(open_server: Opened, header: bytes, slowly: bool) -> None:
    """Its header goes before the client's handshake, which then goes on as ever; the true address is known."""
    server = await open_server(relays=["127.0.0.0/8"])
    answer = await deferToThread(relayed, server, header, slowly=slowly)
    assert answer.startswith(b"SIP/2.0 200")
    assert server.hall.told[0] == ("opened", "203.0.113.9", "TLS")


@pytest.mark.parametrize("header", [b"", b"PROXY TCP4 no address at all 1 2\r\n", V2[:15] + b"\xff\xff" + V2[17:]])
async def test_a_relay_that_does_not_tell_is_cut_before_tls(open_server: Opened, header: bytes) -> None:
    """Without its header, or with one that is none, nobody is let in over it."""
    server = await open_server(relays=["127.0.0.1"])
    assert await deferToThread(relayed, server, header) == b""
    assert server.hall.told == []


def test_a_client_whose_connection_was_reset_leaves_nothing_open() -> None:
    """The kit's client, which meets servers that cut before TLS; what it leaves is blamed on another test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        raw = socket.create_connection(server.getsockname(), timeout=10)
        accepted, _ = server.accept()
        raw.sendall(b"unread")
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
    with pytest.raises(OSError, match="reset"):
        secured(ssl.create_default_context(), raw, NAME)


async def test_a_header_of_nobody_s_relay_is_no_tls(open_server: Opened) -> None:
    """Whoever writes one without being named has no connection."""
    server = await open_server()
    assert await deferToThread(relayed, server, V1) == b""
    assert server.hall.told == []
