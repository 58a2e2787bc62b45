"""A PostgreSQL server that is lost, restarted, frozen or taken away in the middle: what was acknowledged is there, the rest is refused."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql import copying
from lyncpy.backends.sql.copying import copy_database
from lyncpy.backends.sql.database import Database, place_of
from lyncpy.backends.sql.dialects import upgrade_alone
from lyncpy.backends.sql.store import SqlStore
from lyncpy.contracts.names import Version
from lyncpy.contracts.refusal import StoreUnavailable, translated
from lyncpy.contracts.store import Conflict
from tests.kit.cellars import Wall, database_in, emptied, in_postgresql
from tests.kit.patience import pauses
from tests.kit.postgres import Postgres
from tests.kit.soak import many
from tests.kit.threads import ThreadPump

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

NONE = Version(0)
ROUNDS = many(6)


class Household:
    """A store in a server that the test may end and start, and whatever it was given and refused."""

    def __init__(self, server: Postgres, home: Path, settings: dict[str, Any]) -> None:  # Any: as settings are
        self.server, self.home, self.settings = server, home, settings
        self.pump, self.clock, self.numbers = ThreadPump(), Clock(), count()
        self.database = database_in(home, self.pump, clock=self.clock, **settings)
        self.store = SqlStore(self.database, Wall())
        self.pump.run(self.database.open())

    @contextmanager
    def another(self) -> Iterator[tuple[Database, SqlStore]]:
        """Open the same database once more, as a second program does."""
        database = database_in(self.home, self.pump, **self.settings)
        self.pump.run(database.open())
        try:
            yield database, SqlStore(database, Wall())
        finally:
            self.pump.run(database.close())

    def write(self) -> str:
        """Write a new record and wait; give its key."""
        key = str(next(self.numbers))
        self.pump.run(self.store.write("board", key, key.encode(), NONE))
        return key

    def keys(self) -> set[str]:
        """Give the keys of what is there, each with the value that was written."""
        records = self.pump.run(self.store.scan("board"))
        assert all(record.value.decode() == record.key for record in records)
        return {record.key for record in records}

    def execute(self, statement: str) -> object:
        """Have the writing thread execute something, in a transaction."""
        return self.pump.run(self.database.run_write(lambda one: one.exec_driver_sql(statement).rowcount))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that this module's tests may do anything to."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def house(server: Postgres, tmp_path: Path) -> Iterator[Household]:
    """A server that runs, and a store in it."""
    if not server.is_running:
        server.start()
    with emptied(tmp_path, server) as settings:
        house = Household(server, tmp_path, {**settings, "busy_s": 0.3, "statement_s": 1.0})
        yield house
        house.pump.run(house.database.close())


def test_a_server_that_was_restarted_costs_nobody_anything(house: Household) -> None:
    """Connections that ended while nothing was said over them are made anew, for the writer and for the reader."""
    kept = {house.write()}
    house.server.stop()
    house.server.start()
    kept.add(house.write())
    house.server.stop()
    house.server.start()
    assert house.keys() == kept


def test_a_server_that_is_away_is_a_503_and_comes_back(house: Household) -> None:
    """Reads and writes are refused, with the time to try again; the log says so once, and that it works again."""
    kept = {house.write()}
    house.server.stop()
    with capturedLogs() as events:
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=r"[Cc]onnection .*refused") as refused:
                house.write()
            refusal = translated(refused.value)
            assert (refusal.status, dict(refusal.headers)["Retry-After"]) == (503, "30")
            with pytest.raises(StoreUnavailable):
                house.keys()
        house.server.start()
        kept.add(house.write())
        assert house.keys() == kept
    said = [str(event["log_format"]) for event in events]
    assert sum("the store failed" in one for one in said) == 2  # writes, and reads
    assert sum("works again" in one for one in said) == 2


@pytest.mark.parametrize("end", ["kill", "immediate", "fast"])
def test_what_was_acknowledged_is_there_after_any_end(house: Household, end: str) -> None:
    """The server ends in the midst of many writes, again and again: each is kept or refused, and none is kept half."""
    acknowledged: set[str] = set()
    for _ in range(ROUNDS):
        kept, refused = write_until(house, after=random.randrange(1, 300), end=end)
        assert refused, "it ended after all was done"
        acknowledged |= kept
        house.server.start()
        assert acknowledged <= house.keys()
        house.write()


def write_until(house: Household, after: int, end: str) -> tuple[set[str], set[str]]:
    """Write in groups until the server, which ends after some acknowledgements, has gone; give who was answered how."""
    kept: set[str] = set()
    refused: set[str] = set()

    def done(version: object, key: str) -> None:
        kept.add(key)
        if len(kept) == after:
            house.server.kill() if end == "kill" else house.server.stop(mode=end)

    def failed(failure: Failure, key: str) -> None:
        assert failure.check(StoreUnavailable)
        refused.add(key)

    while not refused:
        calls: list[Deferred[Any]] = []  # Any: a version, and then nothing
        for _ in range(random.randrange(1, 40)):
            key = str(next(house.numbers))
            call = house.store.write("board", key, key.encode(), NONE)
            calls.append(call.addCallbacks(done, failed, callbackArgs=(key,), errbackArgs=(key,)))
        for call in calls:
            house.pump.run(call)
    return kept, refused


def test_a_server_that_takes_no_writes_is_refused_and_read_again_later(house: Household) -> None:
    """As a standby is, until it takes over: what was asked is refused, and connections are sought that write."""
    kept = {house.write()}
    house.server.sql("alter system set default_transaction_read_only = on", "template1")
    house.server.sql("select pg_reload_conf()", "template1")
    try:
        # The server tells its processes one after the other, and a busy machine takes its time.
        for _ in pauses(20.0):
            try:
                kept.add(house.write())
            except StoreUnavailable:
                break
        with pytest.raises(StoreUnavailable, match="read-only"):
            house.write()
    finally:
        for statement in ("alter system reset default_transaction_read_only", "select pg_reload_conf()"):
            house.server.sql(statement, "template1", options="-c default_transaction_read_only=off")
    kept.add(house.write())
    assert house.keys() == kept


def test_a_full_disk_refuses_what_it_cannot_keep(house: Household) -> None:
    """A file that cannot grow fails the write and not the server; what has its room goes on being read, and all once there is room."""
    kept = {house.write()}
    acknowledged: list[str] = []
    with house.server.full_disk():
        with pytest.raises(StoreUnavailable, match=r"could not (extend|write)"):
            while len(acknowledged) < 40:
                key = f"large {len(acknowledged)}"
                house.pump.run(house.store.write("blob", key, os.urandom(2**20), NONE))
                acknowledged.append(key)
        assert house.keys() == kept
    kept.add(house.write())
    assert house.keys() == kept
    assert {record.key for record in house.pump.run(house.store.scan("blob"))} == set(acknowledged)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_what_was_taken_back_for_another_is_done_again(house: Household, state: str) -> None:
    """A serialization failure or deadlock concerns nobody, unless it happens without end."""
    tried: list[bool] = []

    def job(connection: Connection) -> int:
        tried.append(True)
        connection.exec_driver_sql("insert into floors values ('x', 1)")
        if len(tried) < 3:
            connection.exec_driver_sql(raising(state))
        count: int = connection.exec_driver_sql("select count(*) from floors").scalar_one()
        return count

    assert house.pump.run(house.database.run_write(job)) == 1
    assert len(tried) == 3
    with pytest.raises(StoreUnavailable, match="on purpose"):
        house.execute(raising(state))
    house.write()


@pytest.mark.parametrize("state", ["53100", "53200", "53300", "57P01", "58030", "42501", "25006", "XX001"])
def test_whatever_fails_there_is_the_worlds(house: Household, state: str) -> None:
    """A full disk, no memory, too many connections, a damaged page: refused, and the next one goes on."""
    with pytest.raises(StoreUnavailable, match="on purpose"):
        house.execute(raising(state))
    house.write()


def raising(state: str) -> str:
    """Give a statement that fails as the server does then."""
    return f"do $$ begin raise exception 'on purpose' using errcode = '{state}'; end $$"


def test_two_who_wait_for_each_other_both_get_their_way(house: Household) -> None:
    """Two programs write the same records in opposite order, until the server had to end a deadlock: nobody was refused."""
    with house.another() as (_, other):
        for round_ in range(200):
            keys = [f"{round_}/{n}" for n in range(60)]
            calls = [house.store.write("board", key, key.encode(), NONE) for key in keys]
            calls += [other.write("board", key, key.encode(), NONE) for key in reversed(keys)]
            assert sum(won(house, call) for call in calls) == len(keys)
            if round_ % 5 == 4 and deadlocks(house) > 0:
                break
        assert deadlocks(house) > 0


def won(house: Household, call: Deferred[Version]) -> bool:
    """Wait; give whether this one was first."""
    try:
        house.pump.run(call)
    except Conflict:
        return False
    return True


def deadlocks(house: Household) -> int:
    """Give how many deadlocks the server has ended."""
    return int(house.server.sql("select sum(deadlocks) from pg_stat_database", "template1"))


def test_what_takes_too_long_is_taken_back(house: Household) -> None:
    """A statement, by its own time, and the wait for somebody who holds a lock."""
    with pytest.raises(StoreUnavailable, match="statement timeout"):
        house.execute("select pg_sleep(20)")
    entered, go_on = Event(), Event()

    def hold(connection: Connection) -> bool:
        connection.exec_driver_sql("lock table records in access exclusive mode")
        entered.set()
        return go_on.wait(20)

    with house.another() as (other, _):
        holding = other.run_write(hold)
        assert entered.wait(20)
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            house.write()
        go_on.set()
        assert house.pump.run(holding)
    house.write()


def test_a_start_waits_for_another_that_changes_the_schema(house: Household) -> None:
    """However long that takes, as its own upgrade may: only what is asked of a database that is open is given up."""
    entered, go_on = Event(), Event()

    def hold(connection: Connection) -> bool:
        upgrade_alone(connection)
        entered.set()
        return go_on.wait(20)

    with house.another() as (other, _):
        holding = other.run_write(hold)
        assert entered.wait(20)
        clock = Clock()
        database = database_in(house.home, house.pump, clock=clock, **house.settings)
        opening = Deferred.fromCoroutine(database.open())
        try:
            deadline = time.monotonic() + 20
            while house.server.sql("select count(*) from pg_locks where not granted", "template1") == "0":
                assert time.monotonic() < deadline, "nobody waits"
            clock.advance(1000.0)
            assert not opening.called
        finally:
            go_on.set()
            house.pump.run(holding)
            house.pump.run(opening)
            house.pump.run(database.close())


def test_a_server_that_hangs_is_refused_until_it_goes_on(house: Household) -> None:
    """Its connections stay and nothing comes back: who waits is refused, others at once, and nothing is lost."""
    kept = {house.write()}
    house.server.freeze()
    try:
        waiting = house.store.write("board", "late", b"late", NONE)
        house.clock.advance(2.0)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            house.pump.run(waiting)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            house.write()
    finally:
        house.server.thaw()
    for _ in range(500):
        # What comes of the write that hung is heard while this is waited for.
        house.pump.run(house.database.run_read(lambda one: one.exec_driver_sql("select 1").scalar()))
        with suppress(StoreUnavailable):
            kept.add(house.write())
            break
        time.sleep(0.02)
    assert len(kept) == 2
    assert kept <= house.keys() <= kept | {"late"}


def test_a_standby_that_takes_over_has_what_was_acknowledged(server: Postgres, tmp_path: Path) -> None:
    """The first server is killed amid writes: all is refused while the second is read-only, and goes on once it is promoted."""
    if not server.is_running:
        server.start()
    with in_postgresql(tmp_path, server) as settings:
        standby = Postgres(server)
        try:
            standby.start()
            # What is acknowledged has to be on both; the standby does not inherit this.
            server.sql("alter system set synchronous_standby_names = '*'", "template1")
            server.sql("select pg_reload_conf()", "template1")
            settings["url"] = settings["url"].replace(f":{server.port}/", f":{server.port},127.0.0.1:{standby.port}/")
            house = Household(server, tmp_path, settings)
            kept, refused = write_until(house, after=200, end="kill")
            assert refused
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="session is read-only"):
                    house.write()
            standby.promote()
            kept.add(house.write())
            assert kept <= house.keys()
            house.pump.run(house.database.close())
        finally:
            standby.remove()
            server.start()
            server.sql("alter system reset synchronous_standby_names", "template1")
            server.sql("select pg_reload_conf()", "template1")


@pytest.mark.parametrize("which", ["source", "target"])
def test_a_copy_goes_on_when_the_server_is_back(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """By itself, after pauses; what was written last may be there already, and is not there twice."""
    monkeypatch.setattr(copying, "SLICE", 3)
    if not server.is_running:
        server.start()
    with in_postgresql(tmp_path, server) as settings:
        homes = {name: tmp_path / name for name in ("source", "target")}
        terms = {name: settings if name == which else {} for name in homes}
        for home in homes.values():
            home.mkdir()
        pump = ThreadPump()

        def kept_in(name: str, fill: int = 0) -> set[str]:
            database = database_in(homes[name], pump, **terms[name])
            pump.run(database.open())
            store = SqlStore(database, Wall())
            for n in range(fill):
                pump.run(store.write("board", str(n), b"", NONE))
            keys = {record.key for record in pump.run(store.scan("board"))}
            pump.run(database.close())
            return keys

        before = kept_in("source", fill=7)
        pauses: list[float] = []

        def lose(table: str, done: int, total: int) -> None:
            if done == 3 and not pauses:
                server.kill()

        def pause(seconds: float) -> None:
            if seconds:
                pauses.append(seconds)
            if pauses == [1.0, 2.0] and not server.is_running:
                server.start()

        places = [place_of(Settings(**terms[name]), homes[name]) for name in homes]
        copy_database(places[0], places[1], lose, pause)
        assert pauses == [1.0, 2.0]
        assert kept_in("target") == before
