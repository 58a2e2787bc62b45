"""Whether what is held in memory is still what the store has: a slow look at all that other processes wrote.

Who changes a stored thing tells it on the bus, with the version that it has from then on; who holds another one reads it
again. But a bus may lose what it is told. So each table whose values others may change is covered here, too: now and then
the store is asked which records were written since the last time, and what is older in memory is read again. That
bounds for how long a lost fact can be believed. The bus says where something may be lost; then it is looked at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import FactsLost, IBus, IListening
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Version
from lyncpy.contracts.refusal import Refused, WorldUnavailable
from lyncpy.contracts.store import REMOVED_S, IRecordStore, Mark
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn

SLICE: Final = 1_000
"""Records that one question to the store gives."""

SLICES_MOST: Final = 50
"""Questions about one kind in one sweep; the rest is for the next, which comes soon then."""

SOON_S: Final = 1.0
"""From one sweep to the next where there is more to look at, or something may be lost."""

LOOKED_AT: Final = 500
"""Records that are compared in one turn of the reactor."""


class Held(Protocol):
    """A table whose values other processes may change."""

    def held(self) -> Iterable[str]:
        """Give the keys of the records whose values are in memory."""

    def version_of(self, key: str) -> Version | None:
        """Give the version of a record whose value is in memory; 0: of one that is to be read; None: nobody here cares."""

    async def renew(self, key: str) -> None:
        """Read a value again, and tell whoever shows it here; may raise StoreUnavailable, or Refused, and is tried again then."""


@dataclass
class _Covered:
    """One kind of records, and how far it was looked through."""

    store: IRecordStore
    kind: str
    table: Held
    mark: Mark | None = None
    """None: not at all."""

    at: float = float("-inf")
    """When that was, in monotonic seconds."""


@implementer(IUnit)
class Sweep:
    """Looks at what others wrote, every few seconds, and at once when news may be lost.

    Args:
        bus: Tells when they may.
        timers: The clock.
        meter: Counts.
        every_s: Seconds from one sweep to the next.
    """

    log = Logger()
    name = "sweep"

    def __init__(self, bus: IBus, timers: ITimers, meter: IMeter, every_s: float) -> None:
        self._bus = bus
        self._timers = timers
        self._every_s = every_s
        self._covered: list[_Covered] = []
        self._next = Deadline(timers, self._begin)
        self._is_under_way = self._is_wanted = self._is_closed = False
        self._listening: IListening | None = None
        self._renewed = meter.counter(
            "lyncpy_core_sweep_renewed_total", "Values in memory that were older than the store's, as a sweep found."
        )
        meter.gauge(
            "lyncpy_core_sweep_age_seconds", "Since all that others wrote was looked at last.", lambda: self.age_s
        )

    @property
    def age_s(self) -> float:
        """Seconds since all that others wrote was looked at last; 0 where nothing is covered."""
        now = self._timers.now()
        return max((now - one.at for one in self._covered if one.mark is not None), default=0.0)

    def cover(self, store: IRecordStore, kind: str, table: Held) -> None:
        """Keep a table true; to be called before anything of it is read."""
        self._covered.append(_Covered(store, kind, table))

    async def open(self) -> None:
        """Note where the store is now: what is read from here on is as new as that.

        Raises:
            StoreUnavailable: It cannot be asked.
        """
        for one in self._covered:
            one.mark, one.at = (await one.store.written(one.kind, None, 1)).mark, self._timers.now()
        self._listening = self._bus.listen(FactsLost, self._lost)
        self._next.set(self._every_s)

    async def close(self) -> None:
        """Sweep no more."""
        self._is_closed = True
        self._next.clear()
        if self._listening is not None:
            self._listening.stop()

    def _lost(self, fact: FactsLost) -> None:
        self.hasten()

    def hasten(self) -> None:
        """Look soon: others have told that they wrote something, and a look says what."""
        # Said again and again, it is put off no further.
        if not self._is_wanted and not self._is_under_way:
            self._next.set(SOON_S)
        self._is_wanted = True

    def _begin(self) -> None:
        if not self._is_under_way:
            self._is_under_way, self._is_wanted = True, False
            spawn(self._sweep(), self.log, "looking at what others wrote")

    async def _sweep(self) -> None:
        is_done = True
        try:
            for one in self._covered:
                is_done = await self._look(one) and is_done
        finally:
            self._is_under_way = False
            if not self._is_closed:
                self._next.set(self._every_s if is_done and not self._is_wanted else min(SOON_S, self._every_s))

    async def _look(self, covered: _Covered) -> bool:
        """Look at what was written of one kind; tell whether there is no more."""
        try:
            for _ in range(SLICES_MOST):
                if self._is_closed or await self._look_on(covered):
                    return True
        except (WorldUnavailable, Refused) as error:
            # As much as was looked at counts; the rest is looked at next time.
            self.log.debug('what others wrote of "{kind}" is not known: {reason}', kind=covered.kind, reason=str(error))
            return True
        return False

    async def _look_on(self, covered: _Covered) -> bool:
        now = self._timers.now()
        # What was removed for longer is not told any more.
        since = covered.mark if now - covered.at < REMOVED_S / 2 else None
        written = await covered.store.written(covered.kind, since, SLICE)
        slices = Slices(self._timers, LOOKED_AT)
        if since is None or not written.is_known:
            for key in tuple(covered.table.held()):
                await slices.spend()
                await covered.table.renew(key)
        for key, version in written.versions:
            await slices.spend()
            held = covered.table.version_of(key)
            if held is not None and held != version:
                self._renewed.add()
                await covered.table.renew(key)
        covered.mark, covered.at = written.mark, now
        return written.is_all
