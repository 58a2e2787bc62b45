"""Real clients go from one real server of a pool to another: to be together, and because theirs is restarted."""

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.sip.message import Request, Response, response_to
from tests.interop.conftest import PLUGIN, Clients
from tests.interop.test_two_servers import Pool, nodes_of
from tests.kit import wishes
from tests.kit.caller import Caller, Gone, Line, NotSignedIn, Silence
from tests.kit.server import RunningServer, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

NAMES = [f"fe{number}.example.test" for number in (1, 2, 3)]
HOSTS = dict.fromkeys(NAMES, "127.0.0.1")


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """One without servers yet."""
    with Pool.opened(tmp_path, 240) as pool:
        yield pool


def begun(pool: Pool, count: int) -> list[RunningServer]:
    """Start servers, each with a name of its own, and wait until each knows all."""
    servers = [pool.server(name=name) for name in NAMES[:count]]
    for server in servers:
        server.start()
    wait_until(lambda: all(all_named(server) == count for server in servers), "each knows the others")
    return servers


def all_named(server: RunningServer) -> int:
    """Count the servers of which one knows that they are there, by their names and by their leases."""
    return len(re.findall(r"(?:this one +held|ago +[\d.]+ s) .*fe\d\.example", server.ssh("nodes")))


def node_of(server: RunningServer) -> str:
    """Give the node of a server."""
    return next(node for node, row in nodes_of(server).items() if "this" in row)


def signed_in_at(server: RunningServer) -> int:
    """Count the devices that are signed in at a server."""
    found = re.search(r"(\d+) signed in at this server", server.ssh_whatever("endpoints"))
    return int(found[1]) if found else -1


def restarts(server: RunningServer, asked: RunningServer) -> None:
    """Have a server leave, by the shell of another, wait until it has ended by itself and in order, and start it again."""
    assert "it leaves" in asked.ssh(f"drain {node_of(server)}")
    server.wait_for_end()
    server.start()
    wait_until(lambda: all_named(asked) >= len(NAMES[:2]), "it is there again")


