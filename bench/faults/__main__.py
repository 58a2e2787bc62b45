"""`python -m bench.faults`: what users notice of each fault, printed."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from bench.faults.cluster import Cluster
from bench.faults.kinds import FAULTS
from bench.faults.trial import BRIEF, Pace, Result, Trial
from bench.machine import allow_files
from bench.runs import react

SHOWN: Final = 10
"""Violations of a fault that are printed, and kinds of refusals."""


def main(words: Sequence[str]) -> int:
    """Run what is asked for; give 0 if every target was met."""
    parser = argparse.ArgumentParser(
        prog="scripts/faults",
        description="Starts PostgreSQL, nats-server and three servers on 127.0.0.1, lets people use them, and has a fault "
        "happen to one of them. NAME: " + "; ".join(f"{name}: {fault.words}" for name, fault in FAULTS.items()),
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all, if none is given")
    parser.add_argument("--people", type=int, default=45, help="users, each with one client (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each fault")
    parser.add_argument("--across", action="store_true", help="have people of all nodes in each conference")
    parser.add_argument(
        "--brief", action="store_true", help="no longer than it takes to see what was kept; times say little"
    )
    parser.add_argument("--keep", type=Path, help="a new folder for homes and logs, which stays")
    given = parser.parse_args(words)
    unknown = [name for name in given.names if name not in FAULTS]
    if unknown:
        parser.error(f"no such fault: {unknown[0]}; there are {', '.join(FAULTS)}")
    allow_files()
    results: list[Result] = []
    pace = BRIEF if given.brief else Pace()

    async def work(reactor: Any) -> None:  # Any: several interfaces at once
        with ExitStack() as ending:
            folder = given.keep or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="lyncpy-faults-")))
            for name in given.names or FAULTS:
                place = _made(folder / name)
                result = await one(reactor, place, name)
                print(json.dumps(told(result)) if given.json else text(result), flush=True)
                results.append(result)

    async def one(reactor: Any, folder: Path, name: str) -> Result:  # Any: as above
        fault = FAULTS[name]
        cluster = Cluster(reactor, folder, given.people)
        try:
            for node, ahead_s in zip(cluster.nodes, fault.clocks_s or (0.0,) * len(cluster.nodes), strict=True):
                node.clock_s, node.begins_anew = ahead_s, fault.begins_anew
                await deferToThreadPool(reactor, reactor.getThreadPool(), node.start)
            await deferToThreadPool(reactor, reactor.getThreadPool(), cluster.await_all)
            return await Trial(reactor, cluster, given.people, say, pace, across=given.across).run(name, fault)
        finally:
            await deferToThreadPool(reactor, reactor.getThreadPool(), cluster.close)

    react(lambda reactor: Deferred.fromCoroutine(work(reactor)))
    return 0 if all(one.is_good for one in results) else 1


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def say(words: str) -> None:
    """Tell who waits how far it is."""
    print(f"{time.monotonic() - _BEGAN:7.1f} s  {words}", file=sys.stderr, flush=True)


_BEGAN: Final = time.monotonic()


def told(result: Result) -> dict[str, object]:
    """Give a result as it is printed in JSON."""
    violations = [{**asdict(one), "wrong": one.wrong.value} for one in result.violations]
    return {
        **asdict(result),
        "violations": violations,
        "data_lost": result.data_lost,
        "presence_wrong": result.presence_wrong,
        "is_good": result.is_good,
    }


def text(result: Result) -> str:
    """Give a result for people."""
    dead = "" if result.dead_s is None else f"; known dead after {result.dead_s:.1f} s"
    lines = [
        f"{result.name}: {result.words}: {'good' if result.is_good else 'NOT GOOD'}",
        f"  {result.lost} of {result.users} users lost their server; the last was back after {result.back_s:.1f} s, "
        f"at most {result.beyond_s:.1f} s beyond their client's own {result.own_s:.1f} s; {result.not_back} are not back{dead}",
        f"  {result.others_lost} users of other servers lost theirs",
        f"  acknowledged {result.acknowledged}, refused {result.refused}, unanswered or in doubt {result.unanswered}",
        f"  acknowledged data lost: {result.data_lost}; archive: {result.chain}",
        f"  presence wrong for too long: {result.presence_wrong}; at worst for {result.wrong_s:.1f} s; "
        f"seen again for a moment: {result.flashes}",
        *(f"    {one.wrong.value}: {one.about}: {one.said}" for one in result.violations[:SHOWN]),
        *(f"    {count} times refused: {what}" for what, count in list(result.failures.items())[:SHOWN]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
