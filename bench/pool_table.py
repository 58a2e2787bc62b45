"""What a pool costs, as tables: each operation beside the same in one server, what is said for it, throughput and memory."""

from collections.abc import Sequence

from bench.figures import Rows, number
from bench.pool_targets import (
    ACROSS,
    ACROSS_MOST,
    BUS,
    COUNTS,
    DATABASE,
    ENDPOINTS,
    OPERATIONS,
    SAME,
    SAME_MOST,
    STANDARD,
    THROUGHPUT_LEAST,
)
from bench.rounds import Row


def pool_tables(rows: Rows) -> Sequence[list[list[str]]]:
    """Give all tables that were measured, their heads first."""
    found = (cost_lines(rows), count_lines(rows), throughput_lines(rows), memory_lines(rows))
    return [lines for lines in found if len(lines) > 1]


def cost_lines(rows: Rows) -> list[list[str]]:
    """Give the table of what each operation costs."""
    table = [
        ["µs of the servers", STANDARD, SAME, "ratio", "", DATABASE, BUS, ACROSS, "ratio", "", DATABASE, BUS],
    ]
    for key, name in OPERATIONS:
        standard = _row(rows, key, STANDARD)
        if standard is None:
            continue
        line = [name, number(standard.median)]
        for way, most in ((SAME, SAME_MOST), (ACROSS, ACROSS_MOST)):
            line += _beside(rows, key, way, standard, most)
        table.append(line)
    return table


def _beside(rows: Rows, key: str, way: str, standard: Row, most: float) -> list[str]:
    row = _row(rows, key, way)
    if row is None:
        return ["–"] * 5
    ratio = row.ratio_to(standard)
    engines = [_cell(_row(rows, key, f"{way}, {engine}")) for engine in (DATABASE, BUS)]
    return [number(row.median), number(ratio), f"{'met' if ratio <= most else 'missed'} {most:g}", *engines]


def count_lines(rows: Rows) -> list[list[str]]:
    """Give the table of what is said to the bus and to the database for each operation."""
    table = [["for each", "where", *COUNTS.values()]]
    for key, name in OPERATIONS:
        for way in (SAME, ACROSS):
            cells = [_cell(_row(rows, key, f"{way}, {what}")) for what in COUNTS.values()]
            if any(cell != "–" for cell in cells):
                table.append([name, way, *cells])
    return table


def throughput_lines(rows: Rows) -> list[list[str]]:
    """Give the table of the users whom processes serve on two cores."""
    table = [["users of Lync's model on two cores", "users", "cores for 1,000", DATABASE, BUS, "ratio", "target"]]
    standard = rows.get(("pool-model", STANDARD))
    for name in (STANDARD, *(f"{n} with {DATABASE} and {BUS}" for n in (1, 2))):
        row, share = rows.get(("pool-model", name)), rows.get(("pool-model-share", name))
        if row is None or share is None or standard is None:
            continue
        users = _users(rows)
        engines = [_per_thousand(rows.get(("pool-model-share", f"{name}, {one}")), users) for one in (DATABASE, BUS)]
        ratio = row.ratio_to(standard)
        target = "" if not name.startswith("2") else f"{'met' if ratio >= THROUGHPUT_LEAST else 'missed'} 1.5"
        table.append([name, number(row.median), _per_thousand(share, users), *engines, number(ratio), target])
    return table


def _users(rows: Rows) -> float:
    row = rows.get(("pool-model-users", ""))
    return 1.0 if row is None else row.median


def _per_thousand(row: Row | None, users: float) -> str:
    return "–" if row is None else f"{row.median / users * 1e3:.3f}"


def memory_lines(rows: Rows) -> list[list[str]]:
    """Give the table of what memory endpoints take."""
    table = [["memory", "KiB for each endpoint", f"MiB for {ENDPOINTS:,}"]]
    for name in ("both servers", DATABASE, BUS):
        each, whole = rows.get(("pool-memory-each", name)), rows.get(("pool-memory", name))
        if each is not None and whole is not None:
            table.append([name, number(each.median), number(whole.median)])
    return table


def _row(rows: Rows, key: str, site: str) -> Row | None:
    return rows.get((f"pool-{key}", site))


def _cell(row: Row | None) -> str:
    return "–" if row is None else number(row.median)
