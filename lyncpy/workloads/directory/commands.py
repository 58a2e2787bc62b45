"""The words of the directory in the admin shell."""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from functools import partial

from lyncpy.contracts.answers import FACTS, Shown, form
from lyncpy.contracts.directory import ISecrets, Moment, Person, Phone, TelephonyMode
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.refusal import WorldUnavailable
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
from lyncpy.core import timestamps
from lyncpy.core.choices import addresses
from lyncpy.core.progress import told_while
from lyncpy.core.slices import Slices
from lyncpy.workloads.directory.change_applier import NAMED_MOST, PersonMissing
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.model.changes import PullChanges, successors
from lyncpy.workloads.directory.notices import Notices
from lyncpy.workloads.directory.owners import Owner, Owners
from lyncpy.workloads.directory.people import AT_ONCE, People
from lyncpy.workloads.directory.pull import PullResult, Pulls
from lyncpy.workloads.directory.settings import Settings


class Commands:
    """`directory …`, `users`, `user show`."""

    def __init__(
        self,
        pulls: Pulls,
        notices: Sequence[Notices],
        people: People,
        groups: Groups,
        secrets: ISecrets,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        self._pulls = pulls
        self._notices = notices
        self._people = people
        self._groups = groups
        self._secrets = secrets
        self._settings = settings
        self._timers = timers

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of the directory."""
        each = partial(ShellCommand, reach=CommandReach.EVERYWHERE)
        return (
            ShellCommand(
                "directory pull",
                help="Read the directory now and carry out what has changed.",
                run=self.pull,
                flags=(
                    Flag("dry-run", "show what a pull would do, and do nothing"),
                    Flag("full", "read everything, not only what has changed"),
                    Flag("force", "remove people and groups even if they are very many"),
                    Flag("same-people", "the directory was built anew: who has an address there is who had it here"),
                ),
                role=OperatorRole.OPERATOR,
                form=form(
                    "what user detail",
                    counts="added changed moved removed unchanged skipped withheld groups_added groups_changed groups_removed",
                ),
            ),
            ShellCommand(
                "directory held",
                help="People who left the directory, and whose data waits for them.",
                run=self.held,
                form=form("last_address name removed:time deleted_after:time owner key?"),
            ),
            ShellCommand(
                "directory purge",
                help="Delete the data of somebody who left the directory, before its time.",
                run=self.purge,
                args=(Arg("who", "their last address, or the owner as `directory held` shows it", choices=self._held),),
                role=OperatorRole.OPERATOR,
                form=form(facts="deleted owner"),
            ),
            ShellCommand(
                "directory restore",
                help="Say that a person has a new key: they get all that waits for who left the directory.",
                run=self.restore,
                args=(
                    Arg("who", "their last address, or the owner as `directory held` shows it", choices=self._held),
                    Arg("user", "the address that they have now", choices=self._addresses),
                ),
                role=OperatorRole.OPERATOR,
                form=form(facts="address owner"),
            ),
            each(
                "directory status",
                "Where people come from, and how the last pull went.",
                self.status,
                form=form(
                    facts="directory people:number enabled:number known_by_their_dn_alone:number? groups:number skipped_entries:number ambiguous_logins:number last_pull:time? last_full_pull:time? interval_s:number changes* pull_under_way:truth held_back:number removals_withheld? withheld* withheld_group* failing_since:time? cannot_be_read* failure?"
                ),
            ),
            each(
                "directory skipped",
                "Entries of the directory that cannot be used, and why.",
                self.skipped,
                form=form("entry reason"),
            ),
            *self._about_people(),
        )

    def _about_people(self) -> tuple[ShellCommand, ...]:
        return (
            ShellCommand(
                "users",
                help="The people this server knows.",
                run=self.users,
                args=(Arg("pattern", "part of an address, name or department; * and ? are wildcards", required=False),),
                form=form("user name title department enabled:truth", counts="people"),
            ),
            ShellCommand(
                "user show",
                help="All that is known about a person.",
                run=self.show,
                args=(Arg("user", "an address or a login", choices=self._addresses),),
                form=form(
                    facts="address enabled:truth switched_off_by? may_sign_in_from? may_sign_in_until? must_change_password_from? password_set:truth display_name? given_name? surname? mail? title? company? department? office? manager? report* phone* line? listed_line? private_line? telephony? login* group* source? key? owner? former_address* address_formerly_of*"
                ),
            ),
        )

    async def pull(self, asked: CommandCall) -> Table:
        """Pull, or show what a pull would do."""
        dry_run = "dry-run" in asked.flags
        try:
            pull = self._pulls.pull(
                dry_run=dry_run,
                force="force" in asked.flags,
                full="full" in asked.flags,
                same_people="same-people" in asked.flags,
            )
            outcome = await told_while(pull, self._timers, lambda: self._pulls.progress, asked.tell)
        except WorldUnavailable as error:
            raise CommandFailed(f"nothing was changed: {error}") from error
        return Table(
            ("what", "user", "detail"),
            _rows_of(outcome, self._people),
            note=_summary(outcome, dry_run=dry_run),
            failed=_undone(outcome),
            counts=_counts(outcome),
        )

    async def held(self, asked: CommandCall) -> Table:
        """Show whose data waits for them."""
        rows = [
            (
                bare(one.aor),
                one.name,
                moment(one.removed_at),
                moment(one.removed_at + self._settings.held_s),
                one.id,
                one.key or None,
            )
            for one in self._people.owners.held_back()
        ]
        return Table(("last_address", "name", "removed", "deleted_after", "owner", "key"), rows)

    async def purge(self, asked: CommandCall) -> Table:
        """Delete the data that is held back for a person."""
        owner = self._waiting(asked.args["who"])
        try:
            await self._pulls.delete(owner.id)
        except PersonMissing as error:
            raise CommandFailed(str(error)) from error
        return Table(FACTS, [("deleted", bare(owner.aor)), ("owner", owner.id)])

    async def restore(self, asked: CommandCall) -> Table:
        """Give a person the data that is held back for a former entry of theirs."""
        owner, person = self._waiting(asked.args["who"]), self._person(asked.args["user"])
        try:
            await self._pulls.alone(lambda: self._pulls.applier.give(owner.id, person.aor))
        except PersonMissing as error:
            raise CommandFailed(str(error)) from error
        return Table(FACTS, [("address", bare(person.aor)), ("owner", owner.id)])

    def _waiting(self, text: str) -> Owner:
        """Find an owner who is held back, by their last address or as `directory held` names them."""
        aor = aor_of(text)
        found = [one for one in self._people.owners.held_back() if text == one.id or aor == one.aor]
        if len(found) != 1:
            why = "several were called so, name the owner" if found else "nobody is held back under this name"
            raise CommandFailed(f'"{text[:80]}": {why}; see `directory held`')
        return found[0]

    def _held(self) -> Sequence[str]:
        return [one.id for one in self._people.owners.held_back()]

    async def status(self, asked: CommandCall) -> Table:
        """Show when pulls were made and what they found."""
        pulls, state = self._pulls, self._pulls.state
        enabled = sum(person.enabled for person in self._people.everybody())
        by_place = sum(person.key == person.source.lower() for person in self._people.everybody())
        rows: list[tuple[object, ...]] = [
            ("directory", pulls.places.text),
            ("people", len(self._people)),
            ("enabled", enabled),
            *([("known by their DN alone", by_place)] if by_place else []),
            ("groups", len(self._groups)),
            ("skipped entries", len(state.skipped)),
            ("ambiguous logins", len(self._people.ambiguous())),
            ("last pull", moment(state.pulled_at)),
            ("last full pull", moment(state.full_at)),
            ("interval_s", self._settings.interval_s),
            *(("changes", f"{one.name}: {one.state}" if one.name else one.state) for one in self._notices),
            ("pull under way", Shown(pulls.progress, value=True) if pulls.progress else pulls.is_running),
            ("held back", len(self._people.owners.held_back())),
            ("removals withheld", pulls.refused or None),
            *(("withheld", bare(one.aor)) for one in pulls.withheld[:NAMED_MOST]),
            *(("withheld group", one.name) for one in pulls.withheld_groups[:NAMED_MOST]),
            ("failing since", moment(pulls.failing_since) if pulls.failure or pulls.unread else None),
            *(("cannot be read", reason) for reason in pulls.unread),
            ("failure", pulls.failure or None),
        ]
        return Table(FACTS, rows)

    async def skipped(self, asked: CommandCall) -> Table:
        """List the entries of the directory that cannot be used, each with its fault."""
        rows: list[tuple[object, ...]] = [(one.source, one.reason) for one in self._pulls.state.skipped]
        for one in self._people.ambiguous():
            who = ", ".join(map(bare, one.people))
            rows.append(
                (
                    who,
                    f'the login "{one.login}" is that of several people and signs in none of them; their addresses do',
                )
            )
        for number in self._people.shared_numbers():
            who = ", ".join(map(bare, number.people))
            rows.append((who, f"the number {number.uri[4:]} is that of several people, and rings none of them"))
        return Table(("entry", "reason"), rows, note="" if rows else "every entry can be used")

    async def users(self, asked: CommandCall) -> Table:
        """List people."""
        pattern = asked.args.get("pattern", "").strip().lower()
        if not any(mark in pattern for mark in "*?"):
            pattern = f"*{pattern}*"
        fits = re.compile(fnmatch.translate(pattern)).match
        found: list[Person] = []
        async for some in Slices(self._timers, AT_ONCE).runs_of(self._people.everybody()):
            found += (one for one in some if any(fits(text.lower()) for text in _searched(one)))
        rows = [(bare(one.aor), one.display_name, one.title, one.department, one.enabled) for one in found]
        return Table(
            ("user", "name", "title", "department", "enabled"),
            rows,
            note=f"{len(rows)} of {len(self._people)} people",
            counts={"people": len(self._people)},
        )

    def _person(self, text: str) -> Person:
        person = self._people.named(text)
        if person is not None:
            return person
        if namesakes := self._people.namesakes(text):
            raise CommandFailed(f'"{text[:80]}" may be {", ".join(namesakes)}: give the whole address')
        near = self._people.near(aor_of(text))
        hint = (
            f"did you mean {near[0]}?" if near else "`users` lists all, `directory skipped` those that cannot be used"
        )
        raise CommandFailed(f'nobody is known as "{text[:80]}"; {hint}')

    async def show(self, asked: CommandCall) -> Table:
        """Show one person."""
        person = self._person(asked.args["user"])
        has_secret = await self._secrets.nt_hash(person.aor) is not None
        rows: list[tuple[object, ...]] = [
            ("address", bare(person.aor)),
            ("enabled", person.enabled),
            ("switched off by", person.barred),
            ("may sign in from", _dated(person.begins)),
            ("may sign in until", _dated(person.until)),
            ("must change password from", _dated(person.must_change)),
            ("password set", has_secret),
            ("display name", person.display_name),
            ("given name", person.given_name),
            ("surname", person.surname),
            ("mail", person.mail),
            ("title", person.title),
            ("company", person.company),
            ("department", person.department),
            ("office", person.office),
            ("manager", self._manager(person)),
            *(("report", bare(aor)) for aor in self._groups.reports(person)),
            *(("phone", _phone(phone)) for phone in person.phones),
            ("line", person.line),
            ("listed line", person.listed_line),
            ("private line", person.private_line),
            ("telephony", "" if person.telephony_mode is TelephonyMode.NONE else person.telephony_mode.value),
            *(("login", login) for login in person.logins),
            *(("group", group.name) for group in self._groups.groups_of(person.aor)),
            ("source", person.source),
            ("key", person.key),
            *_pasts(self._people.owners, person.aor),
        ]
        return Table(FACTS, [row for row in rows if row[1] != ""])

    def _manager(self, person: Person) -> str:
        """Give the address of whom a person reports to, or what the directory calls them who are not known here."""
        manager = self._groups.manager(person)
        return person.manager if manager is None else bare(manager.aor)

    def _addresses(self) -> Sequence[str]:
        return addresses(self._people)


def moment(at: float) -> str | None:
    """Give a wall-clock time for an operator; None for never."""
    return timestamps.moment(at) if at else None


def _phone(phone: Phone) -> str:
    dialled = f", dialled as {phone.uri[4:]}" if phone.uri else ""
    return f"{phone.kind} {phone.number}{dialled}"


def _dated(when: Moment | None) -> str:
    """Write a moment and the attribute that says it; the epoch is "now"."""
    return "" if when is None else f"{moment(when.at) or 'now'} ({when.by})"


def _searched(person: Person) -> tuple[str, ...]:
    return (bare(person.aor), person.display_name, person.department, *person.logins)


def _rows_of(outcome: PullResult, people: People) -> list[tuple[object, ...]]:
    changes = outcome.changes
    rows: list[tuple[object, ...]] = [*_rows_of_people(changes, people)]
    rows += [("move", bare(move.before.aor), f"to {bare(move.after.aor)}") for move in changes.moved]
    rows += [("withhold removal", bare(one.aor), one.display_name) for one in changes.withheld]
    groups = outcome.groups
    rows += [("withhold removal of group", one.name, one.source) for one in groups.withheld]
    for what, found in (("add", groups.added), ("change", groups.changed), ("remove", groups.removed)):
        rows += [(f"{what} group", group.name, f"members named: {len(group.members)}") for group in found]
    rows += [("skip", one.source, one.reason) for one in changes.skipped]
    return rows


def _rows_of_people(changes: PullChanges, people: People) -> Iterator[tuple[str, str, str]]:
    replaced = {one.after.aor: one.before for one in successors(changes)}
    for person in changes.added:
        # A new key with an old address: only an operator knows whether it is the same person.
        note = _another(person, replaced[person.aor], people) if person.aor in replaced else ""
        yield "add", bare(person.aor), person.display_name + note
    for person in changes.changed:
        yield "change", bare(person.aor), _difference(people.person(person.aor), person)
    for person in changes.removed:
        yield "remove", bare(person.aor), person.display_name


def _another(person: Person, before: Person, people: People) -> str:
    """Explain that a person is taken for another one than had the address, and what to do if they are the same."""
    owner = people.owners.keyed(before.key)
    who = bare(person.aor) if owner is None else owner.id
    had = before.source or before.key
    return f"; another person than {had}, who had the address (if not: `directory restore {who} {bare(person.aor)}`)"


def _difference(old: Person | None, new: Person) -> str:
    """Name the facts that differ between a person as known and as pulled; "" once the pull was carried out."""
    if old is None or old == new:
        return new.display_name
    names = [name for name in Person.__slots__ if getattr(old, name) != getattr(new, name)]
    return ", ".join(name.replace("_", " ") for name in names)


def _summary(outcome: PullResult, *, dry_run: bool) -> str:
    changes = outcome.changes
    counts = (
        f"{len(changes.added)} added, {len(changes.changed)} changed, {len(changes.moved)} moved, "
        f"{len(changes.removed)} removed, "
        f"{changes.unchanged} unchanged, {len(changes.skipped)} skipped; "
        f"{_groups_in_short(outcome)}{'everything' if outcome.complete else 'changes'} read in {outcome.took_s:.2f} s"
    )
    if outcome.refused:
        return f"refused, nothing was changed: {outcome.refused}. It would be: {counts}"
    return f"dry run, nothing was changed. It would be: {counts}" if dry_run else counts


def _counts(outcome: PullResult) -> dict[str, int]:
    """Count what a pull did, or would do."""
    changes, groups = outcome.changes, outcome.groups
    return {
        "added": len(changes.added),
        "changed": len(changes.changed),
        "moved": len(changes.moved),
        "removed": len(changes.removed),
        "unchanged": changes.unchanged,
        "skipped": len(changes.skipped),
        "withheld": len(changes.withheld) + len(groups.withheld),
        "groups_added": len(groups.added),
        "groups_changed": len(groups.changed),
        "groups_removed": len(groups.removed),
    }


def _undone(outcome: PullResult) -> str:
    """Explain which changes of a pull were withheld; "" for none."""
    if outcome.refused:
        return f"nothing was changed: {outcome.refused}"
    if outcome.unread and not outcome.withheld:
        return (
            f"not all directories could be read, and the people of these are as they were: {'; '.join(outcome.unread)}"
        )
    if not outcome.withheld:
        return ""
    count = len(outcome.changes.withheld) + len(outcome.groups.withheld)
    return f"{count} removals are held back: {outcome.withheld}; all else counts; `directory pull --force` removes them"


def _pasts(owners: Owners, aor: Aor) -> list[tuple[object, ...]]:
    """Give the former addresses of a person, and the former holders of the present one."""
    owner = owners.by_id(owners.owner(aor))
    rows: list[tuple[object, ...]] = []
    if owner is not None:
        rows.append(("owner", owner.id))
        rows += [("former address", f"{bare(one.aor)} until {moment(one.until)}") for one in reversed(owner.former)]
    rows += [("address formerly of", one.id) for one in owners.had(aor) if owner is None or one.id != owner.id]
    return rows


def _groups_in_short(outcome: PullResult) -> str:
    groups = outcome.groups
    if groups.is_empty:
        return ""
    return f"groups: {len(groups.added)} added, {len(groups.changed)} changed, {len(groups.removed)} removed; "
