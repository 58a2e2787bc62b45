"""Work that may take long, cut into slices between which everybody else has their turn."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

from twisted.internet.defer import Deferred

from lyncpy.contracts.timers import ITimers

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


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

    async def runs_of(self, items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
        """Give items in runs of a slice, each in a turn of its own."""
        for start in range(0, len(items), self._size):
            if start:
                await next_turn(self._timers)
            yield items[start : start + self._size]


class FairQueue(Generic[K]):
    """A queue for long work of many users, one piece at a time: users with much work wait behind those with little.

    Bounded by what waits for its answer elsewhere: each waiting piece belongs to a request.
    """

    def __init__(self, timers: ITimers) -> None:
        self._timers = timers
        self._waiting: dict[K, deque[Deferred[None]]] = {}
        self._busy = False

    def __len__(self) -> int:
        """Count the pieces that wait."""
        return sum(map(len, self._waiting.values()))

    async def run_in_turn(self, who: K, work: Callable[[], Awaitable[T]]) -> T:
        """Do a piece of work when it is its turn. May be cancelled."""
        waits = self._busy
        if waits:
            turn: Deferred[None] = Deferred(lambda turn: self._leave(who, turn))
            self._waiting.setdefault(who, deque()).append(turn)
            await turn
        self._busy = True
        try:
            if waits:  # not within the end of another's work, and of the next one's in it, and so on
                await next_turn(self._timers)
            return await work()
        finally:
            self._next()

    def _next(self) -> None:
        """Begin the next piece of work; a user who had a turn goes behind all others."""
        self._busy = bool(self._waiting)
        if self._waiting:
            who = next(iter(self._waiting))
            turns = self._waiting.pop(who)
            turn = turns.popleft()
            if turns:
                self._waiting[who] = turns
            turn.callback(None)

    def _leave(self, who: K, turn: Deferred[None]) -> None:
        turns = self._waiting[who]
        turns.remove(turn)
        if not turns:
            del self._waiting[who]
