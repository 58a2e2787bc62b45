"""Deadlines."""

from collections.abc import Callable
from typing import Final

from zope.interface import Interface


class ITimer(Interface):
    """One deadline."""

    def cancel() -> None:
        """Cancel the call; may be called twice and after the call."""


class ITimers(Interface):
    """Every deadline of the process, and its clocks.

    Whatever waits, counts or ages within a process goes by `now`. The wall clock may be set at any
    time; each place that reads it is listed in a test, with what happens there when it is set.
    """

    def now() -> float:
        """Monotonic seconds; the only clock of deadlines, rates and ages. Means nothing in another process."""

    def wall() -> float:
        """Give the seconds since the epoch, UTC, as the host has them now; it steps.

        For what people read, and for what is compared with the clocks of others.
        """

    def steady() -> float:
        """Give the seconds since the epoch, UTC, as the host had them at the start, and the time since; it never steps.

        For lifetimes that are written down: two readings of one process differ by the time between them.
        """

    def past() -> float:
        """Give the seconds since the epoch, UTC, that have surely passed; the host's time, unless that jumped ahead lately.

        For what is deleted because it is old: a clock set ahead by mistake must not delete what others need.
        """

    def on_step(hear: Callable[[float], None]) -> None:
        """Tell, from a turn of the reactor soon after, by how many seconds the wall clock was set; negative: back."""

    def later(delay_s: float, call: Callable[[], None]) -> ITimer:
        """Call once, at the earliest after the delay. A call that fails is logged."""

    def soon(call: Callable[[], None]) -> ITimer:
        """Call in a later turn of the reactor: for the next piece of work that takes long.

        In the order of asking; at least one is called in a turn, and then as many as a few milliseconds hold. So
        however much such work there is, everybody else has their turn in between.
        """

    def delay() -> float:
        """Give the longest delay of the event loop in the last minute, in seconds: how late what was due came."""


DIRECT_S: Final = 0.01
"""The span of time of which a part may be spent on what comes, at once."""


class DirectWork:
    """What is done at once as it comes, while it takes a part of the time and no more; what is over it takes turns.

    Args:
        most_s: Seconds of each span of `DIRECT_S`.
    """

    __slots__ = ("_most_s", "_spent_s", "_until")

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._until = 0.0
        self._spent_s = 0.0

    def may_begin(self, now: float) -> bool:
        """Tell whether something more may be done at once."""
        if now >= self._until:
            self._until, self._spent_s = now + DIRECT_S, 0.0
        return self._spent_s < self._most_s

    def add(self, seconds: float) -> None:
        """Count the time that something took."""
        self._spent_s += seconds
