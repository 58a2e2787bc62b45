"""Measured costs: what one round of a load cost, and what many rounds say together."""

import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

_KEYS: Final = ("call", "branch", "tag", "number", "method", "address", "lifetime", "version")
_TIMES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one kind of operation cost, round for round."""

    name: str
    unit: str
    values: tuple[float, ...]
    per_reference: tuple[float, ...] = ()
    """The same values in units of `reference_us` as it was in that round; empty for what is no time."""

    note: str = ""

    @property
    def median(self) -> float:
        """The middle of all rounds: one disturbed round does not move it."""
        return median(self.values)


def reference_us() -> float:
    """Time a fixed piece of Python on this machine now, in microseconds of processor time.

    A machine that is shared, throttled or slow is so for this too, so that the ratio of a
    cost to it says more than the cost when two machines, or two days, are compared.
    """
    began = time.process_time()
    for number in range(_TIMES):
        text = ";".join(f"{key}={number}" for key in _KEYS)
        _ = hmac.digest(b"sixteen bytes 16", text.encode(), "md5"), dict(part.split("=") for part in text.split(";"))
    return (time.process_time() - began) / _TIMES * 1e6


def table(costs: Sequence[Cost]) -> str:
    """Write costs as an aligned table."""
    head = ("what", "unit", "min", "median", "max", "max/min", "ratio")
    rows = [head]
    for cost in costs:
        low, high = min(cost.values), max(cost.values)
        spread = f"{high / low:.2f}" if low > 0 else "-"
        ratio = f"{median(cost.per_reference):.2f}" if cost.per_reference else "-"
        numbers = (_number(low), _number(cost.median), _number(high))
        rows.append((cost.name, cost.unit, *numbers, spread, ratio))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*left, *right]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
