"""IMeter on prometheus_client: numbers that Prometheus and others collect."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector
from zope.interface import implementer

from lyncpy.contracts.meter import ICounter, IHistogram, IMeter

M = TypeVar("M")


@implementer(ICounter)
class _Counter:
    """One counter with its labels. A message counts several times: the library's own takes five calls for each."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Add to the count, in the reactor's thread alone."""
        self.value += amount


@implementer(IHistogram)
class _Histogram:
    """One histogram with its labels."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Of values up to each bound and above the one before; the last: of those above all."""

        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value, in the reactor's thread alone."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class _Labelled(Generic[M]):
    """All meters of one name, by their labels."""

    def __init__(self, name: str, labels: tuple[str, ...], make: Callable[[], M]) -> None:
        self._name = name
        self._make = make
        self.labels: Final = labels
        self.of: Final[dict[tuple[str, ...], M]] = {}

    def one(self, labels: Mapping[str, str]) -> M:
        """Give the one with these labels."""
        if labels.keys() != set(self.labels):
            raise ValueError(f"the labels of {self._name} are {self.labels}, not {tuple(labels)}")
        values = tuple([labels[name] for name in self.labels])
        found = self.of.get(values)
        if found is None:
            found = self.of[values] = self._make()
        return found

    def fitting(self, labels: Mapping[str, str]) -> Iterator[M]:
        """Give those that have these labels among theirs."""
        wanted = labels.items()
        return (one for values, one in self.of.items() if wanted <= set(zip(self.labels, values, strict=True)))


class _Counters(Collector):
    """All counters of one name."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._family = name, text
        self.all = _Labelled(name, labels, _Counter)

    def collect(self) -> Iterable[Metric]:
        """Give them as they are now."""
        family = CounterMetricFamily(*self._family, labels=self.all.labels)
        for values, counter in self.all.of.items():
            family.add_metric(values, counter.value)
        return (family,)


class _Histograms(Collector):
    """All histograms of one name."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], labels: tuple[str, ...]) -> None:
        self._family = name, text
        self.bounds: Final = bounds
        self.all = _Labelled(name, labels, lambda: _Histogram(bounds))

    def collect(self) -> Iterable[Metric]:
        """Give them as they are now."""
        family = HistogramMetricFamily(*self._family, labels=self.all.labels)
        ends = [*map(str, self.bounds), "+Inf"]
        for values, one in self.all.of.items():
            family.add_metric(values, list(zip(ends, accumulate(one.counts), strict=True)), one.sum)
        return (family,)


class _Total(Collector):
    """A counter whose number somebody else keeps."""

    def __init__(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._family = name, text
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Give the counter as it is now."""
        return (CounterMetricFamily(*self._family, value=self._read()),)


Family = type[CounterMetricFamily] | type[GaugeMetricFamily]


class _Read(Collector):
    """All gauges, or counters, of one name, whose values somebody else keeps."""

    def __init__(
        self,
        family: Family,
        name: str,
        text: str,
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        self._make = family
        self._family = name, text
        self._labels = labels
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Give them as they are now."""
        family = self._make(*self._family, labels=self._labels)
        for values, value in sorted(self._read().items()):
            family.add_metric(values, value)
        return (family,)


@implementer(IMeter)
class OpenMetrics:
    """The meters of one server, in a registry of its own: two servers in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        # Memory, processor time and open files, under the names that every Prometheus knows.
        ProcessCollector(registry=self._registry)
        self._counters: dict[str, _Counters] = {}
        self._histograms: dict[str, _Histograms] = {}
        self._gauges: dict[str, Gauge] = {}
        self._read: dict[str, Callable[[], float]] = {}
        """What reads gauges, and counters whose number somebody else keeps."""

    def counter(self, name: str, help: str, **labels: str) -> ICounter:  # noqa: A002 - as the promise has it
        """Give the counter of this name and these labels; the same one each time it is asked for.

        Raises:
            ValueError: The name was used with other label names before.
        """
        family = self._counters.get(name)
        if family is None:
            family = self._counters[name] = _Counters(name, help, tuple(labels))
            self._registry.register(family)
        return family.all.one(labels)

    def histogram(self, name: str, help: str, bounds: Sequence[float], **labels: str) -> IHistogram:  # noqa: A002 - as the promise has it
        """Give the histogram of this name and these labels; the same one each time it is asked for.

        Raises:
            ValueError: The name was used with other bounds or label names before.
        """
        family = self._histograms.get(name)
        if family is None:
            family = self._histograms[name] = _Histograms(name, help, tuple(bounds), tuple(labels))
            self._registry.register(family)
        if family.bounds != tuple(bounds):
            raise ValueError(f"the bounds of {name} are {family.bounds}, not {tuple(bounds)}")
        return family.all.one(labels)

    def total(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002 - as the promise has it
        """Have a number that only grows read at each `render`."""
        self._read[name] = read
        self._registry.register(_Total(name, help, read))

    def gauge(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002 - as the promise has it
        """Register a value that is read at each `render`; a second gauge of this name takes the place of the first."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(name, help, registry=self._registry)
        self._read[name] = read
        gauge.set_function(read)

    def value(self, name: str, **labels: str) -> float:
        """Give the number of a meter, all together that have these labels among theirs."""
        counters, histograms, read = self._counters.get(name), self._histograms.get(name), self._read.get(name)
        if counters is not None:
            return sum(one.value for one in counters.all.fitting(labels))
        if histograms is not None:
            return float(sum(sum(one.counts) for one in histograms.all.fitting(labels)))
        return 0.0 if read is None else float(read())

    def labelled_gauge(
        self,
        name: str,
        help: str,  # noqa: A002 - as the promise has it
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        """Have gauges of one name read at each `render`."""
        self._registry.register(_Read(GaugeMetricFamily, name, help, labels, read))

    def labelled_total(
        self,
        name: str,
        help: str,  # noqa: A002 - as the promise has it
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        """Have counters of one name read at each `render`."""
        self._registry.register(_Read(CounterMetricFamily, name, help, labels, read))

    def render(self) -> bytes:
        """Write all meters in the OpenMetrics text format."""
        text: bytes = generate_latest(self._registry)  # type: ignore[no-untyped-call]  # the library's own gap
        return text
