"""Deadlines."""

from collections.abc import Callable

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
