"""Numbers, for operators."""

import fnmatch
import re
from collections.abc import Iterator

from lyncpy.contracts.answers import form
from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import bare
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, ShellCommand, Table
from lyncpy.core.slices import Slices

AT_ONCE = 1000
"""People looked at in one turn of the reactor."""


class Commands:
    """Lists whose numbers are whose."""

    def __init__(self, people: IPeople, timers: ITimers) -> None:
        self._people = people
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the commands."""
        return (
            ShellCommand(
                "numbers",
                "The telephone numbers that people have.",
                self.numbers,
                args=(Arg("pattern", "part of a number, name or address; * and ? are wildcards", required=False),),
                form=form("number kind user name enabled:truth shared:truth", counts="shared"),
            ),
        )

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
