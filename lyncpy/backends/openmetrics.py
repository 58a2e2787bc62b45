"""IMeter on prometheus_client: numbers that Prometheus and others collect."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Gauge, Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector
from zope.interface import implementer

from lyncpy.contracts.meter import ICounter, IMeter


@implementer(ICounter)
class _Counter:
    """One counter with its labels. A message counts several times: the library's own takes five calls for each."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Add to the count, in the reactor's thread alone."""
        self.value += amount


class _Counters(Collector):
    """All counters of one name, by their labels."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._family = name, text
        self._labels = labels
        self._of: dict[tuple[str, ...], _Counter] = {}

    def counter(self, labels: Mapping[str, str]) -> _Counter:
        """Give the one with these labels."""
        if labels.keys() != set(self._labels):
            raise ValueError(f"the labels of {self._family[0]} are {self._labels}, not {tuple(labels)}")
        return self._of.setdefault(tuple([labels[name] for name in self._labels]), _Counter())

    def collect(self) -> Iterable[Metric]:
        """Give them as they are now."""
        family = CounterMetricFamily(*self._family, labels=self._labels)
        for values, counter in self._of.items():
            family.add_metric(values, counter.value)
        return (family,)


class _Total(Collector):
    """A counter whose number somebody else keeps."""

    def __init__(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._family = name, text
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Give the counter as it is now."""
        return (CounterMetricFamily(*self._family, value=self._read()),)


@implementer(IMeter)
class OpenMetrics:
    """The meters of one server, in a registry of its own: two servers in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._counters: dict[str, _Counters] = {}
        self._gauges: dict[str, Gauge] = {}

    def counter(self, name: str, help: str, **labels: str) -> ICounter:  # noqa: A002 - as the promise has it
        """Give the counter of this name and these labels; the same one each time it is asked for.

        Raises:
            ValueError: The name was used with other label names before.
        """
        family = self._counters.get(name)
        if family is None:
            family = self._counters[name] = _Counters(name, help, tuple(labels))
            self._registry.register(family)
        return family.counter(labels)

    def total(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002 - as the promise has it
        """Have a number that only grows read at each `render`."""
        self._registry.register(_Total(name, help, read))

    def gauge(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002 - as the promise has it
        """Register a value that is read at each `render`; a second gauge of this name takes the place of the first."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(name, help, registry=self._registry)
        gauge.set_function(read)

    def render(self) -> bytes:
        """Write all meters in the OpenMetrics text format."""
        text: bytes = generate_latest(self._registry)  # type: ignore[no-untyped-call]  # the library's own gap
        return text
