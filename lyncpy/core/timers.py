"""One wheel for every deadline in the process, and the clocks that everybody goes by.

This is the module that gives the time. A reactor of Twisted's counts its delays by the wall
clock on POSIX (only asyncio's does not): each `callLater` under way would come an hour late when
the host's clock is set back by one. `steady` gives it a clock that cannot be set.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from math import ceil
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python import runtime
from zope.interface import implementer

from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.wallclock import WallClock

GRAINS: Final[tuple[tuple[float, float], ...]] = ((3600.0, 16.0), (60.0, 1.0), (1.0, 0.125))
"""A delay of at least the first number is rounded up to a multiple of the second (powers of two: exact as floats)."""

SLICE: Final = 500
"""Deadlines met in one turn of the reactor; the rest waits for the next, so that reading goes on."""

DEADLINES_S: Final = 0.005
"""Seconds for which deadlines are met in one turn, about; most take microseconds, but any may take long."""

PIECES_S: Final = 0.002
"""Seconds in each turn for pieces of long work, about: whoever sends a message meanwhile waits for two turns."""


RECENT_S: Final = 60.0
"""For how long the worst is remembered for operators."""


def host_clock() -> float:
    """Give the host's wall clock: seconds since the epoch, UTC. Only for `Timers`."""
    return time.time()


def host_monotonic() -> float:
    """Give seconds on a clock that nobody sets. Only for commands that end at once; all else asks `Timers`."""
    return time.monotonic()


def steady(reactor: Any) -> None:  # Any: a reactor's own clock is in no interface
    """Make a reactor count time by the monotonic clock; calls that it has already keep their delay.

    Done before anything of ours is scheduled, with any reactor: all that they inherit reads the
    clock through `reactor.seconds`. One that is monotonic already (asyncio's) stays as it is.
    """
    before = reactor.seconds
    if before is not runtime.seconds:
        return
    waiting = [(call, call.getTime() - before()) for call in reactor.getDelayedCalls()]
    reactor.seconds = time.monotonic
    for call, left in waiting:
        call.seconds = time.monotonic
        call.reset(max(0.0, left))


class RecentMaximum:
    """The largest of what was noted in the last minute, or up to twice that."""

    __slots__ = ("_before", "_largest", "_until")

    def __init__(self) -> None:
        self._largest = self._before = self._until = 0.0

    def note(self, value: float, now: float) -> None:
        """Note a value."""
        if now >= self._until:
            self._turn_over(now)
        self._largest = max(self._largest, value)

    def value(self, now: float) -> float:
        """Give the largest; 0 when nothing was noted."""
        if now >= self._until:
            self._turn_over(now)
        return max(self._largest, self._before)

    def _turn_over(self, now: float) -> None:
        self._before = self._largest if now < self._until + RECENT_S else 0.0
        self._largest, self._until = 0.0, now + RECENT_S


@implementer(ITimer)
class Timer:
    """One deadline in the wheel."""

    __slots__ = ("_bucket", "_call")

    def __init__(self, bucket: "dict[Timer, None]", call: Callable[[], None]) -> None:
        self._bucket = bucket
        self._call: Callable[[], None] | None = call
        bucket[self] = None

    def cancel(self) -> None:
        """Cancel the call; may be called twice and after the call."""
        self._call = None
        self._bucket.pop(self, None)

    def pop_callback(self) -> Callable[[], None] | None:
        """Give the function to call, once; None when it was cancelled."""
        call, self._call = self._call, None
        return call


