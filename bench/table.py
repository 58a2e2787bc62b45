"""What was measured, as a table: each line of `bench.targets` with its ratios and whether it was met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.figures import Rows, by_name, number
from bench.piece import Quiet
from bench.pool_table import pool_tables
from bench.results import Results
from bench.rounds import TOO_BUSY, Row
from bench.targets import KAMAILIO_US, LATENCIES, MOST_MS, P99_MS, SCHEMES, TARGETS, Target

OURS: Final = "lyncpy"
ARCHIVED: Final = "lyncpy, archiving"
"""The same server with its archive on."""

PEER: Final = "Kamailio"
"""Whose cost is the unit of targets."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a line is judged by."""

    now: float
    """The ratio, or the value."""

    target: float
    is_met: bool
    of_what: str
    """Of what it is a ratio."""


def judged(target: Target, rows: Rows) -> Verdict | None:
    """Compare a line with its target; None where there is none, or what it is compared with was not measured."""
    row = rows.get((target.operation, site_of(target)))
    unit = rows.get(("message", PEER))
    if row is None:
        return None
    if target.value is not None:
        met = row.median >= target.value if target.more_is_better else row.median <= target.value
        return Verdict(row.median, target.value, met, target.unit)
    if target.to is not None:
        other = rows.get((target.operation, OURS))
        return None if other is None else _ratio(row, other, target.to, "times without")
    if target.ratio is not None:
        other = rows.get((target.operation, PEER))
        return None if other is None else _ratio(row, other, target.ratio, "Kamailio's")
    if target.us is None or unit is None:
        return None
    now = row.median / unit.median
    return Verdict(now, target.us / KAMAILIO_US, now <= target.us / KAMAILIO_US, "messages of Kamailio")


def site_of(target: Target) -> str:
    """Give whose cost a line is about."""
    return ARCHIVED if target.to is not None else OURS


def _ratio(row: Row, other: Row, target: float, of_what: str) -> Verdict:
    same = len(row.values) == len(other.values)
    now = row.ratio_to(other) if same else row.median / other.median
    return Verdict(now, target, now <= target, of_what)


def table_lines(rows: Rows) -> list[list[str]]:
    """Give the table, its head first: as many cells in each line."""
    peers = sorted({site for _, site in rows if site not in (OURS, ARCHIVED)})
    table = [["operation", "unit", "min", "median", "in pieces", *peers, "ratio", "target", ""]]
    for target in TARGETS:
        row = rows.get((target.operation, site_of(target)))
        if row is None:
            continue
        verdict = judged(target, rows)
        others = [_cell(rows.get((target.operation, peer))) if target.to is None else "" for peer in peers]
        pieces = row.in_pieces
        table.append(
            [
                target.name,
                row.unit,
                number(row.least),
                number(row.median),
                "" if pieces is None else number(pieces),
                *others,
                *(_verdict(verdict) if verdict else ("", "", "")),
            ]
        )
    return table


def _cell(row: Row | None) -> str:
    return "–" if row is None else number(row.median)


def _verdict(verdict: Verdict) -> tuple[str, str, str]:
    met = "met" if verdict.is_met else "missed"
    return f"{number(verdict.now)} {verdict.of_what}".strip(), number(verdict.target), met


def latency_lines(rows: Rows) -> list[list[str]]:
    """Give the table of how long a MESSAGE takes, its head first; empty if that was not measured."""
    table = [["a MESSAGE, 50 a second, beside", "ms p50", "p99", "most", "target p99, most", ""]]
    for key, name in LATENCIES:
        row = rows.get((f"latency-{key}", OURS))
        if row is None:
            continue
        p50, p99, most = percentile(row.values, 0.5), percentile(row.values, 0.99), max(row.values)
        met = "met" if p99 <= P99_MS and most <= MOST_MS else "missed"
        table.append([name, number(p50), number(p99), number(most), f"{P99_MS:.0f}, {MOST_MS:.0f}", met])
    return table if len(table) > 1 else []


def scheme_lines(rows: Rows) -> list[list[str]]:
    """Give the table of what proving oneself costs by each scheme, its head first; empty if that was not measured."""
    unit = rows.get((f"scheme-{SCHEMES[0][0]}", OURS))
    table = [["operation", "µs min", "median", "in pieces", "of NTLM's"]]
    for key, name in SCHEMES:
        row = rows.get((f"scheme-{key}", OURS))
        if row is None or unit is None:
            continue
        pieces = "" if row.in_pieces is None else number(row.in_pieces)
        table.append([name, number(row.least), number(row.median), pieces, number(row.ratio_to(unit))])
    return table if len(table) > 1 else []


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which such a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def noise(quiet: Sequence[Quiet]) -> list[str]:
    """Say how quiet the machine was."""
    steps = [one.step_us for one in quiet]
    waited = [one.waited for one in quiet]
    stolen = sum(one.stolen_s for one in quiet)
    return [
        f"the fixed piece, {len(steps)} times: {number(min(steps))} to {number(max(steps))} µs a step, "
        f"median {number(median(steps))}, max/min {max(steps) / min(steps):.2f}",
        f"its core was wanted by others, too: up to {max(waited):.2f} s by the clock for each second of it, "
        f"median {median(waited):.2f}; the hypervisor took {stolen:.1f} s",
    ]


def too_busy(rows: Sequence[Row]) -> list[str]:
    """Name what may be the load generator's slowness."""
    return [
        f"{row.operation} of {row.site}: the load generator used {row.busy:.0%} of its core"
        for row in rows
        if row.busy > TOO_BUSY
    ]


def stage_lines(stages: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Give the table of where each operation goes, its head first: a column for each operation."""
    names = {stage: max(one.get(stage, 0.0) for one in stages.values()) for one in stages.values() for stage in one}
    table = [["stage", *stages]]
    for stage in sorted(names, key=lambda name: -stages[next(iter(stages))].get(name, 0.0)):
        table.append([stage, *(number(one[stage]) if stage in one else "" for one in stages.values())])
    return [*table, ["all", *(number(sum(one.values())) for one in stages.values())]]


def printed(results: Results) -> str:
    """Write all of it for a terminal."""
    rows, quiet, found = results.rows, results.quiet, by_name(results.rows)
    table = table_lines(found)
    text = _aligned(table) if len(table) > 1 else []
    if schemes := scheme_lines(found):
        text += ["", *_aligned(schemes)]
    if latencies := latency_lines(found):
        text += ["", *_aligned(latencies)]
    for lines in pool_tables(found):
        text += ["", *_aligned(lines)]
    if results.stages:
        text += ["", *_aligned(stage_lines(results.stages))]
    return "\n".join([*text, "", *(noise(quiet) if quiet else []), *too_busy(rows)])


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    text = []
    for row in table:
        right = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        text.append("  ".join([row[0].ljust(widths[0]), *right]).rstrip())
    text.insert(1, "  ".join("-" * width for width in widths))
    return text
