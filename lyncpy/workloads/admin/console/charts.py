"""A series of numbers by time → a drawing in a line of the page. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import floor, log10
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 100
_LINES: Final = 2
"""Of the grid between the floor and the top."""

_GAP_STEPS: Final = 2.5
"""Where more time than so many steps has no number, the line is broken."""


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn: points in order of time, and the time that is looked at."""

    points: Sequence[tuple[float, float]]
    """Wall-clock seconds, and what was then."""

    begin: float
    end: float
    step_s: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and what it says in words."""

    svg: str
    now: str
    """The last number."""

    most: str
    """The largest."""


def chart(name: str, series: Series, written: Callable[[float], str]) -> Chart:
    """Draw a series.

    Args:
        name: What it is, for who does not see it: HTML already.
        series: The numbers, none of which is negative.
        written: Writes a number for people.
    """
    points = [one for one in series.points if series.begin <= one[0] <= series.end]
    most = max((value for _, value in points), default=0.0)
    top = ceiling(most)
    if not points:
        label = f"{name}: nothing is known yet"
    else:
        when = next(at for at, value in points if value == most)
        label = f"{name}: now {written(points[-1][1])}, at most {written(most)} at {clock(when)} UTC"
    lines = [f'<path class="grid" d="M0 {HEIGHT * line / (_LINES + 1):.1f}H{WIDTH}"/>' for line in range(1, _LINES + 1)]
    drawn = "".join(_drawn(part, series, top) for part in _unbroken(points, series.step_s))
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{''.join(lines)}{drawn}</svg>"
    )
    return Chart(svg, written(points[-1][1]) if points else "–", written(most) if points else "–")


def ceiling(value: float) -> float:
    """Give a round number that is no smaller and leaves little room above; 1 of nothing."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** floor(log10(value))
    return next(unit * one for one in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if unit * one >= value * 0.999_999)


def clock(at: float, *, day: bool = False) -> str:
    """Write the time of day, behind the day of the week where that is of interest."""
    return datetime.fromtimestamp(at, UTC).strftime("%a %H:%M" if day else "%H:%M")


def _unbroken(points: Sequence[tuple[float, float]], step_s: float) -> list[list[tuple[float, float]]]:
    """Cut a series where it has gaps."""
    parts = [list(points[:1])] if points else []
    for before, one in pairwise(points):
        if one[0] - before[0] > step_s * _GAP_STEPS:
            parts.append([])
        parts[-1].append(one)
    return parts


def _drawn(part: Sequence[tuple[float, float]], series: Series, top: float) -> str:
    """Draw a line without gaps, and the area below it."""
    span = max(series.end - series.begin, 1.0)
    at = [(WIDTH * (when - series.begin) / span, HEIGHT * (1 - value / top)) for when, value in part]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
    if len(at) == 1:
        # A line of no length is seen, as its ends are round.
        line += f"L{line}"
    area = f'<path class="area" d="M{at[0][0]:.1f} {HEIGHT}L{line}L{at[-1][0]:.1f} {HEIGHT}Z"/>'
    return f'{area}<path class="line" d="M{line}"/>'
