"""Reactors in memory: one for each server of a play, and what lets time pass on all of them at once."""

from bisect import insort
from collections.abc import Callable
from math import inf
from typing import Any, Final

from twisted.internet.base import DelayedCall
from twisted.internet.testing import MemoryReactorClock

TURNS: Final = 2_000
"""Turns of the reactors without time passing, after which something goes round in circles."""


class StageClock(MemoryReactorClock):
    """A reactor in memory; it is quick where nothing but time passes: stories of a month have a million deadlines."""

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kw: object) -> DelayedCall:  # noqa: A002  # Any: whatever is called
        """Call later; the calls are always in order."""
        at = self.seconds() + delay
        call = DelayedCall(at, callable, args, kw, self.calls.remove, lambda _: self.calls.sort(key=_AT), self.seconds)
        insort(self.calls, call, key=_AT)
        return call

    def advance(self, amount: float) -> None:
        """Move, and call whatever is due by then."""
        now = self.rightNow = self.rightNow + amount
        calls = self.calls
        while calls and calls[0].getTime() <= now:
            call = calls.pop(0)
            call.called = 1
            call.func(*call.args, **call.kw)

    @property
    def due(self) -> float:
        """Give when something is to be called next."""
        return float(self.calls[0].getTime()) if self.calls else inf


_AT: Final = DelayedCall.getTime


class Clocks:
    """Several reactors with one time.

    Attributes:
        now: Seconds since the play began.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.now = 0.0
        self._all: list[StageClock] = []
        self._frozen: list[StageClock] = []

    def new(self) -> StageClock:
        """Give one more, which begins now."""
        clock = StageClock()  # type: ignore[no-untyped-call]  # Twisted's has no types
        clock.rightNow = self.now
        self._all.append(clock)
        return clock

    def freeze(self, clock: StageClock) -> None:
        """Let nothing happen on one of them, as when its process is stopped."""
        self._frozen.append(clock)

    def thaw(self, clock: StageClock) -> None:
        """Let it go on: whatever was due meanwhile is done now."""
        self._frozen.remove(clock)

    def settle(self) -> None:
        """Let happen what happens at once, everywhere."""
        for _ in range(TURNS):
            running = self._running()
            if min(clock.due for clock in running) > self.now:
                return
            for clock in running:
                clock.advance(self.now - clock.rightNow)
        raise AssertionError("something goes round in circles")

    def passes(self, seconds: float) -> None:
        """Let time pass; each thing happens at its time."""
        end = self.now + seconds
        self.settle()
        while (due := min(clock.due for clock in self._running())) <= end:
            self._move(max(self.now, due))
        self._move(end)

    def _move(self, now: float) -> None:
        self.now = now
        for clock in self._running():
            clock.advance(now - clock.rightNow)
        self.settle()

    def _running(self) -> list[StageClock]:
        return [clock for clock in self._all if clock not in self._frozen]
