"""The promise ILeases, on every implementation: two processes at one store."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.engine import Connection

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.leases import SqlLeases
from lyncpy.backends.sql.records import SqlRecords
from lyncpy.backends.sql.store import SqlStore
from lyncpy.backends.sql.tables import nodes
from lyncpy.contracts.names import NodeName, Version
from lyncpy.contracts.nodes import Fenced, Home, ILeases, NodeLease
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from tests.kit.cellars import KINDS, NOON, Wall, database_in, made
from tests.kit.fakes import FragileRecords, FragileStore, Fragility
from tests.kit.leases import MemoryLeases, NodesOfStore
from tests.kit.memory import MemoryRecords, MemoryStore
from tests.kit.threads import ThreadPump

CALL = SessionRecord("one", "c", "1", "2", "", "sip:a@b", "sip:c@d", "", "", "", "", "im", NOON)
A, A2, B = NodeName("a"), NodeName("a2"), NodeName("b")
LENGTH = 5.0


class Pair:
    """Two processes at one store; time passes for its clock."""

    def __init__(self, kind: str, ending: ExitStack, home: Path) -> None:
        """Open it; each has leases, a store and records."""
        self.pump = ThreadPump()
        self.databases: list[Database] = []
        self.leases: list[Any] = []  # Any: promises have no class
        self.stores: list[Any] = []
        self.records: list[Any] = []
        if kind == "memory":
            self._in_memory()
            return
        settings = ending.enter_context(made(kind, home))
        for _ in range(2):
            database = database_in(home, self.pump, **settings)
            _ = ending.callback(self._close, database)
            self.pump.run(database.open())
            self.databases.append(database)
            self.leases.append(SqlLeases(database, lambda: None))
            self.stores.append(SqlStore(database, Wall()))
            self.records.append(SqlRecords(database))
        earlier = update(nodes).values(until=nodes.c.until - LENGTH)

        def passes() -> None:
            self.wait(database.run_write(lambda connection: connection.execute(earlier).rowcount))

        self.passes: Callable[[], None] = passes

    def _close(self, database: Database) -> None:
        self.pump.run(database.close())

    def _in_memory(self) -> None:
        clock, store = Wall(NOON), MemoryStore(Wall())
        shared = NodesOfStore(clock)
        records = MemoryRecords(shared.is_alive)
        for _ in range(2):
            leases = MemoryLeases(shared)
            disk = Fragility(leases.is_over)
            self.leases.append(leases)
            self.stores.append(FragileStore(store, disk))
            self.records.append(FragileRecords(records, disk))

        def passes() -> None:
            clock.now += LENGTH

        self.passes = passes

    def wait(self, work: Awaitable[Any]) -> Any:  # Any: whatever the promise gives
        """Give the result."""

        async def awaited() -> Any:
            return await work

        return self.pump.run(awaited())

    def join(self, number: int, node: NodeName) -> int:
        """Have a process join; give its epoch."""
        epoch: int = self.wait(self.leases[number].join(node, f"host of {node}", LENGTH, is_connected=True))
        return epoch

    def take(self, number: int, node: NodeName, key: str = "conference 1") -> Home:
        """Have a process take one home for a node."""
        homes: tuple[Home, ...] = self.wait(self.leases[number].take_homes([key], node))
        return homes[0]

    def node(self, name: NodeName) -> NodeLease:
        """Give a node as the store has it."""
        found: NodeLease = next(one for one in self.wait(self.leases[0].nodes()) if one.name == name)
        return found

    def end(self, by: int, name: NodeName) -> list[NodeName]:
        """Have one process find another dead; give those that it has ended."""
        return list(self.wait(self.leases[by].end_leases([self.node(name)])))


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """One implementation, open and empty."""
    with ExitStack() as ending:
        yield Pair(request.param, ending, tmp_path)


@pytest.fixture(params=["memory", "postgresql"])
def several(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Those that several servers work with; of a file there is one, which nobody has to fence."""
    with ExitStack() as ending:
        yield Pair(request.param, ending, tmp_path)


def test_is_what_it_says(pair: Pair) -> None:
    """The implementation declares the promise."""
    assert ILeases.providedBy(pair.leases[0])


