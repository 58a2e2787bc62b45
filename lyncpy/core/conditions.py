"""What is wrong with the server itself, looked at all the time: told in the log when it begins and when it ends.

Two kinds come together here. Rooms say what is wrong with them now, which costs nothing to ask (`Offer.conditions`). And what is
on this machine is examined now and then, in a thread, by the code of `lyncpy check`.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.answers import form
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandReach, Flag, IUnit, Reason, ShellCommand, Table
from lyncpy.core.asking import UNASKED, asking
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn
from lyncpy.core.timestamps import moment

LOOK_S: Final = 10.0
"""Seconds from one look at what rooms say to the next."""

EXAMINE_S: Final = 300.0
"""Seconds from one examination of this machine to the next; a disk is filled in hours, not minutes."""

WAITED_S: Final = 10.0
"""Seconds that whoever asks for conditions waits for an examination; a disk that hangs takes longer."""

MACHINE: Final = "machine"
"""The concern of an examination that fails."""

_CONCERN: Final = re.compile(r"\[(\w{1,40})\]")
_NUMBERS: Final = re.compile(r"(?<![^\s(])\d{1,20}(?:\.\d{1,20})?(?=[\s,;:)%]|\.?$|\.\s)")
"""Numbers that stand alone: amounts, which may change all the time. One in a name ("dc1") is part of it."""

Ask = Callable[[], Sequence[Reason]]
"""Gives what a room says is wrong with it; it costs nothing."""

Identity = tuple[str, str]

Examine = Callable[[], Awaitable[Sequence[Finding]]]


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong, and since when."""

    reason: Reason
    since: float
    """Wall-clock seconds."""

    @property
    def severity(self) -> str:
        """Say whether the server does its work: "error" where it does not, else "warning"."""
        return "error" if self.reason.grave else "warning"

    @property
    def sentence(self) -> str:
        """Say what is wrong, and what to do."""
        return told(self.reason)


def told(reason: Reason) -> str:
    """Write a reason as one sentence, with what to do."""
    return f"{reason.finding}; {reason.remedy}" if reason.remedy else reason.finding


def reason_of(finding: Finding) -> Reason:
    """Make of what an examination has found a reason; its sentence says what to do.

    It is not grave: what keeps the next start from succeeding does not keep this server from its work. Rooms say what does.
    """
    concern = _CONCERN.search(finding.sentence)
    return Reason(concern[1] if concern else "server", finding.sentence, good=False)


