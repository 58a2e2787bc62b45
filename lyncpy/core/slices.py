"""Work that may take long, cut into slices between which everybody else has their turn."""

from collections.abc import AsyncIterator, Generator, Sequence
from typing import Final, TypeVar

from twisted.internet.defer import Deferred

from lyncpy.contracts.timers import ITimers

T = TypeVar("T")
R = TypeVar("R")


PIECE_S: Final = 0.001
"""Seconds that long work takes in one turn of the reactor, about, before others have theirs."""


async def next_turn(timers: ITimers) -> None:
    """Go on in a later turn of the reactor. May be cancelled."""
    turn: Deferred[None] = Deferred(lambda _: piece.cancel())
    piece = timers.soon(lambda: turn.callback(None))
    await turn


class Slices:
    """Counts what a piece of work costs, and waits for the next turn when a slice is full.

    Work is counted in whatever it is in proportion to: people looked at, bytes read. A slice is also full
    after a millisecond, because what is in proportion on one machine takes long on another.

    Args:
        size: How much work is done in one turn at most; choose a few milliseconds.
    """

    def __init__(self, timers: ITimers, size: int) -> None:
        self._timers = timers
        self._size = size
        self._spent = 0
        self._until = timers.now() + PIECE_S

    async def spend(self, work: int = 1) -> None:
        """Note work that was done; wait for the next turn when it fills the slice. May be cancelled."""
        self._spent += work
        if self._spent >= self._size or self._timers.now() >= self._until:
            self._spent = 0
            await next_turn(self._timers)
            self._until = self._timers.now() + PIECE_S

    async def carry_out(self, work: Generator[int, None, R]) -> R:
        """Do work that says after each piece how much it was, and give its result. May be cancelled."""
        while True:
            try:
                done = next(work)
            except StopIteration as end:
                result: R = end.value
                return result
            await self.spend(done)

    async def runs_of(self, items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
        """Give items in runs of a slice, each in a turn of its own."""
        for start in range(0, len(items), self._size):
            if start:
                await next_turn(self._timers)
            yield items[start : start + self._size]
