"""What is over is taken out of every database, and what goes on stays."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.defer import gatherResults
from twisted.internet.task import Clock

from lyncpy.backends.retention import DAY_S, Retention
from lyncpy.backends.settings import Settings
from lyncpy.backends.sql import records as sql_records
from lyncpy.backends.sql.store import SLICE, SqlStore
from lyncpy.backends.sql.volatile import SqlVolatileStore
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.names import Version
from lyncpy.contracts.records import AuditRecord, SessionRecord
from lyncpy.contracts.store import REMOVED_S
from lyncpy.core.timers import Timers
from tests.kit.cellars import KINDS, NOON, Cellar, opened
from tests.kit.leases import only_node
from tests.kit.results import started

NONE = Version(0)
SESSION = SessionRecord("one", "c", "1", "2", "", "sip:a@b", "sip:c@d", "", "", "", "", "im", NOON - 90 * DAY_S)


@pytest.fixture(params=[kind for kind in KINDS if kind != "memory"])
def cellar(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cellar]:
    """One database, open and empty."""
    with opened(request.param, tmp_path) as cellar:
        yield cellar


def test_removes_what_is_over(cellar: Cellar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions, commands, journal lines and expired records go, slice by slice; a key that comes back has a new version."""
    monkeypatch.setattr(sql_records, "SLICE", 2)
    assert isinstance(cellar.records, sql_records.SqlRecords)
    assert isinstance(cellar.store, SqlStore)
    assert cellar.database is not None
    wait, store, records = cellar.wait, cellar.store, cellar.records
    for n in range(5):
        wait(records.upsert([replace(SESSION, session_id=f"old{n}", ended_at=NOON - 61 * DAY_S)]))
    wait(records.upsert([replace(SESSION, session_id="new", ended_at=NOON - 59 * DAY_S)]))
    for days in (366, 364):
        wait(records.audit(AuditRecord(NOON - days * DAY_S, "a", "", str(days), "ok")))
        wait(store.append("calls", str(days).encode(), NOON - days * DAY_S))
    wait(store.write("board", "lapsed", b"x", NONE, expires=NOON - 1 - REMOVED_S))
    wait(store.write("board", "kept", b"x", NONE, expires=NOON + 1))

    clock = Clock()
    assert isinstance(cellar.volatile, MemoryRecordStore | SqlVolatileStore)
    lapsed = wait(cellar.volatile.write("board", "lapsed", b"x", NONE, expires=NOON - 1 - REMOVED_S))
    kept = wait(cellar.volatile.write("board", "kept", b"x", NONE, expires=NOON + 1))
    timers = Timers(clock, cellar.wall)
    wait(Retention(cellar.database, store, cellar.volatile, records, Settings(), timers, only_node()).purge())

    assert [session.session_id for session in wait(records.sessions())] == ["new"]
    assert [row.command for row in wait(records.audited())] == ["364"]
    assert [line.entry for line in wait(store.replay("calls", 0, NOON, 9))] == [b"364"]
    assert [record.key for record in wait(store.scan("board"))] == ["kept"]
    assert wait(cellar.database.run_read(lambda one: one.exec_driver_sql("select count(*) from records").scalar())) == 1
    assert wait(store.write("board", "lapsed", b"x", NONE)) == 2
    assert [record.key for record in wait(cellar.volatile.scan("board"))] == ["kept"]
    assert wait(cellar.volatile.write("board", "new", b"x", NONE)) > max(lapsed, kept)


def test_a_purge_is_many_short_transactions(cellar: Cellar) -> None:
    """Of very many records that are over: others write in between, and no version is given again."""
    store, wait = cellar.store, cellar.wait
    assert isinstance(store, SqlStore)
    count = SLICE * 2 + 1

    async def all_written() -> None:
        await gatherResults([store.write("board", f"u{number}", b"x", NONE, NOON - 1) for number in range(count)])

    def is_written_between(number: int) -> bool:
        wait(all_written())
        purging = started(store.purge(NOON))
        wait(store.write("board", f"between{number}", b"x", NONE))
        was_first = not purging.called
        assert wait(purging) >= count - 1
        return was_first

    # Where several threads write, a busy machine may let one wait until all of the others' is done.
    assert any(map(is_written_between, range(5)))
    assert wait(store.write("board", "u7", b"x", NONE)) > 1
