"""Meters that a test reads."""

from collections.abc import Callable

from zope.interface import implementer

from lyncpy.contracts.meter import ICounter, IMeter


@implementer(ICounter)
class MemoryCounter:
    """A number that only grows."""

    def __init__(self) -> None:
        """Begin at nought."""
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Count."""
        if amount < 0:
            raise AssertionError("a counter only grows")
        self.value += amount


@implementer(IMeter)
class MemoryMeter:
    """Counters by name and labels, gauges by name; refuses names that are not ours."""

    def __init__(self) -> None:
        """Begin without meters."""
        self.counters: dict[tuple[str, tuple[tuple[str, str], ...]], MemoryCounter] = {}
        self.gauges: dict[str, Callable[[], float]] = {}

    def counter(self, name: str, help: str, **labels: str) -> MemoryCounter:  # noqa: A002
        """Give the counter of this name and these labels."""
        _require_name(name)
        return self.counters.setdefault((name, tuple(sorted(labels.items()))), MemoryCounter())

    def total(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002
        """Keep what reads the number, with the gauges."""
        self.gauge(name, help, read)

    def gauge(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002
        """Keep what reads the value."""
        _require_name(name)
        self.gauges[name] = read

    def count(self, name: str, **labels: str) -> float:
        """Give what was counted; nought when nobody asked for such a counter."""
        counter = self.counters.get((name, tuple(sorted(labels.items()))))
        return 0.0 if counter is None else counter.value


def _require_name(name: str) -> None:
    if not name.startswith("lyncpy_") or name != name.lower():
        raise AssertionError(f"{name} is no name of a meter")
