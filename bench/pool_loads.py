"""What the same costs in one server, in a pool with both users at one node, and across two nodes.

One server keeps all in SQLite and in its memory (Standard); a pool has PostgreSQL and a bus. All ways are asked for the same in
each round, in turn. What the servers of the pool spend is summed, that of the one that has nothing to do, too; PostgreSQL and
nats-server are shown apart.
"""

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, TimeoutError, gatherResults  # noqa: A004 - it is what is raised
from twisted.internet.task import deferLater

from bench import machine
from bench.alone import CONTACTS
from bench.comparison import PUBLISHERS, Story
from bench.conference import Meeting
from bench.device import Device, connect
from bench.model import Company, Model
from bench.people import DOMAIN, user
from bench.pool import Counts, Deployment, Engines
from bench.pool_rows import ask
from bench.pool_targets import ACROSS, BUS, COUNTS, DATABASE, ENDPOINTS, SAME, STANDARD
from bench.rounds import WARM_UP, Rounds, Row
from bench.runs import run_all
from bench.server import Server, serving
from bench.sip_client import Unexpected
from bench.sites import LyncpySite, Say

GATHER_MS: Final = 50
"""As it is by default."""

MEETING: Final = 10
QUIET_S: Final = 1.0
PATIENCE_S: Final = 15.0
"""For a message to all who meet."""


@dataclass(frozen=True, slots=True)
class Pool:
    """How much of everything."""

    rounds: int = 3
    pairs: int = 20
    messages: int = 1_000
    publications: int = 80
    watchers: tuple[int, int, int] = (0, 10, 50)
    """Nobody, few, many."""

    sign_ins: int = 24
    copies: int = 900
    """In a meeting of ten."""

    model: Model = Model(devices=160, users=5_000, seconds=8.0)  # noqa: RUF009 - frozen
    """Whom two processes serve; more would be too many for the one core that all of it is measured on."""

    model_rounds: int = 2
    devices: int = 1_500
    """Who sign in while memory is looked at."""

    asked: int = 300
    """Times that PostgreSQL is asked for each of what nodes need."""

    @property
    def people(self) -> int:
        """How many each way needs."""
        _, few, many = self.watchers
        return max(
            2 * self.pairs, PUBLISHERS * (few + many + 3), CONTACTS + (self.rounds + WARM_UP) * self.sign_ins, MEETING
        )


@dataclass(frozen=True, slots=True)
class Way:
    """One of the ways that are compared: at which server each of two sides is, and who they are."""

    name: str
    servers: tuple[Server, Server]
    first: int
    """The number of its first user."""

    deployment: Deployment | None = None

    def cpu_s(self) -> float:
        """Give the processor time of the servers."""
        return self.servers[0].cpu_s() if self.deployment is None else self.deployment.cpu_s()


