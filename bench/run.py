"""The whole benchmark, with the peers beside: `scripts/bench --help`."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred

from bench import alone, comparison, pages, pool_loads
from bench.alone import Alone, LyncpyAlone
from bench.comparison import Amounts, Comparison
from bench.growth import Growing, Growth
from bench.latency import Beside, Latency, latency_server
from bench.machine import CORES, allow_files, described
from bench.model import Company, Model
from bench.outage import Office, Outage
from bench.peers.kamailio import kamailio
from bench.peers.process import Missing, Running, rsa_alone
from bench.peers.xmpp import enrol
from bench.peers.xmpp_servers import ejabberd, prosody
from bench.piece import STEPS, Piece, piece
from bench.pool_loads import Pool
from bench.pool_targets import ENDPOINTS
from bench.results import Results
from bench.rounds import Rounds
from bench.runs import react
from bench.schemes import SchemeCosts, Schemes, scheme_server
from bench.server import Server, serving
from bench.sites import KamailioSite, LyncpySite, Site, XmppSite
from bench.stages import Stages, Walk
from bench.table import ARCHIVED, printed

PEERS: Final[dict[str, Callable[[Path, Path, int], Any]]] = {  # Any: a context manager of `Running`
    "Kamailio": kamailio,
    "Kamailio -x fm": lambda folder, certificates, people: kamailio(folder, certificates, people, "fm"),
    "ejabberd": ejabberd,
    "Prosody": prosody,
}


@dataclass(frozen=True, slots=True)
class Form:
    """How much of everything."""

    compared: Amounts
    alone: Alone
    beside: Beside
    outage: Outage
    model: Model
    walk: Walk
    growth: Growth
    schemes: Schemes
    pool: Pool
    steps: int = STEPS
    """Of the fixed piece, each time."""


QUICK: Final = Form(
    Amounts(slow_s=1.0),
    Alone(),
    Beside(4.0),
    Outage(500),
    Model(),
    Walk(4.0),
    Growth((250, 750), rounds=2),
    Schemes(),
    Pool(),
)
WHOLE: Final = Form(
    Amounts(rounds=9, messages=5_000, slow_s=5.0, publications=200, sign_ins=80, refreshes=500),
    Alone(rounds=9, group=60, before=500, batches=200, copies=5_000),
    Beside(seconds=20.0, archived=20_000),
    Outage(),
    Model(devices=1_000, seconds=60.0),
    Walk(30.0),
    Growth(),
    Schemes(rounds=9, group=40),
    Pool(rounds=9, model_rounds=5, devices=ENDPOINTS),
)
TINY: Final = Form(
    Amounts(1, 2, 4, 2, slow_s=0.05, publications=4, watchers=(0, 1, 2), sign_ins=2, refreshes=2),
    Alone(rounds=1, group=2, before=2, batches=2, meetings=(4, 3), copies=4),
    Beside(seconds=0.2, watchers=3, people=150, archived=20, meeting=4, wave=2, batches=2),
    Outage(3),
    Model(devices=4, users=300, seconds=0.3),
    Walk(0.3, ("message",)),
    Growth((10, 12), 1, 10, 2, 4),
    Schemes(1, 2),
    Pool(1, 2, 4, 4, (0, 1, 2), 2, 18, Model(devices=4, users=300, seconds=0.3), 1, 8, 20),
    steps=50,
)
LOADS: Final = (*comparison.LOADS, *alone.LOADS, "model", "storm", "growth", "latency", "stages", "schemes")
"""Of the quick form."""

POOL: Final = "pool"
"""By itself alone: it has PostgreSQL, NATS and several servers."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run stands on."""

    server: Server
    archived: Server | None
    peers: dict[str, Running]
    piece: Piece


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; give the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="the whole form, which takes most of an hour")
    parser.add_argument("--tiny", action="store_true", help="so little of everything that only the program is tried")
    parser.add_argument("--devices", type=int, help="how many come back after kill -9")
    parser.add_argument("--results", type=Path, help="write every round's numbers to this file, as JSON")
    parser.add_argument(
        "--keep", action="store_true", help="keep them in bench/results, and write docs/performance.md from them"
    )
    parser.add_argument("--only", choices=(*LOADS, POOL), action="append", help="this load alone; may be given again")
    parser.add_argument("--peer", choices=tuple(PEERS), action="append", help="this peer alone; may be given again")
    parser.add_argument("--alone", action="store_true", help="no peer at all")
    options = parser.parse_args(argv)
    loads = options.only or LOADS
    peers = () if options.alone else options.peer or tuple(PEERS)
    form = "whole" if options.whole else "tiny" if options.tiny else "quick"
    amounts = {"whole": WHOLE, "tiny": TINY, "quick": QUICK}[form]
    if options.only:
        # It is kept in a file of its own, beside that of a run of everything.
        form = f"{form}, {' '.join(options.only)}"
    if options.devices is not None:
        amounts = replace(amounts, outage=Outage(options.devices))
    # Servers have sessions of their own: whoever ends this has to end them, too, and remove what they kept.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    CORES.keep_generator()
    allow_files()
    kept: list[Rounds] = []

    def run(reactor: Any) -> "Deferred[None]":  # Any: several interfaces at once
        rounds = Rounds(reactor, ground.piece, _say)
        kept.append(rounds)
        return Deferred.fromCoroutine(_work(reactor, rounds, ground, amounts, loads))

    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _ground(Path(folder), amounts, peers, loads) as ground:
        status = react(run)
    results = Results.of(form, described(), kept[0])
    print(printed(results))
    if options.results is not None:
        results.write(options.results)
    if options.keep and not status:
        kept_in = results.place()
        results.write(kept_in)
        pages.rewrite(results)
        print(f"kept in {kept_in}, and written to {pages.PAGE}")
    return status


