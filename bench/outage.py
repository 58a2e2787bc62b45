"""All devices come back at once after the server was killed: how long until the last is as it was.

Each watches the next forty people, as in an office where everybody knows their neighbours; so most of those
who come back are told to others who are back already. Whoever is put off (503 with Retry-After, or a
connection that is closed) comes again after the time that was asked for.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import randbelow
from typing import Final

from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from bench.alone import CONTACTS
from bench.device import Device, connect
from bench.people import DOMAIN, user
from bench.rounds import Rounds
from bench.runs import run_all
from bench.server import Server
from bench.sip_client import Unexpected
from bench.table import OURS

PUT_OFF_S: Final = 2.0
"""How long a client waits that was not told how long."""

WAITING: Final = 1_000
"""Connections that are being opened at the same time: the kernel would drop more of them, and try again a second later."""


@dataclass(frozen=True, slots=True)
class Outage:
    """How much of everything."""

    devices: int = 2_000


class Office:
    """Everybody and their devices."""

    def __init__(self, rounds: Rounds, server: Server, amounts: Outage) -> None:
        self._rounds = rounds
        self._reactor = rounds.reactor
        self._server = server
        self._size = amounts.devices
        self._put_off = 0

    async def run(self) -> None:
        """Have all sign in, kill the server, start it, and have all come back."""
        # Who worked here before has left; what they published is taken down while they go, and not of who comes now.
        await self._rounds.breathe()
        self._rounds.say(f"{self._size} devices sign in")
        devices: list[Device] = []
        await run_all(range(self._size), lambda number: self._come(number, devices))
        self._rounds.say("kill -9")
        self._server.kill()
        await gatherResults([device.lost for device in devices])
        piece_us = await self._rounds.breathe()
        self._server.start()
        self._rounds.say(f"{self._size} devices come back at once")
        before, began = self._server.cpu_s(), time.monotonic()
        back: list[Device] = []
        await run_all(range(self._size), lambda number: self._come_back(number, back), WAITING)
        took = time.monotonic() - began
        each = self._rounds.row("storm-each", OURS)
        each.values.append((self._server.cpu_s() - before) / self._size * 1e6)
        each.pieces.append(piece_us)
        self._rounds.value("storm", OURS, "s", took)
        self._rounds.say(f"all are back after {took:.1f} s; {self._put_off} times somebody was put off")
        for device in back:
            device.leave()

    async def _come_back(self, number: int, devices: list[Device]) -> None:
        while True:
            fresh: list[Device] = []
            try:
                await self._come(number, fresh)
            except (Unexpected, OSError) as reason:
                for device in fresh:
                    device.leave()
                self._put_off += 1
                await deferLater(self._reactor, _asked_for(reason))
            else:
                devices += fresh
                return

    async def _come(self, number: int, devices: list[Device]) -> None:
        device = await connect(self._reactor, self._server, number)
        devices.append(device)
        await device.register()
        await device.settle(self._neighbours(number))

    def _neighbours(self, number: int) -> Sequence[str]:
        count = min(CONTACTS, self._size - 1)
        return [f"sip:{user((number + n) % self._size)}@{DOMAIN}" for n in range(1, count + 1)]


def _asked_for(reason: Exception) -> float:
    """Give the seconds after which somebody who was put off comes again; they do not come all at once."""
    answer = reason.answer if isinstance(reason, Unexpected) else None
    asked = answer.get("Retry-After").partition(";")[0].strip() if answer is not None else ""
    return (float(asked) if asked.isdigit() else PUT_OFF_S) + randbelow(1_000) / 1_000
