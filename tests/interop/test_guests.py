"""A guest in a meeting of real clients, over TLS: seen, heard, let in and thrown out by them."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.guests import GUEST_DOMAIN
from tests.interop.conftest import Clients
from tests.kit.caller import Caller, Line
from tests.kit.guests import Guest, made_up
from tests.kit.hall import tree
from tests.kit.hostile import assert_calm
from tests.kit.meetings import C3P_TYPE, Seat, adding, c3p, code_of
from tests.kit.network import Network
from tests.kit.server import RunningServer
from tests.kit.sip_client import Exchange
from tests.kit.tls_client import secured

pytestmark = pytest.mark.interop

KEY = "Secret12"
PATIENCE_S = 20.0
POLL_S = 0.05


class Wire:
    """A connection to a real server, read while time passes; it has what a guest uses of a network and of a line."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._socket: ssl.SSLSocket | None = None
        self._received: Callable[[bytes], None] = lambda data: None
        self.clock = Clock()  # nothing that it is asked for later is needed here
        self.latency_s = 0.0
        self.peer = SimpleNamespace(port=5061)
        self.is_open = False

    def connect(self, address: str, received: Callable[[bytes], None]) -> "Wire":
        """Connect by TLS."""
        plain = socket.create_connection(("127.0.0.1", self._server.tls_port), PATIENCE_S)
        context = ssl.create_default_context(cafile=str(self._server.ca))
        self._socket = secured(context, plain, "127.0.0.1")
        self._received, self.is_open = received, True
        return self

    def send(self, data: bytes) -> None:
        """Send bytes."""
        assert self._socket is not None
        self._socket.settimeout(PATIENCE_S)
        self._socket.sendall(data)

    def cut(self) -> None:
        """Hang up without a word."""
        assert self._socket is not None
        self.is_open = False
        self._socket.close()

    def passes(self, seconds: float) -> None:
        """Read what comes for a while, and at least once."""
        until = time.monotonic() + max(seconds, POLL_S)
        while self.is_open and (rest := until - time.monotonic()) > 0:
            assert self._socket is not None
            self._socket.settimeout(rest)
            with suppress(TimeoutError, ssl.SSLWantReadError):
                data = self._socket.recv(65_536)
                self.is_open = bool(data)
                self._received(data)


