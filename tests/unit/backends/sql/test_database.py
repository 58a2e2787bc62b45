"""The life of a database file."""

import ast
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, OperationalError
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, capturedLogs, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.app.backends import queues
from lyncpy.backends.settings import Settings
from lyncpy.backends.sql import upgrades
from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.records import SqlRecords
from lyncpy.backends.sql.store import SqlStore
from lyncpy.backends.sql.tables import metadata
from lyncpy.contracts.names import Version
from lyncpy.contracts.records import ConferenceRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import Conflict
from lyncpy.contracts.workload import Unfinished
from lyncpy.core.timers import Timers
from tests.kit.cellars import Wall, database_in
from tests.kit.meters import MemoryMeter
from tests.kit.threads import ThreadPump

NONE = Version(0)

ADDING = {"op.add_column", "op.create_index", "op.create_table", "op.get_bind"}

NEWEST = max(path.name[1:5] for path in (upgrades.MIGRATIONS / "versions").glob("r*.py"))
"""The version that this program knows."""

SECOND = f'''"""A further version."""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0999", "{NEWEST}"
def upgrade():
    op.add_column("audit", sa.Column("note", sa.Text()))
'''


class Household:
    """A database in a folder, opened as often as a test likes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "lyncpy.db"
        self.pump = ThreadPump()
        self.database: Database | None = None
        """The one that was opened last."""

    @contextmanager
    def open(self, url: str = "sqlite:///lyncpy.db", busy_s: float = 0.1) -> Iterator[SqlStore]:
        """Open the database, and close it afterwards, also when it does not open."""
        database = self.database = database_in(self.home, self.pump, url=url, busy_s=busy_s)
        try:
            self.pump.run(database.open())
            yield SqlStore(database, Wall())
        finally:
            self.pump.run(database.close())

    def write(self, store: SqlStore, key: str, value: bytes = b"x") -> None:
        """Write a new record and wait."""
        self.pump.run(store.write("board", key, value, NONE))

    def read(self, statement: str) -> object:
        """Ask over the connection that reads; some answers are that connection's own."""
        assert self.database is not None
        return self.pump.run(self.database.run_read(lambda one: one.exec_driver_sql(statement).scalar()))

    def limit_pages(self, pages: object) -> None:
        """Let the file grow to this many pages, as if the disk were full then; only the connection that writes knows."""
        assert self.database is not None
        statement = f"PRAGMA max_page_count = {pages}"
        self.pump.run(self.database.run_write(lambda one: one.exec_driver_sql(statement).scalar()))

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Ask the file itself."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement).fetchall()

    def vacuum(self) -> None:
        """Have the file rewritten without auto_vacuum, as the first versions made it."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("pragma auto_vacuum = none")
            connection.execute("vacuum")


@pytest.fixture
def house(tmp_path: Path) -> Household:
    """An empty folder."""
    return Household(tmp_path)


def test_what_was_written_is_there_at_the_next_start(house: Household) -> None:
    """Records and their versions outlive the server."""
    with house.open() as store:
        house.write(store, "alice", b"note")
    with house.open() as store:
        record = house.pump.run(store.read("board", "alice"))
    assert record is not None
    assert (record.value, record.version) == (b"note", 1)


def test_only_its_owner_reads_the_files(house: Household) -> None:
    """The database and its WAL have mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        with house.open() as store:
            house.write(store, "alice")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in house.home.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("lyncpy.db", "lyncpy.db-wal", "lyncpy.db-shm"), 0o600)


