"""Meters that a test reads."""

from collections.abc import Callable, Mapping, Sequence

from zope.interface import implementer

from lyncpy.contracts.meter import ICounter, IHistogram, IMeter


@implementer(ICounter)
class MemoryCounter:
    """A number that only grows."""

    def __init__(self) -> None:
        """Begin at nought."""
        self.value = 0.0

    @property
    def much(self) -> float:
        """Give what a meter of this kind has as its number."""
        return self.value

    def add(self, amount: float = 1.0) -> None:
        """Count."""
        if amount < 0:
            raise AssertionError("a counter only grows")
        self.value += amount


@implementer(IHistogram)
class MemoryHistogram:
    """All values that were observed."""

    def __init__(self) -> None:
        """Begin without any."""
        self.values: list[float] = []

    @property
    def much(self) -> float:
        """Give what a meter of this kind has as its number."""
        return len(self.values)

    def observe(self, value: float) -> None:
        """Keep a value."""
        self.values.append(value)


@implementer(IMeter)
class MemoryMeter:
    """Counters by name and labels, gauges by name; refuses names that are not ours."""

    def __init__(self) -> None:
        """Begin without meters."""
        self.counters: dict[tuple[str, tuple[tuple[str, str], ...]], MemoryCounter] = {}
        self.gauges: dict[str, Callable[[], float]] = {}
        self.labelled: dict[str, Callable[[], Mapping[tuple[str, ...], float]]] = {}
        self.histograms: dict[tuple[str, tuple[tuple[str, str], ...]], MemoryHistogram] = {}
        # A server is asked for nine of its many numbers at every tenth second: a month is a quarter of a million times.
        self._named: dict[str, list[tuple[frozenset[tuple[str, str]], MemoryCounter | MemoryHistogram]]] = {}

    def counter(self, name: str, help: str, **labels: str) -> MemoryCounter:  # noqa: A002
        """Give the counter of this name and these labels."""
        key = (name, tuple(sorted(labels.items())))
        if key not in self.counters:
            _require_name(name)
            self.counters[key] = MemoryCounter()
            self._named.setdefault(name, []).append((frozenset(key[1]), self.counters[key]))
        return self.counters[key]

    def histogram(self, name: str, help: str, bounds: Sequence[float], **labels: str) -> MemoryHistogram:  # noqa: A002
        """Give the histogram of this name and these labels."""
        if list(bounds) != sorted(set(bounds)):
            raise AssertionError(f"the bounds of {name} do not ascend")
        key = (name, tuple(sorted(labels.items())))
        if key not in self.histograms:
            _require_name(name)
            self.histograms[key] = MemoryHistogram()
            self._named.setdefault(name, []).append((frozenset(key[1]), self.histograms[key]))
        return self.histograms[key]

    def total(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002
        """Keep what reads the number, with the gauges."""
        self.gauge(name, help, read)

    def gauge(self, name: str, help: str, read: Callable[[], float]) -> None:  # noqa: A002
        """Keep what reads the value."""
        _require_name(name)
        self.gauges[name] = read

    def value(self, name: str, **labels: str) -> float:
        """Give the number of a meter, all together that have these labels among theirs."""
        if name in self.gauges:
            return float(self.gauges[name]())
        wanted = labels.items()
        return float(sum(one.much for has, one in self._named.get(name, ()) if wanted <= has))

    def labelled_gauge(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        """Keep what reads the values."""
        _require_name(name)
        self.labelled[name] = read

    def labelled_total(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        """Keep what reads the values, with the gauges."""
        self.labelled_gauge(name, help, labels, read)

    def observed(self, name: str, **labels: str) -> list[float]:
        """Give the values that were observed."""
        histogram = self.histograms.get((name, tuple(sorted(labels.items()))))
        return [] if histogram is None else histogram.values

    def count(self, name: str, **labels: str) -> float:
        """Give what was counted; nought when nobody asked for such a counter."""
        counter = self.counters.get((name, tuple(sorted(labels.items()))))
        return 0.0 if counter is None else counter.value


def _require_name(name: str) -> None:
    if not name.startswith("lyncpy_") or name != name.lower():
        raise AssertionError(f"{name} is no name of a meter")