class Visitor:
    """A guest, and how he waits for what he wants to see."""

    def __init__(self, server: RunningServer, name: str, key: str) -> None:
        self.wire = Wire(server)
        how: dict[str, Any] = {"password": key, "number": 1, "address": "127.0.0.1", "wall": time.time}
        self.guest = Guest(
            cast(Network, self.wire), made_up(), GUEST_DOMAIN, passes=self.wire.passes, name=name, **how
        )  # a wire does what is used of one

    def until(self, question: Callable[[], object], what: str) -> None:
        """Wait for something to be so."""
        end = time.monotonic() + PATIENCE_S
        while not question():
            assert time.monotonic() < end, what
            self.wire.passes(POLL_S)

    def knocks(self, focus: str, **how: bool) -> tuple[Seat, Exchange]:
        """Ask to be let in, and wait for the answer."""
        seat = self.guest.seat(focus, **how)
        exchange = seat.knocks()
        self.until(lambda: not exchange.is_pending, "an answer to the guest")
        return seat, exchange

    def sits_down(self, seat: Seat) -> None:
        """Wait for the roster, and join the chat."""
        if not seat.is_watching:
            seat.watches()
        self.until(lambda: seat.chat_uri, "the roster")
        seat.joins_chat()
        self.until(lambda: seat.chat is not None and seat.chat.is_answered, "the chat")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server."""
    with RunningServer(tmp_path_factory.mktemp("server") / "home").init().serving() as running:
        yield running


@pytest.fixture
def visitors(server: RunningServer) -> Iterator[Callable[[str, str], Visitor]]:
    """Give a maker of guests, by name and key; their connections are closed after the test."""
    made: list[Visitor] = []

    def make(name: str, key: str) -> Visitor:
        made.append(Visitor(server, name, key))
        return made[-1]

    yield make
    for visitor in made:
        if visitor.wire.is_open:
            visitor.wire.cut()


def scheduled(server: RunningServer) -> str:
    """Have Alice schedule a meeting that is open to who has its key; give its address."""
    address = "alice@example.test"
    with Line(server.tls_port, ca=server.ca) as line:
        alice = Caller(line, address, server.accounts["alice"].password).sign_in()
        factory = f"{alice.aor};gruu;opaque=app:conf:focusfactory"
        key = f"<msci:conference-key>{KEY}</msci:conference-key>"
        body = c3p(alice.aor, factory, adding(policy="anonymous", extra=key))
        answer = alice.ask(alice.request("SERVICE", factory, content_type=C3P_TYPE, body=body))
        assert code_of(answer) == "success"
        entity: str = tree(answer.body).find(".//conference-info").get("entity")
        return entity


def test_a_guest_among_real_clients(
    clients: Clients, server: RunningServer, visitors: Callable[[str, str], Visitor]
) -> None:
    """Alice and Bob see the guest come, talk with him, and see him go when his connection ends."""
    focus = scheduled(server)
    alice, bob = clients("alice", "bob")
    for one in (alice, bob):
        one.join_conference(focus)
        one.wait_for("chat_joined")
    assert visitors("Yan", "Wrong123").knocks(focus)[1].status == 401
    zoe = visitors("Zoe", KEY)
    seat, exchange = zoe.knocks(focus)
    assert exchange.status == 200
    zoe.sits_down(seat)
    address = zoe.guest.aor.removeprefix("sip:")
    for one in (alice, bob):
        one.until(lambda one=one: len(one.members()) == 3, "three in the chat")  # type: ignore[misc]  # bound
        assert one.members()[address] is False
    alice.chat_send("welcome, Zoe")
    zoe.until(lambda: ("alice", "welcome, Zoe") in seat.texts, "what Alice said")
    said = seat.says("thank you")
    zoe.until(lambda: not said.is_pending, "the answer to what he said")
    assert said.status == 202
    for one in (alice, bob):
        one.wait_for("chat", who=zoe.guest.aor, text="thank you")

    zoe.wire.cut()

    for one in (alice, bob):
        one.wait_for("chat_members_removed", members=[zoe.guest.aor])
    assert_calm(server)


def test_a_guest_waits_until_an_operator_lets_him_in(
    clients: Clients, server: RunningServer, visitors: Callable[[str, str], Visitor]
) -> None:
    """A chat of colleagues has a lobby for guests; pidgin-sipe has no button for it, the shell has a word."""
    alice, bob = clients("alice", "bob")
    alice.add_buddy(bob.address)
    alice.start_conference(bob.address)
    alice.until(lambda: len(alice.members()) == 2, "two in the chat")
    asked = [text.split()[1] for text in alice.sip("sent", "INVITE") if "app:conf:focus:id:" in text.splitlines()[0]]
    focus = asked[-1]
    id_ = focus.rpartition(":")[2]
    zoe = visitors("Zoe", id_)
    seat, exchange = zoe.knocks(focus, lobby_capable=True)
    assert exchange.status == 200
    seat.watches()
    zoe.until(lambda: seat.roster, "his own place in the lobby")
    assert list(seat.roster) == [zoe.guest.aor]

    server.ssh(f"conference admit {id_} {zoe.guest.aor}")

    zoe.sits_down(seat)
    alice.until(lambda: len(alice.members()) == 3, "the guest")
    bob.chat_send("come in")
    zoe.until(lambda: ("bob", "come in") in seat.texts, "what Bob said")
    server.ssh(f"conference eject {id_} {zoe.guest.aor}")
    zoe.until(lambda: seat.is_over, "the end")
    alice.wait_for("chat_members_removed", members=[zoe.guest.aor])
    assert_calm(server)