@implementer(IUnit)
class ConditionWatch:
    """Knows what is wrong now.

    Args:
        rooms: Who is asked, by name.
        examine: Gives what is wrong with this machine; None: nobody looks.
        found: What is known of it at the start.
        meter: Shows how many there are.
        timers: The deadlines.
    """

    name = "conditions"
    log = Logger()

    def __init__(
        self,
        rooms: Sequence[tuple[str, Ask]],
        examine: Examine | None,
        found: Sequence[Finding],
        meter: IMeter,
        timers: ITimers,
    ) -> None:
        self._rooms = rooms
        self._examine = examine
        self._found = tuple(map(reason_of, found))
        self._timers = timers
        self._next_look = Deadline(timers, self._look)
        self._next_examination = Deadline(timers, self.examine)
        self._is_examining = self._is_closed = self._is_again = False
        self._examined: Deferred[bool] | None = None
        """Waits for the examination under way, and no longer than `WAITED_S`; who began it has asked."""

        self._enough = Deadline(timers, lambda: self._answer(ended=False))
        self._present: dict[Identity, Condition] = {}
        """By what is wrong, whatever words it is told in."""

        meter.gauge(
            "lyncpy_core_conditions_count", "Things that are wrong with the server now.", lambda: len(self._present)
        )
        meter.gauge(
            "lyncpy_core_grave_conditions_count",
            "Things that keep the server from its work now.",
            lambda: sum(one.reason.grave for one in self._present.values()),
        )

    def __len__(self) -> int:
        """Count what is wrong."""
        return len(self._present)

    async def open(self) -> None:
        """Tell what is wrong at the start."""
        self._look()
        self._next_examination.set(EXAMINE_S)

    async def close(self) -> None:
        """Look no more."""
        self._is_closed = True
        self._next_look.clear()
        self._next_examination.clear()
        self._answer(ended=False)

    def present(self) -> tuple[Condition, ...]:
        """Give what is wrong, errors first, and what has been so for longest before the rest."""
        return tuple(sorted(self._present.values(), key=lambda one: (not one.reason.grave, one.since)))

    def now(self) -> Sequence[Reason]:
        """Ask the rooms, and give what is wrong in the order of `present`."""
        self._look()
        return [one.reason for one in self.present()]

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell's word."""
        return (
            ShellCommand(
                "conditions",
                "What is wrong with the server now, and since when.",
                self.shown,
                flags=(Flag("known", "what is known of this machine, which is not examined anew"),),
                reach=CommandReach.EVERYWHERE,
                form=form("severity concern since:time condition remedy"),
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """Examine this machine, and list what is wrong."""
        is_fresh = "known" in asked.flags or await self._examine_and_wait()
        self._look()
        rows = [
            (one.severity, one.reason.concern, moment(one.since), one.reason.finding, one.reason.remedy)
            for one in self.present()
        ]
        note = "" if rows else "nothing is wrong"
        if not is_fresh:
            note = "this machine is being examined, and what is shown of it is from before; ask again"
        return Table(("severity", "concern", "since", "condition", "remedy"), rows, note=note)

    # --- looking

    def _look(self) -> None:
        if not self._is_closed:
            self._next_look.set(LOOK_S)
        offered = self._asked()
        said = {one.finding for one in offered}
        # Of what both say, the room's own words count.
        now = {_identity(one): one for one in (*(one for one in self._found if one.finding not in said), *offered)}
        for identity, reason in now.items():
            known = self._present.get(identity)
            if known is None or (reason.grave and not known.reason.grave):
                self._tell(reason)
            self._present[identity] = Condition(reason, self._timers.wall() if known is None else known.since)
        for identity in self._present.keys() - now.keys():
            over = self._present.pop(identity)
            self.log.info("it is over: {concern}: {finding}", concern=over.reason.concern, finding=over.reason.finding)

    def _asked(self) -> Sequence[Reason]:
        found: list[Reason] = []
        for name, ask in self._rooms:
            with asking(name, found, self.log, is_told=(name, UNASKED) in self._present):
                found += ask()
        return found

    def _tell(self, reason: Reason) -> None:
        tell = self.log.error if reason.grave else self.log.warn
        tell("{concern}: {sentence}", concern=reason.concern, sentence=told(reason))

    def examine(self) -> None:
        """Begin an examination of this machine; behind one that is under way, another: what it looks at may have changed."""
        self._next_examination.set(EXAMINE_S)
        self._is_again = self._is_examining
        if self._examine is not None and not self._is_examining:
            self._is_examining = True
            spawn(self._look_closely(self._examine), self.log, "examining this machine")

    async def _examine_and_wait(self) -> bool:
        """Examine this machine; tell whether that has come to its end, and what is known is of now."""
        if self._examine is None:
            return True
        if self._is_examining or self._is_closed:
            return False
        ended = self._examined = Deferred()
        self._enough.set(WAITED_S)
        self.examine()
        return await ended

    def _answer(self, *, ended: bool) -> None:
        self._enough.clear()
        waiting, self._examined = self._examined, None
        if waiting is not None:
            waiting.callback(ended)

    async def _look_closely(self, examine: Examine) -> None:
        failed: list[Reason] = []
        with asking(MACHINE, failed, self.log, is_told=(MACHINE, UNASKED) in self._present):
            self._found = tuple(reason_of(one) for one in await examine() if not one.good)
        # What was found before is not over because nobody could look.
        known = tuple(one for one in self._found if one.key != UNASKED)
        self._found = (*known, *failed)
        self._is_examining = False
        if not self._is_closed:
            self._look()
            if self._is_again:
                self.examine()
        self._answer(ended=True)


def _identity(reason: Reason) -> Identity:
    return reason.concern, reason.key or _NUMBERS.sub("#", reason.finding)
