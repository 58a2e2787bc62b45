"""Drawings of what was measured, as SVG: bars with their numbers, and lines over a number of devices."""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 860
LEFT: Final = 320
RIGHT: Final = 120
BAR: Final = 22
TOP: Final = 64
HEIGHT: Final = 300
COLOURS: Final = ("#2f6f9f", "#c8792b", "#4c8c4a", "#8a4f9e")

_HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
    'font-family="sans-serif" font-size="13"><title>{title}</title><rect width="100%" height="100%" fill="#ffffff"/>'
    '<text x="16" y="26" font-size="16" font-weight="bold">{title}</text>'
    '<text x="16" y="46" fill="#555555">{note}</text>'
)


def bars(title: str, note: str, rows: Sequence[tuple[str, float, str]], mark: float | None = None) -> str:
    """Draw a bar for each row.

    Args:
        rows: Label, length, and what stands behind the bar.
        mark: A length at which a line stands, as of a target.
    """
    most = max([value for _, value, _ in rows] + ([mark] if mark is not None else [])) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / most
    height = TOP + BAR * len(rows) + 16
    parts = [_HEAD.format(width=WIDTH, height=height, title=escape(title), note=escape(note))]
    for number, (label, value, text) in enumerate(rows):
        y = TOP + BAR * number
        length = max(1.0, value * scale)
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="{BAR - 6}" fill="{COLOURS[0]}"/>'
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">{escape(text)}</text>'
        )
    if mark is not None:
        x = LEFT + mark * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 10}" stroke="{COLOURS[1]}" stroke-width="2"/>'
        )
    return "".join([*parts, "</svg>\n"])


def lines(title: str, note: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw a line of points for each name, all in shares of its first: a flat line does not grow."""
    across = max(x for points in series.values() for x, _ in points)
    up = max([2.0, *(y / points[0][1] for points in series.values() for _, y in points)])
    width, bottom = WIDTH - 60 - 220, TOP + HEIGHT
    parts = [_HEAD.format(width=WIDTH, height=bottom + 40, title=escape(title), note=escape(note))]
    for share in (0.0, 0.5, 1.0, 1.5, 2.0):
        y = bottom - share / up * HEIGHT
        parts.append(
            f'<line x1="60" y1="{y:.1f}" x2="{60 + width}" y2="{y:.1f}" stroke="#dddddd"/>'
            f'<text x="52" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>'
        )
    for number, (name, points) in enumerate(series.items()):
        colour, first = COLOURS[number % len(COLOURS)], points[0][1]
        at = [(60 + x / across * width, bottom - y / first / up * HEIGHT) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in at]
        label = f"{name}: {points[-1][1]:,.0f} µs"
        parts.append(f'<text x="{70 + width}" y="{TOP + 20 * number + 10}" fill="{colour}">{escape(label)}</text>')
    for x in sorted({x for points in series.values() for x, _ in points}):
        place = 60 + x / across * width
        parts.append(f'<text x="{place:.1f}" y="{bottom + 20}" text-anchor="middle">{x:,.0f}</text>')
    return "".join([*parts, "</svg>\n"])
