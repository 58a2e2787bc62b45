"""All data moved from one database to another, of either kind."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql import copying
from lyncpy.backends.sql.copying import copy_database
from lyncpy.backends.sql.database import Database, Place, place_of
from lyncpy.backends.sql.dialects import upgrade_alone
from lyncpy.backends.sql.ledger import SqlLedger
from lyncpy.backends.sql.link import Link
from lyncpy.backends.sql.records import SqlRecords
from lyncpy.backends.sql.store import SqlStore
from lyncpy.backends.sql.unfinished import unmark
from lyncpy.backends.sql.volatile import SqlVolatileStore
from lyncpy.contracts.archive import ChainPosition, LedgerLine
from lyncpy.contracts.names import Version
from lyncpy.contracts.records import AuditRecord, SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from tests.kit.cellars import NOON, Wall, database_in, in_postgresql, place_made
from tests.kit.postgres import shared_postgres
from tests.kit.threads import ThreadPump

NONE = Version(0)
START, END = ChainPosition(0, b"n" * 32, b"start"), ChainPosition(1, b"\1" * 32, b"end")


def quiet(table: str, done: int, total: int) -> None:
    """Hear how far a copy is."""


def no_pause(seconds: float) -> None:
    """Wait for a server that comes back."""


class House:
    """A database in a folder or in a server, filled and looked at."""

    def __init__(self, home: Path, settings: dict[str, Any]) -> None:
        home.mkdir(exist_ok=True)
        self.home, self.settings, self.pump = home, settings, ThreadPump()
        self.database: Database = database_in(home, self.pump, **settings)
        self.store = SqlStore(self.database, Wall())
        self.records = SqlRecords(self.database)
        self.ledger = SqlLedger(self.database)

    def place(self) -> Place:
        """Give where it is."""
        return place_of(Settings(**self.settings), self.home)

    def lose_connections(self) -> None:
        """Have a server end every connection to it, as when it is restarted."""
        statement = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{}'"
        assert shared_postgres().sql(statement.format(self.name), "postgres") != "0"

    @property
    def name(self) -> str:
        """What the server calls it."""
        name: str = self.settings["url"].rpartition("/")[2]
        return name

    def again(self) -> "House":
        """Open it once more; what was closed stays so."""
        house = House(self.home, self.settings)
        house.open()
        return house

    def open(self) -> None:
        """Open it; what is to be copied is made as all that contracts look at."""
        if not self.settings and not (self.home / "lyncpy.db").exists():
            place_made(self.home)
        self.pump.run(self.database.open())

    def close(self) -> None:
        """Close it."""
        self.pump.run(self.database.close())

    def fill(self) -> None:
        """Put something into it that an engine could spoil."""
        run, store = self.pump.run, self.store
        for n in range(7):
            run(store.write("board", f"k\u00e4{n}\U0001f600", bytes(range(256)), NONE, NOON + n + 0.125))
            run(store.append("calls", b"%d" % n, NOON + n))
        run(store.remove("board", "k\u00e40\U0001f600", Version(1)))
        run(store.write("gone", "x", b"", NONE, NOON - 9))
        run(store.purge(NOON - 1))
        run(self.records.upsert([self.session()]))
        run(self.records.audit(AuditRecord(NOON + 1 / 3, "a", "b", "c", "ok")))
        run(self.ledger.begin_chain(START, ChainPosition(0, b"n" * 32, b"first")))
        line = LedgerLine(1, NOON + 1 / 3, "message", "talk", "{}", b"\0\xff", b"\1" * 32)
        run(self.ledger.append([line], [("a", "talk")], END, ChainPosition(0, b"n" * 32, b"first")))

    def session(self) -> SessionRecord:
        """Give a session that goes on."""
        return SessionRecord("one", "c", "1", "2", "", "sip:a@b", "sip:c@d", "", "", "", "", "im", NOON + 0.25)

    def content(self) -> object:
        """Give what its promises say is in it."""
        run = self.pump.run
        return (
            [run(self.store.scan(kind)) for kind in ("board", "gone")],
            run(self.store.replay("calls", 0, NOON * 2, 99)),
            run(self.records.sessions()),
            run(self.records.audited()),
            run(self.ledger.ends()),
            run(self.ledger.read_after(0, 9)),
            run(self.ledger.conversations(["a"], "", 9)),
        )


def write_to(house: House) -> None:
    """Open a database for a moment, change it, and close it."""
    house = house.again()
    house.pump.run(house.store.write("board", "k\u00e41\U0001f600", b"since", Version(1)))
    house.pump.run(house.store.write("board", "new", b"since", NONE))
    house.close()


def filled(home: Path, settings: dict[str, Any]) -> House:
    """Give one that has something in it, and is closed."""
    house = House(home, settings)
    house.open()
    house.fill()
    house.close()
    return house


def assert_same(*houses: House) -> None:
    """Open both, and compare what is in them."""
    opened = [house.again() for house in houses]
    assert opened[0].content() == opened[1].content()
    for house in opened:
        house.close()


@pytest.fixture(params=[("sqlite", "postgresql"), ("postgresql", "sqlite"), ("sqlite", "sqlite")], ids="-to-".join)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[House, House]]:
    """One that is filled, and one that nobody has opened yet."""
    with ExitStack() as ending:
        houses = []
        for name, kind in zip(("from", "to"), request.param, strict=True):
            settings = ending.enter_context(in_postgresql(tmp_path)) if kind == "postgresql" else {}
            houses.append(House(tmp_path / name, settings))
        source, target = houses
        source.open()
        source.fill()
        yield source, target
        target.close()


def test_everything_is_there_as_it_was(both: tuple[House, House], monkeypatch: pytest.MonkeyPatch) -> None:
    """Slice by slice; a key that comes back begins above its old versions, and numbers go on behind those that were given."""
    monkeypatch.setattr(copying, "SLICE", 3)
    source, target = both
    before = source.content()
    source.close()
    told: list[tuple[str, int, int]] = []

    count = copy_database(
        source.place(), target.place(), lambda table, done, total: told.append((table, done, total)), no_pause
    )

    target.open()
    assert target.content() == before
    assert [(done, total) for table, done, total in told if table == "journals"] == [(3, 7), (6, 7), (7, 7)]
    assert count == sum({table: done for table, done, _ in told}.values())
    assert target.pump.run(target.store.write("gone", "x", b"", NONE)) == 2
    target.pump.run(target.store.append("calls", b"next", NOON + 99))
    serials = [line.serial for line in target.pump.run(target.store.replay("calls", 0, NOON * 2, 99))]
    assert serials == sorted(set(serials))
    target.close()
    with pytest.raises(StoreUnavailable, match=r'has rows in "\w+", and only an empty one is filled'):
        copy_database(source.place(), target.place(), quiet, no_pause)


def test_a_copy_that_ends_halfway_is_no_database_and_goes_on(both: tuple[House, House]) -> None:
    """Whatever ends it, and though the source is worked with meanwhile; no server takes half of the data for all."""
    source, target = both
    source.close()

    def interrupted(table: str, done: int, total: int) -> None:
        if table == "sessions":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_database(source.place(), target.place(), interrupted, no_pause)
    half = f'it holds an unfinished copy of "{source.place().shown}"'
    with pytest.raises(StoreUnavailable, match=re.escape(half)):
        target.again()
    with pytest.raises(StoreUnavailable, match=re.escape(half)):
        copy_database(target.place(), source.place(), quiet, no_pause)
    source = source.again()
    changed = "k\u00e41\U0001f600"
    source.pump.run(source.store.write("board", changed, b"since", Version(1)))
    source.pump.run(source.store.remove("board", "k\u00e42\U0001f600", Version(1)))
    source.pump.run(source.store.purge_journals(NOON + 3))
    before = source.content()
    source.close()
    copy_database(source.place(), target.place(), quiet, no_pause)
    target.open()
    assert target.content() == before
    assert target.pump.run(target.store.write("board", changed, b"", Version(2))) == 3


def test_what_is_volatile_stays_where_it_is(tmp_path: Path) -> None:
    """Nobody is signed in at a deployment that begins; versions that are given there begin above all that were given."""
    with in_postgresql(tmp_path) as one, in_postgresql(tmp_path) as other:
        source, target = House(tmp_path / "from", one), House(tmp_path / "to", other)
        volatile = SqlVolatileStore(source.database, Wall(), source.pump)
        source.open()
        source.fill()
        first = source.pump.run(volatile.write("board", "alice", b"away", NONE))
        source.close()
        copy_database(source.place(), target.place(), quiet, no_pause)
        volatile = SqlVolatileStore(target.database, Wall(), target.pump)
        target.open()
        assert target.pump.run(volatile.read("board", "alice")) is None
        assert target.pump.run(volatile.write("board", "alice", b"here", NONE)) > first
        target.close()


def test_the_source_stays_as_it_is_until_the_copy_has_ended(both: tuple[House, House]) -> None:
    """`lyncpy user passwd` works beside a server, and is refused beside a copy: its password would not be in it."""
    source, target = both
    source.close()
    source.settings["busy_s"] = 0.1
    told: list[str] = []

    def meanwhile(table: str, done: int, total: int) -> None:
        if table == "records" and not told:
            told.append(table)
            with pytest.raises(StoreUnavailable, match=r"locked|`lyncpy store copy` works with it"):
                write_to(source)

    copy_database(source.place(), target.place(), meanwhile, no_pause)
    assert told
    assert_same(source, target)


def test_what_changes_while_the_source_is_lost_is_copied(tmp_path: Path) -> None:
    """Nothing holds a server's database while the connection is lost; all is compared again then, the first table too."""
    with in_postgresql(tmp_path) as settings:
        source, target = filled(tmp_path / "from", settings), House(tmp_path / "to", {})
        told: list[str] = []

        def lose(table: str, done: int, total: int) -> None:
            if table == "sessions" and table not in told:
                source.lose_connections()
                write_to(source)
            told.append(table)

        copy_database(source.place(), target.place(), lose, no_pause)
        assert told.index("records") < told.index("sessions")
        assert_same(source, target)


