"""Stores of every kind, opened in a folder of the test, with a wall clock that the test moves."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from twisted.internet.task import Clock

from lyncpy.app.backends import queues
from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.leases import SqlLeases
from lyncpy.backends.sql.ledger import SqlLedger
from lyncpy.backends.sql.records import SqlRecords
from lyncpy.backends.sql.store import SqlStore
from lyncpy.backends.sql.volatile import SqlVolatileStore
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.archive import ILedger
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.nodes import ILeases
from lyncpy.contracts.records import IRecords
from lyncpy.contracts.store import IStore, IVolatileStore
from lyncpy.core.timers import Timers
from tests.kit.leases import MemoryLeases, NodesOfStore
from tests.kit.ledger import MemoryLedger
from tests.kit.memory import MemoryRecords, MemoryStore
from tests.kit.meters import MemoryMeter
from tests.kit.postgres import Postgres, shared_postgres
from tests.kit.threads import ThreadPump

KINDS = ("memory", "sqlite", "postgresql")
"""What the contract suites run on."""

NOON = 1_784_548_800.0
"""Where the wall clock begins: 2026-07-20 12:00 UTC."""


class Wall:
    """Seconds since the epoch, moved by hand."""

    def __init__(self, now: float = NOON) -> None:
        """Begin at noon."""
        self.now = now

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@dataclass(frozen=True)
class Cellar:
    """One store and its records, and how to wait for them."""

    store: IStore
    volatile: IVolatileStore
    records: IRecords
    wall: Wall
    pump: ThreadPump
    ledger: ILedger
    leases: ILeases
    database: Database | None = None
    """Where there is one."""

    def wait(self, work: Any) -> Any:  # Any: whatever the promise gives
        """Give the result of an awaitable, or raise its error."""
        return self.pump.run(_awaited(work))


async def _awaited(work: Any) -> Any:
    return await work


def database_in(
    home: Path,
    pump: ThreadPump,
    meter: IMeter | None = None,
    clock: Clock | None = None,
    **settings: Any,
) -> Database:
    """Give a database in a folder, as the server has it, with deadlines that come when `clock` says so; it is not open."""
    store = Settings(**settings)
    timers = Timers(clock or Clock(), Wall())
    return Database(store, home, queues(store, timers, meter or MemoryMeter(), 0.0), pump)


@contextmanager
def opened(kind: str, home: Path) -> Iterator[Cellar]:
    """Open a cellar of one of KINDS, and close it afterwards."""
    wall, pump = Wall(), ThreadPump()
    if kind == "memory":
        nodes = NodesOfStore(wall)
        records = MemoryRecords(nodes.is_alive)
        yield Cellar(
            MemoryStore(wall), MemoryRecordStore(wall), records, wall, pump, MemoryLedger(), MemoryLeases(nodes)
        )
        return
    with ExitStack() as ending:
        store = database_in(home, pump, **ending.enter_context(made(kind, home)))
        volatile = SqlVolatileStore(store, wall, pump) if kind == "postgresql" else MemoryRecordStore(wall)

        def close() -> None:
            pump.run(store.close())

        _ = ending.callback(close)
        pump.run(store.open())
        yield Cellar(
            SqlStore(store, wall),
            volatile,
            SqlRecords(store),
            wall,
            pump,
            SqlLedger(store),
            SqlLeases(store, lambda: None),
            store,
        )


@contextmanager
def made(kind: str, home: Path) -> Iterator[dict[str, Any]]:
    """Give the settings of a database of a kind that has the tables of a store, and nothing in them."""
    if kind == "postgresql":
        with emptied(home) as settings:
            yield settings
    else:
        place_made(home)
        yield {}


@contextmanager
def in_postgresql(home: Path, server: Postgres | None = None) -> Iterator[dict[str, Any]]:
    """Give the settings of a database that is made, empty, and dropped afterwards; `home` gets the file with the password."""
    server = server or shared_postgres()
    name = server.make_database()
    try:
        yield {"url": server.url(name), "password_file": str(server.password_file(home))}
    finally:
        server.drop_database(name)


@contextmanager
def emptied(home: Path, server: Postgres | None = None) -> Iterator[dict[str, Any]]:
    """Give the settings of a database with the tables of a store, or none yet, and nothing in them; the next one gets it, too.

    To make one and its tables takes several times as long as most tests of a contract. Whose test fails, or ends the server,
    leaves none.
    """
    server = server or shared_postgres()
    name = server.unused.pop() if server.unused else server.make_database()
    yield {"url": server.url(name), "password_file": str(server.password_file(home))}
    if server.is_running:
        server.empty(name)
        server.unused.append(name)


_MADE: Final = tempfile.TemporaryDirectory(prefix="lyncpy-usual-database-")
"""Goes with the process."""


def place_made(home: Path) -> None:
    """Put a file of SQLite's with the tables of a store, and nothing in them, where a store looks for its own."""
    shutil.copy(_made_file(), home / "lyncpy.db")


@cache
def _made_file() -> Path:
    home, pump = Path(_MADE.name), ThreadPump()
    store = database_in(home, pump)
    pump.run(store.open())
    pump.run(store.close())
    return home / "lyncpy.db"
