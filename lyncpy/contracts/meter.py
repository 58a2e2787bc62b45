"""Counters and gauges."""

from collections.abc import Callable

from zope.interface import Interface


class ICounter(Interface):
    """A counter, which only grows; keep the object, it is cheap to add to."""

    def add(amount: float = 1.0) -> None:
        """Add to the count."""


class IMeter(Interface):
    """Names are `lyncpy_<room>_<thing>_<unit>`; labels are few and bounded.

    The unit is `total` for what only grows, and for nothing else; `count`, `bytes` or `seconds` for what is
    read at the moment. The room is the package in which the thing happens.
    """

    def counter(name: str, help: str, **labels: str) -> ICounter:
        """Give the counter of this name and these labels."""

    def total(name: str, help: str, read: Callable[[], float]) -> None:
        """Register a counter that is read when the meters are shown."""

    def gauge(name: str, help: str, read: Callable[[], float]) -> None:
        """Register a gauge that is read when the meters are shown."""