def test_what_the_target_lacks_after_it_was_lost_is_written_again(tmp_path: Path) -> None:
    """As a standby that takes over may lack what was acknowledged, whether a statement failed of that or not."""
    with in_postgresql(tmp_path) as settings:
        source, target = filled(tmp_path / "from", {}), House(tmp_path / "to", settings)
        told: list[str] = []

        def lose(table: str, done: int, total: int) -> None:
            if table == "sessions" and table not in told:
                target.lose_connections()
                shared_postgres().sql("delete from records", target.name)
            told.append(table)

        copy_database(source.place(), target.place(), lose, no_pause)
        assert told.index("records") < told.index("sessions")
        assert_same(source, target)


@pytest.mark.parametrize("is_worked_with", [False, True])
def test_a_copy_that_has_ended_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_worked_with: bool
) -> None:
    """The answer to its last transaction is lost, and a server may work with the target before it is reached again."""
    with in_postgresql(tmp_path) as settings:
        source, target = filled(tmp_path / "from", {}), House(tmp_path / "to", settings)
        lost: list[str] = []

        def lose(connection: Connection) -> None:
            unmark(connection)
            if not lost:
                connection.exec_driver_sql("COMMIT")
                target.lose_connections()
                lost.append("answer")
                if is_worked_with:
                    write_to(target)
                _ = connection.exec_driver_sql("SELECT 1")

        monkeypatch.setattr(copying, "unmark", lose)
        if is_worked_with:
            with pytest.raises(StoreUnavailable, match="was worked with since the copy ended"):
                copy_database(source.place(), target.place(), quiet, no_pause)
            write_to(source)
        else:
            assert copy_database(source.place(), target.place(), quiet, no_pause) > 0
        assert lost
        assert_same(source, target)


