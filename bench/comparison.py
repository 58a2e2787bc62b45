"""What lyncpy and its peers are all asked for: messages, sign-ins, presence."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from bench.rounds import WARM_UP, Paced, Rounds, Row
from bench.runs import run_all
from bench.sites import SETTLE_S, Say, Site, XmppSite
from bench.table import ARCHIVED

LOADS: Final = ("message", "message-paced", "message-slow", "sign-ins", "refresh", "publications")
PUBLISHERS: Final = 4
"""Who publish at the same time, each to watchers of their own."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of everything."""

    rounds: int = 3
    pairs: int = 50
    """Of which each has one MESSAGE under way."""

    messages: int = 2_000
    """In each round, of all pairs together."""

    paced_pairs: int = 300
    paced_per_s: float = 300.0
    slow_per_s: float = 50.0
    slow_s: float = 2.0
    """How long those talk in each round who talk at a steady pace."""

    publications: int = 100
    watchers: tuple[int, int, int] = (0, 10, 50)
    """Of each who publishes: nobody, few, many."""

    sign_ins: int = 40
    refreshes: int = 200

    @property
    def people(self) -> int:
        """Who stay signed in."""
        return max(2 * self.pairs, 2 * self.paced_pairs, PUBLISHERS * (sum(self.watchers) + len(self.watchers)))