@contextmanager
def _ground(folder: Path, amounts: Form, wanted: Sequence[str], loads: Sequence[str]) -> Iterator[Ground]:
    """Start lyncpy and every peer that is installed; name those that are not."""
    with ExitStack() as stack:
        compared = bool(set(loads) & set(comparison.LOADS))
        _say("lyncpy starts")
        people = amounts.compared.people + amounts.compared.sign_ins
        server = stack.enter_context(serving(folder / "lyncpy", people if compared else 1))
        peers: dict[str, Running] = {}
        archived = None
        certificates = rsa_alone(server.home, folder / "certificates")
        for name in wanted if compared else ():
            try:
                peers[name] = stack.enter_context(PEERS[name](folder / name.replace(" ", ""), certificates, people))
                _say(f"{name} has started")
            except Missing as reason:
                _say(f"without {name}: {reason}")
        if "message" in loads or "message-slow" in loads:
            _say("lyncpy starts with its archive on")
            archived = stack.enter_context(
                serving(folder / "archived", people, more=["policies.archive_internal=true"])
            )
        yield Ground(server, archived, peers, stack.enter_context(piece(server.home, amounts.steps)))


async def _work(
    reactor: Any, rounds: Rounds, ground: Ground, amounts: Form, loads: Sequence[str]
) -> None:  # Any: as above
    sites: list[Site] = [LyncpySite("lyncpy", reactor, ground.server)]
    for name, peer in ground.peers.items():
        sites.append((KamailioSite if name.startswith("Kamailio") else XmppSite)(name, reactor, peer))
    if "ejabberd" in ground.peers:
        rounds.say("accounts are made at ejabberd")
        await enrol(reactor, ground.peers["ejabberd"], amounts.compared.people + amounts.compared.sign_ins)
    if ground.archived is not None:
        sites.append(LyncpySite(ARCHIVED, reactor, ground.archived))
    compared = Comparison(rounds, sites, amounts.compared)
    if set(loads) & set(comparison.LOADS):
        await compared.prepare()
        await compared.run(loads)
        await comparison.leave(sites)
    if set(loads) & set(alone.LOADS):
        with _apart("people sign in and meet", rounds, amounts.alone.people) as server:
            await LyncpyAlone(rounds, server, amounts.alone).run(loads)
    if "model" in loads or "storm" in loads:
        people = max(2 * amounts.model.devices, amounts.outage.devices)
        with _apart("a company works, and comes back", rounds, people, gather_ms=50) as server:
            if "model" in loads:
                await Company(rounds, [server], amounts.model).run()
            if "storm" in loads:
                await Office(rounds, server, amounts.outage).run()
    if "growth" in loads:
        with _apart("more and more sign in", rounds, max(amounts.growth.sizes)) as server:
            await Growing(rounds, server, amounts.growth).run()
    if "stages" in loads:
        rounds.stages.update(await Stages(rounds, amounts.walk).run())
    if "schemes" in loads:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            scheme_server(Path(folder), amounts.schemes, rounds.say) as schemed,
        ):
            await SchemeCosts(rounds, schemed, amounts.schemes).run()
    if POOL in loads:
        await pool_loads.measure(rounds, amounts.pool)
    if "latency" in loads:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            rounds.say("a server with a directory starts")
            with latency_server(Path(folder), amounts.beside) as server:
                await Latency(rounds, server, amounts.beside).run()


@contextmanager
def _apart(what: str, rounds: Rounds, people: int, *, gather_ms: int = 0) -> Iterator[Server]:
    """Run a server of its own for one load."""
    rounds.say(f"a server starts at which {what}")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        serving(Path(folder) / "home", people, gather_ms=gather_ms) as server,
    ):
        yield server


_BEGAN: Final = time.monotonic()


def _say(text: str) -> None:
    print(f"  … {time.monotonic() - _BEGAN:4.0f} s: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
