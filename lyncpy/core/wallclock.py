"""The wall clock, which may be set at any time, and what may be made of it all the same.

Nothing that waits, counts or ages by itself asks it: that is `ITimers.now`. What is left for the
wall clock is what is written down for people and what others compare. It may be set forward and
back while the server runs (by hand, by NTP after a wrong start, by the host of a virtual machine),
so three readings of it are given:

- *wall*: what the host says now. It steps.
- *steady*: what the host said at the start, and the seconds since then. It never steps, so two
  readings of one process differ by the time that has passed.
- *past*: a time that has surely passed; whatever is deleted for its age is compared with it. A
  clock that jumps ahead must not empty the archive.
"""

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.deadline import Deadline
from lyncpy.core.versioned import LastWriter

STEP_S: Final = 1.0
"""A wall clock that gains or loses this much between two looks was set; what is less is the work of NTP."""

DOUBTED_S: Final = 60.0
"""A jump ahead of more than this is doubted before anything is deleted for its age."""

TRUST_S: Final = 3 * 86_400.0
"""A doubted time that has held for so long is believed: somebody had a weekend to put it right."""

ABSENT_S: Final = 7 * 86_400.0
"""A server that says that it was off for longer may have a wrong clock instead."""

LOOK_S: Final = 10.0
NOTE_S: Final = 3600.0

_KIND: Final = "clock"
_KEY: Final = "seen"


class WallClock:
    """Reads the host's clock with suspicion.

    Args:
        read: Gives seconds since the epoch, UTC, as the host has them.
        monotonic: Gives seconds that never step.
    """

    def __init__(self, read: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._read = read
        self._monotonic = monotonic
        # Each is "wall clock minus monotonic clock": constant, as long as nobody sets the wall clock.
        self._at_start = self._seen = self._believed = read() - monotonic()
        self._doubted: float | None = None
        """Monotonic seconds since which the host has been ahead of what is believed."""

    def wall(self) -> float:
        """Give the host's wall clock, in seconds since the epoch."""
        return self._read()

    def steady(self) -> float:
        """Give the wall clock of the start, plus the time since."""
        return self._at_start + self._monotonic()

    def past(self) -> float:
        """Give a time that has surely passed: the host's clock, unless that has jumped ahead lately."""
        wall, now = self._read(), self._monotonic()
        if wall - now > self._believed + DOUBTED_S:
            if self._doubted is None:
                self._doubted = now
            if now - self._doubted < TRUST_S:
                return self._believed + now
        self._doubted = None
        self._believed = wall - now
        return wall

    def remember(self, seen: float) -> bool:
        """Note the time at which this server ran last; doubt the host's clock when it is much later.

        Returns:
            Whether it is doubted.
        """
        now = self._monotonic()
        if self._read() > seen + ABSENT_S:
            self._believed, self._doubted = seen - now, now
        return self._doubted is not None

    def step(self) -> float:
        """Give by how much the host's clock was set since this was asked last; 0.0: it only ran."""
        offset = self._read() - self._monotonic()
        by, self._seen = offset - self._seen, offset
        return by if abs(by) >= STEP_S else 0.0


@implementer(IUnit)
class ClockWatch:
    """Compares the wall clock every ten seconds, and remembers across restarts how late it was.

    Args:
        store: Where the time is noted.
        timers: The deadline.
        clock: The clock that `timers` reads.
    """

    log = Logger()
    name = "clock"

    def __init__(self, store: IStore, timers: ITimers, clock: WallClock) -> None:
        self._records = LastWriter(store, _KIND)
        self._timers = timers
        self._clock = clock
        self._noted = 0.0
        self._next_look = Deadline(timers, self._look)
        self._noting: Deferred[None] | None = None

    async def open(self) -> None:
        """Compare the host's clock with the last time that this server ran."""
        record = await self._records.read(_KEY)
        if record is not None:
            self._recall(record.value)
        self._noted = self._timers.now()
        self._next_look.set(LOOK_S)

    def _recall(self, value: bytes) -> None:
        try:
            seen = float(value)
        except ValueError:
            self.log.warn("when this server ran last cannot be read; the clock of this host is believed")
            return
        if self._clock.remember(seen):
            self.log.warn(
                "this server ran last {days} days ago by the clock of this host: if that is wrong, set it; "
                "nothing is deleted for its age for the next {hours} hours",
                days=round((self._timers.wall() - seen) / 86_400),
                hours=round(TRUST_S / 3600),
            )

    async def close(self) -> None:
        """Note the time, and stop."""
        self._next_look.clear()
        if self._noting is not None:
            self._noting.cancel()
        await self._note()

    def _look(self) -> None:
        self._next_look.set(LOOK_S)
        # To ask is what begins a doubt, and ends it.
        self._timers.past()
        now = self._timers.now()
        if now - self._noted >= NOTE_S and self._noting is None:
            self._noted = now
            noting = self._noting = Deferred.fromCoroutine(self._note())
            _ = noting.addErrback(self._failed).addBoth(self._ended)

    async def _note(self) -> None:
        """Write the believed time, not the host's: a restart must not make a wrong time credible."""
        value = b"%d" % self._timers.past()
        try:
            await self._records.write(_KEY, value)
        except StoreUnavailable as error:
            self.log.debug("the time of this run is not noted: {reason}", reason=error)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("noting the time failed", failure)

    def _ended(self, _: None) -> None:
        self._noting = None
