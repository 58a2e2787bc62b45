"""A real nats-server: TLS, who we are, its cluster, and how it ends; and a whole server that tells over it what changes."""

import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import capturedLogs

from lyncpy.backends.nats import link
from lyncpy.backends.nats import servers as nats_servers
from lyncpy.backends.nats.bus import NatsBus
from lyncpy.backends.nats.credentials import read_credentials
from lyncpy.backends.nats.probe import examined
from lyncpy.backends.nats.servers import Servers
from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts.bus import BusTimeout
from lyncpy.contracts.facts import FlowClosed
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.contracts.questions import HowIsNode, NodeState
from tests.interop.conftest import Clients
from tests.kit.certificates import Issued, authority, issue
from tests.kit.daemon import PATIENCE_S
from tests.kit.meters import MemoryMeter
from tests.kit.nats import Names, NatsServer, ReactorLoop, SpoilingProxy, Subscriber, nats
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer
from tests.unit.backends.nats.test_credentials import PUBLIC, SEED
from twisted import internet

pytestmark = pytest.mark.interop

HERE = NodeName("here")
Open = Callable[..., NatsBus]
Cluster = Callable[..., list[NatsServer]]


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReactorLoop]:
    """A reactor of its own, also for Twisted's TLS: what that gathers to write would wait for a turn of the process's one."""
    one = ReactorLoop()
    monkeypatch.setattr(internet, "reactor", one.reactor, raising=False)
    yield one
    one.close()


@pytest.fixture
def started() -> Iterator[Callable[[NatsServer], NatsServer]]:
    """Starts servers, and removes them after the test."""
    servers: list[NatsServer] = []

    def start(server: NatsServer) -> NatsServer:
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.remove()


@pytest.fixture
def clustered(started: Callable[[NatsServer], NatsServer]) -> Cluster:
    """Starts two servers that tell clients of each other, each with the lines of its own, or with the same ones."""

    def start(*lines: str, prepared: Callable[[NatsServer], NatsServer] = lambda server: server) -> list[NatsServer]:
        routes = free_ports(2)
        return [
            started(
                prepared(
                    NatsServer(
                        f"cluster {{ name: c, listen: 127.0.0.1:{own}, routes: [nats://127.0.0.1:{route}] }}\n{said}"
                    )
                )
            )
            for own, route, said in ((*routes, lines[0]), (*routes[::-1], lines[-1]))
        ]

    return start


@pytest.fixture
def opened(loop: ReactorLoop, tmp_path: Path) -> Open:
    """Opens nodes, whether or not a server takes them; they are closed after the test."""

    def open_node(url: str, node: NodeName = HERE, **settings: Any) -> NatsBus:  # Any: of a setting's kind
        made = Settings(url=url, sign_s=0.2, **settings)
        bus = NatsBus(node, made, tmp_path, loop.reactor, loop.timers, MemoryMeter())
        loop.wait(bus.open())
        loop.cleanups.append(lambda: loop.wait(bus.close()))
        return bus

    return open_node


def today(*names: str, by: Issued | None = None) -> Issued:
    """Issue a certificate that is valid by the clock of this machine."""
    return issue(*names, today=datetime.now(UTC), by=by)


def trust(folder: Path, issued: Issued) -> str:
    """Write whom to trust; give the name of the file."""
    (folder / "ca.pem").write_bytes(issued.pem)
    return "ca.pem"


def trouble(bus: NatsBus) -> str:
    """Give what an operator is told about a bus."""
    return " ".join(one.finding for one in bus.conditions())


def settle(loop: ReactorLoop, bus: NatsBus) -> None:
    """Wait until a server has what it was told to subscribe to: it answers what was said after that."""
    with pytest.raises(BusTimeout):
        loop.wait(bus.ask(NodeName("nobody"), HowIsNode(), 5.0))


def secret(folder: Path, name: str, text: str) -> str:
    """Write a secret; give the name of its file."""
    (folder / name).write_text(f"{text}\n")
    return name


# --- TLS


@pytest.mark.libraries
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_tls_with_a_trusted_certificate(
    name: str, opened: Open, started: Callable[[NatsServer], NatsServer], tmp_path: Path
) -> None:
    """For a name or an address; it begins because the server wants it."""
    server = started(NatsServer().certify(today(name)))
    bus = opened(f"nats://{name}:{server.port}", ca_file=trust(tmp_path, authority()))
    assert trouble(bus) == ""
    assert bus.states()[0] == ("bus", f"{name}:{server.port}")


