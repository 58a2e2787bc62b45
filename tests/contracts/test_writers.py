"""What several programs do to one database at the same moment: each decision is made once, and no version is given twice."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.ledger import SqlLedger
from lyncpy.backends.sql.store import SqlStore
from lyncpy.contracts.archive import Addition, ChainPosition, LedgerLine
from lyncpy.contracts.names import Version
from lyncpy.contracts.store import Conflict, Written
from tests.kit.cellars import Wall, database_in, emptied, made
from tests.kit.threads import PATIENCE_S, ThreadPump

NONE = Version(0)
ROUNDS = 20

Call = Callable[[int], Awaitable[Any]]  # Any: each call has its own result


class Two:
    """One database that two programs have open, with a store and a ledger each."""

    def __init__(self, ending: ExitStack, home: Path, settings: dict[str, Any]) -> None:
        self.pump, self.wall = ThreadPump(), Wall()
        self.databases = [database_in(home, self.pump, **settings) for _ in range(2)]
        for database in self.databases:
            _ = ending.callback(self._close, database)
            self.pump.run(database.open())
        self.stores = [SqlStore(database, self.wall) for database in self.databases]
        self.ledgers = [SqlLedger(database) for database in self.databases]

    def _close(self, database: Database) -> None:
        self.pump.run(database.close())

    def wait(self, work: Awaitable[Any]) -> Any:  # Any: whatever the promise gives
        """Give the result."""

        async def awaited() -> Any:
            return await work

        return self.pump.run(awaited())

    def winners(self, call: Call) -> list[int]:
        """Have both do a thing at once; give who was not told that they came second."""
        works = [call(number) for number in (0, 1)]
        won = []
        for number, work in enumerate(works):
            try:
                self.wait(work)
            except Conflict:
                continue
            won.append(number)
        return won

    @contextmanager
    def held(self, call: Call) -> Iterator[Callable[[], None]]:
        """Have the first do a thing in a transaction that does not end before what follows waits for it; then wait for that, too.

        Gives what waits until somebody waits for a lock.
        """
        before, entered, go_on = Event(), Event(), Event()
        beginning = self.databases[0].run_write(lambda _: before.wait(PATIENCE_S))
        # What comes while a transaction is under way shares the next one.
        work = call(0)

        def hold(_: Connection) -> bool:
            entered.set()
            return go_on.wait(PATIENCE_S)

        holding = self.databases[0].run_write(hold)
        before.set()
        while not entered.wait(0.01):
            self.wait(self.databases[1].run_read(lambda _: None))
        yield self.somebody_waits
        go_on.set()
        self.wait(work)
        assert self.wait(beginning)
        assert self.wait(holding)

    def somebody_waits(self) -> None:
        """Wait until one transaction waits for another."""
        deadline = time.monotonic() + PATIENCE_S
        waiting = "select count(*) from pg_locks where not granted"
        while not self.wait(self.databases[1].run_read(lambda one: one.exec_driver_sql(waiting).scalar())):
            assert time.monotonic() < deadline, "nobody waits"


def mark(serial: int) -> ChainPosition:
    """Give the mark behind an entry, or that of the beginning."""
    return ChainPosition(serial, bytes([serial]) * 32, b"stamp %d" % serial)


def line(serial: int) -> LedgerLine:
    """Give an entry of one conversation."""
    return LedgerLine(serial, float(serial), "message", "talk", "{}", b"hello", bytes([serial]) * 32)


@pytest.fixture(params=["sqlite", "postgresql"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Two]:
    """Two programs at one empty database."""
    with ExitStack() as ending:
        yield Two(ending, tmp_path, ending.enter_context(made(request.param, tmp_path)))


@pytest.fixture
def two_at_postgresql(tmp_path: Path) -> Iterator[Two]:
    """The same where both may have a transaction at once; SQLite has one writer at a time."""
    with ExitStack() as ending:
        yield Two(ending, tmp_path, ending.enter_context(emptied(tmp_path)))


def test_of_two_who_write_one_version_one_wins(two: Two) -> None:
    """A new record, then each next version of it: the other is told, and nothing of theirs is kept."""
    for version in range(ROUNDS):

        def write(number: int, seen: int = version) -> Deferred[Version]:
            return two.stores[number].write("board", "x", b"%d" % number, Version(seen))

        won = two.winners(write)
        assert len(won) == 1
        record = two.wait(two.stores[0].read("board", "x"))
        assert (record.version, record.value) == (version + 1, b"%d" % won[0])


def test_the_archive_is_one_chain(two: Two) -> None:
    """It begins once, and of two who write behind the same end one does."""
    assert len(two.winners(lambda number: two.ledgers[number].begin_chain(mark(0), mark(0)))) == 1
    for serial in range(1, ROUNDS):

        def append(number: int, n: int = serial) -> Deferred[None]:
            return two.ledgers[number].append([line(n)], [("alice", "talk")], mark(n), mark(n - 1))

        won = two.winners(append)
        assert len(won) == 1
    ends = two.wait(two.ledgers[1].ends())
    assert (ends.start, ends.end, ends.last) == (mark(0), mark(ROUNDS - 1), ROUNDS - 1)
    assert [one.serial for one in two.wait(two.ledgers[0].read_after(0, 99))] == list(range(1, ROUNDS))


def test_a_key_that_comes_back_during_a_purge_gets_a_new_version(two_at_postgresql: Two) -> None:
    """Who writes while what is dead is forgotten, before it or behind it, begins above the versions that the key has had."""
    two = two_at_postgresql
    first, second = two.stores
    keys = [f"user{number}" for number in range(12)]
    for key in keys:
        for version in range(3):
            two.wait(first.write("board", key, b"x", Version(version)))
        two.wait(first.remove("board", key, Version(3)))
    purging = Deferred.fromCoroutine(first.purge(two.wall.now))
    writing = [second.write("board", key, b"again", NONE) for key in keys]
    assert all(two.wait(one) > 3 for one in writing)
    two.wait(purging)


def test_what_is_written_at_once_is_never_left_out(two_at_postgresql: Two) -> None:
    """The transaction that began first ends last: whoever looked in between sees it the next time."""
    two = two_at_postgresql
    first, second = two.stores
    seen: list[tuple[str, Version]] = []
    looked: Written = two.wait(second.written("board", None, 9))
    with two.held(lambda _: first.write("board", "slow", b"x", NONE)):
        two.wait(second.write("board", "quick", b"x", NONE))
        looked = two.wait(second.written("board", looked.mark, 9))
        seen += looked.versions
        assert "slow" not in dict(seen)
    looked = two.wait(second.written("board", looked.mark, 9))
    seen += looked.versions
    assert sorted(seen) == [("quick", 1), ("slow", 1)]


def behind(end: ChainPosition) -> Addition:
    """Give one more line behind an end."""
    return Addition([line(end.serial + 1)], mark(end.serial + 1))


def test_many_add_to_the_archive_at_once(two: Two) -> None:
    """Each finds the end as the one before has left it: no line is lost, none is there twice, and nobody has to try again."""
    two.wait(two.ledgers[0].begin_chain(mark(0), mark(0)))
    adding = [
        ledger.append_behind(behind, [("alice", f"talk {number}")])
        for number in range(ROUNDS)
        for ledger in two.ledgers
    ]
    ends = [two.wait(one).serial for one in adding]
    assert sorted(ends) == list(range(1, 2 * ROUNDS + 1))
    assert ends[::2] == sorted(ends[::2])
    found = two.wait(two.ledgers[0].ends())
    assert (found.end, found.last) == (mark(2 * ROUNDS), 2 * ROUNDS)
    assert [one.serial for one in two.wait(two.ledgers[1].read_after(0, 99))] == sorted(ends)
    wanted = [("alice", f"talk {number}") for number in range(ROUNDS)]
    assert two.wait(two.ledgers[1].misplaced(wanted)) == frozenset()


def test_nothing_is_added_where_nothing_is_built(two: Two) -> None:
    """Whoever looks at the end may find that it is better to write nothing; and the end is free again."""
    two.wait(two.ledgers[0].begin_chain(mark(0), mark(0)))
    with pytest.raises(Conflict):
        two.wait(two.ledgers[0].append_behind(lambda end: None, [("alice", "talk")]))
    assert two.wait(two.ledgers[1].append_behind(behind, ())) == mark(1)
    assert two.wait(two.ledgers[1].misplaced([("alice", "talk")])) == {("alice", "talk")}


def test_a_late_writer_leaves_nothing(two: Two) -> None:
    """Who has built behind an end that is another by now adds neither a line nor a place."""
    first, second = two.ledgers
    two.wait(first.begin_chain(mark(0), mark(0)))
    two.wait(first.append([line(1)], [("alice", "talk")], mark(1), mark(0)))
    for late in ([line(1), line(2)], [line(2)], []):
        with pytest.raises(Conflict):
            two.wait(second.append(late, [("bob", "talk")], mark(2), mark(0)))
    assert [one.serial for one in two.wait(first.read_after(0, 9))] == [1]
    assert two.wait(first.misplaced([("bob", "talk")])) == {("bob", "talk")}
    two.wait(second.append([line(2)], [("bob", "talk")], mark(2), mark(1)))


def test_a_conversation_that_goes_on_during_a_cut_keeps_its_people(two_at_postgresql: Two) -> None:
    """Its first lines are removed while another is being added: the index still knows whose it is."""
    two = two_at_postgresql
    first, second = two.ledgers
    two.wait(first.begin_chain(mark(0), mark(0)))
    two.wait(first.append([line(1)], [("alice", "talk")], mark(1), mark(0)))
    adds, go_on = Event(), Event()

    def slowly(end: ChainPosition) -> Addition:
        adds.set()
        assert go_on.wait(PATIENCE_S)
        return behind(end)

    adding = first.append_behind(slowly, [("alice", "talk")])
    assert adds.wait(PATIENCE_S)
    cutting = second.remove_until(mark(1), mark(0))
    two.somebody_waits()
    go_on.set()
    two.wait(adding)
    two.wait(cutting)
    assert [one.serial for one in two.wait(first.read_after(0, 9))] == [2]
    assert two.wait(first.misplaced([("alice", "talk")])) == frozenset()
