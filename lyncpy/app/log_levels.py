"""How much the log says, of the whole server and of each room; changed while it runs, for a time or until the next start."""

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from twisted.logger import Logger, LogLevel, LogLevelFilterPredicate

from lyncpy.contracts.answers import form
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    CommandReach,
    Flag,
    OperatorRole,
    ShellCommand,
    Table,
)
from lyncpy.core.deadline import Deadlines
from lyncpy.core.flags import span_flag
from lyncpy.core.timestamps import moment

LEVELS: Final = ("debug", "info", "warn", "error", "critical")
USUAL: Final = "usual"
EVERYTHING: Final = ""
"""The name of the whole server among the rooms."""

LONGEST_S: Final = 7 * 86_400.0


@cache
def rooms() -> dict[str, str]:
    """Give the rooms of the server, and of each where its lines come from."""
    found = {"twisted": "twisted"}
    house = Path(__file__).parents[1]
    for folder, place in ((house, "lyncpy"), (house / "workloads", "lyncpy.workloads")):
        names = [one.name for one in pkgutil.iter_modules([str(folder)]) if one.ispkg and one.name != "workloads"]
        found |= {name: f"{place}.{name}" for name in names}
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class ChosenLevel:
    """A level that an operator has chosen."""

    level: str
    by: str
    until: float | None
    """Seconds since the epoch; None: until the next start."""

    def told(self) -> str:
        """Say it in words: "debug until 2026-05-31T12:00:00Z"."""
        return f"{self.level} until {'the next start' if self.until is None else moment(self.until)}"


class LogLevels:
    """Decides which events are told. One predicate for all that is written.

    Args:
        usual: `[log] level`.
    """

    log = Logger()

    def __init__(self, usual: str = "info") -> None:
        self.usual: Final = usual
        self.predicate: Final = LogLevelFilterPredicate(LogLevel.levelWithName(usual))
        self.chosen: dict[str, ChosenLevel] = {}
        """By room; of the whole server `EVERYTHING`."""

    def choose(self, room: str, chosen: ChosenLevel) -> None:
        """Have a room, or everything, told from another level on."""
        self.chosen[room] = chosen
        self._apply()

    def forget(self, room: str) -> bool:
        """Have the usual level again; tell whether there was another one."""
        was_chosen = self.chosen.pop(room, None) is not None
        self._apply()
        return was_chosen

    def _apply(self) -> None:
        self.predicate.clearLogLevels()
        whole = self.chosen.get(EVERYTHING)
        self.predicate.setLogLevelForNamespace("", LogLevel.levelWithName(whole.level if whole else self.usual))
        places = rooms()
        for room, chosen in self.chosen.items():
            if room != EVERYTHING:
                self.predicate.setLogLevelForNamespace(places[room], LogLevel.levelWithName(chosen.level))

    def rows(self) -> Iterator[tuple[str, str, str, float | None]]:
        """Give room ("" for all), level, where that comes from, and until when."""
        whole = self.chosen.get(EVERYTHING)
        yield ("", whole.level, whole.by, whole.until) if whole else ("", self.usual, "[log] level", None)
        for room, one in sorted(self.chosen.items()):
            if room != EVERYTHING:
                yield room, one.level, one.by, one.until

    def states(self) -> tuple[tuple[str, object], ...]:
        """Say for `status` what an operator has chosen."""
        return tuple(
            (f"log level of {room}" if room else "log level", one.told()) for room, one in sorted(self.chosen.items())
        )


class LogCommands:
    """The shell's `log level` and `log levels`.

    Args:
        levels: Of this process.
        timers: The clocks.
    """

    log = Logger()

    def __init__(self, levels: LogLevels, timers: ITimers) -> None:
        self._levels = levels
        self._timers = timers
        self._ends: Deadlines[str] = Deadlines(timers, self._over)

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell's words."""
        level = Arg("level", f"{', '.join(LEVELS)}; or {USUAL}: as [log] level says", choices=lambda: (*LEVELS, USUAL))
        room = Arg(
            "room",
            "the part of the server, as im or presence; everything when left out",
            required=False,
            choices=lambda: tuple(rooms()),
        )
        span = Flag("for", "for how long, as 10m or 2h; until the next start when left out", takes="TIME")
        answer = form("room level from until:time?")
        return (
            ShellCommand(
                "log levels",
                "From which level on the log tells what each part of the server says.",
                self.shown,
                reach=CommandReach.EVERYWHERE,
                form=answer,
            ),
            ShellCommand(
                "log level",
                "Have the log tell more or less at once, of everything or one part, for a time or until the next start.",
                self.change,
                args=(level, room),
                flags=(span,),
                role=OperatorRole.OPERATOR,
                reach=CommandReach.EVERYWHERE,
                form=answer,
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """List what is in force."""
        rows = [
            (room or "all", level, source, None if until is None else moment(until))
            for room, level, source, until in self._levels.rows()
        ]
        return Table(("room", "level", "from", "until"), rows)

    async def change(self, asked: CommandCall) -> Table:
        """Choose a level; raises CommandFailed where there is no such level or room."""
        level, room = asked.args["level"].lower(), asked.args.get("room", EVERYTHING).lower()
        if level not in (*LEVELS, USUAL):
            raise CommandFailed(f'"{level[:80]}" is no level; there are {", ".join(LEVELS)}, and {USUAL}')
        if room not in (EVERYTHING, *rooms()):
            raise CommandFailed(f'the server has no part "{room[:80]}"; there are {", ".join(rooms())}')
        span_s = span_flag(asked.flags, "for")
        if span_s is not None and span_s > LONGEST_S:
            raise CommandFailed("--for takes at most 7d; without it the level lasts until the next start")
        what = f"of {room}" if room else "of everything"
        self._ends.clear(room)
        if level == USUAL:
            self._levels.forget(room)
        else:
            until = None if span_s is None else self._timers.wall() + span_s
            self._levels.choose(room, ChosenLevel(level, asked.author, until))
            if span_s is not None:
                self._ends.set(room, span_s)
        told = self._levels.chosen[room].told() if room in self._levels.chosen else "as [log] level says"
        # Who reads the log has to know why it says more, or less.
        self.log.warn("the log level {what} is {told}, by {author}", what=what, told=told, author=asked.author)
        return await self.shown(asked)

    def _over(self, room: str) -> None:
        self._levels.forget(room)
        self.log.info("the log level of {what} is the usual one again", what=room or "everything")
