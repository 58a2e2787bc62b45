"""Where a server's processor time goes: microseconds of an operation for each stage of its walk.

A server that looks at itself a few hundred times a second (`bench.sampled`) does one thing for a while. What
it was found doing is shared out over what the kernel counted, the first thread's and the others' apart.
"""

import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twisted.internet.task import deferLater

from bench import words
from bench.comparison import Story
from bench.people import DOMAIN, user
from bench.rounds import Rounds
from bench.runs import run_all
from bench.server import Server, serving
from bench.sites import LyncpySite, Say

STAGES: Final[Sequence[tuple[str, str]]] = (
    (r"wire/tls.py:.*(read|Read|arrived|feed)", "TLS: read"),
    (r"wire/tls.py:", "TLS: write"),
    (r"sip/decoder.py:", "decode"),
    (r"wire/", "connections and queues"),
    (r"auth/association.py:(verify|credentials|_read|nonces|_is_|holds|taken)", "signature: verify"),
    (r"auth/association.py:", "signature: make"),
    (r"auth/", "sign-in: NTLM"),
    (r"core/gate.py:.*seal", "signature: make"),
    (r"core/(gate|signins|asserted_identity|anonymous)", "gate: who is it"),
    (
        r"core/(transactions|server_transactions|tasks|patience|deadline|intake|lanes|limits|request_shares)",
        "transactions",
    ),
    (r"core/(forward|prepared_calls|outbound|router|dispatch|fork)", "route and pass on"),
    (r"core/(feed|notifier|audience)", "subscriptions and notifications"),
    (r"workloads/im", "session and its record"),
    (r"workloads/registrar", "devices"),
    (r"workloads/presence", "presence"),
    (r"workloads/", "other workloads"),
    (r"backends/openmetrics", "meters"),
    (r"(backends|core/group_commit|core/record_queue)", "store, first thread"),
    (r"else:", "Twisted's reactor"),
)
"""What is found at a place that this fits is that stage's; the first that fits. The rest is "other"."""

THREADS: Final = "store, other threads"
PAIRS: Final = 50
CONTACTS: Final = 40
AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Walk:
    """How long each operation is looked at."""

    seconds: float = 8.0
    operations: Sequence[str] = ("message", "publication-50", "sign-in", "batch")


class Stages:
    """Looks at a server."""

    def __init__(self, rounds: Rounds, amounts: Walk) -> None:
        self._rounds = rounds
        self._reactor = rounds.reactor
        self._amounts = amounts

    async def run(self) -> Mapping[str, Mapping[str, float]]:
        """Give, for each operation, the microseconds of each stage."""
        loads: Mapping[str, Callable[[LyncpySite], Awaitable[Callable[[], Awaitable[int]]]]] = {
            "message": self._messages,
            "publication-50": self._publications,
            "sign-in": self._sign_ins,
            "batch": self._batches,
        }
        found = {}
        for operation in self._amounts.operations:
            self._rounds.say(f"where a {operation} goes")
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                samples = Path(folder) / "samples"
                with serving(Path(folder) / "home", _PEOPLE, sampled=samples) as server:
                    site = LyncpySite(operation, self._reactor, server)
                    some = await loads[operation](site)
                    await some()
                    found[operation] = await self._looked(server, samples, some)
        return found

    async def _looked(self, server: Server, samples: Path, some: Callable[[], Awaitable[int]]) -> Mapping[str, float]:
        before, until, count = server.thread_cpu_s(), time.monotonic() + self._amounts.seconds, 0
        server.sample()
        while time.monotonic() < until:
            count += await some()
        server.sample()
        after = server.thread_cpu_s()
        while (seen := _written(samples)) is None:
            await deferLater(self._reactor, 0.05)
        first, others = ((late - early) / count * 1e6 for early, late in zip(before, after, strict=True))
        return {**shared_out(seen, first), THREADS: others}

    # The loads: each gives what does some more, and tells how many operations that were.

    async def _signed_in(self, site: LyncpySite, count: int) -> None:
        for number in range(count):
            client = await site.connected(number)
            await site.sign_in(client)
            site.clients.append(client)

    async def _messages(self, site: LyncpySite) -> Callable[[], Awaitable[int]]:
        await self._signed_in(site, 2 * PAIRS)
        says = [await site.pair(a, b) for a, b in zip(site.clients[:PAIRS], site.clients[PAIRS:], strict=True)]

        async def say(one: Say) -> None:
            for _ in range(10):
                await one()

        async def some() -> int:
            await run_all(says, say, PAIRS)
            return 10 * PAIRS

        return some

    async def _publications(self, site: LyncpySite) -> Callable[[], Awaitable[int]]:
        await self._signed_in(site, 51)
        publisher, *watchers = site.clients
        await site.watch(watchers, publisher)
        story = Story(site, publisher, watchers)

        async def some() -> int:
            for _ in range(10):
                await story.publish()
            return 10

        return some

    async def _sign_ins(self, site: LyncpySite) -> Callable[[], Awaitable[int]]:
        contacts = [f"sip:{user(number)}@{DOMAIN}" for number in range(CONTACTS)]

        async def come_and_go(number: int) -> None:
            device = await site.connected(number)
            await device.register()
            await device.settle(contacts)
            device.leave()

        async def some() -> int:
            await run_all(range(CONTACTS, CONTACTS + 20), come_and_go, AT_ONCE)
            return 20

        return some

    async def _batches(self, site: LyncpySite) -> Callable[[], Awaitable[int]]:
        await self._signed_in(site, AT_ONCE)
        contacts = [f"sip:{user(number)}@{DOMAIN}" for number in range(CONTACTS)]

        async def ask(device: Any) -> None:  # Any: a device of the site
            await device.subscribe("presence", words.watch(device.uri, contacts), expires=0)

        async def some() -> int:
            await run_all(site.clients, ask, AT_ONCE)
            return AT_ONCE

        return some


_PEOPLE: Final = 2 * PAIRS + CONTACTS


def _written(samples: Path) -> Mapping[str, int] | None:
    if not samples.exists():
        return None
    seen: Mapping[str, int] = json.loads(samples.read_text(encoding="utf-8"))
    return seen


def shared_out(samples: Mapping[str, int], total_us: float) -> Mapping[str, float]:
    """Give the microseconds of each stage, the largest first."""
    stages: dict[str, float] = defaultdict(float)
    whole = max(1, sum(samples.values()))
    for place, count in samples.items():
        stages[stage_of(place)] += count / whole * total_us
    return dict(sorted(stages.items(), key=lambda one: -one[1]))


def stage_of(place: str) -> str:
    """Give the stage of `module:function`."""
    return next((stage for fits, stage in STAGES if re.match(fits, place)), "other")