def test_every_commit_is_synced(house: Household) -> None:
    """WAL with synchronous FULL (2): an acknowledged write survives a power cut."""
    with house.open():
        found = [house.read(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]


def test_a_closed_database_is_one_file(house: Household) -> None:
    """The WAL is emptied into it, so that a copy of the file is a copy of all."""
    with house.open() as store:
        house.write(store, "alice")
    assert [path.name for path in house.home.iterdir()] == ["lyncpy.db"]


def test_migrations_leave_what_the_tables_say(house: Household) -> None:
    """The schema in the code and the one in the file are the same."""
    with house.open():
        pass
    with create_engine(f"sqlite:///{house.path}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        connection.engine.dispose()


def test_call_records_are_read_with_sql(house: Household) -> None:
    """Moments are UTC text that SQLite's own functions understand."""
    with house.open():
        pass
    columns = {str(row[1]): str(row[2]) for row in house.sql("pragma table_info(sessions)")}
    assert columns["invited_at"] == "DATETIME"
    assert {"user1", "user2", "response_code", "user1_messages", "end_reason"} <= columns.keys()


def test_a_name_with_odd_characters_is_a_name(house: Household) -> None:
    """Blanks, percent signs and hashes are no URI syntax."""
    with house.open("sqlite:///a b%20#c.db") as store:
        house.write(store, "alice")
    assert [path.name for path in house.home.iterdir()] == ["a b%20#c.db"]


def test_an_upgrade_keeps_a_copy_of_what_was(
    house: Household, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before an existing schema is changed the file is copied, mode 0600, with its records."""
    with house.open() as store:
        house.write(store, "alice")
    with_migration(tmp_path_factory.mktemp("migrations"), SECOND, monkeypatch)
    with house.open() as store:
        assert house.pump.run(store.read("board", "alice")) is not None

    copy = house.home / "lyncpy.db.before-0999"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("select version_num from alembic_version").fetchall() == [(NEWEST,)]
        assert connection.execute("select key from records").fetchall() == [("alice",)]
    assert house.sql("select version_num from alembic_version") == [("0999",)]
    assert not list(house.home.glob("*.part"))


def test_an_upgrade_that_fails_changes_nothing(
    house: Household, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All migrations are one transaction: half of one is never kept."""
    with house.open() as store:
        house.write(store, "alice")
    broken = SECOND + '    op.execute("insert into nowhere values (1)")\n'
    with_migration(tmp_path_factory.mktemp("migrations"), broken, monkeypatch)
    with pytest.raises(StoreUnavailable, match="nowhere"), house.open():
        pass
    assert house.sql("select version_num from alembic_version") == [(NEWEST,)]
    assert "note" not in [row[1] for row in house.sql("pragma table_info(audit)")]


def test_without_room_for_the_copy_nothing_is_upgraded(
    house: Household, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator is told what is in the way; the database stays as it is."""
    with house.open():
        pass
    with_migration(tmp_path_factory.mktemp("migrations"), SECOND, monkeypatch)
    (house.home / "lyncpy.db.before-0999.part").mkdir()
    with pytest.raises(StoreUnavailable, match=r"before-0999.*cannot be made before.*make room"), house.open():
        pass
    assert house.sql("select version_num from alembic_version") == [(NEWEST,)]


def test_a_newer_database_is_refused(house: Household) -> None:
    """An older program does not touch what a newer one wrote, and says what to do."""
    with house.open():
        pass
    house.sql("update alembic_version set version_num = '9999', oldest = '9998'")
    with pytest.raises(StoreUnavailable, match=r"newer lyncpy \(schema 9999.*install"), house.open():
        pass


def test_a_database_of_a_later_program_is_used_where_that_says_so(house: Household) -> None:
    """While servers are upgraded one by one those of before go on, also from a start; nothing is migrated, and it is told."""
    with house.open() as store:
        house.write(store, "alice")
    house.sql(f"update alembic_version set version_num = '9999', oldest = '{NEWEST}'")
    with capturedLogs() as events, house.open() as store:
        house.write(store, "bob")
    assert [event["current"] for event in events if "upgrade this server, too" in str(event["log_format"])] == ["9999"]
    assert house.sql("select version_num, oldest from alembic_version") == [("9999", NEWEST)]
    assert len(house.sql("select key from records")) == 2


def test_a_schema_says_which_programs_go_on_with_it(
    house: Household, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the first that noted it, as long as migrations only add; after one that breaks them, its own."""
    with house.open():
        pass
    assert house.sql("select oldest from alembic_version") == [(upgrades.FIRST_NOTED,)]
    with_migration(tmp_path_factory.mktemp("migrations"), f"{SECOND}\nbreaks = True\n", monkeypatch)
    with house.open():
        pass
    assert house.sql("select version_num, oldest from alembic_version") == [("0999", "0999")]


def test_migrations_only_add() -> None:
    """Or say that they break servers of the version before, which have to be stopped then."""
    wrong = []
    for file in sorted((upgrades.MIGRATIONS / "versions").glob("r*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        breaks = any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "breaks" for node in tree.body)
        if file.name[1:5] < upgrades.FIRST_NOTED or breaks:
            continue
        (up,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
        for call in [node for node in ast.walk(up) if isinstance(node, ast.Call)]:
            name = ast.unparse(call.func)
            needed = (
                name == "op.add_column"
                and "nullable=False" in ast.unparse(call)
                and "server_default" not in ast.unparse(call)
            )
            if needed or (name.startswith("op.") and name not in ADDING):
                wrong.append(f"{file.name}: {ast.unparse(call)}")
    assert wrong == [], "servers of the version before cannot go on with it: only add, or say `breaks = True`"


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused(house: Household, content: bytes) -> None:
    """The sentence names the file and the setting, and the file is left alone."""
    house.path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"lyncpy\.db.*\[store\] url.*not a database"), house.open():
        pass
    assert house.path.read_bytes() == content


def test_a_missing_folder_is_named(house: Household) -> None:
    """It is not made: a slip in the setting must not begin a new, empty server."""
    with pytest.raises(StoreUnavailable, match=r"no folder .*nowhere"), house.open("sqlite:///nowhere/lyncpy.db"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_may_not_be_written_is_named(house: Household, what: str) -> None:
    """The sentence says whose it has to be."""
    house.path.touch(0o400)
    house.home.chmod(0o500 if what == "folder" else 0o700)
    with pytest.raises(StoreUnavailable, match="chown"), house.open():
        pass


def test_what_may_not_be_written_is_named_to_root_too(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sentences, when the answer of the system is played."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != house.home)
    with pytest.raises(StoreUnavailable, match=r"chown \d+|user \d+ may not write to"), house.open():
        pass
    house.path.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: path != house.path)
    with pytest.raises(StoreUnavailable, match=r"may not write to .*lyncpy\.db"), house.open():
        pass


def test_a_folder_in_the_files_place_is_named(house: Household) -> None:
    """What the system says is in the sentence."""
    house.path.mkdir()
    with pytest.raises(StoreUnavailable, match="cannot be opened: Is a directory"), house.open():
        pass


def test_a_write_that_finds_the_file_locked_fails_and_the_next_goes_on(house: Household) -> None:
    """Another program that writes too long costs a refusal, not the server."""
    with house.open() as store:
        with closing(sqlite3.connect(house.path, isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(StoreUnavailable, match="locked"):
                house.write(store, "alice")
        house.write(store, "alice")


def test_a_full_disk_fails_the_write_and_not_the_server(house: Household) -> None:
    """Reading goes on meanwhile; when there is room again, so does writing, and nothing half is kept."""
    with house.open() as store:
        house.write(store, "alice")
        house.limit_pages(house.read("PRAGMA page_count"))
        with pytest.raises(StoreUnavailable, match="full"):
            house.write(store, "bob", b"x" * 100_000)
        assert house.pump.run(store.read("board", "bob")) is None
        assert house.pump.run(store.read("board", "alice")) is not None
        # The failure closed the connection, and the limit was that connection's.
        house.write(store, "bob", b"x" * 100_000)


def test_a_damaged_file_fails_the_read_and_not_the_server(house: Household) -> None:
    """Corruption is StoreUnavailable with its cause; the process goes on."""
    with house.open() as store:
        for n in range(200):
            house.write(store, f"user{n}", b"x" * 3000)
    with house.path.open("r+b") as file:
        file.seek(4096 * 80)
        file.write(b"\xee" * 4096 * 100)
    with house.open() as store, pytest.raises(StoreUnavailable, match="malformed"):
        house.pump.run(store.scan("board"))


def test_secrets_are_in_no_error(house: Household) -> None:
    """What the database refuses is not quoted."""
    with house.open() as store, pytest.raises(Exception, match="type 'list'") as caught:
        house.pump.run(store.write("board", "alice", ["s3cret"], NONE))  # type: ignore[arg-type]  # the bug that is played
    assert "s3cret" not in str(caught.value)


def test_one_bad_value_spoils_no_other_write(house: Household) -> None:
    """A bug in one caller costs nobody else a write."""
    with house.open() as store:
        first = store.write("board", "alice", b"x", NONE)
        bad = store.write("board", "bob", ["no bytes"], NONE)  # type: ignore[arg-type]  # the bug that is played
        last = store.write("board", "carol", b"x", NONE)
        assert [house.pump.run(first), house.pump.run(last)] == [1, 1]
        with pytest.raises(Exception, match="type 'list'"):
            house.pump.run(bad)


FIRST_SCHEMA = Path(upgrades.MIGRATIONS, "versions", "r0001_first.py")


def test_a_database_of_the_first_version_is_upgraded_and_can_shrink(
    house: Household, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held is there, its copy lies beside it, conferences have their tables, and room is given back."""
    with monkeypatch.context() as before:
        only_first(tmp_path_factory.mktemp("first"), before)
        with house.open():
            pass
    house.sql("insert into records (kind, key, version, value) values ('board', 'alice', 1, cast('note' as blob))")
    house.sql("insert into records (kind, key, version) values ('board', 'gone', 7)")
    house.vacuum()
    house.sql(
        "insert into sessions values ('s', 'c', 'f', 't', '', 'sip:a@b', 'sip:c@b', '', '', '', '', 'im', "
        "'2026-07-20 12:00:00.000000', null, null, null, null, '', '', 0, 0, 0, 'n')"
    )
    assert house.sql("pragma auto_vacuum") == [(0,)]
    tables = {str(name) for (name,) in house.sql("select name from sqlite_master where type = 'table'")}
    assert "conferences" not in tables

    with house.open() as store:
        record = house.pump.run(store.read("board", "alice"))
        assert house.database is not None
        records = SqlRecords(house.database)
        assert record is not None and record.value == b"note"
        # What was removed goes with the first purge, and its versions are remembered.
        assert house.pump.run(store.purge(1.0)) == 1
        assert house.pump.run(store.write("board", "gone", b"x", NONE)) == 8
        assert [one.session_id for one in house.pump.run(records.sessions())] == ["s"]
        house.pump.run(records.upsert([ConferenceRecord("i", "sip:focus", "sip:a@b", 1.0)]))
        assert len(house.pump.run(records.conferences())) == 1

    assert house.sql("pragma auto_vacuum") == [(2,)]
    assert (house.home / f"lyncpy.db.before-{NEWEST}").exists()


def test_a_new_database_can_shrink(house: Household) -> None:
    """Its pages are of the kind that can be given back (incremental: 2)."""
    with house.open():
        pass
    assert house.sql("pragma auto_vacuum") == [(2,)]


def test_a_file_that_cannot_be_rewritten_now_is_used_as_it_is(house: Household) -> None:
    """Without room for the rewriting the server starts all the same, and says what stays undone."""
    with house.open():
        pass
    house.vacuum()
    other = sqlite3.connect(house.path, isolation_level=None, check_same_thread=False)

    @implementer(ILogObserver)
    def lock(event: LogEvent) -> None:
        if "rewriting" in str(event["log_format"]):
            other.execute("begin immediate")

    globalLogPublisher.addObserver(lock)  # it hears in the thread that is about to rewrite
    try:
        with capturedLogs() as events, house.open() as store:
            assert other.in_transaction
            other.close()
            house.write(store, "alice")
    finally:
        globalLogPublisher.removeObserver(lock)
        other.close()
    assert [event["reason"] for event in events if "keeps its size" in str(event["log_format"])] == [
        "database is locked"
    ]


def only_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the program as it was when there was one migration."""
    for source in (*upgrades.MIGRATIONS.glob("*.py"), FIRST_SCHEMA):
        target = folder / source.relative_to(upgrades.MIGRATIONS)
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text())
    monkeypatch.setattr(upgrades, "MIGRATIONS", folder)


def with_migration(folder: Path, second: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the program a second migration."""
    for source in upgrades.MIGRATIONS.rglob("*.py"):
        target = folder / source.relative_to(upgrades.MIGRATIONS)
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text())
    (folder / "versions" / "r0999_second.py").write_text(second)
    monkeypatch.setattr(upgrades, "MIGRATIONS", folder)


@pytest.fixture
def opened_database(tmp_path: Path) -> Iterator[tuple[ThreadPump, Database, MemoryMeter]]:
    """An open database, and its meters."""
    pump, meter = ThreadPump(), MemoryMeter()
    database = database_in(tmp_path, pump, meter)
    pump.run(database.open())
    yield pump, database, meter
    pump.run(database.close())


def test_writes_of_a_moment_share_a_transaction(opened_database: tuple[ThreadPump, Database, MemoryMeter]) -> None:
    """The first goes alone, at once; all others together; a wrong one among them spoils no other, and order holds."""
    pump, database, meter = opened_database
    store = SqlStore(database, Wall())
    before = meter.count("lyncpy_store_write_commits_total")
    calls = [store.write("board", f"{number}", b"x", NONE) for number in range(20)]
    pump.run(gatherResults(calls))
    assert meter.count("lyncpy_store_write_commits_total") - before == 2
    twice = "insert into sessions (session_id) values (null)"
    calls = [store.write("board", f"{number}", b"y", Version(1)) for number in range(20)]
    wrong = database.run_write(lambda connection: connection.exec_driver_sql(twice).close())
    last = store.read("board", "19")
    calls += [store.write("board", f"{number}", b"z", Version(2)) for number in range(20)]
    assert pump.run(gatherResults(calls)) == [2] * 20 + [3] * 20
    with pytest.raises(IntegrityError):
        pump.run(wrong)
    assert pump.run(last) is not None


def test_a_failing_disk_fails_each_caller_and_is_logged_once(
    opened_database: tuple[ThreadPump, Database, MemoryMeter],
) -> None:
    """StoreUnavailable with the cause and without values; the end of it is logged, too."""
    pump, database, meter = opened_database

    def full(connection: Connection) -> None:
        raise OperationalError("insert", {"secret": "x"}, sqlite3.OperationalError("disk is full"))

    with capturedLogs() as events:
        for call in [database.run_write(full) for _ in range(3)]:
            with pytest.raises(StoreUnavailable, match=r"^disk is full$"):
                pump.run(call)
        pump.run(database.run_write(lambda connection: None))
    assert [event["log_level"].name for event in events] == ["error", "info"]
    assert events[0]["reason"] == "disk is full"
    assert meter.count("lyncpy_store_write_commit_failures_total") == 2


def test_a_failing_write_closes_no_reader(opened_database: tuple[ThreadPump, Database, MemoryMeter]) -> None:
    """On a full disk SQLite could not open the database anew: what can be read is read all the same."""
    pump, database, _ = opened_database

    def which(connection: Connection) -> object:
        return connection.connection.dbapi_connection

    def full(connection: Connection) -> None:
        raise OperationalError("insert", {}, sqlite3.OperationalError("disk is full"))

    reader, writer = pump.run(database.run_read(which)), pump.run(database.run_write(which))
    with pytest.raises(StoreUnavailable):
        pump.run(database.run_write(full))
    assert pump.run(database.run_read(which)) is reader
    assert pump.run(database.run_write(which)) is not writer


def test_a_database_that_is_closed_takes_nothing(tmp_path: Path) -> None:
    """What waits is done; what comes then is refused. It may be closed twice."""
    pump = ThreadPump()
    database = database_in(tmp_path, pump)
    pump.run(database.open())
    store = SqlStore(database, Wall())
    calls = [store.write("board", f"{number}", b"x", NONE) for number in range(5)]
    pump.run(database.close())
    assert [call.result for call in calls] == [1] * 5
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        pump.run(store.write("board", "late", b"x", NONE))
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        pump.run(database.run_gathered(lambda connection: True))
    pump.run(database.close())


def test_what_was_gathered_elsewhere_is_done_in_order_and_in_a_transaction_of_its_own(
    opened_database: tuple[ThreadPump, Database, MemoryMeter],
) -> None:
    """A failure is its own, a result that is one fails who asked, and an orderly end waits for it."""
    pump, database, _ = opened_database
    store = SqlStore(database, Wall())
    done: list[str] = []

    def fails(connection: Connection) -> None:
        connection.exec_driver_sql("delete from records")
        done.append("fails")
        raise ValueError("its own")

    first, wrong = store.write("board", "a", b"x", NONE), database.run_gathered(fails)
    refused: Deferred[None] = database.run_gathered(lambda connection: Failure(Conflict("no")))
    last = database.run_gathered(lambda connection: done.append("last"))
    for call, error in ((wrong, ValueError), (refused, Conflict)):
        with pytest.raises(error):
            pump.run(call)
    pump.run(database.close())
    assert (first.result, last.called, done) == (1, True, ["fails", "last"])


def test_a_purge_shares_no_transaction_with_what_others_write(
    opened_database: tuple[ThreadPump, Database, MemoryMeter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes meanwhile neither waits for its locks within their own, nor is undone with it."""
    pump, database, _ = opened_database
    shared: list[object] = []
    run_write = database.run_write

    def noted(job: Any) -> Any:  # Any: each job has its own result
        shared.append(job)
        return run_write(job)

    monkeypatch.setattr(database, "run_write", noted)
    store, records = SqlStore(database, Wall()), SqlRecords(database)
    pump.run(store.write("board", "a", b"x", NONE, 1.0))
    pump.run(store.append("calls", b"x", 1.0))
    count = len(shared)
    gone = pump.run(awaited_all(store.purge(2.0), store.purge_journals(2.0), records.purge(2.0)))
    assert gone[1:] == [1, 0]
    assert len(shared) == count == 2


async def awaited_all(*works: Any) -> list[Any]:  # Any: each has its own result
    """Await one after the other."""
    return [await work for work in works]


def test_an_end_does_not_wait_for_ever_for_what_was_gathered_elsewhere(tmp_path: Path) -> None:
    """It is bounded like that of any other write."""
    pump, clock, go_on = ThreadPump(), Clock(), Event()
    settings = Settings(close_s=2.0)
    database = Database(settings, tmp_path, queues(settings, Timers(clock, Wall()), MemoryMeter()), pump)
    pump.run(database.open())
    hangs = database.run_gathered(lambda connection: go_on.wait(20))
    closing = Deferred.fromCoroutine(database.close())
    clock.advance(2)
    with pytest.raises(Unfinished, match=r"^1 writes are not known to be done"):
        pump.run(closing)
    go_on.set()
    assert pump.run(hangs)


def test_a_disk_that_hangs_holds_up_an_orderly_end_for_its_bound_only(tmp_path: Path) -> None:
    """The thread is left behind, and the end says how many writes are not known to be done."""
    pump, clock, go_on = ThreadPump(), Clock(), Event()
    settings = Settings(close_s=2.0)
    given = queues(settings, Timers(clock, Wall()), MemoryMeter())
    database = Database(settings, tmp_path, given, pump)
    pump.run(database.open())
    calls = [database.run_write(lambda connection: go_on.wait(20)), database.run_write(lambda connection: True)]
    closing = Deferred.fromCoroutine(database.close())
    clock.advance(2)
    with pytest.raises(Unfinished, match=r"^2 writes are not known to be done"):
        pump.run(closing)
    for call in calls:
        with pytest.raises(StoreUnavailable, match="did not take it within 2 s"):
            pump.run(call)
    go_on.set()


def test_nobody_has_to_ask_for_it_to_be_known_that_the_disk_works_again(tmp_path: Path) -> None:
    """Where clients are sent elsewhere because it fails, nobody asks; it is tried until it is done."""
    pump, clock = ThreadPump(), Clock()
    settings = Settings(busy_s=0.1)
    database = Database(settings, tmp_path, queues(settings, Timers(clock, Wall()), MemoryMeter()), pump)
    pump.run(database.open())
    with closing(sqlite3.connect(tmp_path / "lyncpy.db")) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreUnavailable):
            pump.run(database.run_write(lambda connection: None))
        assert [one.grave for one in database.conditions()] == [True]
        other.rollback()
    assert database.conditions(), "it is not guessed"
    clock.advance(2)
    pump.run(database.run_gathered(lambda connection: None))  # behind it, in the same thread
    assert database.conditions() == []
    pump.run(database.close())


def test_an_end_while_the_disk_fails_counts_no_try_of_ours(tmp_path: Path) -> None:
    """What is said not to be done is what somebody asked for."""
    pump, settings = ThreadPump(), Settings(busy_s=0.1)
    database = Database(settings, tmp_path, queues(settings, Timers(Clock(), Wall()), MemoryMeter()), pump)
    pump.run(database.open())
    with closing(sqlite3.connect(tmp_path / "lyncpy.db")) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreUnavailable):
            pump.run(database.run_write(lambda connection: None))
        pump.run(database.close())
