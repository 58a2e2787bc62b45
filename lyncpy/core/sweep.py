"""Whether what is held in memory is still what the store has: a slow look at all that other processes wrote.

Who changes a stored thing tells it on the bus, with the version that it has from then on; who holds another one reads it
again. But a bus may lose what it is told. So each table whose values others may change is covered here, too: now and then
the store is asked which records were written since the last time, and what is older in memory is read again. That
bounds for how long a lost fact can be believed. The bus says where something may be lost; then it is looked at once.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Protocol

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import FactsLost, IBus, IListening
from lyncpy.contracts.facts import Fact
from lyncpy.contracts.meter import ICounter, IMeter
from lyncpy.contracts.names import Version
from lyncpy.contracts.refusal import Refused, WorldUnavailable
from lyncpy.contracts.store import REMOVED_S, IRecordStore, Mark, Written
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn

SLICE: Final = 1_000
"""Records that one question to the store gives."""

SLICES_MOST: Final = 50
"""Questions about one kind in one sweep; the rest is for the next, which comes soon then."""

SOON_S: Final = 1.0
"""From one sweep to the next where there is more to look at, or something may be lost."""

HELD_S: Final = 60.0
"""Beyond two sweeps: how long a transaction may keep what others write from being found before that is said."""

NEVER: Final = float("-inf")

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


class _Covered:
    """One kind of records, and how far it was looked through: each at its own pace, so that none waits for another.

    Args:
        store: Has the records.
        kind: Theirs.
        table: What of them is in memory.
        timers: The clock.
        renewed: Counts values that were older than the store's.
        told: The kinds of facts by which others tell that they wrote one; none: they may be any.
        every_s: Seconds from one sweep to the next.
    """

    log = Logger()

    def __init__(
        self,
        store: IRecordStore,
        kind: str,
        table: Held,
        timers: ITimers,
        renewed: ICounter,
        told: Collection[type[Fact]],
        every_s: float,
    ) -> None:
        self._store = store
        self._kind = kind
        self._table = table
        self._timers = timers
        self._renewed = renewed
        self._told = frozenset(told)
        self._every_s = every_s
        self._next = Deadline(timers, self._spawn)
        self._mark: Mark | None = None
        """None: it was not looked through at all."""

        self._asked_at = NEVER
        """When the mark was given, in monotonic seconds."""

        self.true_at = NEVER
        """When nothing in memory was older than the store's last, in monotonic seconds."""

        self._held: tuple[float, int] | None = None
        """When a look could not be told all, and up to which change it would have had to be; None: it was."""

        self._owed: dict[str, Version | None] = {}
        """What is to be read again, and as of which version; None: of any. One that has failed is the last."""

        self._is_under_way = self._is_wanted = self._is_closed = False

    async def open(self) -> None:
        """Note where the store is now."""
        self._mark = (await self._store.written(self._kind, None, 1)).mark
        self._asked_at = self.true_at = self._timers.now()

    def begin(self) -> None:
        """Look for the first time after a while."""
        self._next.set(self._every_s)

    def close(self) -> None:
        """Look no more."""
        self._is_closed = True
        self._next.clear()

    def hasten(self) -> None:
        """Look soon."""
        # Said again and again, it is put off no further.
        if not self._is_wanted and not self._is_under_way:
            self._next.set(SOON_S)
        self._is_wanted = True

    def is_told_by(self, kinds: frozenset[type[Fact]]) -> bool:
        """Tell whether others may have told of a change by facts of these kinds; none: by any."""
        return not kinds or not self._told or not kinds.isdisjoint(self._told)

    def _spawn(self) -> None:
        if not self._is_under_way:
            self._is_under_way, self._is_wanted = True, False
            spawn(self._sweep(), self.log, f'looking at what others wrote of "{self._kind}"')

    async def _sweep(self) -> None:
        is_done = True
        try:
            is_done = await self._look()
        finally:
            self._is_under_way = False
            if not self._is_closed:
                self._next.set(self._every_s if is_done and not self._is_wanted else min(SOON_S, self._every_s))

    async def _look(self) -> bool:
        """Look at what was written; tell whether there is no more."""
        try:
            for _ in range(SLICES_MOST):
                if self._is_closed or await self._look_on():
                    return True
        except WorldUnavailable as error:
            # As much as was looked at counts; the rest is looked at next time.
            self.log.debug('what others wrote of "{kind}" is not known: {reason}', kind=self._kind, reason=str(error))
            return True
        return False

    async def _look_on(self) -> bool:
        now = self._timers.now()
        # What was removed for longer is not told any more.
        since = self._mark if now - self._asked_at < REMOVED_S / 2 else None
        written = await self._store.written(self._kind, since, SLICE)
        slices = Slices(self._timers, LOOKED_AT)
        is_unknown = since is None or not written.is_known
        found: dict[str, Version | None] = dict.fromkeys(self._table.held()) if is_unknown else {}
        for key, version in written.versions:
            await slices.spend()
            held = self._table.version_of(key)
            if held is not None and held != version:
                self._renewed.add()
                found[key] = version
        # What has failed before comes last.
        self._owed = found | {key: version for key, version in self._owed.items() if key not in found}
        self._mark, self._asked_at = written.mark, now
        await self._renew(slices)
        if not self._owed and written.is_all:
            self._seen(now, written)
        return written.is_all

    def _seen(self, now: float, written: Written) -> None:
        """Note since when nothing in memory is older than the store's; some of what was written may not be told yet."""
        if written.mark.change >= written.following:
            self.true_at, self._held = now, None
        elif self._held is None:
            self._held = now, written.following
        elif written.mark.change >= self._held[1]:
            # What kept the look before from being told all has ended since.
            self.true_at, self._held = self._held[0], (now, written.following)

    def held_s(self) -> float:
        """Give the seconds for which something older has kept what was written from being told."""
        return 0.0 if self._held is None else self._timers.now() - self._held[0]

    async def _renew(self, slices: Slices) -> None:
        """Read again what is owed, each once; one that fails keeps no other from it, now or the next time."""
        for key in tuple(self._owed):
            await slices.spend()
            version = self._owed.pop(key)
            held = self._table.version_of(key)
            if held is None or held == version:
                continue
            self._owed[key] = version
            try:
                await self._table.renew(key)
            except Refused as error:
                self.log.debug("{key} cannot be read again now: {reason}", key=key, reason=str(error))
            else:
                self._owed.pop(key, None)


