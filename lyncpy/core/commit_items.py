"""The items of a group commit: what waits for its commit, and who is being told of theirs."""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from twisted.internet.defer import Deferred

from lyncpy.contracts.shares import Owners
from lyncpy.contracts.timers import ITimers

T = TypeVar("T")
R = TypeVar("R")

ANSWERS_S: Final = 0.002
"""Seconds in one turn of the reactor for callers who go on when their items are durable, about."""


@dataclass(slots=True, eq=False)
class CommitItem(Generic[T, R]):
    """One item."""

    item: T
    since: float
    """Monotonic seconds of the oldest state that is not durable."""

    size: int
    owners: Owners
    key: Hashable | None
    answer: "Deferred[R] | None"
    """None: nobody waits for it."""


class CommitQueue(Generic[T, R]):
    """What waits for its commit, in order; of each key the newest state."""

    def __init__(self) -> None:
        self.entries: deque[CommitItem[T, R]] = deque()
        self.newest: dict[Hashable, CommitItem[T, R]] = {}
        self.awaited = 0
        """The number of entries that somebody waits for."""

    def append(self, entry: CommitItem[T, R]) -> None:
        """Queue an item behind all others."""
        self.entries.append(entry)
        if entry.key is not None:
            self.newest[entry.key] = entry
        if entry.answer is not None:
            self.awaited += 1

    def take(self, most: int) -> Sequence[CommitItem[T, R]]:
        """Remove and give the first items, as many as one commit may have."""
        entries = self.entries
        if len(entries) <= most:
            group = list(entries)
            entries.clear()
            self.newest.clear()
            self.awaited = 0
            return group
        group = [entries.popleft() for _ in range(most)]
        for entry in group:
            if entry.answer is not None:
                self.awaited -= 1
            if entry.key is not None:
                del self.newest[entry.key]
        return group

    def take_back(self, entries: Sequence[CommitItem[T, R]]) -> Sequence[CommitItem[T, R]]:
        """Put written-behind entries back where they were; give those of which a newer state waits already."""
        older = []
        for entry in reversed(entries):
            newer = self.newest.get(entry.key)
            if newer is None:
                self.entries.appendleft(entry)
                self.newest[entry.key] = entry
            else:
                newer.since = entry.since
                older.append(entry)
        return older

    def take_awaited(self) -> Sequence[CommitItem[T, R]]:
        """Remove and give all items whose callers wait."""
        awaited = [entry for entry in self.entries if entry.answer is not None]
        self.entries = deque(entry for entry in self.entries if entry.answer is None)
        self.awaited = 0
        return awaited


class CommitResults(Generic[T, R]):
    """Results that callers are being told, in order.

    Each caller goes on with its work at once, and many of them are told in several turns of the reactor.

    Args:
        timers: The clock of a turn.
        go_on: Is called in the next turn, when some are still to be told.
    """

    def __init__(self, timers: ITimers, go_on: Callable[[], None]) -> None:
        self._timers = timers
        self._go_on = go_on
        self.waiting: deque[tuple[CommitItem[T, R], R]] = deque()

    def tell(self) -> bool:
        """Tell callers, and whether all were told."""
        waiting = self.waiting
        if not waiting:
            return True
        until = self._timers.now() + ANSWERS_S
        while waiting:
            entry, result = waiting.popleft()
            if entry.answer is not None and not entry.answer.called:
                entry.answer.callback(result)
            if waiting and self._timers.now() >= until:
                # As a deadline: what is under way is finished before other long work goes on.
                self._timers.later(0.0, self._go_on)
                return False
        return True
