"""The words of groups in the admin shell."""

import fnmatch
from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.answers import FACTS, form
from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import aor_of, bare
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, ShellCommand, Table
from lyncpy.core.slices import Slices
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import AT_ONCE

MEMBERS_MOST: Final = 10_000
"""People of a group that are counted and shown; nobody reads more."""


class GroupCommands:
    """`groups`, `group show`."""

    def __init__(self, groups: Groups, timers: ITimers) -> None:
        self._groups = groups
        self._timers = timers

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of groups."""
        group = Arg("group", "a group's name, address or DN", choices=self._names)
        pattern = Arg("pattern", "part of a name or address; * and ? are wildcards", required=False)
        return (
            ShellCommand(
                "groups",
                help="The groups of the directory.",
                run=self.groups,
                args=(pattern,),
                form=form("group address people:number source", counts="groups"),
            ),
            ShellCommand(
                "group show",
                help="A group, and who is in it, also by other groups.",
                run=self.show,
                args=(group,),
                form=form(
                    facts="name address? mail? members_told? source key is_in? holds_the_group* person* nobody_here*",
                    counts="people",
                ),
            ),
        )

    async def groups(self, asked: CommandCall) -> Table:
        """List groups."""
        pattern = asked.args.get("pattern", "").strip().lower()
        if not any(mark in pattern for mark in "*?"):
            pattern = f"*{pattern}*"
        slices, rows = Slices(self._timers, AT_ONCE), list[tuple[object, ...]]()
        for one in self._groups.all_groups():
            count = 0
            if any(fnmatch.fnmatchcase(text.lower(), pattern) for text in (one.name, bare(one.aor))):
                count = self._count(one)
                rows.append((one.name, bare(one.aor), count, one.source))
            await slices.spend(1 + count)
        note = f"{len(rows)} of {len(self._groups)} groups"
        return Table(("group", "address", "people", "source"), rows, note=note, counts={"groups": len(self._groups)})

    async def show(self, asked: CommandCall) -> Table:
        """Show one group."""
        group = group_named(self._groups, asked.args["group"])
        inner, strange = self._groups.direct(group)
        members = self._groups.members(group.key, MEMBERS_MOST)
        around = self._groups.around([group.key]) - {group.key}
        holding = [one.name for one in self._groups.all_groups() if one.key in around]
        rows: list[tuple[object, ...]] = [
            ("name", group.name),
            ("address", bare(group.aor)),
            ("mail", group.mail),
            ("members told", "to operators alone (hideDLMembership)" if group.is_closed else ""),
            ("source", group.source),
            ("key", group.key),
            ("is in", ", ".join(holding)),
            *(("holds the group", one.name) for one in inner),
            *(("person", bare(aor)) for aor in members),
            *(("nobody here", name) for name in strange),
        ]
        note = f"people: {len(members)}{' or more' if len(members) == MEMBERS_MOST else ''}; who is disabled is not counted"
        shown = [row for row in rows if row[1] != ""]
        return Table(FACTS, shown, note=note, counts={"people": len(members)})

    def _count(self, group: Group) -> int:
        return len(self._groups.members(group.key, MEMBERS_MOST))

    def _names(self) -> Sequence[str]:
        return [group.name for group in self._groups.all_groups()]


def group_named(groups: Groups, text: str) -> Group:
    """Give the group that an operator means, by name, address or DN.

    Raises:
    CommandFailed: There is none, or there are several.
    """
    found = groups.group(text) or groups.named(text)
    if found is not None:
        return found
    low = text.strip().lower()
    same = [one for one in groups.all_groups() if low in (one.name.lower(), bare(aor_of(one.aor)))]
    if same:
        raise CommandFailed(
            f'several groups are called "{text[:80]}"; say which: {", ".join(one.source for one in same[:5])}'
        )
    raise CommandFailed(f'there is no group "{text[:80]}"; see: groups')
