"""The entry: `python -m bench --help`."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred

from bench.costs import Cost, table
from bench.loads import Bench, Sizes
from bench.machine import CORES
from bench.runs import react
from bench.search import searches
from bench.server import Server, serving
from bench.storm import hanging, storm
from bench.watching import burst, subscriptions

LOADS: Final = (
    "sign-in",
    "message",
    "fan-out",
    "conference",
    "storm",
    "hanging",
    "crowd",
    "burst",
    "stalled",
    "subscriptions",
    "search",
)
LIMIT_S: Final = 600


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    for field in fields(Sizes):
        parser.add_argument(f"--{field.name}", type=_positive, default=field.default, metavar="N", help="%(default)s")
    parser.add_argument("--only", choices=LOADS, action="append", help="this load alone; may be given again")
    parser.add_argument("--home", type=Path, help="a new folder for the server; default: one that is removed again")
    parser.add_argument("--profile", type=Path, help="write what cProfile saw of the server; all costs are higher then")
    parser.add_argument("--json", type=Path, help="write every round's numbers, too")
    parser.add_argument(
        "--limit-s", type=_positive, default=LIMIT_S, help="give up after so many seconds (%(default)s)"
    )
    options = parser.parse_args(argv)
    sizes = Sizes(**{field.name: getattr(options, field.name) for field in fields(Sizes)})
    costs: list[Cost] = []
    CORES.keep_generator()

    def run(reactor: Any) -> "Deferred[None]":  # Any: several interfaces at once
        work = _work(reactor, server, sizes, options.only or LOADS, costs)
        return Deferred.fromCoroutine(work).addTimeout(options.limit_s, reactor)

    with (
        tempfile.TemporaryDirectory(prefix="bench-") if options.home is None else nullcontext(options.home) as home,
        serving(Path(home), sizes.people, options.profile) as server,
    ):
        status = react(run)
    if costs:
        print(table(costs))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=1), encoding="utf-8")
    return status


async def _work(reactor: Any, server: Server, sizes: Sizes, loads: Sequence[str], costs: list[Cost]) -> None:
    bench = Bench(reactor, server, sizes)
    if "sign-in" in loads:
        costs += await bench.sign_ins()
    if "message" in loads:
        costs += await bench.messages()
    if "fan-out" in loads:
        costs += await bench.fan_out()
    if "conference" in loads:
        costs += await bench.conferences()
    if "crowd" in loads:
        costs += await bench.crowd()
    if "stalled" in loads:
        costs += await bench.stalled()
    await bench.close()
    # What follows has a server of its own: other settings, or a memory that nothing else has stirred.
    if "storm" in loads:
        costs += await storm(reactor, sizes.meeting, sizes.speeches)
    if "hanging" in loads:
        costs += await hanging(reactor, sizes.participants, sizes.speeches)
    if "burst" in loads:
        costs += await burst(reactor, sizes.watchers, sizes.rounds)
    if "subscriptions" in loads:
        costs += await subscriptions(reactor, sizes.subscriptions, sizes.rounds)
    if "search" in loads:
        costs += searches(sizes.searched, sizes.rounds)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
