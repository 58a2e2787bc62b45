"""How numbers are found and written in all tables."""

from collections.abc import Mapping, Sequence

from bench.rounds import Row

Rows = Mapping[tuple[str, str], Row]
"""By operation and site."""


def by_name(rows: Sequence[Row]) -> Rows:
    """Give them by operation and site."""
    return {(row.operation, row.site): row for row in rows if row.values}


def number(value: float) -> str:
    """Write a number with as many digits as say something."""
    if abs(value) < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"
