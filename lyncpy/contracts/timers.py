"""Deadlines."""

from collections.abc import Callable

from zope.interface import Interface


class ITimer(Interface):
    """One deadline."""

    def cancel() -> None:
        """Do not call; may be called twice and after the call."""


class ITimers(Interface):
    """Every deadline of the process, and its clock."""

    def now() -> float:
        """Monotonic seconds."""

    def wall() -> float:
        """Seconds since the epoch, UTC; only for bodies, journals and records."""

    def later(delay_s: float, call: Callable[[], None]) -> ITimer:
        """Call once, at the earliest after the delay. A call that fails is logged."""
