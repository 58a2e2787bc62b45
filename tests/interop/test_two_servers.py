"""Two real servers on one PostgreSQL database and one nats-server: one of them is killed, frozen, or hears no bus."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lyncpy.sip.message import Request, Response
from tests.interop.test_postgresql_server import listed, signed_in, well
from tests.kit import wishes
from tests.kit.caller import Gone, Silence
from tests.kit.cellars import in_postgresql
from tests.kit.hostile import PATIENT, Answering, time_limit
from tests.kit.nats import nats
from tests.kit.postgres import Postgres, shared_postgres
from tests.kit.server import READY, RunningServer, ServerFailed, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

LEASE_S = 6.0
"""Well beyond what a busy machine lets a process wait: who is only slow must not be taken for dead."""

SIGN_S = 1.0
"""Seconds between two signs of life on the bus; after some that are missed a server is not heard any more."""

MESSAGES = 150
BOB, CAROL, DAVE = (f"{name}@example.test" for name in ("bob", "carol", "dave"))
KNOWN_DEAD = "is known dead to the others"


class Pool:
    """A database, a bus, and servers that share them, their people and their keys."""

    def __init__(self, folder: Path, store: dict[str, Any], bus: str) -> None:  # Any: settings
        self._folder = folder
        self._settings = {f"store__{name}": value for name, value in store.items()}
        self._bus = bus
        self.database = str(store["url"]).rpartition("/")[2]
        self.servers: list[RunningServer] = []

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, limit_s: int, database: Postgres | None = None) -> Iterator["Pool"]:
        """Begin one without servers; it and they end with the context."""
        with nats() as broker, in_postgresql(folder, database) as store, time_limit(limit_s):
            made = cls(folder, store, broker.url)
            try:
                yield made
            finally:
                for server in made.servers:
                    server.close()

    def server(self, *, bus: str | None = None, name: str = "") -> RunningServer:
        """Make the home of one more; those behind the first have its people, its key and its authority.

        Args:
            bus: Another bus than that of all.
            name: The server's own.
        """
        home = self._folder / f"home{len(self.servers)}"
        if self.servers:
            home.mkdir(mode=0o700)
            for file in ("store.key", "people.toml", "demo-accounts.toml", "ca.pem", "ca.key"):
                shutil.copy(self.servers[0].home / file, home / file)
        url = self._bus if bus is None else bus
        settings = {**PATIENT, **self._settings, "bus__url": url, "bus__sign_s": SIGN_S, "pool__lease_s": LEASE_S}
        settings |= {"policies__archive_internal": "true", "archive__critical": "true"}
        settings |= {"pool__name": name} if name else {}
        self.servers.append(RunningServer(home, **settings))
        return self.servers[-1].init()

    def rows(self, query: str) -> list[list[str]]:
        """Ask the database."""
        return [line.split("|") for line in shared_postgres().sql(query, self.database).splitlines()]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """One without servers yet."""
    with Pool.opened(tmp_path, 120) as pool:
        yield pool


def nodes_of(server: RunningServer) -> dict[str, list[str]]:
    """Give the rows of `nodes`, by what stands first in them."""
    return {line.split()[0]: line.split() for line in server.ssh("nodes").splitlines() if line.startswith("n")}


def dead_at(server: RunningServer) -> Callable[[], bool]:
    """Give what asks whether a server says that another is dead."""
    return lambda: any("dead" in row for row in nodes_of(server).values())


def test_what_a_killed_server_left_is_ended_by_the_other(pool: Pool) -> None:
    """Within some seconds `nodes` says that it is dead, its session is over, and its duties are the other's; the other's own goes on."""
    one, two = pool.server().start(), pool.server().start()
    assert len(nodes_of(two)) == 2
    duties = pool.rows("select key, n.epoch from homes join nodes n on n.name = homes.node")
    assert {epoch for _, epoch in duties} == {"1"}
    alice, bob = signed_in(one, "alice"), signed_in(one, "bob")
    with Answering(bob, well):
        assert alice.ask(wishes.invite(alice, BOB), 15.0).status == 200
    carol, dave = signed_in(two, "carol"), signed_in(two, "dave")
    with Answering(dave, well):
        assert carol.ask(wishes.invite(carol, DAVE), 15.0).status == 200
    open_sessions = "select user1 from sessions where ended_at is null"
    wait_until(lambda: len(pool.rows(open_sessions)) == 2, "both are noted")

    one.kill()

    wait_until(lambda: len(pool.rows(open_sessions)) == 1, "the session of the dead is ended")
    assert pool.rows(open_sessions) == [["sip:carol@example.test"]]
    ended = pool.rows("select user1, ended_by, end_reason from sessions where ended_at is not null")
    assert ended == [["sip:alice@example.test", "server", "restart"]]
    wait_until(dead_at(two), "the other says so")
    assert {epoch for _, epoch in pool.rows("select key, n.epoch from homes join nodes n on n.name = homes.node")} == {
        "2"
    }
    # And back: it is another node, and ends nobody.
    one.start()
    assert pool.rows(open_sessions) == [["sip:carol@example.test"]]
    assert signed_in(one, "alice")


def test_who_was_frozen_writes_nothing_stale_and_joins_again(pool: Pool) -> None:
    """What it was asked while it slept is not done: it is dead by then, and starts anew in its own process under another name."""
    one = pool.server()
    # By the command that an operator types: that is what it runs again.
    one.start(one.twistd)
    two = pool.server().start()
    alice = signed_in(one, "alice")
    assert alice.ask(wishes.set_contact(alice, BOB)).status == 200
    number = one.pid

    os.kill(number, signal.SIGSTOP)
    wait_until(dead_at(two), "the other says that it is dead")
    alice.send(wishes.set_contact(alice, CAROL))
    os.kill(number, signal.SIGCONT)

    wait_until(lambda: one.log().count(READY) == 2, "it is there again")
    assert KNOWN_DEAD in one.log()
    assert one.pid == number
    heard: list[Request | Response] = []
    try:
        while True:
            heard.append(alice.hear(1.0))
    except (Gone, Silence):
        pass
    assert not [one for one in heard if isinstance(one, Response) and one.status == 200]
    assert listed(signed_in(one, "alice")) == {BOB}
    names = {row[0] for row in pool.rows("select name, ended is null from nodes where ended is null")}
    wait_until(lambda: names <= nodes_of(two).keys(), "the other knows its new name")
    assert len(names) == 2
    assert KNOWN_DEAD not in two.log()


def test_a_short_freeze_costs_nothing(pool: Pool) -> None:
    """Less than the length of the lease: whoever is signed in stays, and nothing is refused."""
    one, two = pool.server().start(), pool.server().start()
    alice = signed_in(one, "alice")
    os.kill(one.pid, signal.SIGSTOP)
    with pytest.raises(Silence):
        alice.hear(LEASE_S / 4)
    os.kill(one.pid, signal.SIGCONT)
    assert alice.ask(wishes.set_contact(alice, BOB)).status == 200
    assert listed(signed_in(two, "alice")) == {BOB}


def test_a_second_server_without_a_bus_is_refused(pool: Pool) -> None:
    """With what to set; and the first goes on."""
    one = pool.server().start()
    two = pool.server(bus="memory:")
    with pytest.raises(
        ServerFailed, match=r"works with this database \(\[store\] url\), and this one has no \[bus\] url"
    ):
        two.start()
    assert signed_in(one, "alice")
    assert KNOWN_DEAD not in one.log()


def test_the_archive_is_one_chain_whoever_writes(pool: Pool) -> None:
    """Two pairs of people talk at once, each pair at another server; each message that was answered is in the chain, once, and it is whole."""
    one, two = pool.server().start(), pool.server().start()
    callers = [signed_in(one, "alice"), signed_in(two, "carol")]
    callees = [signed_in(one, "bob"), signed_in(two, "dave")]
    said: list[list[str]] = [[], []]

    def talk(number: int) -> None:
        for count in range(MESSAGES):
            text, caller = f"{number} {count}", callers[number]
            if caller.ask(wishes.page(caller, (BOB, DAVE)[number], text), 15.0).status == 200:
                said[number].append(text)

    with Answering(callees[0], well), Answering(callees[1], well):
        threads = [threading.Thread(target=talk, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [len(texts) for texts in said] == [MESSAGES, MESSAGES]
    rows = pool.rows("select serial, convert_from(body, 'UTF8') from archive where kind = 'message' order by serial")
    texts = [text for _, text in rows]
    assert sorted(texts) == sorted(said[0] + said[1])
    assert [text for text in texts if text in set(said[0])] == said[0]
    assert "nothing was removed or altered" in one.ssh("archive verify")
    assert "cannot be written" not in one.log() + two.log()
