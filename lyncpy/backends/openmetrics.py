"""IMeter on prometheus_client: numbers that Prometheus and others collect."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector
from zope.interface import implementer

from lyncpy.contracts.meter import ICounter, IMeter


@implementer(ICounter)
class _Counter:
    """One counter with its labels."""

    __slots__ = ("_count",)

    def __init__(self, counter: Counter) -> None:
        self._count = counter.inc

    def add(self, amount: float = 1.0) -> None:
        """Add to the count."""
        self._count(amount)


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
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}

    def counter(self, name: str, help: str, **labels: str) -> ICounter:  # noqa: A002 - as the promise has it
        """Give the counter of this name and these labels; the same one each time it is asked for.

        Raises:
            ValueError: The name was used with other label names before.
        """
        family = self._counters.get(name)
        if family is None:
            family = self._counters[name] = Counter(name, help, tuple(labels), registry=self._registry)
        return _Counter(family.labels(**labels) if labels else family)

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
