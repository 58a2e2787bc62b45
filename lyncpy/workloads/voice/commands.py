"""Numbers, for operators."""

import fnmatch
import re
from collections.abc import Iterator

from lyncpy.contracts.answers import form
from lyncpy.contracts.directory import IPeople, Person, judged, objection_to
from lyncpy.contracts.names import bare
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, Flag, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.core.flags import time_flag
from lyncpy.core.slices import Slices
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.telephone import read_dialled
from lyncpy.workloads.voice.model.outbound import DecisionStep
from lyncpy.workloads.voice.numbers import Numbers

AT_ONCE = 1000
"""People looked at in one turn of the reactor."""


class Commands:
    """Lists whose numbers are whose."""

    def __init__(self, people: IPeople, numbers: Numbers, timers: ITimers) -> None:
        self._people = people
        self._numbers = numbers
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the commands."""
        return (
            ShellCommand(
                "voice test",
                "What becomes of a number that somebody dials: each step, and nobody is called.",
                self.test,
                args=(
                    Arg("user", "an address or a login", choices=lambda: addresses(self._people)),
                    Arg("number", 'as they dial it: 0101, "+1 425 555 0101", 0101;phone-context=Berlin'),
                ),
                flags=(Flag("at", "as if it were then, as 2026-12-24T18:00", takes="TIME"),),
                form=form("step value why?"),
            ),
            ShellCommand(
                "numbers",
                "The telephone numbers that people have.",
                self.numbers,
                args=(Arg("pattern", "part of a number, name or address; * and ? are wildcards", required=False),),
                form=form("number kind user name enabled:truth shared:truth", counts="shared"),
            ),
        )

    async def test(self, asked: CommandCall) -> Table:
        """Show each step of what becomes of a number."""
        at = time_flag(asked.flags, "at", self._timers.wall(), self._timers.wall())
        person = judged(person_named(self._people, asked.args["user"]), at)
        try:
            dialled = read_dialled(asked.args["number"])
        except RemoteProtocolError as error:
            raise CommandFailed(error.reason) from None
        objection = objection_to(person, at)
        caller = DecisionStep(
            "caller", bare(person.aor), "" if objection is None else f"{bare(person.aor)} {objection.words}"
        )
        decision = self._numbers.decide(dialled, person.aor)
        steps = (caller, *decision.steps)
        if objection is not None:
            steps = (caller, DecisionStep("refused", "403", "who may not sign in calls nobody"))
        return Table(("step", "value", "why"), [(one.what, one.value, one.why or None) for one in steps])

    async def numbers(self, asked: CommandCall) -> Table:
        """List numbers in order."""
        pattern = asked.args.get("pattern", "").strip().lower()
        fits = re.compile(fnmatch.translate(pattern if any(mark in pattern for mark in "*?") else f"*{pattern}*")).match
        rows: list[tuple[object, ...]] = []
        async for some in Slices(self._timers, AT_ONCE).runs_of(self._people.everybody()):
            rows += (
                (uri[4:], kind, bare(one.aor), one.display_name, one.enabled, len(self._people.by_number(uri)) > 1)
                for one in some
                for kind, uri in _numbers_of(one)
                if any(fits(text.lower()) for text in (uri, one.display_name, bare(one.aor)))
            )
        shared = len({row[0] for row in rows if row[5]})
        note = f"{len(rows)} numbers" + (f", {shared} of them of several people: they ring nobody" if shared else "")
        return Table(
            ("number", "kind", "user", "name", "enabled", "shared"),
            sorted(rows, key=lambda row: (str(row[0]), str(row[2]))),
            note=note,
            counts={"shared": shared},
        )


def _numbers_of(person: Person) -> Iterator[tuple[str, str]]:
    if person.line:
        yield "line", person.line
    if person.private_line:
        yield "private line", person.private_line
