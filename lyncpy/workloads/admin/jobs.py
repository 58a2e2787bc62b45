"""Commands that are under way here, and how far they are; and what is heard of those at other servers.

Who asks from a terminal is told how far long work is by whoever does it. Another server that does it for them is asked each
second; it may be of a release that cannot say. Who comes by another door, or later, asks for `jobs`.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, TypeVar

from twisted.logger import Logger

from lyncpy.contracts.answers import form
from lyncpy.contracts.bus import BusTimeout, IBus
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.questions import CommandProgress, ProgressOfCommand
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandReach, ShellCommand, Table
from lyncpy.core.deadline import Deadline
from lyncpy.core.progress import EACH_S
from lyncpy.core.spawn import spawn
from lyncpy.core.timestamps import moment

T = TypeVar("T")

SAID_CHARS: Final = 500
"""Of what a command says of itself."""

TOLD_MOST: Final = 3
"""Servers that one line tells of."""

PATIENCE_S: Final = 2.0
"""That another server has to say how far it is."""


@dataclass(slots=True)
class Job:
    """A command under way."""

    command: str
    """Its name; what was typed behind it may be secret."""

    author: str
    key: str
    began: float
    wall: float
    said: str = ""
    """How far it is, in words; "" while it has said nothing."""


class Jobs:
    """Runs commands, and remembers those under way.

    Args:
        timers: The clock.
    """

    def __init__(self, timers: ITimers) -> None:
        self._timers = timers
        self._numbers = count(1)
        self._running: dict[int, Job] = {}

    def __len__(self) -> int:
        """Count the commands under way."""
        return len(self._running)

    async def run(self, command: ShellCommand, call: CommandCall) -> Table:
        """Run a command to its end."""
        number = next(self._numbers)
        job = Job(command.name, call.author, call.key, self._timers.now(), self._timers.wall())
        self._running[number] = job

        def tell(progress: str) -> None:
            job.said = progress[:SAID_CHARS]
            call.tell(progress)

        try:
            return await command.run(replace(call, tell=tell))
        finally:
            del self._running[number]

    def said(self, key: str) -> str:
        """Say how far a use of a command is here; "": nothing is known of it."""
        return next((one.said for one in self._running.values() if key and one.key == key), "")

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell's word."""
        return (
            ShellCommand(
                "jobs",
                "Commands that are under way: whose, since when, and how far they are.",
                self.shown,
                reach=CommandReach.EVERYWHERE,
                form=form("command author since:time up:seconds progress?"),
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """List them, the oldest first; this one is none."""
        now = self._timers.now()
        rows = [
            (one.command, one.author, moment(one.wall), round(now - one.began, 1), one.said or None)
            for one in self._running.values()
            if one.command != "jobs"
        ]
        return Table(("command", "author", "since", "up", "progress"), rows)


class FollowedCommand:
    """One use of a command at several servers: what each says of itself is one line for whoever asked.

    Args:
        bus: By which the others are asked.
        timers: The clock.
        call: The use.
    """

    log = Logger()

    def __init__(self, bus: IBus, timers: ITimers, call: CommandCall) -> None:
        self._bus = bus
        self._timers = timers
        self._call = call
        self._said: dict[NodeName, str] = {}
        self._answered: set[NodeName] = set()

    def told_by(self, node: NodeName, progress: str) -> None:
        """Pass on how far a server is."""
        if not progress:
            self._said.pop(node, None)
            return
        self._said[node] = progress[:SAID_CHARS]
        shown = [f"{name}: {words}" for name, words in sorted(self._said.items())]
        more = [f"and {len(shown) - TOLD_MOST} more servers"] if len(shown) > TOLD_MOST else []
        self._call.tell("; ".join([*shown[:TOLD_MOST], *more]))

    async def awaited(self, node: NodeName, asking: Awaitable[T]) -> T:
        """Await the answer of a server, and ask it each second how far it is."""
        if not self._call.key:
            return await asking
        again = Deadline(self._timers, lambda: spawn(self._ask(node, again), self.log, "asking how far a command is"))
        again.set(EACH_S)
        try:
            return await asking
        finally:
            self._answered.add(node)
            self.told_by(node, "")
            again.clear()

    async def _ask(self, node: NodeName, again: Deadline) -> None:
        try:
            far: CommandProgress = await self._bus.ask(node, ProgressOfCommand(self._call.key), PATIENCE_S)
        except BusTimeout:
            return  # it is of a release that does not say, or has no time
        if node not in self._answered:
            self.told_by(node, far.words)
            again.set(EACH_S)
