"""Writes a run's results into the pages that tell of them: `python -m bench.pages RESULTS.json`.

In docs/performance.md and bench/README.md whatever stands between `<!-- measured: NAME -->` and `<!-- end -->` is written
anew, and so are the drawings in docs/performance/; what a run with `--only` has not measured stays as it is. What is said
around it is a person's, and has to be read again.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from bench import pool_model
from bench.drawing import bars, lines
from bench.figures import Rows, by_name, number
from bench.growth import OPERATIONS
from bench.pool_table import pool_tables
from bench.results import Results
from bench.table import (
    OURS,
    PEER,
    judged,
    latency_lines,
    noise,
    percentile,
    scheme_lines,
    stage_lines,
    table_lines,
    too_busy,
)
from bench.targets import LATENCIES, P99_MS, TARGETS

TOP: Final = Path(__file__).resolve().parent.parent
PAGE: Final = TOP / "docs" / "performance.md"
README: Final = TOP / "bench" / "README.md"
DRAWINGS: Final = TOP / "docs" / "performance"

_BLOCK: Final = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewrite(results: Results) -> None:
    """Write tables and drawings anew, of what was measured."""
    rows = by_name(results.rows)
    table, schemes = markdown(table_lines(rows)), markdown(scheme_lines(rows))
    pool = "\n".join(map(markdown, pool_tables(rows)))
    blocks = {
        "machine": _machine(results) if table else "",
        "table": table,
        "pool": f"{pool}\n{_machine(results)}" if pool else "",
        "sizing": _sizing(rows) if pool else "",
        "schemes": f"{schemes}\n{_machine(results)}" if schemes else "",
        "latency": markdown(latency_lines(rows)),
        "stages": markdown(stage_lines(results.stages)) if results.stages else "",
        "growth": markdown(growth_lines(rows)),
        "missed": _missed(rows) if table else "",
        "ratios": markdown(ratio_lines(rows)),
    }
    for page in (PAGE, README):
        text = page.read_text(encoding="utf-8")
        text = _BLOCK.sub(
            lambda found: f"{found[1]}{blocks[found[2]]}{found[3]}" if blocks[found[2]] else found[0], text
        )
        page.write_text(text, encoding="utf-8")
    DRAWINGS.mkdir(exist_ok=True)
    for name, drawing in drawings(results, rows).items():
        (DRAWINGS / f"{name}.svg").write_text(drawing, encoding="utf-8")


def _sizing(rows: Rows) -> str:
    """Give what is computed of large pools; "" where not all was measured that it needs."""
    try:
        costs, there = pool_model.Costs.of(rows), pool_model.Capacity()
    except pool_model.NotMeasured:
        return ""
    return "\n".join(map(markdown, (pool_model.table(costs, there), pool_model.background_lines(costs, there))))


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Write a table as Markdown; "" if it has no lines."""
    if len(table) < 2:
        return ""
    head, *rest = table
    ruler = ["---", *("---:" for _ in head[1:])]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ruler, *rest))


def growth_lines(rows: Rows) -> list[list[str]]:
    """Give the table of what operations cost by the number of devices, its head first."""
    sizes = _sizes(rows)
    table = [["µs with so many devices", *(f"{size:,}" for size in sizes)]]
    for key, name in OPERATIONS:
        found = [rows.get((f"growth-{key}-{size}", OURS)) for size in sizes]
        if any(found):
            table.append([name, *("–" if row is None else number(row.median) for row in found)])
    return table


def ratio_lines(rows: Rows) -> list[list[str]]:
    """Give the table of what carries over to another machine, its head first: least, median and largest of all rounds."""
    table = [["operation", "in Kamailio's like operation", "in pieces"]]
    for target in TARGETS:
        row, peer = rows.get((target.operation, OURS)), rows.get((target.operation, PEER))
        if row is None or not row.pieces or target.to is not None:
            continue
        ratios = [] if peer is None else [mine / theirs for mine, theirs in zip(row.values, peer.values, strict=True)]
        pieces = [value / piece for value, piece in zip(row.values, row.pieces, strict=True)]
        table.append([target.name, _range(ratios), _range(pieces)])
    return table


def _range(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{number(min(values))}, {number(median(values))}, {number(max(values))}"


def drawings(results: Results, rows: Rows) -> dict[str, str]:
    """Give the drawings, by name."""
    found = {}
    if message := results.stages.get("message"):
        total = sum(message.values())
        stages = [(stage, value, f"{value:.0f} µs") for stage, value in message.items() if value >= total / 200]
        found["stages"] = bars("Where a MESSAGE and its 200 go", f"{total:.0f} µs of processor time in all", stages)
    if sizes := _sizes(rows):
        series = {
            name: [(float(size), rows[f"growth-{key}-{size}", OURS].median) for size in sizes]
            for key, name in OPERATIONS
            if all((f"growth-{key}-{size}", OURS) in rows for size in sizes)
        }
        found["growth"] = lines(
            "What grows with the number of devices", "in shares of the cost with the fewest", series
        )
    latencies = [
        (name, rows[f"latency-{key}", OURS].values) for key, name in LATENCIES if (f"latency-{key}", OURS) in rows
    ]
    if latencies:
        bars_of = [(n, percentile(v, 0.99), f"{percentile(v, 0.99):.0f} ms (most {max(v):.0f})") for n, v in latencies]
        note = f"99 of 100 answers came within; the line stands at {P99_MS:.0f} ms"
        found["latency"] = bars("A MESSAGE at 50 a second, beside", note, bars_of, P99_MS)
    return found


def _sizes(rows: Rows) -> list[int]:
    return sorted(int(operation.rpartition("-")[2]) for operation, _ in rows if operation.startswith("growth-message-"))


def _machine(results: Results) -> str:
    facts = "; ".join(f"{name} {value}" for name, value in results.machine.items())
    said = [f"Form: {results.form}, {results.at}. {facts}.", *(f"{one}." for one in noise(results.quiet))]
    said += [f"Not to be believed: {one}." for one in too_busy(results.rows)]
    return "".join(f"- {one[0].upper()}{one[1:]}\n" for one in said)


def _missed(rows: Rows) -> str:
    missed = []
    for target in TARGETS:
        verdict = judged(target, rows)
        if verdict is not None and not verdict.is_met:
            missed.append(f"- {target.name}: {number(verdict.now)} {verdict.of_what}, not {number(verdict.target)}\n")
    return "".join(missed) or "- none\n"


if __name__ == "__main__":
    rewrite(Results.read(Path(sys.argv[1])))