class PoolLoads:
    """Asks one server, and a pool in two ways, for the same."""

    def __init__(self, rounds: Rounds, ways: Sequence[Way], amounts: Pool) -> None:
        self._rounds = rounds
        self._ways = ways
        self._amounts = amounts
        self._site = LyncpySite("pool", rounds.reactor, ways[0].servers[0])

    async def run(self) -> None:
        """Measure all of it."""
        await self.messages()
        await self.publications()
        await self.sign_ins()
        await self.copies()

    async def messages(self) -> None:
        """Let pairs talk, each with one message under way."""
        amounts = self._amounts
        each = -(-amounts.messages // amounts.pairs)
        says: dict[str, list[Say]] = {}
        for way in self._ways:
            sides = await self._sides(way, amounts.pairs, amounts.pairs)
            says[way.name] = [await self._site.pair(*two) for two in zip(*sides, strict=True)]

        async def talk(say: Say) -> None:
            for _ in range(each):
                await say()

        await self._in_turn(
            "message", each * amounts.pairs, lambda way: run_all(says[way.name], talk, amounts.pairs), self._ways
        )

    async def publications(self) -> None:
        """Publish to nobody, to ten and to fifty, the next when all have been told."""
        amounts = self._amounts
        each = -(-amounts.publications // PUBLISHERS)
        for watchers in amounts.watchers:
            ways = self._ways if watchers else self._ways[:2]
            stories = {way.name: await self._stories(way, watchers) for way in ways}

            async def play(story: Story) -> None:
                for _ in range(each):
                    await story.publish()

            def publish(way: Way, stories: dict[str, list[Story]] = stories) -> Awaitable[None]:
                return run_all(stories[way.name], play)

            await self._in_turn(f"publication-{watchers}", each * PUBLISHERS, publish, ways)
        _, few, many = amounts.watchers
        for way in self._ways:
            lower, upper = (self._row(f"publication-{n}", way.name) for n in (few, many))
            row = self._row("watcher", way.name)
            row.values = [(b - a) / (many - few) for a, b in zip(lower.values, upper.values, strict=True)]
            row.pieces = list(upper.pieces)

    async def _stories(self, way: Way, watchers: int) -> list[Story]:
        publishers, others = await self._sides(way, PUBLISHERS, PUBLISHERS * watchers)
        stories = []
        for number, publisher in enumerate(publishers):
            mine = others[number * watchers : (number + 1) * watchers]
            await self._site.watch(mine, publisher)
            stories.append(Story(self._site, publisher, mine))
        return stories

    async def sign_ins(self) -> None:
        """Do all that a client does at its sign-in; half of its contacts are online, at the other side."""
        amounts = self._amounts
        contacts: dict[str, Sequence[str]] = {}
        for way in self._ways:
            names = [self._name(way, number) for number in range(CONTACTS)]
            contacts[way.name] = names

            async def settle(number: int, way: Way = way, names: Sequence[str] = names) -> None:
                await (await self._device(way, 0, number)).settle(names)

            await run_all(range(CONTACTS // 2), settle)
        first = CONTACTS

        async def sign_in(way: Way, number: int) -> None:
            await (await self._device(way, 1, number)).settle(contacts[way.name])

        def all_sign_in(way: Way) -> Awaitable[None]:
            return run_all(range(first, first + amounts.sign_ins), lambda number: sign_in(way, number))

        async def next_ones() -> None:
            nonlocal first
            first += amounts.sign_ins

        await self._in_turn("sign-in", amounts.sign_ins, all_sign_in, self._ways, next_ones)

    async def copies(self) -> None:
        """Let ten people meet: one at one side, nine at the other."""
        meetings = {}
        for way in self._ways:
            (organizer,), others = await self._sides(way, 1, MEETING - 1)
            meeting = Meeting(self._rounds.reactor, way.servers[0], [organizer, *others])
            try:
                await meeting.gather()
                await self._within(PATIENCE_S, meeting.talk(2))
            except (Unexpected, TimeoutError) as error:
                self._rounds.say(f"no meeting {way.name}: {str(error).partition(chr(10))[0]}")
                continue
            meetings[way.name] = meeting
        ways = [way for way in self._ways if way.name in meetings]
        messages = -(-self._amounts.copies // (MEETING - 1))
        await self._in_turn(
            f"copy-{MEETING}", messages * (MEETING - 1), lambda way: meetings[way.name].talk(messages), ways
        )

    # How it is done.

    async def _within(self, seconds: float, work: Awaitable[None]) -> None:
        """Do something, if it can be done in time; raises TimeoutError."""
        doing = Deferred.fromCoroutine(_awaited(work))
        _ = doing.addTimeout(seconds, self._rounds.reactor)
        await doing

    async def _in_turn(
        self,
        operation: str,
        count: int,
        work: Callable[[Way], Awaitable[Any]],  # Any: nobody looks at it
        ways: Sequence[Way],
        between: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        for number in range(self._amounts.rounds + WARM_UP):
            self._rounds.say(f"{operation}: round {number} of {self._amounts.rounds}")
            piece_us = await self._rounds.breathe()
            for way in ways if number % 2 else ways[::-1]:
                await self._measured(operation, count, work, way, piece_us)
            if between is not None:
                await between()
        for row in self._rounds.rows:
            if row.operation == f"pool-{operation}":
                self._rounds.forget_warm_up(row)
        await self._leave()

    async def _measured(
        self, operation: str, count: int, work: Callable[[Way], Awaitable[Any]], way: Way, piece_us: float
    ) -> None:  # Any: as above
        deployment = way.deployment
        before = deployment.counts() if deployment else None
        engines = {DATABASE: deployment.database, BUS: deployment.bus} if deployment else {}
        spent = {name: one.cpu_s() for name, one in engines.items()}
        await self._rounds.measure(self._row(operation, way.name), way, piece_us, count, lambda: work(way))
        for name, one in engines.items():
            row = self._row(operation, f"{way.name}, {name}")
            row.values.append((one.cpu_s() - spent[name]) / count * 1e6)
            row.pieces.append(piece_us)
        if deployment and before:
            self._count(operation, way.name, count, deployment.counts().since(before))

    def _count(self, operation: str, name: str, count: int, said: Counts) -> None:
        for key, what in COUNTS.items():
            self._row(operation, f"{name}, {what}", "").values.append(getattr(said, key) / count)

    def _row(self, operation: str, site: str, unit: str = "µs") -> Row:
        return self._rounds.row(f"pool-{operation}", site, unit)

    def _name(self, way: Way, number: int) -> str:
        return f"sip:{user(way.first + number)}@{DOMAIN}"

    async def _device(self, way: Way, side: int, number: int) -> Device:
        device = await connect(self._rounds.reactor, way.servers[side], way.first + number)
        await device.register()
        self._site.clients.append(device)
        return device

    async def _sides(self, way: Way, ones: int, others: int) -> tuple[list[Device], list[Device]]:
        """Sign in so many at each side."""
        sides: tuple[list[Device], list[Device]] = ([], [])

        async def sign_in(number: int) -> None:
            side = 0 if number < ones else 1
            sides[side].append(await self._device(way, side, number))

        await run_all(range(ones + others), sign_in)
        return sides

    async def _leave(self) -> None:
        """Have everybody leave, and wait until that has been noticed everywhere."""
        for client in self._site.clients:
            client.leave()
        await gatherResults([client.lost for client in self._site.clients])
        self._site.clients.clear()
        await deferLater(self._rounds.reactor, QUIET_S)


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def work(rounds: Rounds, amounts: Pool, standard: Server, pools: Sequence[Deployment]) -> None:
    """Have one process, one with PostgreSQL and a bus, and two with both do what the user model says."""
    model = amounts.model
    companies = [Company(rounds, [standard], model), *(Company(rounds, pool.servers, model) for pool in pools)]
    rounds.value("pool-model-users", "", "", float(model.users))
    for company in companies:
        await company.gather()
    for number in range(amounts.model_rounds):
        piece_us = await rounds.breathe()
        rounds.say(f"they do what {model.users:,} users do: round {number + 1} of {amounts.model_rounds}")
        (share,) = await companies[0].work([standard])
        _noted(rounds, STANDARD, share, [share], model.users, piece_us)
        for pool, company in zip(pools, companies[1:], strict=True):
            before = pool.counts()
            *shares, database, bus = await company.work([*pool.servers, pool.database, pool.bus])
            name = f"{len(shares)} with {DATABASE} and {BUS}"
            _noted(rounds, name, sum(shares) + database + bus, shares, model.users, piece_us)
            rounds.value("pool-model-share", f"{name}, {DATABASE}", "", database)
            rounds.value("pool-model-share", f"{name}, {BUS}", "", bus)
            said = pool.counts().since(before)
            for key, what in COUNTS.items():
                per_s = getattr(said, key) / model.seconds / model.users
                rounds.value("pool-model-counts", f"{name}, {what}", "", per_s)
    for company in companies:
        company.leave()
    await deferLater(rounds.reactor, QUIET_S)


def _noted(rounds: Rounds, name: str, share: float, shares: Sequence[float], users: int, piece_us: float) -> None:
    """Note how many users such servers have on two cores: until both are used, or a process has all of one."""
    row = rounds.row("pool-model", name, "users")
    row.values.append(users * min(2.0 / share, 1.0 / max(shares)))
    row.pieces.append(piece_us)
    rounds.row("pool-model-share", name, "").values.append(share)


async def remember(rounds: Rounds, pool: Deployment, devices: int) -> None:
    """Have devices sign in at a pool, each with 40 contacts at all of its servers, and look how memory grows."""
    known: list[Device] = []

    async def sign_in(number: int) -> None:
        device = await connect(rounds.reactor, pool.servers[number % len(pool.servers)], number)
        await device.register()
        await device.settle(f"sip:{user((number + n) % devices)}@{DOMAIN}" for n in range(1, CONTACTS + 1))
        known.append(device)

    # What others have left is used again by the first half.
    before = devices // 2
    rounds.say(f"{before:,} devices sign in before")
    await run_all(range(before), sign_in)
    await deferLater(rounds.reactor, QUIET_S)
    first = _memory(pool)
    rounds.say(f"{devices - before:,} more devices sign in")
    await run_all(range(before, devices), sign_in)
    await deferLater(rounds.reactor, QUIET_S)
    last = _memory(pool)
    for name in last:
        each = (last[name] - first[name]) / (devices - before)
        whole = last[name] + (ENDPOINTS - devices) * each
        rounds.value("pool-memory-each", name, "KiB", each / 1024)
        rounds.value("pool-memory", name, "MiB", whole / 2**20)
    rounds.value("pool-memory-devices", "", "", float(devices))
    for device in known:
        device.leave()
    await gatherResults([device.lost for device in known])


def _memory(pool: Deployment) -> dict[str, float]:
    """Give the bytes that each occupies."""
    return {
        "both servers": float(sum(server.resident_bytes() for server in pool.servers)),
        DATABASE: float(sum(map(machine.proportional_bytes, machine.family(pool.database.pid)))),
        BUS: float(machine.resident_bytes(pool.bus.pid)),
    }


async def measure(rounds: Rounds, amounts: Pool) -> None:
    """Measure all that a pool is judged by."""
    people, model = amounts.people, 2 * amounts.model.devices
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as ending:
        folder = Path(temporary)
        rounds.say("PostgreSQL, NATS and one server start, and pools of one and of two")
        standard = ending.enter_context(serving(folder / "standard", max(people, model), gather_ms=GATHER_MS))
        engines = ending.enter_context(Engines.running())
        with engines.deployed(folder / "two", max(2 * people, model, amounts.devices), gather_ms=GATHER_MS) as two:
            one, other = two.servers
            ways = (
                Way(STANDARD, (standard, standard), 0),
                Way(SAME, (one, one), 0, two),
                Way(ACROSS, (one, other), people, two),
            )
            await PoolLoads(rounds, ways, amounts).run()
            with engines.deployed(folder / "one", model, gather_ms=GATHER_MS, servers=1) as alone:
                await work(rounds, amounts, standard, [alone, two])
            await remember(rounds, two, amounts.devices)
        rounds.say("what nodes ask PostgreSQL beside")
        ask(rounds, engines, amounts.asked)
