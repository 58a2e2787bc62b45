"""The size of the database and the age of its last backup, looked at all the time."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.backends.settings import Settings
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn
from lyncpy.core.timestamps import moment
from lyncpy.core.versioned import LastWriter

LOOK_S: Final = 600.0

KIND: Final = "backup"
LAST: Final = "last"

DAY_S: Final = 86_400.0


async def note_backup(store: IStore, at: float, *, is_first: bool = False) -> None:
    """Write down when a backup was made.

    Args:
        store: Of which.
        at: Seconds since the epoch.
        is_first: Whether none was: from then on one is missed.
    """
    records = LastWriter(store, KIND)
    await records.read(LAST)
    await records.write(LAST, json.dumps({"at": at, "made": not is_first}).encode())


@implementer(IUnit)
class StoreWatch:
    """Says that the database is large, and that its last backup is old.

    Args:
        size: Gives the bytes of the database.
        store: Where backups are noted, by whichever program makes them.
        settings: The bounds.
        meter: Shows both.
        timers: The clocks.
    """

    log = Logger()
    name = "store watch"

    def __init__(
        self,
        size: Callable[[], Awaitable[int]],
        store: IStore,
        settings: Settings,
        meter: IMeter,
        timers: ITimers,
    ) -> None:
        self._measure = size
        self._store = store
        self._settings = settings
        self._timers = timers
        self._next = Deadline(timers, lambda: spawn(self._look(), self.log, "looking at the store"))
        self._size = 0
        self._backup_at = timers.wall()
        self._is_made = self._is_closed = False
        meter.gauge("lyncpy_store_size_bytes", "Bytes of the database.", lambda: self._size)
        meter.gauge(
            "lyncpy_store_backup_age_seconds",
            "Seconds since the last backup; without any, since the first start that missed one.",
            self._age_s,
        )

    async def open(self) -> None:
        """Look for the first time."""
        await self._look()

    async def close(self) -> None:
        """Stop."""
        self._is_closed = True
        self._next.clear()

    def conditions(self) -> Sequence[Reason]:
        """Say what is wrong."""
        found = []
        settings = self._settings
        if self._size > settings.large_bytes:
            finding = f"the database has {self._size >> 20} MiB, and more than {settings.large_bytes >> 20} MiB are told ([store] large_bytes)"
            remedy = (
                "keep less ([store] cdr_days, audit_days, journal_days; [archive]), or make room and raise large_bytes"
            )
            found.append(Reason("store", finding, good=False, remedy=remedy, key="size"))
        if settings.backup_days and self._age_s() > settings.backup_days * DAY_S:
            at = moment(self._backup_at)
            finding = f"the last backup is of {at}" if self._is_made else f"no backup was made since {at}"
            remedy = "run `lyncpy backup FILE`; where other programs make backups, set [store] backup_days = 0"
            found.append(Reason("backup", finding, good=False, remedy=remedy, key="age"))
        return found

    def _age_s(self) -> float:
        return max(0.0, self._timers.wall() - self._backup_at)

    async def _look(self) -> None:
        try:
            self._size = await self._measure()
            record = await self._store.read(KIND, LAST)
            if record is None:
                await note_backup(self._store, self._timers.wall(), is_first=True)
            else:
                known = json.loads(record.value)
                self._backup_at, self._is_made = float(known["at"]), bool(known["made"])
        except StoreUnavailable as error:
            self.log.debug("the store cannot be looked at now: {reason}", reason=error)
        finally:
            if not self._is_closed:
                self._next.set(LOOK_S)