@implementer(IUnit)
class Sweep:
    """Looks at what others wrote, every few seconds, and at once when news may be lost.

    Args:
        bus: Tells when they may.
        timers: The clock.
        meter: Counts.
        every_s: Seconds from one sweep to the next.
    """

    name = "sweep"

    def __init__(self, bus: IBus, timers: ITimers, meter: IMeter, every_s: float) -> None:
        self._bus = bus
        self._timers = timers
        self._every_s = every_s
        self._covered: list[_Covered] = []
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
        return max((now - one.true_at for one in self._covered if one.true_at > NEVER), default=0.0)

    @property
    def held_s(self) -> float:
        """Seconds for which a transaction has kept what was written after it began from being found; 0: none does."""
        return max((one.held_s() for one in self._covered), default=0.0)

    def states(self) -> Sequence[tuple[str, object]]:
        """Give the lines of the command `status` about what others write."""
        return (
            ("what others wrote was looked at, s ago", round(self.age_s, 1)),
            ("an open transaction hides what others write, s", round(self.held_s, 1)),
        )

    def conditions(self) -> Sequence[Reason]:
        """Say that something keeps what others write from being found."""
        if self.held_s < HELD_S + 2.0 * self._every_s:
            return ()
        return (
            Reason(
                "store",
                "a transaction of the PostgreSQL server has been open for so long that news of other servers that was lost on the "
                f"bus is not found, for {self.held_s:.0f} s now",
                good=False,
                remedy="find it, in whichever database: SELECT pid, datname, usename, xact_start FROM pg_stat_activity WHERE "
                "backend_xid IS NOT NULL ORDER BY xact_start, or in pg_prepared_xacts, and have it end: pg_terminate_backend(pid), "
                "ROLLBACK PREPARED",
                key="hidden writes",
            ),
        )

    def cover(self, store: IRecordStore, kind: str, table: Held, *told: type[Fact]) -> None:
        """Keep a table true; to be called before anything of it is read.

        Args:
            store: Has the records.
            kind: Theirs.
            table: What of them is in memory.
            told: The kinds of facts by which others tell that they wrote one; where none of these is lost, nothing has to be
                looked for at once.
        """
        self._covered.append(_Covered(store, kind, table, self._timers, self._renewed, told, self._every_s))

    async def open(self) -> None:
        """Note where the store is now: what is read from here on is as new as that.

        Raises:
            StoreUnavailable: It cannot be asked.
        """
        for one in self._covered:
            await one.open()
        for one in self._covered:
            one.begin()
        self._listening = self._bus.listen(FactsLost, self._lost)

    async def close(self) -> None:
        """Sweep no more."""
        for one in self._covered:
            one.close()
        if self._listening is not None:
            self._listening.stop()

    def _lost(self, fact: FactsLost) -> None:
        for one in self._covered:
            if one.is_told_by(fact.kinds):
                one.hasten()

    def hasten(self) -> None:
        """Look soon: others have told that they wrote something, and a look says what."""
        for one in self._covered:
            one.hasten()
