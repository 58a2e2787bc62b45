"""The disk stays flat."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.logger import capturedLogs
from zope.interface import implementer

from lyncpy.backends.retention import DAY_S, EVERY_S, FIRST_S, Retention
from lyncpy.backends.settings import Settings
from lyncpy.backends.sql import records as sql_records
from lyncpy.backends.sql.store import SqlStore
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.names import Version
from lyncpy.contracts.records import FocusJoinRecord, SessionRecord
from lyncpy.contracts.timers import ITimer, ITimers
from tests.kit.cellars import NOON, Cellar, opened
from tests.kit.leases import only_node
from tests.kit.results import result_of

SESSION = SessionRecord("1", "c", "f", "t", "", "sip:a@b", "sip:c@b", "", "", "", "", "im", NOON)


async def failing() -> None:
    """Play a bug."""
    raise ZeroDivisionError


@implementer(ITimer)
class Timer:
    """One deadline, called by hand."""

    def __init__(self, delay_s: float, call: Callable[[], None]) -> None:
        self.delay_s, self.call, self.cancelled = delay_s, call, False

    def cancel(self) -> None:
        """Do not call."""
        self.cancelled = True


@implementer(ITimers)
class Timers:
    """Keeps deadlines for the test."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self.wall_clock = wall
        self.set: list[Timer] = []

    def now(self) -> float:
        """Give monotonic seconds."""
        return 0.0

    def wall(self) -> float:
        """Give seconds since the epoch."""
        return self.wall_clock()

    def steady(self) -> float:
        """Give the same."""
        return self.wall_clock()

    def past(self) -> float:
        """Give the same."""
        return self.wall_clock()

    def on_step(self, hear: Callable[[float], None]) -> None:
        """Never tell."""

    def later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Keep a deadline."""
        self.set.append(Timer(delay_s, call))
        return self.set[-1]

    def soon(self, call: Callable[[], None]) -> Timer:
        """Keep a piece of work."""
        return self.later(0.0, call)

    def delay(self) -> float:
        """Give none."""
        return 0.0


@pytest.fixture
def cellar(tmp_path: Path) -> Iterator[Cellar]:
    """An SQLite store."""
    with opened("sqlite", tmp_path) as cellar:
        yield cellar


def keeping(cellar: Cellar, settings: Settings | None = None) -> tuple[Retention, Timers]:
    """Make what is tested."""
    timers = Timers(cellar.wall)
    assert isinstance(cellar.records, sql_records.SqlRecords)
    assert isinstance(cellar.store, SqlStore)
    assert cellar.database is not None
    assert isinstance(cellar.volatile, MemoryRecordStore)
    return Retention(
        cellar.database, cellar.store, cellar.volatile, cellar.records, settings or Settings(), timers, only_node()
    ), timers


def test_the_file_gets_smaller(cellar: Cellar, tmp_path: Path) -> None:
    """What was purged is given back to the disk, of every table, while the server runs."""
    wait, records = cellar.wait, cellar.records
    long_ago, name = NOON - 61 * DAY_S, "x" * 1000
    for n in range(20):
        rows = [
            FocusJoinRecord(f"{n}-{m}", "i", name, "sip:a@b", "e", name, name, "attendee", long_ago, long_ago)
            for m in range(50)
        ]
        wait(records.upsert(rows))
    assert cellar.database is not None
    wait(
        cellar.database.run_read(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all())
    )
    full = (tmp_path / "lyncpy.db").stat().st_size

    wait(keeping(cellar)[0].purge())

    assert wait(records.focus_joins()) == ()
    assert (tmp_path / "lyncpy.db").stat().st_size < full / 5


def test_versions_outlive_the_rows(cellar: Cellar) -> None:
    """After a purge a key begins above every version that was ever given; living records stay."""
    wait, store = cellar.wait, cellar.store
    wait(store.write("board", "alice", b"x", Version(0)))
    wait(store.write("board", "alice", b"y", Version(1), NOON + 5))
    wait(store.write("board", "bob", b"x", Version(0)))
    wait(store.write("board", "carol", b"x", Version(0)))
    wait(store.remove("board", "carol", Version(1)))
    cellar.wall.now += 5

    wait(keeping(cellar)[0].purge())
    wait(keeping(cellar)[0].purge())

    assert [record.key for record in wait(store.scan("board"))] == ["bob"]
    assert wait(store.write("board", "alice", b"z", Version(0))) == 3
    assert wait(store.write("contacts", "alice", b"z", Version(0))) == 1


def test_purges_every_hour(cellar: Cellar) -> None:
    """First a while after the start, then hour by hour, until it is closed."""
    unit, timers = keeping(cellar)
    result_of(unit.open())
    timers.set[0].call()
    assert [timer.delay_s for timer in timers.set] == [FIRST_S, EVERY_S]
    timers.set[1].call()  # the first purge is not over: not begun twice
    result_of(unit.close())
    assert timers.set[2].cancelled


def test_a_purge_that_fails_is_logged_and_begun_again(cellar: Cellar, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug here costs disk, not the server, and says so each hour."""
    unit, timers = keeping(cellar)
    monkeypatch.setattr(unit, "purge", failing)
    result_of(unit.close())  # also before it was opened
    result_of(unit.open())
    with capturedLogs() as events:
        timers.set[0].call()
        timers.set[1].call()
    assert [event["log_failure"].type for event in events] == [ZeroDivisionError] * 2


def test_a_store_that_fails_is_purged_another_time(tmp_path: Path) -> None:
    """It is logged, and the house stands."""
    with opened("sqlite", tmp_path) as cellar:
        unit, _ = keeping(cellar)
    result_of(unit.purge())
