"""Counters, gauges and histograms."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from zope.interface import Interface

LATENCIES_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for what should take milliseconds and may take seconds."""


class ICounter(Interface):
    """A counter, which only grows; keep the object, it is cheap to add to."""

    def add(amount: float = 1.0) -> None:
        """Add to the count."""


class IHistogram(Interface):
    """How values are distributed; keep the object, it is cheap to add to."""

    def observe(value: float) -> None:
        """Count a value."""


class IMeter(Interface):
    """Names are `lyncpy_<room>_<thing>_<unit>`; labels are few and bounded.

    The unit is `total` for what only grows, and for nothing else; `count`, `bytes` or `seconds` for what is
    read at the moment, and for histograms. The room is the package in which the thing happens.
    """

    def counter(name: str, help: str, **labels: str) -> ICounter:
        """Give the counter of this name and these labels."""

    def histogram(name: str, help: str, bounds: Sequence[float], **labels: str) -> IHistogram:
        """Give the histogram of this name and these labels.

        Args:
            name: Of the meter.
            help: A sentence.
            bounds: The upper ends of its buckets, ascending; of one name always the same.
            labels: Of closed sets.
        """

    def total(name: str, help: str, read: Callable[[], float]) -> None:
        """Register a counter that is read when the meters are shown."""

    def gauge(name: str, help: str, read: Callable[[], float]) -> None:
        """Register a gauge that is read when the meters are shown."""

    def value(name: str, **labels: str) -> float:
        """Give the number of a meter, all together that have these labels among theirs; of a histogram how often it observed.

        Nought, where there is none.
        """

    def labelled_gauge(
        name: str, help: str, labels: tuple[str, ...], read: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        """Register all gauges of one name, which are read when the meters are shown: a value for each row of labels' values."""

    def labelled_total(
        name: str, help: str, labels: tuple[str, ...], read: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        """Register all counters of one name, which are read when the meters are shown, as `labelled_gauge` does with gauges."""