class Comparison:
    """Puts the same on each site, in turn."""

    def __init__(self, rounds: Rounds, sites: Sequence[Site], amounts: Amounts) -> None:
        self._rounds = rounds
        self._sites = sites
        self._amounts = amounts
        self._pairs: dict[str, list[Say]] = {}

    async def prepare(self) -> None:
        """Have everybody sign in."""
        for site in self._sites:
            self._rounds.say(f"{self._amounts.people} users sign in at {site.name}")
            for number in range(self._amounts.people):
                client = await site.connected(number)
                await site.sign_in(client)
                site.clients.append(client)
        await deferLater(self._rounds.reactor, SETTLE_S)

    async def run(self, loads: Container[str]) -> None:
        """Measure these loads, of `LOADS`."""
        for name, load in zip(
            LOADS,
            (self.messages, self.paced_messages, self.slow_messages, self.sign_ins, self.refreshes, self.publications),
            strict=True,
        ):
            if name in loads:
                await load()

    async def messages(self) -> None:
        """Let pairs talk, each with one message under way."""
        await self._talks(self._amounts.pairs)
        each = -(-self._amounts.messages // self._amounts.pairs)
        count = each * self._amounts.pairs

        async def talk(say: Say) -> None:
            for _ in range(each):
                await say()

        async def all_talk(site: Site) -> None:
            await run_all(self._pairs[site.name][: self._amounts.pairs], talk, self._amounts.pairs)

        await self._in_turn("message", count, all_talk)

    async def paced_messages(self) -> None:
        """Let many pairs talk at a steady pace that leaves the server time to sleep in between."""
        await self._steady("message-paced", self._amounts.paced_per_s, lambda site: site.name != ARCHIVED)

    async def slow_messages(self) -> None:
        """The same at a pace at which there is nothing to share with the next message."""
        await self._steady("message-slow", self._amounts.slow_per_s, lambda site: not isinstance(site, XmppSite))

    async def _steady(self, operation: str, per_s: float, counts: Callable[[Site], bool]) -> None:
        pairs = self._amounts.paced_pairs
        await self._talks(pairs)
        count = max(1, round(per_s * self._amounts.slow_s))

        async def all_talk(site: Site) -> None:
            says = self._pairs[site.name][:pairs]
            await Paced(self._rounds.reactor, per_s).run(count, lambda number: says[number % len(says)]())

        await self._in_turn(operation, count, all_talk, counts)

    async def sign_ins(self) -> None:
        """Connect, and then sign in; everybody leaves again."""
        count, first = self._amounts.sign_ins, self._amounts.people
        sites = self._compared
        tls = [self._rounds.row("tls", site.name) for site in sites]
        whole = [self._rounds.row("tls-register", site.name) for site in sites]
        for number in range(self._amounts.rounds + WARM_UP):
            self._say_round("sign-ins", number)
            piece_us = await self._rounds.breathe()
            for place in _order(number, len(sites)):
                await self._sign_ins(sites[place], tls[place], whole[place], piece_us, range(first, first + count))
        self._rounds.forget_warm_up(*tls, *whole)

    async def _sign_ins(self, site: Site, tls: Row, whole: Row, piece_us: float, numbers: range) -> None:
        fresh: list[Any] = []  # Any: clients of the site's own kind

        async def connect(number: int) -> None:
            fresh.append(await site.connected(number))

        await self._rounds.measure(tls, site, piece_us, len(numbers), lambda: run_all(numbers, connect))
        await self._rounds.measure(whole, site, piece_us, len(numbers), lambda: run_all(fresh, site.sign_in))
        whole.values[-1] += tls.values[-1]
        for client in fresh:
            client.leave()
        await deferLater(self._rounds.reactor, SETTLE_S)

    async def refreshes(self) -> None:
        """Have registrations renewed."""
        count = self._amounts.refreshes

        async def all_renew(site: Site) -> None:
            who = [site.clients[number % len(site.clients)] for number in range(count)]
            await run_all(who, site.refresh)

        await self._in_turn(
            "refresh", count, all_renew, lambda site: not isinstance(site, XmppSite) and site.name != ARCHIVED
        )

    async def publications(self) -> None:
        """Publish to nobody, to ten and to fifty, the next when all have been told."""
        each = -(-self._amounts.publications // PUBLISHERS)
        begin = 0
        for watchers in self._amounts.watchers:
            stories: dict[str, list[Story]] = {}
            for site in self._compared:
                self._rounds.say(f"{PUBLISHERS * watchers} clients of {site.name} watch {PUBLISHERS}")
                stories[site.name] = await self._stories(site, begin, watchers)
            begin += PUBLISHERS * (watchers + 1)

            async def all_publish(site: Site, stories: dict[str, list[Story]] = stories) -> None:
                async def play(story: Story) -> None:
                    for _ in range(each):
                        await story.publish()

                await run_all(stories[site.name], play)

            def counts(site: Site, watchers: int = watchers) -> bool:
                # XMPP answers a presence by telling it; where nobody is told there is nothing to wait for.
                return site.name != ARCHIVED and (watchers > 0 or not isinstance(site, XmppSite))

            await self._in_turn(f"publication-{watchers}", each * PUBLISHERS, all_publish, counts)
        self._each_further()

    async def _stories(self, site: Site, begin: int, watchers: int) -> "list[Story]":
        stories = []
        for number in range(PUBLISHERS):
            first = begin + number * (watchers + 1)
            publisher, *others = site.clients[first : first + watchers + 1]
            await site.watch(others, publisher)
            stories.append(Story(site, publisher, others))
        await deferLater(self._rounds.reactor, SETTLE_S)
        return stories

    def _each_further(self) -> None:
        _, few, many = self._amounts.watchers
        for site in self._compared:
            lower, upper = (self._rounds.row(f"publication-{n}", site.name) for n in (few, many))
            row = self._rounds.row("watcher", site.name)
            row.values = [(b - a) / (many - few) for a, b in zip(lower.values, upper.values, strict=True)]
            row.pieces, row.busy = list(upper.pieces), upper.busy

    # How it is done.

    async def _talks(self, size: int) -> None:
        half = len(self._sites[0].clients) // 2
        self._rounds.say(f"{size} pairs begin to talk at each")
        for site in self._sites:
            pairs = self._pairs.setdefault(site.name, [])
            for number in range(len(pairs), size):
                pairs.append(await site.pair(site.clients[number], site.clients[half + number]))

    async def _in_turn(
        self,
        operation: str,
        count: int,
        work: Callable[[Site], Any],  # Any: a coroutine
        counts: Callable[[Site], bool] = lambda site: True,
    ) -> None:
        sites = [site for site in self._sites if counts(site)]
        rows = [self._rounds.row(operation, site.name) for site in sites]
        for number in range(self._amounts.rounds + WARM_UP):
            self._say_round(operation, number)
            piece_us = await self._rounds.breathe()
            for place in _order(number, len(sites)):
                site = sites[place]
                await self._rounds.measure(rows[place], site, piece_us, count, lambda site=site: work(site))  # type: ignore[misc]  # mypy knows no defaults of lambdas
        self._rounds.forget_warm_up(*rows)

    @property
    def _compared(self) -> Sequence[Site]:
        return [site for site in self._sites if site.name != ARCHIVED]

    def _say_round(self, what: str, number: int) -> None:
        self._rounds.say(f"{what}: round {number} of {self._amounts.rounds}")


def _order(number: int, size: int) -> range:
    """Give the places in the order of this round: forth, and back in the next."""
    places = range(size)
    return places if number % 2 else places[::-1]


class Story:
    """One publisher and who watches them: each publication is told to all before the next."""

    def __init__(self, site: Site, publisher: Any, watchers: Sequence[Any]) -> None:  # Any: the site's clients
        self._site = site
        self._publisher = publisher
        self._size = self._left = len(watchers)
        self._told: Deferred[None] = Deferred()
        for watcher in watchers:
            site.listen(watcher, self._hear)

    async def publish(self) -> None:
        """Change the publisher's state and wait until all know."""
        self._left, self._told = self._size, Deferred()
        told = self._told if self._size else None
        await self._site.publish(self._publisher)
        if told is not None:
            await told

    def _hear(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._told.callback(None)


async def leave(sites: Sequence[Site]) -> None:
    """Have all clients close their connections."""
    for site in sites:
        for client in site.clients:
            client.leave()
    await gatherResults([client.lost for site in sites for client in site.clients])
