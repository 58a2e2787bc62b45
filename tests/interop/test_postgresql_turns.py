"""How often PostgreSQL is waited for: what a thread does to its connection, as libpq writes it down."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from psycopg.pq import Trace
from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from lyncpy.backends.sql.link import Look
from lyncpy.backends.sql.prepared import StatementJob
from lyncpy.backends.sql.store import SqlStore
from lyncpy.backends.sql.tables import floors, volatile_records
from lyncpy.contracts.archive import ChainPosition, LedgerLine
from lyncpy.contracts.names import NodeName, Version
from lyncpy.contracts.store import Conflict, both_of
from tests.kit.cellars import NOON, Cellar, opened
from tests.kit.threads import PATIENCE_S

pytestmark = pytest.mark.interop

NONE = Version(0)


@pytest.fixture
def cellar(tmp_path: Path) -> Iterator[Cellar]:
    """A store in PostgreSQL."""
    with opened("postgresql", tmp_path) as cellar:
        yield cellar


def store_of(cellar: Cellar) -> SqlStore:
    """Give its store, as what it is."""
    assert isinstance(cellar.store, SqlStore)
    return cellar.store


def _named(failure: Failure) -> str:
    return type(failure.value).__name__


def _touched(cursor: Any) -> int:  # Any: a driver's cursor
    count: int = cursor.rowcount
    return count


def turns(cellar: Cellar, path: Path, do: Callable[[], object]) -> int:
    """Do something; give how often the writing thread waited for an answer before it could go on."""
    # Each ends what is asked, and is answered when all before it is.
    return sum(word in {b"Sync", b"Query"} for word in said(cellar, path, do))


def said(cellar: Cellar, path: Path, do: Callable[[], object]) -> list[bytes]:
    """Do something; give the kinds of messages that the writing thread sent meanwhile."""
    assert cellar.database is not None
    run_write = cellar.database.run_write
    with path.open("wb") as file:

        def begin(connection: Connection) -> None:
            protocol = connection.connection.dbapi_connection.pgconn  # type: ignore[union-attr]
            protocol.trace(file.fileno())
            protocol.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

        def end(connection: Connection) -> None:
            connection.connection.dbapi_connection.pgconn.untrace()  # type: ignore[union-attr]

        cellar.pump.run(run_write(begin))
        written = len(path.read_bytes())
        do()
        file.flush()
        lines = path.read_bytes()[written:].splitlines()
        cellar.pump.run(run_write(end))
    return [line.split()[2] for line in lines if line.startswith((b"F\t", b"F "))]


@pytest.mark.libraries
def test_a_group_of_writes_waits_once(cellar: Cellar, tmp_path: Path) -> None:
    """However many share a commit: records, removals and journals are said in one breath, with the transaction around them."""
    run, store = cellar.pump.run, store_of(cellar)
    for n in range(60):
        run(store.write("board", str(n), b"1", NONE))
    alone = turns(cellar, tmp_path / "alone", lambda: run(store.write("board", "0", b"2", Version(1))))
    assert alone == 1

    def many() -> None:
        calls: list[Deferred[Any]] = [
            store.write("board", str(n), b"3", Version(1)).addErrback(_named) for n in range(60)
        ]
        calls += [store.remove("board", str(n), Version(2)) for n in range(1, 20)]
        calls += [store.append("calls", b"x", NOON)]
        assert run(gatherResults(calls)) == ["Conflict", *(2 for _ in range(59)), *(None for _ in range(20))]

    # What was given first is under way already, alone; all the rest comes after it.
    assert turns(cellar, tmp_path / "many", many) == 2
    assert {record.key: record.value for record in run(store.scan("board"))} == {
        "0": b"2",
        **{str(n): b"3" for n in range(20, 60)},
    }


@pytest.mark.libraries
def test_a_write_alone_is_one_statement(cellar: Cellar, tmp_path: Path) -> None:
    """The lease is looked at within it, and it is a transaction by itself; what only looks in such a queue needs none either."""
    run, store = cellar.pump.run, store_of(cellar)
    assert cellar.database is not None
    run_write = cellar.database.run_write
    cellar.wait(cellar.leases.join(NodeName("n1"), "here", 60.0, is_connected=True))

    def statements(do: Callable[[], Deferred[Any]]) -> int:
        return said(cellar, tmp_path / "said", lambda: run(do())).count(b"Execute")

    assert statements(lambda: store.write("board", "a", b"1", NONE)) == 1
    assert statements(lambda: store.write("board", "a", b"2", Version(1))) == 1
    assert statements(lambda: store.remove("board", "a", Version(2))) == 1
    read = StatementJob(cellar.database.prepare(select(floors.c.version)), (), _touched)
    assert statements(lambda: run_write(Look(read))) == 1
    assert statements(lambda: run_write(read)) == 4


@pytest.mark.libraries
def test_a_durable_and_a_volatile_record_are_written_at_once(cellar: Cellar, tmp_path: Path) -> None:
    """By one statement, both or none: where either is another one, by then or while this waits for it, the other stays as it was.

    They are read by one, too.
    """
    wait, store, volatile = cellar.wait, cellar.store, cellar.volatile
    assert cellar.database is not None
    together = both_of(volatile)
    assert together is not None
    elsewhere = cellar.database.own_queue("elsewhere", lambda connection: None)
    cellar.wait(cellar.leases.join(NodeName("n1"), "here", 60.0, is_connected=True))
    mine = wait(volatile.write("board", "a", b"v1", NONE))
    wait(store.write("board", "a", b"d1", NONE))

    def both(expected: int, durable: int) -> Any:  # Any: versions
        return wait(together.write_both("board", "a", b"v", Version(expected), b"d", Version(durable)))

    assert said(cellar, tmp_path / "said", lambda: both(mine, 1)).count(b"Execute") == 1
    for expected, durable in ((mine, 2), (mine + 1, 1)):
        with pytest.raises(Conflict):
            both(expected, durable)

    entered, go_on = Event(), Event()

    def change(connection: Connection) -> None:
        connection.execute(update(volatile_records).values(version=volatile_records.c.version + 1))
        entered.set()
        go_on.wait(PATIENCE_S)

    holding = elsewhere(change)
    while not entered.wait(0.01):
        wait(store.read("board", "a"))
    late = together.write_both("board", "a", b"late", Version(mine + 1), b"late", Version(2))
    go_on.set()
    wait(holding)
    with pytest.raises(Conflict):
        wait(late)
    durable, found = wait(together.read_both("board", "a"))
    assert (durable, found) == (wait(store.read("board", "a")), wait(volatile.read("board", "a")))
    assert (durable.value, found.value) == (b"d", b"v")
    wait(volatile.remove("board", "a", found.version))
    assert wait(together.read_both("board", "a")) == (durable, None)
    assert wait(together.read_both("board", "nobody")) == (None, None)


@pytest.mark.libraries
def test_what_is_archived_waits_once(cellar: Cellar, tmp_path: Path) -> None:
    """One message or many, with the end that is moved and the places in the index; where another was first nothing is added."""
    wait, ledger = cellar.wait, cellar.ledger
    ends = [ChainPosition(serial, bytes([serial]) * 32, b"stamp") for serial in range(52)]
    wait(ledger.begin_chain(ends[0], ends[0]))

    def added(first: int, last: int, expected: int) -> object:
        lines = [LedgerLine(n, NOON, "message", "talk", "{}", b"hi", bytes([n]) * 32) for n in range(first, last + 1)]
        return wait(ledger.append(lines, [("alice", "talk"), (str(last), "talk")], ends[last], ends[expected]))

    added(1, 1, 0)
    assert turns(cellar, tmp_path / "alone", lambda: added(2, 2, 1)) == 1
    assert turns(cellar, tmp_path / "many", lambda: added(3, 50, 2)) == 1

    with pytest.raises(Conflict):
        added(51, 51, 2)
    assert [line.serial for line in wait(ledger.read_after(48, 10))] == [49, 50]
    assert wait(ledger.misplaced([("alice", "talk"), ("50", "talk"), ("51", "talk")])) == {("51", "talk")}


def test_what_is_wrong_among_many_spoils_no_other(cellar: Cellar) -> None:
    """Nothing of the group is kept, and each is done again by itself; what is no single statement keeps its place among them."""
    assert cellar.database is not None
    run, database, store = cellar.pump.run, cellar.database, store_of(cellar)
    floor = database.prepare(insert(floors), "kind", "version")
    jobs: list[StatementJob[int]] = [StatementJob(floor, (kind, 1), _touched) for kind in ("a", "a", "b")]
    held = database.run_write(lambda connection: None)
    calls: list[Deferred[Any]] = [database.run_write(job).addErrback(_named) for job in jobs]
    counted = database.run_write(lambda one: one.exec_driver_sql("select count(*) from floors").scalar())
    written = store.write("board", "x", b"", NONE)
    everything: list[Deferred[Any]] = [held, *calls, counted, written]
    assert run(gatherResults(everything)) == [None, 1, "UniqueViolation", 1, 2, 1]


def test_no_value_of_a_group_gets_into_a_log(cellar: Cellar, caplog: pytest.LogCaptureFixture) -> None:
    """Of two errors the driver raises one and would log the other, with the key that was there already."""
    assert cellar.database is not None
    run, database = cellar.pump.run, cellar.database
    floor = database.prepare(insert(floors), "kind", "version")
    held = database.run_write(lambda connection: None)
    calls: list[Deferred[Any]] = [
        # A text with NUL is refused before it is sent.
        database.run_write(StatementJob(floor, (kind, 1), _touched)).addErrback(_named)
        for kind in ("sEcret", "sEcret", "\0")
    ]
    everything: list[Deferred[Any]] = [held, *calls]
    assert run(gatherResults(everything)) == [None, 1, "UniqueViolation", "DataError"]
    assert not caplog.messages
