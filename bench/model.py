"""The load of Lync's own user model, in its busiest hour, and how many such users one core serves.

Lync Server 2013's capacity planning says what a user does. Per user who is logged on: 1.9 clients; 6 conversations of
two a day, of 10 messages, each with two typing notices, and half of a day's fall in 1.6 hours; 4 changes of
presence an hour; 60 looks at somebody's presence an hour; 6 batches of 40 contacts an hour for a while; every other hour
a group is opened, of 62 people on average; everybody logs on within two hours. From that follow the rates below.

A change of presence is told to 40 contacts, each with 1.9 clients: 76 notifications. Here each device is a
user of its own and is watched by 76 others, which is the same to the server. The time is not pressed
together but the number of users is: fewer devices do what so many users would. What is
left out: meetings (5 % of users, few messages), the address book on the web, media.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults

from bench import words
from bench.alone import CONTACTS
from bench.device import Device, connect
from bench.people import DOMAIN, user
from bench.rounds import Paced, Rounds, Spends
from bench.runs import run_all
from bench.server import Server
from bench.sites import TEXT
from bench.table import OURS

CLIENTS: Final = 1.9
FANOUT: Final = 76
MESSAGES: Final = 10
GROUP: Final = 62

_HOUR: Final = 3_600.0
RATES: Final = {
    "conversation": 6 * 0.5 / 1.6 / _HOUR,
    "publication": 4 / _HOUR,
    "look": 60 / _HOUR,
    "batch": 6 / _HOUR,
    "group": 0.5 / _HOUR,
    "sign-in": CLIENTS / (2 * _HOUR),
    "refresh": CLIENTS / (2 * _HOUR),
}
"""How often each user does it, a second."""

_TYPING: Final = b'<?xml version="1.0"?><KeyboardActivity><status status="type" /></KeyboardActivity>'


@dataclass(frozen=True, slots=True)
class Model:
    """How much of everything."""

    devices: int = 300
    """Who are there."""

    users: int = 10_000
    """As many as would do what these devices do."""

    seconds: float = 15.0


class Company:
    """Everybody who works there.

    Args:
        rounds: Keep what was measured.
        servers: Where they sign in; half of those who talk with each other, or watch each other, do so across two of them.
        amounts: How much of everything.
    """

    def __init__(self, rounds: Rounds, servers: Sequence[Server], amounts: Model) -> None:
        self._rounds = rounds
        self._servers = servers
        self._amounts = amounts
        self._devices: list[Device] = []
        self._groups: list[list[str]] = []

    async def run(self) -> None:
        """Have all sign in and watch each other, then work; give how many users one core would serve."""
        amounts = self._amounts
        await self.gather()
        piece_us = await self._rounds.breathe()
        self._rounds.say(f"they do what {amounts.users:,} users do, for {amounts.seconds:.0f} s")
        (share,) = await self.work(self._servers)
        row = self._rounds.row("model", OURS, "users")
        row.values.append(amounts.users / share)
        self._rounds.say(f"{share:.0%} of a core; a step of the fixed piece took {piece_us:.1f} µs")
        self.leave()

    async def gather(self) -> None:
        """Have all sign in, and watch each other."""
        self._rounds.say(f"{self._amounts.devices} devices sign in and watch {FANOUT} others")
        await run_all(range(self._amounts.devices), self._sign_in)

    async def work(self, spenders: Sequence[Spends]) -> Sequence[float]:
        """Do what the users do; give what part of a core each of these used meanwhile."""
        kinds: dict[str, Callable[[int], Awaitable[Any]]] = {  # Any: nobody looks at it
            "conversation": self._talk,
            "publication": self._publish,
            "look": self._look,
            "batch": lambda number: self._watch(number, CONTACTS),
            "group": lambda number: self._watch(number, GROUP),
            "sign-in": self._come_and_go,
            "refresh": lambda number: self._device(number).refresh(),
        }
        before, began = [one.cpu_s() for one in spenders], time.monotonic()
        await gatherResults([self._paced(RATES[kind] * self._amounts.users, do) for kind, do in kinds.items()])
        took = time.monotonic() - began
        return [(one.cpu_s() - spent) / took for one, spent in zip(spenders, before, strict=True)]

    def leave(self) -> None:
        """Have all close their connections."""
        for device in self._devices:
            device.leave()

    def _paced(self, per_s: float, do: Callable[[int], Awaitable[Any]]) -> "Deferred[None]":  # Any: as above
        count = max(1, round(per_s * self._amounts.seconds))
        return Deferred.fromCoroutine(Paced(self._rounds.reactor, per_s).run(count, do))

    # What they do.

    async def _sign_in(self, number: int) -> None:
        device = await connect(self._rounds.reactor, self._server_of(number), number)
        await device.register()
        half = FANOUT // 2
        await device.settle(self._after(number, 1, half))
        await device.subscribe("presence", words.watch(device.uri, self._after(number, half + 1, half)))
        self._devices.append(device)

    async def _talk(self, number: int) -> None:
        one, other = self._device(2 * number), self._device(2 * number + 1)
        dialog = await one.invite(other.uri)
        for _ in range(MESSAGES):
            for _ in range(2):
                await one.send(dialog, "INFO", "", _TYPING, "application/xml")
            await one.say(dialog, TEXT)
        await one.send(dialog, "BYE")

    async def _publish(self, number: int) -> None:
        device = self._device(number)
        await device.publish((6500, 3500)[device.versions % 2])

    async def _look(self, number: int) -> None:
        device = self._device(number)
        await device.subscribe("presence", words.watch(device.uri, self._after(number, 100, 1)), expires=0)

    async def _watch(self, number: int, people: int) -> None:
        device = self._device(number)
        await device.subscribe("presence", words.watch(device.uri, self._after(number, 1, people)), expires=0)

    async def _come_and_go(self, number: int) -> None:
        amounts = self._amounts
        newcomer = amounts.devices + number % amounts.devices
        device = await connect(self._rounds.reactor, self._server_of(newcomer), newcomer)
        await device.register()
        await device.settle(self._after(number, 1, CONTACTS))
        device.leave()

    def _server_of(self, number: int) -> Server:
        # Of four pairs two are at one server, in both ways.
        return self._servers[(number + 1) // 4 % len(self._servers)]

    def _device(self, number: int) -> Device:
        return self._devices[number % len(self._devices)]

    def _after(self, number: int, first: int, count: int) -> Sequence[str]:
        size = self._amounts.devices
        return [f"sip:{user((number + n) % size)}@{DOMAIN}" for n in range(first, first + count)]