def test_an_end_is_heeded_before_each_transaction(both: tuple[House, House]) -> None:
    """Also where no slice is written, as when rows are removed that the source has no more; no pause comes after it."""
    source, target = both
    source.close()
    stop = Event()

    def stopping(table: str, done: int, total: int) -> None:
        if table == "sessions":
            stop.set()

    with pytest.raises(StoreUnavailable, match=r"^it was interrupted; what was copied stays"):
        copy_database(source.place(), target.place(), stopping, lambda seconds: stop.is_set())
    source = source.again()
    source.pump.run(source.store.purge_journals(NOON + 6))
    source.close()
    stop.clear()

    def at_the_last_slice(table: str, done: int, total: int) -> None:
        assert not stop.is_set()
        if table == "journals":
            stop.set()

    with pytest.raises(StoreUnavailable, match=r"^it was interrupted; "):
        copy_database(source.place(), target.place(), at_the_last_slice, lambda seconds: stop.is_set())
    assert stop.is_set()
    stop.clear()
    copy_database(source.place(), target.place(), quiet, no_pause)
    assert_same(source, target)


def test_a_copy_does_not_wait_for_ever_for_who_changes_the_schema(tmp_path: Path) -> None:
    """No longer than `busy_s`: whoever gave the command may end it, and does not hang at a lock until somebody lets go."""
    with in_postgresql(tmp_path) as settings:
        source, target = filled(tmp_path / "from", settings), House(tmp_path / "to", {})
        # Another program, which is no server: a copy is refused beside those at once.
        other = Link(source.place().engine)
        entered, go_on = Event(), Event()

        def hold(connection: Connection) -> bool:
            upgrade_alone(connection)
            entered.set()
            return go_on.wait(5)

        holding = Thread(target=partial(other.commit, [hold]))
        holding.start()
        assert entered.wait(20)
        settings = {**settings, "busy_s": 0.1}
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            copy_database(place_of(Settings(**settings), source.home), target.place(), quiet, no_pause)
        go_on.set()
        holding.join(20)
        other.close()