def test_who_joins_is_listed(pair: Pair) -> None:
    """With its place, the time that it has, and an epoch above that of whoever came before."""
    assert (pair.join(0, A), pair.join(1, B)) == (1, 2)

    found = pair.wait(pair.leases[1].nodes())

    assert [(one.name, one.epoch, one.place, one.is_connected, one.is_ended) for one in found] == [
        (A, 1, "host of a", True, False),
        (B, 2, "host of b", True, False),
    ]
    assert all(LENGTH - 2 < one.left_s <= LENGTH for one in found)


def test_a_lease_that_has_run_out_may_be_renewed(pair: Pair) -> None:
    """As long as nobody has written down that it is over: a hiccup of the store ends nobody."""
    pair.join(0, A)
    pair.passes()
    assert pair.node(A).left_s <= 0
    (renewed,) = pair.wait(pair.leases[0].renew(A, LENGTH))
    assert renewed.left_s > LENGTH - 2
    assert not renewed.is_ended


def test_who_has_run_out_may_be_ended_once(pair: Pair) -> None:
    """And not before; whoever does so second is told that it was not them."""
    pair.join(0, A)
    pair.join(1, B)
    assert pair.end(1, A) == []
    pair.passes()
    assert pair.end(1, A) == [A]
    assert pair.end(1, A) == []
    assert pair.node(A).is_ended
    assert not pair.node(B).is_ended


def test_who_stands_still_in_a_transaction_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Whoever would end it, and renews its own lease in the same queue, tries again; nor does it stand there for long."""
    with ExitStack() as ending:
        pair = Pair("postgresql", ending, tmp_path)
        pair.join(0, A)
        pair.join(1, B)
        pair.passes()
        begins, goes_on = Event(), Event()
        _ = ending.callback(goes_on.set)

        def stands(connection: Connection) -> str:
            bound: str = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one()
            begins.set()
            goes_on.wait(30)
            return bound

        standing = pair.databases[0].run_write(stands)
        assert begins.wait(10)
        assert pair.end(1, A) == []
        goes_on.set()
        bound = pair.wait(standing)
        assert float(bound.removesuffix("s")) < LENGTH / 2
        assert pair.end(1, A) == [A]


def test_who_was_ended_renews_nothing(pair: Pair) -> None:
    """The node finds out that it is known dead, and no time brings it back."""
    pair.join(0, A)
    pair.join(1, B)
    pair.passes()
    pair.end(1, A)
    with pytest.raises(Fenced):
        pair.wait(pair.leases[0].renew(A, LENGTH))


def test_who_was_ended_writes_nothing(several: Pair) -> None:
    """No record, no call record, no home, and it ends nobody: each is refused as when the store is away."""
    pair = several
    pair.join(0, A)
    pair.join(1, B)
    store, records = pair.stores[0], pair.records[0]
    assert pair.wait(store.write("board", "alice", b"early", Version(0))) == 1
    pair.passes()
    pair.wait(pair.leases[1].renew(B, LENGTH))
    pair.end(1, A)

    lates: tuple[Callable[[], Any], ...] = (  # Any: as above
        lambda: store.write("board", "alice", b"late", Version(1)),
        lambda: store.write("board", "bob", b"late", Version(0)),
        lambda: store.remove("board", "alice", Version(1)),
        lambda: store.append("calls", b"late", 1.0),
        lambda: records.upsert([CALL]),
        lambda: pair.leases[0].take_homes(["duty x"], A),
        lambda: pair.leases[0].end_leases([pair.node(B)]),
    )
    for late in lates:
        with pytest.raises(StoreUnavailable, match="lease"):
            pair.wait(late())

    other = pair.stores[1]
    assert pair.wait(other.read("board", "alice")).value == b"early"
    assert pair.wait(other.read("board", "bob")) is None
    assert pair.wait(other.replay("calls", 0.0, 2.0, 9)) == ()
    assert pair.wait(pair.records[1].sessions()) == ()
    # Who is alive goes on, with several writes in one breath and with one.
    works = [other.write("board", name, b"x", Version(0)) for name in ("bob", "carol", "dave")]
    assert [pair.wait(work) for work in works] == [1, 1, 1]


def test_who_leaves_is_ended(pair: Pair) -> None:
    """At once, whatever time the lease had; what is written behind it is refused."""
    pair.join(0, A)
    pair.join(1, B)
    pair.wait(pair.leases[0].leave(A))
    assert pair.node(A).is_ended


def test_the_only_server_ends_all_before_it(pair: Pair) -> None:
    """Whatever time they had."""
    pair.join(0, A)
    pair.join(1, B)
    assert pair.wait(pair.leases[1].end_others(B)) == 1
    assert pair.node(A).is_ended
    assert not pair.node(B).is_ended


def test_a_home_has_one_node(pair: Pair) -> None:
    """Whoever asks second is told whose it is, and asking again changes nothing."""
    pair.join(0, A)
    pair.join(1, B)
    first = pair.take(0, A)
    assert first == Home("conference 1", A, 1)
    assert pair.take(1, B) == first
    assert pair.take(0, A) == first
    pair.passes()
    # Run out is not dead.
    assert pair.take(1, B) == first


def test_the_home_of_a_dead_node_is_free(pair: Pair) -> None:
    """The next one has it with an epoch of its own."""
    pair.join(0, A)
    pair.join(1, B)
    pair.take(0, A)
    pair.passes()
    pair.wait(pair.leases[1].renew(B, LENGTH))
    pair.end(1, A)
    assert pair.wait(pair.leases[1].homes("conf")) == ()
    assert pair.take(1, B) == Home("conference 1", B, 2)


def test_many_homes_are_taken_at_once(pair: Pair) -> None:
    """What another living node has stays there; all else is the taker's, whoever died with it, and given by key."""
    pair.join(0, A)
    pair.join(1, B)
    pair.take(0, A, "b")
    pair.take(1, B, "c")
    assert pair.wait(pair.leases[0].take_homes([], A)) == ()
    pair.passes()
    pair.wait(pair.leases[1].renew(B, LENGTH))
    pair.end(1, A)
    pair.join(0, A2)
    found = pair.wait(pair.leases[0].take_homes(["c", "b", "a", "b"], A2))
    assert found == (Home("a", A2, 1), Home("b", A2, 2), Home("c", B, 1))
    assert pair.wait(pair.leases[1].take_homes(["a", "b", "c"], B)) == found


