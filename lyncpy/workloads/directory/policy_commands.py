"""The words of policies in the admin shell."""

from collections.abc import Sequence
from typing import Any, Final

from lyncpy.contracts.answers import FACTS, form
from lyncpy.contracts.names import bare
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, Flag, OperatorRole, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.workloads.directory.group_commands import group_named
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.policies import FIELDS, Policies, why
from lyncpy.workloads.directory.stored_policies import (
    EVERYBODY,
    SUBJECTS_MOST,
    ValueUnusable,
    of_group,
    of_person,
    subject_of,
    usable,
)

ALL: Final = "all"
"""Stands for every name, where what is set is removed."""

REMOVE: Final = "remove"
_TRUTHS: Final = {"yes": True, "true": True, "no": False, "false": False}


class PolicyCommands:
    """`policies`, `policy show`, `policy explain`, `policy set`."""

    def __init__(self, people: People, groups: Groups, policies: Policies) -> None:
        self._people = people
        self._groups = groups
        self._policies = policies

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of policies."""
        user = Arg("user", "an address or a login", choices=lambda: addresses(self._people))
        return (
            ShellCommand(
                "policies",
                help="The policies of the settings, in the order in which they count, and what is set in the store.",
                run=self.policies,
                form=form("policy members says unknown_members? source"),
            ),
            ShellCommand(
                "policy show",
                help="What a user may, and which policy of the settings is theirs.",
                run=self.show,
                args=(user,),
                form=form(
                    facts="user policy why privacy_mode:truth prompted_subscribers:number archive_internal:truth archive_external:truth meeting_size:number anonymous_participants:truth clients"
                ),
            ),
            ShellCommand(
                "policy explain",
                help="Where each value of a user's policy comes from, why it counts, and what it overrules.",
                run=self.explain,
                args=(user,),
                form=form("name value:any source why overrules?"),
            ),
            ShellCommand(
                "policy set",
                help="Set a value of the policy of a person, a group or everybody, or remove what was set; it counts at once.",
                run=self.set,
                args=(
                    Arg("whom", 'an address or a login, a group\'s name, or "everybody"', choices=self._subjects),
                    Arg("name", f'what is set: {", ".join(FIELDS)}; "{ALL}" with --{REMOVE}', choices=lambda: FIELDS),
                    Arg("value", "yes or no, a number, or rules with ; between them", required=False),
                ),
                flags=(Flag(REMOVE, "set it no more: what the settings say counts"),),
                role=OperatorRole.OPERATOR,
                form=form("whom name value:any?"),
            ),
        )

    async def policies(self, asked: CommandCall) -> Table:
        """List policies."""
        rows: list[tuple[object, ...]] = []
        for policy in self._policies.all_policies():
            members = self._policies.members(policy.name)
            strange = ", ".join(member.text for member in members if member.is_unknown)
            said = ", ".join(f"{field} {_word(getattr(policy, field))}" for field in FIELDS)
            whom = ", ".join(member.text for member in members if not member.is_unknown)
            rows.append((policy.name, whom, said, strange or None, "file"))
        for key, values in sorted(self._policies.stored.everything().items()):
            whom, is_known = self._written(key)
            said = ", ".join(f"{field} {_word(_plain(value))}" for field, value in values.items())
            rows.append(("set", whom if is_known else "", said, None if is_known else whom, "store"))
        note = "the first of the file that names a user is theirs; what is set in the store comes before it: of a person first, then of their groups; `policy explain` says it for one"
        return Table(("policy", "members", "says", "unknown_members", "source"), rows, note=note)

    def _written(self, key: str) -> tuple[str, bool]:
        """Name a subject for an operator; tell whether it is there."""
        subject = subject_of(key)
        if subject.owner is not None:
            address = self._people.owners.address(subject.owner)
            return (subject.owner, False) if address is None else (bare(address), True)
        if subject.group is not None:
            group = self._groups.group(subject.group)
            return (subject.group, False) if group is None else (group.name, True)
        return EVERYBODY, True

    async def show(self, asked: CommandCall) -> Table:
        """Show one user's policy."""
        person = person_named(self._people, asked.args["user"])
        chosen, policy = self._policies.chosen(person.aor), self._policies.policy_of(person.aor)
        rows: list[tuple[object, ...]] = [("user", bare(person.aor)), ("policy", policy.name), ("why", why(chosen))]
        rows += [(field, _shown(getattr(policy, field))) for field in FIELDS]
        is_set = any(one.layer.source == "store" for one in self._policies.explained(person.aor))
        note = f"some of it is set in the store: policy explain {bare(person.aor)}" if is_set else ""
        return Table(FACTS, rows, note=note)

    async def explain(self, asked: CommandCall) -> Table:
        """Say where each value comes from."""
        person = person_named(self._people, asked.args["user"])
        rows = []
        for one in self._policies.explained(person.aor):
            # What says the same in other words is worth no word: only the default stands behind all.
            others = [layer for layer in one.overruled if layer.source != "default"]
            said = "; ".join(f"{_word(_plain(layer.values[one.field]))} ({layer.why})" for layer in others)
            rows.append((one.field, _shown(_plain(one.value)), one.layer.source, one.layer.why, said or None))
        return Table(("name", "value", "source", "why", "overrules"), rows)

    async def set(self, asked: CommandCall) -> Table:
        """Set or remove a value."""
        whom, key = self._subject(asked.args["whom"])
        name, text, is_removal = asked.args["name"], asked.args.get("value"), REMOVE in asked.flags
        if name not in FIELDS and not (name == ALL and is_removal):
            raise CommandFailed(f'there is no "{name[:80]}" in a policy; there are {", ".join(FIELDS)}')
        if (text is None) is not is_removal:
            raise CommandFailed(f"give a value, or --{REMOVE} and none")
        if is_removal:
            return await self._remove(whom, key, name)
        return await self._put(whom, key, name, text or "")

    async def _remove(self, whom: str, key: str, name: str) -> Table:
        before = self._policies.stored.set_for(key)
        gone = [one for one in before if name in (ALL, one)]
        if not gone:
            raise CommandFailed(f"nothing of that is set for {whom}; see: policies")
        await self._policies.set_values(key, {one: value for one, value in before.items() if one not in gone})
        return Table(("whom", "name", "value"), [(whom, one, None) for one in gone], note="removed")

    async def _put(self, whom: str, key: str, name: str, text: str) -> Table:
        before = self._policies.stored.set_for(key)
        if not before and len(self._policies.stored) >= SUBJECTS_MOST:
            raise CommandFailed(f"something is set for {SUBJECTS_MOST} people and groups, and may be for no more")
        try:
            after = usable({**before, name: _value(name, text)})
        except ValueUnusable as error:
            raise CommandFailed(f"nothing was changed: {error}") from None
        await self._policies.set_values(key, after)
        shown = _shown(_plain(after[name]))
        return Table(("whom", "name", "value"), [(whom, name, shown)], note="it counts from now on")

    def _subject(self, text: str) -> tuple[str, str]:
        """Give who is meant, for an operator, and the key of what is set for them."""
        if text.strip().lower() == EVERYBODY:
            return EVERYBODY, EVERYBODY
        if (person := self._people.named(text)) is not None:
            return bare(person.aor), of_person(self._people.owners.owner(person.aor))
        try:
            group = group_named(self._groups, text)
        except CommandFailed as error:
            if "several" in str(error):
                raise
            raise CommandFailed(
                f'nobody and no group is known as "{text[:80]}"; see: users, groups; "{EVERYBODY}" means everybody'
            ) from None
        return group.name, of_group(group.key)

    def _subjects(self) -> Sequence[str]:
        return [EVERYBODY, *(group.name for group in self._groups.all_groups()), *addresses(self._people)]


def _value(name: str, text: str) -> object:
    """Read a value as somebody has typed it; what it may be is looked at later."""
    if name == "clients":
        return tuple(rule for one in text.split(";") if (rule := one.strip()))
    if text.strip().lower() in _TRUTHS:
        return _TRUTHS[text.strip().lower()]
    return int(text) if text.strip().isdecimal() and len(text) < 10 else text


def _plain(value: Any) -> object:  # Any: of a record
    return tuple(value) if isinstance(value, list) else value


def _shown(value: object) -> object:
    return "; ".join(value) if isinstance(value, tuple) else value


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value) or "all"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
