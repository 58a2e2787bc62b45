"""Whether an operation gets dearer with the number of devices that are signed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.comparison import PUBLISHERS, Story
from bench.device import Device
from bench.people import DOMAIN, user
from bench.rounds import WARM_UP, Rounds
from bench.runs import run_all
from bench.server import Server
from bench.sites import LyncpySite, Say
from bench.table import OURS

CONTACTS: Final = 40
PAIRS: Final = 50

OPERATIONS: Final = (
    ("message", "a MESSAGE and its 200"),
    ("refresh", "a refresh"),
    ("publication", "a publication to 40"),
    ("sign-in", "a whole sign-in"),
)


@dataclass(frozen=True, slots=True)
class Growth:
    """How much of everything."""

    sizes: Sequence[int] = (500, 1_500, 4_500)
    """Devices that are signed in; not fewer than those that talk and watch."""

    rounds: int = 5
    messages: int = 2_000
    refreshes: int = 200
    publications: int = 100


class Growing:
    """Has more and more sign in, and asks for the same each time."""

    def __init__(self, rounds: Rounds, server: Server, amounts: Growth) -> None:
        self._rounds = rounds
        self._site = LyncpySite(OURS, rounds.reactor, server)
        self._amounts = amounts
        self._devices: dict[int, Device] = {}
        # Each watches those before them: the first of a group is watched by the rest of it.
        self._near = min(CONTACTS, amounts.sizes[0] // (PUBLISHERS + 1) - 1)

    async def run(self) -> None:
        """Measure at each size."""
        site, amounts = self._site, self._amounts
        says: list[Say] = []
        stories: list[Story] = []
        before = 0
        for size in amounts.sizes:
            self._rounds.say(f"{size:,} devices are signed in")
            piece_us = await self._rounds.breathe()
            row = self._rounds.row(f"growth-sign-in-{size}", OURS)
            come = partial(run_all, range(before, size), self._come)
            await self._rounds.measure(row, site, piece_us, size - before, come)
            before = size
            if not says:
                says = await self._pairs()
                stories = self._stories()
            await self._measure(size, says, stories)
        for device in self._devices.values():
            device.leave()

    async def _measure(self, size: int, says: Sequence[Say], stories: Sequence[Story]) -> None:
        amounts, site = self._amounts, self._site
        each, told = -(-amounts.messages // len(says)), -(-amounts.publications // len(stories))
        renewing = [self._devices[number % len(self._devices)] for number in range(amounts.refreshes)]

        async def talk(say: Say) -> None:
            for _ in range(each):
                await say()

        async def play(story: Story) -> None:
            for _ in range(told):
                await story.publish()

        loads = {
            "message": (each * len(says), lambda: run_all(says, talk, len(says))),
            "refresh": (amounts.refreshes, lambda: run_all(renewing, site.refresh)),
            "publication": (told * len(stories), lambda: run_all(stories, play)),
        }
        rows = {name: self._rounds.row(f"growth-{name}-{size}", OURS) for name in loads}
        for _ in range(amounts.rounds + WARM_UP):
            piece_us = await self._rounds.breathe()
            for name, (count, work) in loads.items():
                await self._rounds.measure(rows[name], site, piece_us, count, work)
        self._rounds.forget_warm_up(*rows.values())

    async def _come(self, number: int) -> None:
        device = await self._site.connected(number)
        await device.register()
        near = range(max(0, number - self._near), number)
        await device.settle(f"sip:{user(one)}@{DOMAIN}" for one in near)
        self._devices[number] = device

    async def _pairs(self) -> list[Say]:
        half = len(self._devices) // 2
        return [await self._site.pair(self._devices[n], self._devices[half + n]) for n in range(min(PAIRS, half))]

    def _stories(self) -> list[Story]:
        found = []
        for publisher in range(0, PUBLISHERS * (self._near + 1), self._near + 1):
            watchers = [self._devices[publisher + n] for n in range(1, self._near + 1)]
            found.append(Story(self._site, self._devices[publisher], watchers))
        return found
