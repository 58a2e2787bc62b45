"""What waits equally long shares one timer.

Deadlines that are all so many seconds away come in the order in which they were set, and nearly all are not needed: an answer
comes first.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline


class Waiting(Protocol):
    """Something that waits, until it is over or overdue."""

    due: float
    """Monotonic seconds at which it is overdue; set by the `SharedPatience` that it is added to."""


W = TypeVar("W", bound=Waiting)


class SharedPatience(Generic[W]):
    """What waits equally long, in the order in which it began to.

    Args:
        timers: The deadlines.
        seconds: How long each may wait.
        overdue: Called with each that has waited for so long.
    """

    __slots__ = ("_deadline", "_overdue", "_seconds", "_timers", "_waiting")

    def __init__(self, timers: ITimers, seconds: float, overdue: Callable[[W], None]) -> None:
        self._timers = timers
        self._seconds = seconds
        self._overdue = overdue
        self._waiting: dict[W, None] = {}
        self._deadline = Deadline(timers, self._look)

    def add(self, one: W, now: float) -> None:
        """Add what waits from now on."""
        one.due = now + self._seconds
        self._waiting[one] = None
        self._deadline.set_first(self._seconds)

    def ended(self, one: W) -> None:
        """Remove what waits no more; may be called at any time.

        The timer stays, though nothing may wait any more: the next thing that does is not long in coming, and to
        set a timer for each would cost more than one that comes in vain.
        """
        self._waiting.pop(one, None)

    def _look(self) -> None:
        # A hair before the deadline is in time: sums of floats are not exact.
        now = self._timers.now() + 1e-6
        while self._waiting:
            first = next(iter(self._waiting))
            if first.due > now:
                # Anew: who was told just now may have added something, which is due later than this.
                self._deadline.set(first.due - now)
                return
            del self._waiting[first]
            self._overdue(first)