@implementer(ITimers)
class Timers:
    """Deadlines in buckets: a hundred thousand long ones cost the reactor one timer.

    Args:
        clock: The reactor, or a clock of a test.
        wall: Gives seconds since the epoch, UTC, as the host has them.

    Attributes:
        clock: What is made of `wall`.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, wall: Callable[[], float]) -> None:
        self._clock = clock
        self.now: Final[Callable[[], float]] = clock.seconds
        """Gives monotonic seconds. It is asked a dozen times for each request, so that it is the reactor's own."""

        self.clock = WallClock(wall, self.now)
        self._listeners: list[Callable[[float], None]] = []
        self._buckets: dict[float, dict[Timer, None]] = {}
        # The times of `_buckets`. A bucket that was emptied by cancelling stays until its time has
        # come, so that no time is ever in here twice.
        self._times: list[float] = []
        self._due: deque[Timer] = deque()
        self._pieces: OrderedDict[Timer, None] = OrderedDict()
        self._delay = RecentMaximum()
        self._turn: IDelayedCall | None = None
        self._turn_at = 0.0

    def __len__(self) -> int:
        """Give the number of deadlines ahead; walks the buckets, so for meters only."""
        return sum(map(len, self._buckets.values())) + len(self._due) + len(self._pieces)

    def wall(self) -> float:
        """Give the seconds since the epoch, UTC, as the host has them. See the promise."""
        return self.clock.wall()

    def steady(self) -> float:
        """Give the seconds since the epoch, without the steps since the start. See the promise."""
        return self.clock.steady()

    def past(self) -> float:
        """Give the seconds since the epoch that have surely passed. See the promise."""
        return self.clock.past()

    def on_step(self, hear: Callable[[float], None]) -> None:
        """Tell from now on when the wall clock was set. See the promise."""
        self._listeners.append(hear)

    def later(self, delay_s: float, call: Callable[[], None]) -> ITimer:
        """Call once, at the earliest after the delay. A call that fails is logged."""
        at = self.now() + max(delay_s, 0.0)
        for least, grain in GRAINS:
            if delay_s >= least:
                at = ceil(at / grain) * grain
                break
        bucket = self._buckets.get(at)
        if bucket is None:
            bucket = self._buckets[at] = {}
            heappush(self._times, at)
            self._wind()
        return Timer(bucket, call)

    def soon(self, call: Callable[[], None]) -> ITimer:
        """Call in a later turn, as one piece of long work. See the promise."""
        piece = Timer(self._pieces, call)
        self._wind()
        return piece

    def delay(self) -> float:
        """Give the longest delay of the event loop in the last minute. See the promise."""
        return self._delay.value(self.now())

    def _wind(self) -> None:
        """Set the reactor's one timer to the earliest time."""
        if self._due or self._pieces:
            at = self.now()
        elif self._times:
            at = self._times[0]
        else:
            return
        if self._turn is not None:
            if self._turn_at <= at:
                return
            self._turn.cancel()
        self._turn_at = at
        self._turn = self._clock.callLater(max(at - self.now(), 0.0), self._on_turn)

    def _look_at_the_wall(self) -> None:
        by = self.clock.step()
        if by:
            self.log.warn(
                "the clock of this host was set {way} by {seconds} s; nothing that waits here goes by it",
                way="forward" if by > 0 else "back",
                seconds=round(abs(by), 1),
            )
            for hear in self._listeners:
                self._run(partial(hear, by))

    def _on_turn(self) -> None:
        self._turn = None
        self._look_at_the_wall()
        # The reactor adds and subtracts floats: by its own clock it may call a hair before the time.
        now = max(self.now(), self._turn_at)
        self._delay.note(now - self._turn_at, now)
        pieces = len(self._pieces)
        while self._times and self._times[0] <= now:
            bucket = self._buckets.pop(heappop(self._times))
            self._due.extend(bucket)
            bucket.clear()  # they hold it and it holds them: a circle would wait for the garbage collector
        for _ in range(min(SLICE, len(self._due))):
            call = self._due.popleft().pop_callback()
            if call is not None:
                self._run(call)
                if self.now() >= now + DEADLINES_S:
                    break
        self._work(pieces)
        self._wind()

    def _work(self, pieces: int) -> None:
        """Do pieces of long work, those that waited before this turn at most."""
        began = self.now()
        for _ in range(pieces):
            if not self._pieces:
                return  # a piece has cancelled others
            call = self._pieces.popitem(last=False)[0].pop_callback()
            if call is not None:
                self._run(call)
            if self.now() >= began + PIECES_S:
                return

    def _run(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - one failing deadline must not stop the others
            self.log.failure("what a deadline called failed")