def test_a_certificate_for_another_or_of_another_is_refused(
    opened: Open, started: Callable[[NatsServer], NatsServer], tmp_path: Path
) -> None:
    """Nothing was said of us by then; an operator reads why. One without any subjectAltName is for nobody."""
    ca_file = trust(tmp_path, authority())
    with capturedLogs():
        for issued, words in (
            (today("nats.example.com"), "its certificate is not for 127.0.0.1"),
            (today(), "its certificate is not for 127.0.0.1"),
            (today("127.0.0.1", by=authority("Another")), "an authority that is not trusted has issued it"),
            (issue("127.0.0.1"), "it is not valid yet"),
        ):
            server = started(NatsServer("authorization { user: u, password: p }").certify(issued))
            password = secret(tmp_path, "password", "p")
            bus = opened(f"nats://u@127.0.0.1:{server.port}?tls=always", ca_file=ca_file, password_file=password)
            assert words in trouble(bus)


def test_without_tls_nothing_is_said_where_it_is_wanted(
    opened: Open, started: Callable[[NatsServer], NatsServer], tmp_path: Path
) -> None:
    """A server that offers none, and authorities that cannot be read."""
    server = started(NatsServer())
    with capturedLogs():
        assert "it offers no TLS" in trouble(opened(f"{server.url}?tls=always"))
        secure = started(NatsServer().certify(today("127.0.0.1")))
        assert "cannot be read" in trouble(opened(secure.url, ca_file="nowhere.pem"))
        for text in ("x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"):
            assert "has no certificate" in trouble(opened(secure.url, ca_file=secret(tmp_path, "empty.pem", text)))


