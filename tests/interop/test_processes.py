"""One start of two processes at the same ports: people at both talk, one is killed, all are told, one shell shows all, all end."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN, Clients
from tests.interop.test_doors import ctl
from tests.interop.test_postgresql_server import listed, signed_in, well
from tests.interop.test_two_servers import Pool, nodes_of
from tests.kit import wishes
from tests.kit.caller import Caller
from tests.kit.hostile import Answering
from tests.kit.server import RunningServer, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

ALICE, BOB = "alice@example.test", "bob@example.test"
STARTED = re.compile(r"process (\d) of 2 is started, pid (\d+)")
START_S = 90.0
"""Each process reads its modules itself, and they begin one after the other."""

TRIES = 40
"""Connections until one is accepted by a certain process: each takes about half of them."""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """One start of two processes."""
    with Pool.opened(tmp_path_factory.mktemp("processes"), 300) as pool:
        server = pool.server()
        server.write_settings("pool", processes=2)
        server.start(server.twistd, patience_s=START_S)
        yield pool


@pytest.fixture
def server(pool: Pool) -> RunningServer:
    """The two processes, as one server."""
    return pool.servers[0]


def pids(server: RunningServer) -> dict[int, int]:
    """Give the ids of the processes that were started last, by their numbers."""
    return {int(number): int(pid) for number, pid in STARTED.findall(server.log())}


def process_of(server: RunningServer, caller: Caller) -> int:
    """Give the number of the process that has a caller's connection."""
    ours = caller.line.socket.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        local, remote = (int(one.rpartition(":")[2], 16) for one in words[1:3])
        if (local, remote) == (server.tcp_port, ours):
            for number, pid in pids(server).items():
                with suppress(OSError):
                    files = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
                    if f"socket:[{words[9]}]" in files:
                        return number
    raise AssertionError("nobody has the connection")


def at(server: RunningServer, name: str, number: int) -> Caller:
    """Sign somebody in at a certain process."""
    for _ in range(TRIES):
        caller = signed_in(server, name)
        if process_of(server, caller) == number:
            return caller
        caller.line.close()
    raise AssertionError(f"process {number} accepts nobody")


def is_there(pid: int) -> bool:
    """Tell whether a process runs."""
    with suppress(OSError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_people_at_two_processes_talk(server: RunningServer) -> None:
    """Both accept at one port; each process has files of its own, and is a node of its own."""
    alice, bob = at(server, "alice", 1), at(server, "bob", 2)
    with Answering(bob, well):
        assert alice.ask(wishes.page(alice, BOB, "across"), 15.0).status == 200
    with Answering(alice, well):
        assert bob.ask(wishes.page(bob, ALICE, "and back"), 15.0).status == 200
    assert len(nodes_of(server)) == 2
    assert {one.name for one in server.home.glob("archive*")} == {"archive.gap", "archive.2.gap"}


def test_real_clients_at_two_processes_talk(server: RunningServer, tmp_path: Path) -> None:
    """Whichever process an operator's connection is at, `endpoints` says who is signed in where."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    clients = Clients(server, tmp_path / "clients")

    def nodes_of_clients() -> dict[str, str]:
        rows = json.loads(server.ssh("endpoints --json"))["rows"]
        return {row["user"]: row["node"] for row in rows}

    try:
        (carol,) = clients("carol")
        for _ in range(TRIES):
            (dave,) = clients("dave")
            found = nodes_of_clients()
            if len({found[carol.address], found[dave.address]}) == 2:
                break
            dave.leave()
        assert len({found[carol.address], found[dave.address]}) == 2
        carol.send_im(dave.address, "across")
        dave.wait_for("im", who=carol.uri, text="across")
        dave.send_im(carol.address, "and back")
        carol.wait_for("im", who=dave.uri, text="and back")
        # Each connection of an operator may be at either.
        assert all(nodes_of_clients() == found for _ in range(4))
    finally:
        clients.close()


def test_a_reload_reaches_both(server: RunningServer) -> None:
    """The signal is for the parent, as `systemctl reload` sends it."""
    os.kill(server.pid, signal.SIGHUP)
    for number in (1, 2):
        wait_until(
            lambda number=number: f" {number}: reload: certificate and key were read again" in server.log(),  # type: ignore[misc]  # a lambda
            f"process {number} says so",
        )


def test_an_operator_without_a_key_reaches_whichever_process_answers(server: RunningServer) -> None:
    """Each has a socket of its own, for one alone would be gone with its process."""
    first = server.home / "ctl.socket"
    hidden = first.rename(server.home / "hidden")
    try:
        said = ctl(server, "nodes", "--json")
        assert len(json.loads(said.stdout)["rows"]) == 2, said.stderr
    finally:
        hidden.rename(first)


def test_a_killed_process_is_replaced_and_the_other_goes_on(server: RunningServer) -> None:
    """It is said why, the new one serves at the same port, and what was acknowledged is there."""
    alice, bob = at(server, "alice", 1), at(server, "bob", 2)
    assert bob.ask(wishes.set_contact(bob, ALICE)).status == 200
    before = pids(server)

    os.kill(before[2], signal.SIGKILL)

    assert alice.ask(wishes.set_contact(alice, BOB)).status == 200
    wait_until(lambda: server.log().count("process 2 serves") == 2, "another one serves", START_S)
    assert pids(server)[2] != before[2]
    assert re.search(rf"process 2 \(node \w+, pid {before[2]}\) was ended by signal 9 \(SIGKILL\)", server.log())
    assert listed(at(server, "bob", 2)) == {ALICE}
    assert listed(alice) == {BOB}
    assert pids(server)[1] == before[1]


def test_processes_end_when_their_parent_is_gone(server: RunningServer) -> None:
    """Killed, it can end nobody: they end by themselves, in order, and leave the ports."""
    running = pids(server)
    server.kill()
    wait_until(lambda: not any(map(is_there, running.values())), "all are gone")
    assert server.log().count("the parent process is gone; this one ends") == len(running)
