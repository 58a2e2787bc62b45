"""Stores of every kind, opened in a folder of the test, with a wall clock that the test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lyncpy.backends.ledger import MemoryLedger
from lyncpy.backends.memory import MemoryRecords, MemoryStore
from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.ledger import SqlLedger
from lyncpy.backends.sql.records import SqlRecords
from lyncpy.backends.sql.store import SqlStore
from lyncpy.contracts.archive import ILedger
from lyncpy.contracts.records import IRecords
from lyncpy.contracts.store import IStore
from tests.kit.meters import MemoryMeter
from tests.kit.threads import ThreadPump

KINDS = ("memory", "sqlite")
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
    records: IRecords
    wall: Wall
    pump: ThreadPump
    ledger: ILedger
    database: Database | None = None
    """Where there is one."""

    def wait(self, work: Any) -> Any:  # Any: whatever the promise gives
        """Give the result of an awaitable, or raise its error."""
        return self.pump.run(_awaited(work))


async def _awaited(work: Any) -> Any:
    return await work


@contextmanager
def opened(kind: str, home: Path) -> Iterator[Cellar]:
    """Open a cellar of one of KINDS, and close it afterwards."""
    wall, pump = Wall(), ThreadPump()
    if kind == "memory":
        yield Cellar(MemoryStore(wall), MemoryRecords(), wall, pump, MemoryLedger())
        return
    database = Database(Settings(), home, MemoryMeter(), pump)
    try:
        pump.run(database.open())
        yield Cellar(SqlStore(database, wall), SqlRecords(database), wall, pump, SqlLedger(database), database)
    finally:
        pump.run(database.close())
