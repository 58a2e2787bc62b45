"""The words of groups and policies in the admin shell."""

import fnmatch
from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.answers import FACTS, form
from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import aor_of, bare
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.core.slices import Slices
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import AT_ONCE, People
from lyncpy.workloads.directory.policies import FIELDS, Policies, why

MEMBERS_MOST: Final = 10_000
"""People of a group that are counted and shown; nobody reads more."""


class GroupCommands:
    """`groups`, `group show`, `policies`, `policy show`."""

    def __init__(self, people: People, groups: Groups, policies: Policies, timers: ITimers) -> None:
        self._people = people
        self._groups = groups
        self._policies = policies
        self._timers = timers

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of groups and policies."""
        group = Arg("group", "a group's name, address or DN", choices=self._names)
        user = Arg("user", "an address or a login", choices=self._addresses)
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
                    facts="name address? source key is_in? holds_the_group* person* nobody_here*", counts="people"
                ),
            ),
            ShellCommand(
                "policies",
                help="The policies, in the order in which they count.",
                run=self.policies,
                form=form("policy members says unknown_members?"),
            ),
            ShellCommand(
                "policy show",
                help="Which policy a user has, why, and what it says.",
                run=self.policy,
                args=(user,),
                form=form(
                    facts="user policy why privacy_mode:truth prompted_subscribers:number archive_internal:truth archive_external:truth meeting_size:number anonymous_participants:truth clients"
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
        group = self._group(asked.args["group"])
        inner, strange = self._groups.direct(group)
        members = self._groups.members(group.key, MEMBERS_MOST)
        around = self._groups.around([group.key]) - {group.key}
        holding = [one.name for one in self._groups.all_groups() if one.key in around]
        rows: list[tuple[object, ...]] = [
            ("name", group.name),
            ("address", bare(group.aor)),
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

    async def policies(self, asked: CommandCall) -> Table:
        """List policies."""
        rows = []
        for policy in self._policies.all_policies():
            members = self._policies.members(policy.name)
            strange = ", ".join(member.text for member in members if member.is_unknown)
            said = ", ".join(f"{field} {_word(getattr(policy, field))}" for field in FIELDS)
            whom = ", ".join(member.text for member in members if not member.is_unknown)
            rows.append((policy.name, whom, said, strange or None))
        return Table(
            ("policy", "members", "says", "unknown_members"), rows, note="the first that names a user is theirs"
        )

    async def policy(self, asked: CommandCall) -> Table:
        """Show one user's policy."""
        person = person_named(self._people, asked.args["user"])
        chosen = self._policies.chosen(person.aor)
        rows: list[tuple[object, ...]] = [
            ("user", bare(person.aor)),
            ("policy", chosen.policy.name),
            ("why", why(chosen)),
        ]
        rows += [(field, _shown(getattr(chosen.policy, field))) for field in FIELDS]
        return Table(FACTS, rows)

    def _group(self, text: str) -> Group:
        found = self._groups.group(text) or self._groups.named(text)
        if found is not None:
            return found
        low = text.strip().lower()
        same = [one for one in self._groups.all_groups() if low in (one.name.lower(), bare(aor_of(one.aor)))]
        if same:
            raise CommandFailed(
                f'several groups are called "{text[:80]}"; say which: {", ".join(one.source for one in same[:5])}'
            )
        raise CommandFailed(f'there is no group "{text[:80]}"; see: groups')

    def _count(self, group: Group) -> int:
        return len(self._groups.members(group.key, MEMBERS_MOST))

    def _names(self) -> Sequence[str]:
        return [group.name for group in self._groups.all_groups()]

    def _addresses(self) -> Sequence[str]:
        return addresses(self._people)


def _shown(value: object) -> object:
    return "; ".join(value) if isinstance(value, tuple) else value


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value) or "all"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