def test_a_name_that_idna_refuses_is_connected_to_and_checked(
    loop: ReactorLoop, opened: Open, started: Callable[[NatsServer], NatsServer], tmp_path: Path
) -> None:
    """Container networks give such; the certificate has to be for it all the same."""
    names, ca_file = Names(loop), trust(tmp_path, authority())
    right, wrong = (started(NatsServer().certify(today(name))) for name in ("nats_1", "nats_2"))
    assert trouble(opened(f"nats://nats_1:{right.port}", ca_file=ca_file)) == ""
    with capturedLogs():
        assert "its certificate is not for nats_1" in trouble(opened(f"nats://nats_1:{wrong.port}", ca_file=ca_file))
    assert set(names.asked) == {"nats_1"}


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_connection_ends_in_order(
    over_tls: bool,
    opened: Open,
    loop: ReactorLoop,
    started: Callable[[NatsServer], NatsServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was said last arrives; and nothing waits for the time after which it would be broken off."""
    monkeypatch.setattr(link, "CLOSE_S", 3600.0)
    server = NatsServer().certify(today("127.0.0.1")) if over_tls else NatsServer()
    bus = opened(started(server).url, ca_file=trust(tmp_path, authority()))
    hearer = opened(server.url, NodeName("there"), ca_file="ca.pem")
    found: list[Any] = []
    hearer.listen(FlowClosed, found.append)
    settle(loop, hearer)
    for number in range(100):
        bus.tell(FlowClosed(FlowName(str(number)), "x" * 5_000))
    loop.wait(bus.close())
    loop.until(lambda: len(found) == 100)


# --- who we are


def test_a_user_and_an_nkey_are_proved(
    opened: Open, started: Callable[[NatsServer], NatsServer], tmp_path: Path
) -> None:
    """From files, which are read for each connection."""
    by_user = started(NatsServer("authorization { user: lyncpy, password: 'a b' }"))
    by_key = started(NatsServer(f"authorization {{ users: [ {{ nkey: {PUBLIC} }} ] }}"))
    nkey, right, wrong = (secret(tmp_path, *pair) for pair in (("nkey", SEED), ("right", "a b"), ("wrong", "x")))
    user_url = f"nats://lyncpy@127.0.0.1:{by_user.port}"
    assert trouble(opened(user_url, password_file=right)) == ""
    assert trouble(opened(by_key.url, nkey_file=nkey)) == ""
    with capturedLogs() as logged:
        assert "Authorization Violation" in trouble(opened(user_url, password_file=wrong))
        assert "Authorization Violation" in trouble(opened(by_key.url))
        assert "gives nothing to sign" in trouble(opened(by_user.url, nkey_file=nkey))
        assert "No such file" in trouble(opened(user_url, password_file="nowhere"))
        assert "check sum" in trouble(opened(by_key.url, nkey_file=secret(tmp_path, "bad", SEED[:-2] + "AA")))
    assert SEED[5:20] not in str([*logged])


def test_a_disk_that_hangs_stops_nothing_else(
    loop: ReactorLoop,
    started: Callable[[NatsServer], NatsServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A secret is read beside all other work: a start goes on without it, and the bus is there as soon as it is read."""
    monkeypatch.setattr(link, "CONNECT_S", 0.2)
    server = started(NatsServer("authorization { user: lyncpy, password: 'p' }"))
    answers = threading.Event()

    def read_late(*given: Any) -> Any:  # Any: as the real one has it
        assert answers.wait(PATIENCE_S)
        return read_credentials(*given)

    monkeypatch.setattr(nats_servers, "read_credentials", read_late)
    secret(tmp_path, "password", "p")
    made = Settings(url=f"nats://lyncpy@127.0.0.1:{server.port}", password_file="password")
    bus = NatsBus(HERE, made, tmp_path, loop.reactor, loop.timers, MemoryMeter())
    loop.cleanups.append(lambda: loop.wait(bus.close()))
    with capturedLogs():
        loop.wait(bus.open())
        assert "does not answer" in trouble(bus)
        answers.set()
        loop.until(lambda: not bus.conditions())


def test_a_user_who_may_use_one_prefix_can_do_all(
    loop: ReactorLoop, opened: Open, started: Callable[[NatsServer], NatsServer], tmp_path: Path
) -> None:
    """`lyncpy.>` is enough. What a user may not do is refused; that ends nothing, and fills no log."""
    may = 'user: u, password: p, permissions: { publish: "lyncpy.>", subscribe: "lyncpy.>" }'
    server = started(NatsServer(f"authorization {{ users: [ {{ {may} }} ] }}"))
    password, url = secret(tmp_path, "password", "p"), f"nats://u@127.0.0.1:{server.port}"
    here, there = (opened(url, NodeName(name), password_file=password) for name in ("here", "there"))
    found: list[Any] = []
    here.listen(FlowClosed, found.append)
    there.answer(HowIsNode, answer)
    settle(loop, there)
    assert loop.wait(here.ask(NodeName("there"), HowIsNode(), 5.0)) == NodeState("1", 2, 3)
    there.tell(FlowClosed(FlowName("1"), "lost"))
    loop.until(lambda: found)
    other = opened(url, NodeName("other"), password_file=password, subject="other")
    with capturedLogs() as logged:
        for number in range(50):
            other.tell(FlowClosed(FlowName(str(number)), "lost"))
        with pytest.raises(BusTimeout):
            loop.wait(other.ask(NodeName("there"), HowIsNode(), 0.2))
    said = [event["reason"] for event in logged if "says:" in str(event.get("log_format"))]
    assert len(said) <= 1
    assert "Permissions Violation" in trouble(other) and trouble(here) == ""


async def answer(question: HowIsNode) -> NodeState:
    """Say how a node is."""
    return NodeState("1", 2, 3)


# --- what `lyncpy check` says


def test_check_says_whether_a_server_takes_this_one_and_which_setting_is_wrong(
    started: Callable[[NatsServer], NatsServer], tmp_path: Path
) -> None:
    """Over TLS and with what proves us, as a start does it."""
    trusted = trust(tmp_path, authority())
    (tmp_path / "others.pem").write_bytes(authority("Another").pem)
    pairs = (("nkey", SEED), ("right", "a b"), ("wrong", "x"), ("spaced", "a b "))
    nkey, right, wrong, spaced = (secret(tmp_path, *pair) for pair in pairs)
    user = "user: lyncpy, password: 'a b'"
    plain = started(NatsServer(f"authorization {{ {user} }}"))
    secure = started(NatsServer(f"authorization {{ {user} }}").certify(today("127.0.0.1")))
    foreign = started(NatsServer().certify(today("nats.example.com")))
    keyed = started(NatsServer(f"authorization {{ users: [ {{ nkey: {PUBLIC} }} ] }}"))
    narrow = started(NatsServer(f'authorization {{ users: [ {{ {user}, permissions: {{ publish: "x.>" }} }} ] }}'))

    def found(server: NatsServer, tls: str = "", **settings: Any) -> tuple[bool, str]:  # Any: of a setting's kind
        """Look at one server."""
        as_user = "lyncpy@" if "password_file" in settings else ""
        url = server.url.replace("nats://", f"nats://{as_user}") + tls
        (one,) = examined(Settings(url=url, **settings), tmp_path)
        return one.good, one.sentence

    for server, tls, settings, good, words in (
        (plain, "", {"password_file": right}, True, "takes this server, without TLS"),
        (secure, "?tls=always", {"password_file": right, "ca_file": trusted}, True, "takes this server, over TLS"),
        (plain, "", {"password_file": wrong}, False, "[bus] password_file: "),
        (plain, "", {"password_file": spaced}, False, "what stands in [bus] password_file begins or ends with a space"),
        (plain, "", {}, False, "[bus] url: "),
        (plain, "", {}, False, "wants to know who this is"),
        (plain, "?tls=always", {"password_file": right}, False, "it offers no TLS"),
        (plain, "", {"nkey_file": nkey}, False, "[bus] nkey_file: "),
        (keyed, "", {"nkey_file": nkey}, True, "takes this server"),
        (keyed, "", {"password_file": right}, False, "knows no user lyncpy with this password"),
        (secure, "", {"password_file": right, "ca_file": "others.pem"}, False, "[bus] ca_file: "),
        (secure, "", {"password_file": right, "ca_file": "nowhere"}, False, "([bus] ca_file) cannot be read"),
        (foreign, "", {"ca_file": trusted}, False, "its certificate is not for 127.0.0.1"),
        (plain, "?tls=first", {"password_file": right}, False, "it does not speak TLS"),
        (narrow, "", {"password_file": right}, False, 'publish and subscribe to "lyncpy.>"'),
    ):
        is_good, sentence = found(server, tls, **settings)
        assert (is_good, words in sentence) == (good, True), sentence
        assert "a b" not in sentence and SEED[5:20] not in sentence
    plain.stop()
    assert "does nats-server run there?" in found(plain)[1]


# --- its life


def test_a_start_that_is_broken_off_ends(loop: ReactorLoop, tmp_path: Path) -> None:
    """While a server that says nothing is waited for."""
    with nats() as server:
        proxy = SpoilingProxy(loop, server)
        proxy.greeting = b""
        bus = NatsBus(HERE, Settings(url=proxy.url), tmp_path, loop.reactor, loop.timers, MemoryMeter())
        opening = Deferred.fromCoroutine(bus.open())
        loop.until(lambda: proxy.wires)
        loop.wait(bus.close())
        assert opening.called
        loop.passes(0.3)
        assert not proxy.wires


def test_a_server_that_ends_or_freezes_is_left_for_another(
    loop: ReactorLoop, opened: Open, clustered: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a cluster, which the first has told: killed, frozen, or about to end; and each comes back into use."""
    # Long enough that one which is only slow, on a busy machine, is not taken for a frozen one.
    monkeypatch.setattr(link, "PROBE_S", 1.0)
    monkeypatch.setattr(link, "CONNECT_S", 3.0)
    servers = clustered('lame_duck_duration: "30s"\nlame_duck_grace_period: "1s"')
    by_place = {f"127.0.0.1:{server.port}": server for server in servers}
    bus, other = opened(servers[0].url), opened(servers[0].url, NodeName("there"))
    assert bus.states()[0] == ("bus", f"127.0.0.1:{servers[0].port}")
    found: list[Any] = []
    bus.listen(FlowClosed, found.append)

    def hears() -> None:
        """Both are on one bus again, wherever they are."""
        count = len(found)

        def told() -> bool:
            other.tell(FlowClosed(FlowName("x"), ""))
            return len(found) > count

        loop.until(told)

    hears()
    with capturedLogs() as logged:
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR2):
            # A server that has come back is told to clients when its route is there again; what they know may be of before.
            loop.until(lambda: [one.tells for one in servers] == [2, 2])
            loop.until(lambda: all(("NATS servers known", 2) in one.states() for one in (bus, other)))
            loop.until(lambda: bus.states()[0][1] in by_place)
            place = str(bus.states()[0][1])
            by_place[place].signal(number)
            loop.until(lambda place=place: bus.states()[0][1] not in (place, "no NATS server"))  # type: ignore[misc]
            hears()
            # The other one may have been there, too: it has to leave as well before that comes back.
            loop.until(lambda place=place: other.states()[0][1] not in (place, "no NATS server"))  # type: ignore[misc]
            by_place[place].stop(signal.SIGKILL)
            by_place[place].start()
    assert not [event for event in logged if event["log_level"].name in ("error", "critical")]
    assert [event for event in logged if "has lost" in str(event.get("log_format"))]


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_server_that_is_about_to_end_is_left_at_once(
    over_tls: bool,
    loop: ReactorLoop,
    opened: Open,
    clustered: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In order, and for another one of its cluster: long before it would close the connection itself."""
    monkeypatch.setattr(link, "CLOSE_S", 3600.0)
    servers = clustered(
        'lame_duck_duration: "120s"\nlame_duck_grace_period: "100s"',
        prepared=lambda one: one.certify(today("127.0.0.1")) if over_tls else one,
    )
    by_place = {f"127.0.0.1:{server.port}": server for server in servers}
    bus = opened(f"{servers[0].url},127.0.0.1:{servers[1].port}", ca_file=trust(tmp_path, authority()))
    place = str(bus.states()[0][1])
    with capturedLogs() as logged:
        by_place[place].signal(signal.SIGUSR2)
        loop.until(lambda: bus.states()[0][1] not in (place, "no NATS server"))
    said = [event["reason"] for event in logged if "has lost" in str(event.get("log_format"))]
    assert said == ["it is about to end"]


class _Flapping(Protocol):
    """Takes whoever comes, and closes."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.write(b"INFO {}\r\n")

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"PONG\r\n")
        self.transport.loseConnection()


def test_a_server_that_takes_us_and_closes_is_tried_less_and_less_often(
    loop: ReactorLoop, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection counts when it has held."""
    pauses: list[float] = []

    def pause(servers: Servers) -> float:
        pauses.append(whole(servers))
        return 0.0

    whole = Servers.pause
    monkeypatch.setattr(Servers, "pause", pause)
    port = loop.reactor.listenTCP(0, Factory.forProtocol(_Flapping), interface="127.0.0.1")
    loop.cleanups.append(port.stopListening)
    with capturedLogs():
        opened(f"nats://127.0.0.1:{port.getHost().port}")
        loop.until(lambda: len(pauses) >= 7)
    assert pauses[6] > 2.0


def test_a_start_does_not_wait_for_a_server_that_is_not_there(
    loop: ReactorLoop, opened: Open, started: Callable[[NatsServer], NatsServer]
) -> None:
    """It is told to the operator, and used as soon as it is there."""
    port = free_ports(1)[0]
    with capturedLogs() as logged:
        bus = opened(f"nats://127.0.0.1:{port}")
    assert "no NATS server takes this one" in trouble(bus)
    assert [event["log_level"].name for event in logged if "no NATS server" in str(event.get("log_format"))] == [
        "error"
    ]
    bus.tell(FlowClosed(FlowName("1"), "lost"))
    started(NatsServer(port=port))
    loop.until(lambda: not bus.conditions())


@pytest.mark.parametrize("is_fault", [False, True])
def test_whatever_goes_wrong_with_one_server_another_is_tried(
    is_fault: bool,
    loop: ReactorLoop,
    opened: Open,
    clustered: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told names that cannot be, and a fault of our own: it is connected to again when the server is back."""
    monkeypatch.setattr(link, "CONNECT_S", 0.2)
    names = Names(loop)
    server, _ = clustered('client_advertise: "nats_1:1"', 'client_advertise: "nats_2:1"')
    bus = opened(server.url)
    loop.until(lambda: ("NATS servers known", 2) in bus.states() or ("NATS servers known", 3) in bus.states())
    with capturedLogs():
        server.stop(signal.SIGKILL)
        if is_fault:
            faults = iter(range(3))

            def broken(*given: Any, **named: Any) -> Any:  # Any: as Twisted has it
                if next(faults, None) is None:
                    return HostnameEndpoint(*given, **named)
                raise RuntimeError("a fault")

            monkeypatch.setattr(link, "HostnameEndpoint", broken)
        loop.until(lambda: names.asked.count("nats_2") > 2)
        server.start()
        loop.until(lambda: bus.states()[0] == ("bus", f"127.0.0.1:{server.port}"))


def test_what_is_no_nats_server_is_left(loop: ReactorLoop, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says something else, and one that says nothing."""
    monkeypatch.setattr(link, "CONNECT_S", 2.0)
    with nats() as server:
        proxy = SpoilingProxy(loop, server)
        proxy.greeting = b"220 mail.example.com ESMTP\r\n"
        with capturedLogs():
            assert "is no line of NATS" in trouble(opened(proxy.url))
            proxy.greeting = b""
            assert "has not taken us" in trouble(opened(proxy.url))


def test_what_a_server_does_not_take_is_lost_and_bounded(
    loop: ReactorLoop, opened: Open, started: Callable[[NatsServer], NatsServer]
) -> None:
    """Frozen, it fills no memory; what is larger than it takes ends no connection."""
    server = started(NatsServer("max_payload: 4096"))
    bus = opened(server.url, pending_bytes=65_536)
    subscriber = Subscriber(server, "lyncpy.fact.>")
    bus.tell(FlowClosed(FlowName("0"), "x" * 8000))
    bus.tell(FlowClosed(FlowName("1"), "lost"))
    assert bus.untold() == 1
    loop.reactor.iterate(0.01)
    assert subscriber.next_json(r"lyncpy\.fact\.FlowClosed\..*")["n"] == 2
    assert trouble(bus) == ""
    server.signal(signal.SIGSTOP)
    for _ in range(40_000):
        bus.tell(FlowClosed(FlowName("2"), "x" * 1000))
        if bus.untold() > 100:
            break
        loop.reactor.iterate(0)
    assert bus.untold() > 100
    server.signal(signal.SIGCONT)

    def takes_one_more() -> bool:
        before = bus.untold()
        bus.tell(FlowClosed(FlowName("3"), ""))
        return bus.untold() == before

    loop.until(takes_one_more)
    subscriber.close()


# --- the whole server


@pytest.fixture(scope="module")
def broker() -> Iterator[NatsServer]:
    """A nats-server for the server of this file."""
    with nats() as one:
        yield one


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, broker: NatsServer) -> Iterator[RunningServer]:
    """Give a server that tells over NATS what changes."""
    home = tmp_path_factory.mktemp("server") / "home"
    with RunningServer(home, bus__url=broker.url).init().serving() as running:
        yield running


def test_what_clients_do_is_told_without_a_secret(clients: Clients, broker: NatsServer, server: RunningServer) -> None:
    """A plain subscriber hears who signed in, what they publish, and whose list has changed; and no password's hash."""
    subscriber = Subscriber(broker, "lyncpy.>")
    alice, bob = clients("alice", "bob")
    arrived = subscriber.next_json(r"lyncpy\.fact\.EndpointArrived\..*")
    assert arrived["fact"]["aor"] in (alice.uri, bob.uri)
    alice.add_buddy(bob.address)
    assert subscriber.next_json(r"lyncpy\.fact\.ContactsChanged\..*")["fact"]["aor"] == alice.uri
    bob.set_status("busy", "back at three")
    alice.wait_presence(bob.address, status="busy")
    while True:
        told = subscriber.next_json(r"lyncpy\.fact\.BoardChanged\..*")["fact"]
        if told["aor"] == bob.uri and "note" in told["categories"]:
            break
    subscriber.close()


def test_another_process_that_changes_a_password_is_heard(
    clients: Clients, broker: NatsServer, server: RunningServer
) -> None:
    """`lyncpy user passwd` is one: whoever is signed in with the old password is not any more."""
    subscriber = Subscriber(broker, "lyncpy.fact.SecretChanged.>")
    (alice,) = clients("alice")
    server.set_password(alice.address, "another secret")
    assert subscriber.next_json(r"lyncpy\..*")["fact"] == {"aor": alice.uri}
    alice.set_status("busy", "with the old password")
    alice.until(lambda: alice.sip("received", "SIP/2.0 403"), "a refusal of what is signed with the old password")
    subscriber.close()


def test_the_server_goes_on_while_its_broker_is_away(
    clients: Clients, broker: NatsServer, server: RunningServer
) -> None:
    """Messages and presence of its own people need no other server."""
    server.set_password("alice@example.test", server.accounts["alice"].password)
    alice, bob = clients("alice", "bob")
    broker.stop(signal.SIGKILL)
    alice.send_im(bob.address, "still here")
    bob.wait_for("im", who=alice.uri, text="still here")
    broker.start()
    subscriber = Subscriber(broker, "lyncpy.>")
    assert subscriber.next_json(r"lyncpy\.node\..*")["told"]["EndpointArrived"] >= 2
    subscriber.close()
