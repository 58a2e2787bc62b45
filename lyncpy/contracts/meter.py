"""Counters and gauges."""

from collections.abc import Callable

from zope.interface import Interface


class ICounter(Interface):
    """A number that only grows; keep the object, it is cheap to add to."""

    def add(amount: float = 1.0) -> None:
        """Count."""


class IMeter(Interface):
    """Names are `lyncpy_<package>_<what>_<unit>`; labels are few and bounded."""

    def counter(name: str, help: str, **labels: str) -> ICounter:
        """Give the counter of this name and these labels."""

    def gauge(name: str, help: str, read: Callable[[], float]) -> None:
        """Register a value that is read whenever somebody asks."""