def test_pidgin_follows_to_its_users_other_device_and_to_whoever_is_left(pool: Pool, tmp_path: Path) -> None:
    """A second device of Alice's is sent on to the first one's server; both go to the other when theirs leaves, and nobody has to do anything."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    if os.geteuid():
        pytest.skip("a second endpoint on one machine needs a host name of its own, and that needs root")
    one, two = begun(pool, 2)
    here, there = Clients(one, tmp_path / "here"), Clients(two, tmp_path / "there")
    try:
        bob = there.make("bob", names=HOSTS).login(returns=True)
        alice = here.make("alice", names=HOSTS).login(returns=True)
        laptop = there.make("alice", names=HOSTS, hostname="laptop").login(returns=True)
        assert (signed_in_at(one), signed_in_at(two)) == (2, 1)
        assert len(laptop.sip("received", "SIP/2.0 301")) == 1
        bob.send_im(alice.address, "where are you?")
        heard = [client.events for client in (alice, laptop)]
        wait_until(lambda: any(one["event"] == "im" for events in heard for one in events), "one of them hears it")

        for client in (alice, laptop):
            client.clear()
        assert "it leaves" in two.ssh(f"drain {NAMES[0]}")
        for client in (alice, laptop):
            client.wait_for("connection_error", reason="network_error")
            client.signed_on_again()
        one.wait_for_end()
        assert signed_in_at(two) == 3
        # Where Pidgin comes back to first is still there, and has sent it on.
        assert alice.sip("received", "SIP/2.0 301")
        alice.send_im(bob.address, "here, at the other")
        bob.wait_for("im", who=alice.uri, text="here, at the other")
    finally:
        here.close()
        there.close()


class Talker:
    """Somebody who says something all the time, answers all that comes, and signs in again when the connection is lost."""

    def __init__(self, servers: list[RunningServer], name: str, peer: str) -> None:
        self.servers = servers
        self.name = name
        self.account = servers[0].accounts[name]
        self.peer = peer
        self.said: dict[str, str] = {}
        """What is not answered yet, by Call-ID."""

        self.acknowledged: set[str] = set()
        self.heard: set[str] = set()
        self.moves = 0
        self.refused: list[int] = []
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Talker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)
        self.count()

    def count(self) -> int:
        """Give how many of the messages were acknowledged; raises what has ended the talk."""
        if self.failure is not None:
            raise self.failure
        return len(self.acknowledged)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                with contextlib.suppress(Gone):
                    self._talk(self._signed_in())
                self.said.clear()
                self.moves += 1
        except BaseException as failure:
            self.failure = failure

    def _signed_in(self) -> Caller:
        """Sign in at the first server that answers, or where that sends it."""
        servers = list(self.servers)
        while not self._stop.is_set():
            for server in servers:
                try:
                    line = Line(server.tcp_port)
                except OSError:
                    continue
                try:
                    return Caller(line, self.account.address, self.account.password, epid=self.name).sign_in()
                except Gone:
                    continue
                except NotSignedIn as refused:
                    self.refused.append(refused.response.status)
                    contact = refused.response.headers.get("Contact") or ""
                    servers = [one for one in self.servers if f":{one.tls_port};" in contact] or list(self.servers)
                    line.close()
                    break
        raise Gone("it is over")

    def _talk(self, caller: Caller) -> None:
        count = 0
        while not self._stop.is_set() or self.said:
            if len(self.said) < 3 and not self._stop.is_set():
                count += 1
                text = f"{self.account.address} {self.moves} {count}"
                request = wishes.page(caller, self.peer, text)
                self.said[request.headers.get("Call-ID") or ""] = text
                caller.send(request)
            with contextlib.suppress(Silence):
                self._take(caller, caller.hear(0.05))

    def _take(self, caller: Caller, message: Request | Response) -> None:
        if isinstance(message, Request):
            if message.method not in ("ACK", "BENOTIFY"):
                self.heard.add(message.body.decode())
                caller.send(response_to(message, 200, to_tag="b"))
        elif message.status >= 200:
            text = self.said.pop(message.headers.get("Call-ID") or "", "")
            if message.status == 200 and text:
                self.acknowledged.add(text)


def test_servers_are_restarted_in_turn_and_no_message_is_lost(pool: Pool) -> None:
    """Each of three leaves while people talk, ends in order, and is started again: whatever was answered with 200 has been delivered."""
    servers = begun(pool, 3)
    people = ("alice", "bob", "carol", "dave")
    talkers = [
        Talker(servers, name, servers[0].accounts[peer].address)
        for name, peer in zip(people, (*people[1:], people[0]), strict=True)
    ]
    with contextlib.ExitStack() as talking:
        for talker in talkers:
            talking.enter_context(talker)
        wait_until(lambda: all(talker.count() > 10 for talker in talkers), "all talk")
        for number, server in enumerate(servers):
            restarts(server, servers[number - 1])
            before = [talker.count() for talker in talkers]
            wait_until(
                lambda before=before: all(  # type: ignore[misc]
                    talker.count() > count + 10 for talker, count in zip(talkers, before, strict=True)
                ),
                "all talk again",
            )
    for talker, hearer in zip(talkers, (*talkers[1:], talkers[0]), strict=True):
        assert talker.acknowledged - hearer.heard == set()
    assert all(talker.moves >= 1 for talker in talkers)
    assert all("Traceback" not in server.log() for server in servers)


def test_sigterm_lets_a_server_leave_in_order(pool: Pool) -> None:
    """As systemd ends it: whoever is signed in there is at the other when it has ended, and a lone server just stops."""
    one, two = begun(pool, 2)
    alice, bob = (
        Talker([one, two], name, one.accounts[peer].address) for name, peer in (("alice", "bob"), ("bob", "alice"))
    )
    with alice, bob:
        wait_until(lambda: min(alice.count(), bob.count()) > 3, "they talk")
        os.kill(one.pid, signal.SIGTERM)
        one.wait_for_end()
        assert "this server leaves" in one.log()
        wait_until(lambda: signed_in_at(two) == 2, "they have moved")
    two.stop()
    assert "this server leaves" not in two.log()
