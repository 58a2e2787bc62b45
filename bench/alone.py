"""What lyncpy alone is asked for, because no peer does the like: whole sign-ins, contact lists, batches, meetings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from bench import words
from bench.conference import Meeting
from bench.device import Device, connect
from bench.people import DOMAIN, user
from bench.rounds import WARM_UP, Rounds
from bench.runs import run_all
from bench.server import Server
from bench.sites import SETTLE_S
from bench.table import OURS

CONTACTS: Final = 40
"""Of each user; the first half of them is online."""

LOADS: Final = ("sign-in", "conference")


@dataclass(frozen=True, slots=True)
class Alone:
    """How much of everything."""

    rounds: int = 3
    group: int = 40
    """Who sign in, in each round, and stay."""

    before: int = 300
    """Who sign in before the first of them, until tables of a constant size are full: what they take is no device's."""

    batches: int = 100
    meetings: Sequence[int] = (250, 10)
    copies: int = 2_000
    """In each round of a meeting."""

    @property
    def people(self) -> int:
        """How many there have to be: contacts, who sign in, and who meet or sign in before."""
        return self.signing_in + max(*self.meetings, self.before)

    @property
    def signing_in(self) -> int:
        """How many of them are contacts, or sign in."""
        return CONTACTS + (self.rounds + WARM_UP) * self.group


class LyncpyAlone:
    """Puts it on a server that nothing else has stirred."""

    name = OURS

    def __init__(self, rounds: Rounds, server: Server, amounts: Alone) -> None:
        self._rounds = rounds
        self._server = server
        self._amounts = amounts
        self._contacts = [f"sip:{user(number)}@{DOMAIN}" for number in range(CONTACTS)]
        self._devices: list[Device] = []
        self._before: list[Device] = []

    def cpu_s(self) -> float:
        """Give the processor time until now, in seconds."""
        return self._server.cpu_s()

    async def run(self, loads: Sequence[str]) -> None:
        """Measure these of `LOADS`."""
        if "sign-in" in loads:
            await self.lists()
            # Memory that was used before would be used again, and what a device needs would not be seen.
            self._server.restart()
            await self.online()
            await self.sign_ins()
            await self.batches()
            await self._leave(self._before)
        if "conference" in loads:
            await self.meetings()
        await self._leave(self._devices)

    async def online(self) -> None:
        """Have half of everybody's contacts sign in, and then those who are there before others are measured."""
        for number in range(CONTACTS // 2):
            self._devices.append(await self._settled(number))
        amounts = self._amounts
        self._rounds.say(f"{amounts.before} users sign in before")

        async def sign_in(number: int) -> None:
            self._before.append(await self._settled(number))

        await run_all(range(amounts.signing_in, amounts.signing_in + amounts.before), sign_in)
        await deferLater(self._rounds.reactor, SETTLE_S)

    async def lists(self) -> None:
        """Have everybody add their contacts, some in each round; they leave again."""
        row = self._rounds.row("contact", OURS)
        amounts, each = self._amounts, CONTACTS // (self._amounts.rounds + WARM_UP)
        self._rounds.say(f"{amounts.signing_in - CONTACTS} users add {CONTACTS} contacts each")
        fresh = [await self._bare(number) for number in range(CONTACTS, amounts.signing_in)]
        for device in fresh:
            await device.subscribe("vnd-microsoft-roaming-contacts", "")
        # Enough are measured with a few dozen of them; the rest only needs its list.
        some, others = fresh[: amounts.group], fresh[amounts.group :]
        for number in range(amounts.rounds + WARM_UP):
            part = self._contacts[number * each : (number + 1) * each]
            await self._measured("contact", len(some) * each, lambda part=part: self._add(some, part))  # type: ignore[misc]  # mypy knows no defaults of lambdas
        self._rounds.forget_warm_up(row)
        await self._add(some, self._contacts[(amounts.rounds + WARM_UP) * each :])
        await self._add(others, self._contacts)
        await self._leave(fresh)

    async def sign_ins(self) -> None:
        """Have a group do all that a client does when it signs in, in each round; they stay."""
        amounts = self._amounts
        cost, memory = self._rounds.row("sign-in", OURS), self._rounds.row("device", OURS, "KiB")
        before = self._server.resident_bytes()
        for number in range(amounts.rounds + WARM_UP):
            first = CONTACTS + number * amounts.group
            numbers = range(first, first + amounts.group)

            async def sign_in(number: int) -> None:
                self._devices.append(await self._settled(number))

            await self._measured("sign-in", amounts.group, lambda numbers=numbers: run_all(numbers, sign_in))  # type: ignore[misc]  # as above
            await deferLater(self._rounds.reactor, SETTLE_S)
            now = self._server.resident_bytes()
            memory.values.append((now - before) / 1024 / amounts.group)
            before = now
        self._rounds.forget_warm_up(cost, memory)

    async def batches(self) -> None:
        """Have signed-in devices ask for all their contacts again."""
        row, amounts = self._rounds.row("batch", OURS), self._amounts
        who = self._devices[CONTACTS // 2 :]

        async def ask(number: int) -> None:
            device = who[number % len(who)]
            await device.subscribe("presence", words.watch(device.uri, self._contacts))

        for _ in range(amounts.rounds + WARM_UP):
            await self._measured("batch", amounts.batches, lambda: run_all(range(amounts.batches), ask))
        self._rounds.forget_warm_up(row)

    async def meetings(self) -> None:
        """Let people meet and speak in turn, each message answered by all who hear it, at once."""
        first = self._amounts.signing_in
        people = [await self._bare(number) for number in range(first, first + max(self._amounts.meetings))]
        self._devices += people
        for size in self._amounts.meetings:
            self._rounds.say(f"a meeting of {size}")
            meeting = Meeting(self._rounds.reactor, self._server, people[:size])
            await meeting.gather()
            row, messages = self._rounds.row(f"copy-{size}", OURS), -(-self._amounts.copies // (size - 1))
            for _ in range(self._amounts.rounds + WARM_UP):
                await self._measured(f"copy-{size}", messages * (size - 1), lambda: meeting.talk(messages))  # noqa: B023 - at once
            self._rounds.forget_warm_up(row)
            await meeting.leave()

    # How it is done.

    async def _measured(self, operation: str, count: int, work: Callable[[], Any]) -> None:  # Any: a coroutine
        self._rounds.say(f"{operation}")
        piece_us = await self._rounds.breathe()
        await self._rounds.measure(self._rounds.row(operation, OURS), self, piece_us, count, work)

    async def _add(self, devices: Sequence[Device], contacts: Sequence[str]) -> None:
        async def add(device: Device) -> None:
            for contact in contacts:
                await device.add(contact)

        await run_all(devices, add)

    async def _bare(self, number: int) -> Device:
        device = await connect(self._rounds.reactor, self._server, number)
        await device.register()
        return device

    async def _settled(self, number: int) -> Device:
        device = await self._bare(number)
        await device.settle(self._contacts)
        return device

    async def _leave(self, devices: Sequence[Device]) -> None:
        for device in devices:
            device.leave()
        await gatherResults([device.lost for device in devices])
        await deferLater(self._rounds.reactor, SETTLE_S)
