"""The loads: who signs in, who talks to whom, who watches whom, and what each costs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from bench import words
from bench.conference import Meeting
from bench.costs import Cost, reference_us
from bench.device import Device, connect
from bench.people import DOMAIN, user
from bench.runs import run_all
from bench.server import Server
from bench.text import Dialog, Heard
from bench.watching import crowd, signed_in, stalled

Talk = tuple[Device, Dialog]
"""Who speaks, and in which session."""

FEW: Final = 10
"""People in the smaller conference."""

MOST_SAID: Final = 50
"""Messages in one round of the smaller conference."""

SETTLE_S: Final = 0.3
"""How long the server has peace before memory is looked at, and before another load begins."""

TEXT: Final = b"Shall we have lunch at half past twelve? The place at the corner has soup today."


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    rounds: int = 7
    """Measured ones; one more comes before them, to warm up."""

    endpoints: int = 500
    """Signed in while memory is watched."""

    contacts: int = 40
    """Whom each endpoint watches from its sign-in on: people who are offline."""

    pairs: int = 20
    messages: int = 2_000
    """In each round, of all pairs together."""

    publishers: int = 4
    """Who publish at the same time, each to watchers of his own."""

    watchers: int = 50
    """Of each publisher."""

    publications: int = 100
    """In each round, of all publishers together."""

    participants: int = 250
    """Of the larger conference; the smaller one has ten, or as many if that is less."""

    said: int = 20
    """Messages in each round of a conference of the larger size; of the smaller, `MOST_SAID` at most."""

    meeting: int = 1_000
    """People in the very large conference."""

    speeches: int = 100
    """Messages in it, and in the one in which clients hang, which is as large as `participants`."""

    crowd: int = 1_000
    """Watchers of one publisher."""

    watched: int = 100
    """Whom a client watches that does not read."""

    missed: int = 2_000
    """Publications that it does not read."""

    subscriptions: int = 5_000
    """Of which the memory is measured."""

    searched: int = 142_857
    """People among whom is searched, with three times as many groups."""

    @property
    def people(self) -> int:
        """How many users there have to be."""
        signed_in = self.endpoints + -(-self.endpoints // self.rounds)
        watching = max(self.publishers * (self.watchers + 2), self.crowd + 1, self.watched + 1)
        return max(signed_in, 2 * self.pairs, watching, self.participants) + self.contacts


class Bench:
    """Puts loads on a server."""

    def __init__(self, reactor: Any, server: Server, sizes: Sizes) -> None:  # Any: several interfaces at once
        """Take the server that is measured."""
        self._reactor = reactor
        self._server = server
        self._sizes = sizes
        self._devices: list[Device] = []
        last = sizes.people
        self._contacts = [f"sip:{user(number)}@{DOMAIN}" for number in range(last - sizes.contacts, last)]

    async def sign_ins(self) -> Sequence[Cost]:
        """Sign endpoints in, a group in each round, and let them stay: processor time and memory for each."""
        sizes = self._sizes
        group = -(-sizes.endpoints // sizes.rounds)
        parts: list[list[tuple[float, float]]] = [[], [], []]
        memory: list[float] = []
        before = 0
        for number in range(sizes.rounds + 1):
            numbers = range(number * group, (number + 1) * group)
            fresh: list[Device] = []

            async def open_one(number: int, into: list[Device] = fresh) -> None:
                into.append(await connect(self._reactor, self._server, number))

            for part, work in zip(
                parts,
                (
                    lambda numbers=numbers: run_all(numbers, open_one),
                    lambda fresh=fresh: run_all(fresh, lambda one: one.register()),
                    lambda fresh=fresh: run_all(fresh, lambda one: one.settle(self._contacts)),
                ),
                strict=True,
            ):
                part.append(await self._cost(group, work))
            self._devices += fresh
            await self._pause()
            now = self._server.resident_bytes()
            memory.append((now - before) / 1024 / group)
            before = now
        whole = [(sum(p[n][0] for p in parts), parts[0][n][1]) for n in range(sizes.rounds + 1)]
        names = "TLS handshake", "three REGISTERs", "four subscriptions and a publication"
        return [
            *(_cost(f"sign-in: {name}", part) for name, part in zip(names, parts, strict=True)),
            _cost("sign-in, whole", whole),
            Cost("memory of a signed-in endpoint", "KiB", tuple(memory[1:])),
        ]

    async def messages(self) -> Sequence[Cost]:
        """Let pairs talk, each with one MESSAGE under way at a time: first one pair alone, then all."""
        pairs = self._sizes.pairs
        devices = await self._ready(2 * pairs)
        talks = [
            (one, await one.invite(other.uri)) for one, other in zip(devices[:pairs], devices[pairs:], strict=True)
        ]

        return [await self._talk(talks[:1]), await self._talk(talks)]

    async def _talk(self, talks: Sequence[Talk]) -> Cost:
        each = -(-self._sizes.messages // len(talks))

        async def talk(one: Talk) -> None:
            device, dialog = one
            for _ in range(each):
                await device.say(dialog, TEXT)

        found = [
            await self._cost(each * len(talks), lambda: run_all(talks, talk, len(talks)))
            for _ in range(self._sizes.rounds + 1)
        ]
        return _cost(f"MESSAGE with its 200, {len(talks)} at a time", found)

    async def fan_out(self) -> Sequence[Cost]:
        """Publish to watchers; a publication that nobody watches shows what of it is not the watchers'."""
        sizes = self._sizes
        devices = await self._ready(sizes.publishers * (sizes.watchers + 2))
        publishers, loners = devices[: sizes.publishers], devices[sizes.publishers : 2 * sizes.publishers]
        stories = []
        for number, (publisher, loner) in enumerate(zip(publishers, loners, strict=True)):
            watchers = devices[2 * sizes.publishers :][number :: sizes.publishers]
            for watcher in watchers:
                await watcher.subscribe("presence", words.watch(watcher.uri, [publisher.uri]))
            stories.append((_Story(loner, ()), _Story(publisher, watchers)))
        each = -(-sizes.publications // sizes.publishers)
        count = each * sizes.publishers

        async def play(story: _Story) -> None:
            for _ in range(each):
                await story.publish()

        alone, watched, kernel = [], [], 0.0
        for _ in range(sizes.rounds + 1):
            before = self._server.cpu_split_s()[1]
            alone.append(await self._cost(count, lambda: run_all([one for one, _ in stories], play, count)))
            between = self._server.cpu_split_s()[1]
            watched.append(await self._cost(count, lambda: run_all([one for _, one in stories], play, count)))
            kernel += self._server.cpu_split_s()[1] - 2 * between + before
        size = sizes.watchers
        share = [((w - a) / size, (rw + ra) / 2) for (w, rw), (a, ra) in zip(watched, alone, strict=True)]
        return [
            _cost("publication that nobody watches", alone),
            _cost(f"publication to {size} watchers", watched),
            _cost("notification, publication included", [(w / size, rw) for w, rw in watched]),
            _cost("notification", share),
            # The kernel counts this in hundredths of a second, so that all rounds together say something only.
            Cost("of it in the kernel", "µs", (kernel / (sizes.rounds + 1) / count / size * 1e6,)),
        ]

    async def conferences(self) -> Sequence[Cost]:
        """Let a few people meet, then many: what each copy of a message costs, and what its answer."""
        sizes = self._sizes
        costs: list[Cost] = []
        for size in sorted({min(FEW, sizes.participants), sizes.participants}):
            meeting = Meeting(self._reactor, self._server, await self._ready(size))
            await meeting.gather()
            await self._pause()
            costs += await meeting.rounds(sizes.rounds, min(sizes.said * (sizes.participants // size), MOST_SAID))
            await meeting.leave()
        return costs

    async def crowd(self) -> Sequence[Cost]:
        """Publish to very many."""
        return [await crowd(await self._bare(self._sizes.crowd + 1), self._cost, self._sizes.rounds)]

    async def stalled(self) -> Sequence[Cost]:
        """Publish to somebody who does not read."""
        devices = await self._bare(self._sizes.watched + 1)
        return [await stalled(self._reactor, self._server, devices, self._sizes.missed)]

    async def close(self) -> None:
        """Let everybody leave."""
        for device in self._devices:
            device.leave()
        await gatherResults([device.lost for device in self._devices])

    # How it is done.

    async def _ready(self, count: int) -> Sequence[Device]:
        """Give so many devices, signed in."""
        for number in range(len(self._devices), count):
            device = await connect(self._reactor, self._server, number)
            await device.register()
            await device.settle(self._contacts)
            self._devices.append(device)
        return self._devices[:count]

    async def _bare(self, count: int) -> Sequence[Device]:
        """Give so many devices that have signed in and, if they are new, asked for nothing."""
        self._devices += await signed_in(self._reactor, self._server, range(len(self._devices), count))
        return self._devices[:count]

    async def _pause(self) -> None:
        await deferLater(self._reactor, SETTLE_S)

    async def _cost(self, operations: int, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
        """Give the microseconds that the server spent on each operation, and the machine's reference now."""
        reference = reference_us()
        before = self._server.cpu_s()
        await work()
        return (self._server.cpu_s() - before) / operations * 1e6, reference


class _Story:
    """One publisher and his watchers: each publication is told to all of them, and to himself, before the next."""

    def __init__(self, publisher: Device, watchers: Sequence[Device]) -> None:
        self._publisher = publisher
        self._size = len(watchers) + 1
        self._left = 0
        self._told: Deferred[None] = Deferred()
        self._states = cycle((6500, 3500))
        for device in (publisher, *watchers):
            device.notified = self._hear

    async def publish(self) -> None:
        """Change the publisher's state and wait until all know."""
        self._left = self._size
        self._told = Deferred()
        await self._publisher.publish(next(self._states))
        await self._told

    def _hear(self, notification: Heard) -> None:
        self._left -= 1
        if not self._left:
            self._told.callback(None)


def _cost(name: str, found: Sequence[tuple[float, float]]) -> Cost:
    """Make a cost of all rounds but the first, which warmed the server up."""
    return Cost(name, "µs", tuple(v for v, _ in found[1:]), tuple(v / r for v, r in found[1:]))
