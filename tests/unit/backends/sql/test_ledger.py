"""The archive in a real database: what SQL does to it is found, and what a disk does to it is refused."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.backends.sql.ledger import SqlLedger
from lyncpy.contracts.refusal import Refused
from lyncpy.core.timers import Timers
from lyncpy.workloads.archive.auditor import Auditor, AuditResult
from lyncpy.workloads.archive.gaps import Gaps
from lyncpy.workloads.archive.keeper import Keeper
from lyncpy.workloads.archive.settings import Settings
from tests.kit.archive import MemoryGapFile, PlainStamps
from tests.kit.cellars import database_in
from tests.kit.meters import MemoryMeter
from tests.kit.threads import ThreadPump
from tests.kit.vault import NOON, FixedPolicies, said


class Cell:
    """An archive in critical mode, in a file."""

    def __init__(self, home: Path, busy_s: float = 0.1) -> None:
        self.path = home / "lyncpy.db"
        self.pump = ThreadPump()
        self.database = database_in(home, self.pump, busy_s=busy_s)
        self.pump.run(self.database.open())
        self.ledger = SqlLedger(self.database)
        timers = Timers(Clock(), lambda: NOON)
        self.keeper = Keeper(
            self.ledger,
            PlainStamps(),
            FixedPolicies(),
            MemoryMeter(),
            Settings(critical=True, gather_ms=0),
            timers,
            gaps=Gaps(MemoryGapFile(), timers, MemoryMeter(), answer_s=10.0),
            close_s=10.0,
        )
        self.pump.run(self.keeper.open())

    def keep(self, *texts: str | bytes) -> None:
        """Keep messages, all at once; raises what the first was refused with."""
        calls = [Deferred.fromCoroutine(self.keeper.archive(said(text))) for text in texts]
        for call in calls:
            self.pump.run(call)

    def verify(self) -> AuditResult:
        """Verify."""
        return self.pump.run(Auditor(self.ledger, PlainStamps()).verify())

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Do something to the file itself."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement).fetchall()


@contextmanager
def opened(home: Path) -> Iterator[Cell]:
    """Open an archive, and close it afterwards."""
    cell = Cell(home)
    try:
        yield cell
    finally:
        cell.pump.run(cell.database.close())


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    """An archive with five messages."""
    with opened(tmp_path) as cell:
        cell.keep("1", "2", b"\0\xff", "4", "5")
        yield cell


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("delete from archive where serial = 3", 3),
        ("delete from archive where serial >= 4", 4),
        ("delete from archive", 1),
        ("update archive set body = 'four' where serial = 4", 4),
        ("update archive set body = 7 where serial = 4", 4),
        ("update archive set head = replace(head, 'bob', 'eve') where serial = 2", 2),
        ("update archive set head = x'ff' where serial = 2", 2),
        ("update archive set digest = 'text' where serial = 2", 2),
        ("update archive set at = 'yesterday' where serial = 2", 2),
        ("update archive set kind = x'ff' where serial = 2", 2),
        ("update archive set conversation = 5 where serial = 2", 2),
        ("update archive set serial = 9 where serial = 5", 5),
        ("update archive set serial = -serial where serial in (1, 2)", 1),
        ("insert into archive select 6, at, kind, conversation, head, body, digest from archive where serial = 5", 6),
        ("delete from archive_people where person = 'sip:bob@example.com'", 1),
        ("update archive_marks set stamp = 'x' where name = 'start'", 1),
        ("update archive_marks set serial = 'x' where name = 'end'", 0),
        ("update archive_marks set digest = zeroblob(32) where name = 'end'", 5),
    ],
)
def test_what_sql_does_to_the_archive_is_found(cell: Cell, statement: str, broken: int) -> None:
    """Whatever is put into a column: the first entry that is wrong is named, and nothing fails."""
    assert cell.verify().broken is None
    cell.sql(statement)
    assert cell.verify().broken == broken


def test_the_archive_is_readable_with_sql(cell: Cell) -> None:
    """Heads are JSON, that anybody can look into."""
    rows = cell.sql("select json_extract(head, '$.sender'), datetime(at, 'unixepoch') from archive where serial = 1")
    assert rows == [("sip:alice@example.com", "2026-07-20 12:00:00")]


def test_a_full_disk_refuses_messages_until_there_is_room(cell: Cell) -> None:
    """In critical mode nothing passes unrecorded; nothing half is kept, and the chain goes on."""
    pages = cell.sql("pragma page_count")[0][0]
    limit = cell.database.run_write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar())
    cell.pump.run(limit)
    with pytest.raises(Refused):
        cell.keep(b"x" * 200_000)
    assert "full" in cell.keeper.counts.trouble
    # The failure closed the connection, and the limit was that connection's.
    cell.keep(b"x" * 200_000)
    assert cell.keeper.counts.trouble == ""
    assert cell.verify().checked == 6


def test_a_locked_database_refuses_messages_until_it_is_free(cell: Cell) -> None:
    """A backup program that does not end costs messages, with their reason, and no more."""
    with closing(sqlite3.connect(cell.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(Refused):
            cell.keep("x")
    assert "locked" in cell.keeper.counts.trouble
    cell.keep("x")
    assert cell.verify().checked == 6


def test_a_database_that_became_read_only_refuses_messages(cell: Cell) -> None:
    """As a file system that was mounted anew after an error."""
    only = cell.database.run_write(lambda c: c.exec_driver_sql("PRAGMA query_only = ON").close())
    cell.pump.run(only)
    with pytest.raises(Refused):
        cell.keep("x")
    assert "readonly" in cell.keeper.counts.trouble
    assert cell.verify().checked == 5


def test_the_chain_goes_on_at_the_next_start(cell: Cell, tmp_path: Path) -> None:
    """Behind the last entry that is in the file."""
    cell.pump.run(cell.database.close())
    with opened(tmp_path) as again:
        again.keep("6")
        assert (again.verify().broken, again.verify().checked) == (None, 6)


def test_a_purge_gives_room_back(cell: Cell) -> None:
    """The file is smaller afterwards, while the server runs."""
    cell.keep(*(b"x" * 10_000 for _ in range(200)))
    cell.pump.run(cell.database.run_read(lambda c: c.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()))
    full = cell.path.stat().st_size
    assert cell.pump.run(cell.keeper.purge(NOON + 1)) == 205
    assert cell.pump.run(cell.database.shrink()) > 200
    assert cell.path.stat().st_size < full / 3
    assert cell.verify().broken is None
