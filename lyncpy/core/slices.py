"""Work that may take long, cut into slices between which everybody else has their turn."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred

from lyncpy.contracts.timers import ITimers

T = TypeVar("T")


async def next_turn(timers: ITimers) -> None:
    """Go on in a later turn of the reactor. May be cancelled."""
    turn: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = timers.later(0.0, lambda: turn.callback(None))
    await turn


class Slices:
    """Counts what a piece of work costs, and waits for the next turn when a slice is full.

    Work is counted in whatever it is in proportion to: people looked at, bytes read. A clock
    would give other slices on a busy machine, and none where a test holds it still.

    Args:
        size: How much work is done in one turn; choose some milliseconds.
    """

    def __init__(self, timers: ITimers, size: int) -> None:
        self._timers = timers
        self._size = size
        self._spent = 0

    async def spend(self, work: int = 1) -> None:
        """Note work that was done; wait for the next turn when it fills the slice. May be cancelled."""
        self._spent += work
        if self._spent >= self._size:
            self._spent = 0
            await next_turn(self._timers)

    async def of(self, items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
        """Give items in runs of a slice, each in a turn of its own."""
        for start in range(0, len(items), self._size):
            if start:
                await next_turn(self._timers)
            yield items[start : start + self._size]