def test_renewals_tell_of_no_dead_node(pair: Pair) -> None:
    """Each node reads them all the time: of those that are known dead it hears only where it asks for them."""
    pair.join(0, A)
    pair.join(1, B)
    assert [one.name for one in pair.wait(pair.leases[1].renew(B, LENGTH))] == [A, B]
    pair.wait(pair.leases[0].leave(A))
    assert [one.name for one in pair.wait(pair.leases[1].renew(B, LENGTH))] == [B]
    assert [one.name for one in pair.wait(pair.leases[1].nodes())] == [A, B]
    found = pair.wait(pair.leases[1].nodes({A, NodeName("never")}))
    assert [(one.name, one.is_ended) for one in found] == [(A, True)]


def test_what_is_given_up_is_free(pair: Pair) -> None:
    """But not what somebody else has by now."""
    pair.join(0, A)
    pair.join(1, B)
    first = pair.take(0, A)
    pair.wait(pair.leases[0].give_up(first))
    second = pair.take(1, B)
    assert second == Home("conference 1", B, 2)
    pair.wait(pair.leases[0].give_up(first))
    assert pair.take(0, A) == second


def test_what_is_forgotten_begins_anew(pair: Pair) -> None:
    """Its own node, or anybody where it is nobody's; but nothing that another living node has."""
    pair.join(0, A)
    pair.join(1, B)
    first = pair.take(0, A)
    pair.wait(pair.leases[1].forget("conference 1", B))
    assert pair.wait(pair.leases[0].homes()) == (first,)
    pair.wait(pair.leases[0].give_up(first))
    pair.wait(pair.leases[1].forget("conference 1", B))
    assert pair.take(1, B) == Home("conference 1", B, 1)
    pair.wait(pair.leases[1].forget("conference 1", B))
    assert pair.wait(pair.leases[1].homes()) == ()


def test_homes_are_listed_by_key(pair: Pair) -> None:
    """Those that begin so."""
    pair.join(0, A)
    for key in ("duty %", "duty a", "x"):
        pair.take(0, A, key)
    assert [one.key for one in pair.wait(pair.leases[0].homes("duty "))] == ["duty %", "duty a"]
    assert [one.key for one in pair.wait(pair.leases[0].homes("duty %"))] == ["duty %"]
    assert len(pair.wait(pair.leases[0].homes())) == 3
