"""What a PostgreSQL server loses when it does not end in order: volatile records, and no version of theirs is given again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.leases import SqlLeases
from lyncpy.backends.sql.tables import metadata, volatile
from lyncpy.backends.sql.volatile import SqlVolatileStore
from lyncpy.contracts.names import NodeName, Version
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import Conflict
from tests.kit.cellars import Wall, database_in, in_postgresql
from tests.kit.postgres import Postgres
from tests.kit.threads import ThreadPump

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

NONE = Version(0)


class Process:
    """One of several that share volatile records."""

    def __init__(self, database: Database, pump: ThreadPump) -> None:
        self.database, self.pump = database, pump
        self.volatile = SqlVolatileStore(database, Wall(), pump)
        self.heard: list[str] = []
        """Losses, and what was answered, in order."""

        self.leases = SqlLeases(database, self.volatile.look_again)
        self.volatile.on_loss(lambda: self.heard.append("lost"))
        self.volatile.on_loss(lambda: self.heard.append("heard by another"))

    def write(self, value: str, expected: Version) -> Version:
        """Write what a device of Alice's says."""
        return self.pump.run(self.volatile.write("board", "alice", value.encode, expected))

    def read(self) -> str | None:
        """Read it."""
        answer = self.volatile.read("board", "alice").addCallback(self._note)
        record = self.pump.run(answer)
        return None if record is None else record.value.decode()

    def _note(self, answer: Any) -> Any:  # Any: whatever it is
        self.heard.append("answered")
        return answer


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that this module's tests may do anything to."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def settings(server: Postgres, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A database of a server that runs."""
    if not server.is_running:
        server.start()
    with in_postgresql(tmp_path, server) as settings:
        yield settings


@contextmanager
def process(settings: dict[str, Any], home: Path) -> Iterator[Process]:
    """Start one of several processes."""
    pump = ThreadPump()
    database = database_in(home, pump, **settings)
    one = Process(database, pump)
    pump.run(database.open())
    try:
        yield one
    finally:
        pump.run(database.close())


def test_what_one_process_writes_all_read(settings: dict[str, Any], tmp_path: Path) -> None:
    """Of two that decide at once the second is refused; what one wrote is still there when it has ended."""
    with process(settings, tmp_path) as other:
        with process(settings, tmp_path) as one:
            first = one.write("away", NONE)
            assert other.read() == "away"
            second = other.write("busy", first)
            with pytest.raises(Conflict):
                one.write("late", first)
        assert (second, other.read()) == (first + 1, "busy")
        assert "lost" not in other.heard


def test_a_server_that_dies_loses_them_and_all_hear_of_it_first(
    server: Postgres, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Each process hears of it before it sees that nothing is there; what was decided before is not written after."""
    with process(settings, tmp_path) as one, process(settings, tmp_path) as other:
        first = one.write("away", NONE)
        assert other.read() == "away"
        server.kill()
        with pytest.raises(StoreUnavailable):
            one.read()
        server.start()
        one.heard, other.heard = [], []
        with pytest.raises(Conflict):
            other.write("stale", first)
        assert one.read() is None
        again = one.write("away", NONE)
        assert again > first
        with pytest.raises(Conflict):
            other.write("stale", first)
        assert other.read() == "away"
        assert one.heard == ["lost", "heard by another", "answered"]
        assert other.heard == ["lost", "heard by another", "answered"]
        name, lost = NodeName("one"), Deferred[None]()
        one.pump.run(one.leases.join(name, "here", 600.0, is_connected=True))
        one.volatile.on_loss(lambda: lost.callback(None))
        server.kill()
        server.start()
        # Whoever asks for none hears of it by the lease: who has somebody's board writes it again, before others see them offline.
        one.pump.run(one.leases.renew(name, 600.0))
        one.pump.run(lost)
        other.heard = []
        with pytest.raises(Conflict):
            one.write("stale", again)
        assert other.write("again", NONE) > again
        assert other.heard == ["lost", "heard by another"]


def test_a_server_that_is_restarted_in_order_keeps_them(
    server: Postgres, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Nobody hears of a loss, and whoever holds a version goes on from it."""
    with process(settings, tmp_path) as one:
        first = one.write("away", NONE)
        server.stop()
        server.start()
        assert one.read() == "away"
        assert one.write("busy", first) == first + 1
        assert "lost" not in one.heard


def test_what_is_restored_without_its_mark_begins_above_all_versions(
    server: Postgres, settings: dict[str, Any], tmp_path: Path
) -> None:
    """A base that the database has forgotten, as a standby may have, is behind the clock by then."""
    with process(settings, tmp_path) as one:
        first = one.write("away", NONE)
        one.pump.run(one.database.run_write(lambda c: c.exec_driver_sql("delete from floors").rowcount))
        server.kill()
        server.start()
        with pytest.raises(Conflict):
            one.write("stale", first)
        assert one.write("away", NONE) > first


def test_its_tables_are_what_the_program_says(settings: dict[str, Any], tmp_path: Path) -> None:
    """Migrations leave them so, and only those of volatile records are unlogged."""
    both = MetaData()
    for table in (*metadata.tables.values(), *volatile.tables.values()):
        table.to_metadata(both)

    def look(connection: Connection) -> tuple[object, set[str]]:
        unlogged = "select relname from pg_class where relpersistence = 'u' and relkind = 'r'"
        found = connection.exec_driver_sql(unlogged).scalars()
        return compare_metadata(MigrationContext.configure(connection), both), set(found)

    with process(settings, tmp_path) as one:
        assert one.pump.run(one.database.run_read(look)) == ([], set(volatile.tables))