def test_what_is_copied_is_not_written_again(tmp_path: Path) -> None:
    """The copy that goes on compares it; and it goes on with the same source, with no other."""
    source, other, target = (House(tmp_path / name, {}) for name in ("from", "other", "to"))
    for house in (source, other):
        house.open()
        house.fill()
        house.close()

    def interrupted(table: str, done: int, total: int) -> None:
        if table == "sessions":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_database(source.place(), target.place(), interrupted, no_pause)
    with pytest.raises(StoreUnavailable, match="go on with that, or name an empty one"):
        copy_database(other.place(), target.place(), quiet, no_pause)
    refuse = "create trigger t after insert on journals begin select raise(abort, 'again'); end"
    with closing(sqlite3.connect(target.home / "lyncpy.db")) as by_hand:
        by_hand.execute(refuse)
    copy_database(source.place(), target.place(), quiet, no_pause)
    target.open()
    target.close()


def test_a_source_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A mistyped name is an error, and no empty database."""
    source, target = House(tmp_path / "from", {}), House(tmp_path / "to", {})
    with pytest.raises(StoreUnavailable, match=r'the database ".*lyncpy\.db": unable to open'):
        copy_database(source.place(), target.place(), quiet, no_pause)
    assert not list((tmp_path / "from").iterdir())


def test_what_is_not_kept_as_it_was_is_no_copy(tmp_path: Path) -> None:
    """A target that spoils what is written to it is found out; that slice is not in it."""
    source, target = House(tmp_path / "from", {}), House(tmp_path / "to", {})
    for house in (source, target):
        house.open()
    source.fill()
    spoil = "create trigger t after insert on journals begin update journals set entry = x'00' where serial = new.serial; end"
    target.pump.run(target.database.run_write(lambda one: one.exec_driver_sql(spoil).close()))
    for house in (source, target):
        house.close()
    with pytest.raises(StoreUnavailable, match='what was written to "journals" is not what was read'):
        copy_database(source.place(), target.place(), quiet, no_pause)
    with closing(sqlite3.connect(target.home / "lyncpy.db")) as left:
        assert left.execute("select count(*) from journals").fetchone() == (0,)


def test_a_source_that_fails_halfway_is_the_one_that_is_named(both: tuple[House, House]) -> None:
    """Its file is damaged, or somebody removes a table: the target has nothing to do with it."""
    source, target = both
    source.close()
    in_file = source.place().engine.dialect.name == "sqlite"
    if in_file:
        file = source.home / "lyncpy.db"
        with closing(sqlite3.connect(file)) as before:
            (size,) = before.execute("pragma page_size").fetchone()
            (page,) = before.execute("select rootpage from sqlite_master where name = 'sessions'").fetchone()
        with file.open("r+b") as damaged:
            damaged.seek((page - 1) * size)
            damaged.write(b"\xff" * size)
    told: list[str] = []

    def lose(table: str, done: int, total: int) -> None:
        if not in_file and not told:
            # Held as it is while it is copied; who does that nevertheless ends the connection first.
            source.lose_connections()
            shared_postgres().sql("drop table sessions", source.name)
        told.append(table)

    reason = "malformed" if in_file else 'relation "sessions" does not exist'
    with pytest.raises(StoreUnavailable, match=reason) as failed:
        copy_database(source.place(), target.place(), lose, no_pause)
    assert str(failed.value).startswith(f'the database "{source.place().shown}": ')
    assert target.place().shown not in str(failed.value)
    assert told
    assert str(failed.value).endswith("; what was copied stays, and the same command goes on from there")


SPOILT = {
    "update sessions set user1 = 'sEcret' || char(0)": 'to: it cannot take what is in a row of "sessions"',
    "update sessions set response_code = 'sEcret'": 'to: it cannot take what is in a row of "sessions"',
    "update sessions set response_code = 5000000000": 'to: it cannot take what is in a row of "sessions"',
    "update journals set entry = 'sEcret'": 'to: it cannot take what is in a row of "journals"',
    "update journals set at = 'sEcret'": 'to: it cannot take what is in a row of "journals"',
    "update sessions set invited_at = 'sEcret'": 'from: it cannot read what is in a row of "sessions"',
    "update sessions set user1 = cast(x'73456372657420ff' as text)": "from: Could not decode to UTF-8",
}
"""What somebody does to a file by hand, and what is said of it."""


def test_a_value_that_cannot_be_copied_is_told_by_its_table(tmp_path: Path) -> None:
    """SQLite keeps anything anywhere: whoever put it there by hand hears where it is, and nobody reads it on a terminal."""
    with in_postgresql(tmp_path) as settings:
        source, target = filled(tmp_path / "from", {}), House(tmp_path / "to", settings)
        file = source.home / "lyncpy.db"
        whole = file.read_bytes()
        for put, sentence in SPOILT.items():
            file.write_bytes(whole)
            with closing(sqlite3.connect(file)) as by_hand, by_hand:
                assert by_hand.execute(put).rowcount > 0
            with pytest.raises(StoreUnavailable) as failed:
                copy_database(source.place(), target.place(), quiet, no_pause)
            said = str(failed.value)
            for name, house in (("from", source), ("to", target)):
                said = said.replace(f'the database "{house.place().shown}"', name)
            assert said.startswith(sentence)
            assert "sEcret" not in said
            assert "\n" not in said
        file.write_bytes(whole)
        copy_database(source.place(), target.place(), quiet, no_pause)
        houses = [house.again() for house in (source, target)]
        assert houses[0].content() == houses[1].content()
        for house in houses:
            house.close()
