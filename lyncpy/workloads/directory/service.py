"""The life of the directory, and what it finds out for `why`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.bus import IListening
from lyncpy.contracts.directory import IDirectory, IDirectoryNotices, ISecrets, Person, judged, objection_to
from lyncpy.contracts.facts import AddressesChanged, GroupsChanged, NodeLost, PersonChanged, PoliciesChanged
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.seals import Seals
from lyncpy.contracts.workload import IWorkload, Offer, Reason
from lyncpy.core.platform import Platform
from lyncpy.workloads.directory.account_deadlines import AccountDeadlines, ExpiringDirectory
from lyncpy.workloads.directory.accounts import Accounts, is_disabled_here
from lyncpy.workloads.directory.address_book import AddressBook
from lyncpy.workloads.directory.change_applier import NAMED_MOST
from lyncpy.workloads.directory.commands import Commands, moment
from lyncpy.workloads.directory.following import FollowedRecords
from lyncpy.workloads.directory.given_lines import LineCommands, Listed, NumberedDirectory
from lyncpy.workloads.directory.group_commands import GroupCommands
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.kept_directory import DirectoryWithKept
from lyncpy.workloads.directory.meanings import Meanings
from lyncpy.workloads.directory.model.changes import naming
from lyncpy.workloads.directory.notices import Notices, PullsOnNotice
from lyncpy.workloads.directory.owners import dialled, lined
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.photos import Photos
from lyncpy.workloads.directory.policies import Policies
from lyncpy.workloads.directory.policy_commands import PolicyCommands
from lyncpy.workloads.directory.pull import PeopleSource, Pulls
from lyncpy.workloads.directory.records import DIRECTORY, GROUP, PERSON, DirectoryRecords
from lyncpy.workloads.directory.routes import Search
from lyncpy.workloads.directory.search_commands import SearchCommands
from lyncpy.workloads.directory.settings import DirectorySource, Settings, places_of
from lyncpy.workloads.directory.stored_policies import POLICY
from lyncpy.workloads.directory.user_changes import UserChanges, UserTools
from lyncpy.workloads.directory.user_commands import UserCommands

TOLD: Final = (PersonChanged, AddressesChanged, GroupsChanged)
"""By what the node that pulls the directory tells the others that it wrote."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of people and groups, and what finds them; the directory fills them, and all workloads read them."""

    people: People
    groups: Groups
    policies: Policies
    meanings: Meanings
    address_book: AddressBook
    secrets: ISecrets
    users: UserTools


@dataclass(frozen=True, slots=True)
class DirectoryOrigin:
    """Where people come from."""

    directory: IDirectory
    """It is closed with the workload."""

    notices: Mapping[str, IDirectoryNotices]
    """What directories tell, by their names; closed with the workload."""

    sources: Sequence[DirectorySource]
    """The directories."""

    listed: Listed
    """Reads their numbers."""


@implementer(IWorkload)
class Directory:
    """The workload: keeps the tables of people and groups up to date with the directory, and answers operators.

    Args:
        platform: The server's.
        tables: What this fills, and the request pipeline reads.
        origin: Where people come from.
        seals: Encrypts what is kept of it.
        settings: The section [directory].
        photos: Of people; closed with this. None: there are none.
    """

    name = "directory"

    def __init__(
        self,
        platform: Platform,
        tables: Tables,
        origin: DirectoryOrigin,
        seals: Seals,
        settings: Settings,
        photos: Photos | None,
    ) -> None:
        people, groups, policies, secrets = tables.people, tables.groups, tables.policies, tables.secrets
        bus, timers = platform.bus, platform.timers
        self._people = people
        self._photos, self._meanings = photos, tables.meanings
        self._address_book = tables.address_book
        self._policies = policies
        self._bus = bus
        self._listening: tuple[IListening, ...] = ()
        self._secrets = secrets
        self._settings = settings
        self._sources, self._listed = tuple(origin.sources), origin.listed
        self._timers = timers
        kept = DirectoryRecords(platform.store, seals, origin.listed)
        self.pulls = Pulls(
            self._origin(origin, tables.users.accounts),
            kept,
            people,
            groups,
            bus,
            settings,
            timers,
            platform.nodes,
        )
        for kind in (PERSON, GROUP):
            platform.sweep.cover(platform.store, kind, FollowedRecords(kind, kept, self.pulls), *TOLD)
        platform.sweep.cover(platform.store, POLICY, policies.stored, PoliciesChanged)
        platform.sweep.cover(platform.store, DIRECTORY, tables.meanings)
        self._sweep, self._nodes = platform.sweep, platform.nodes
        self._told = PullsOnNotice(lambda gone: self.pulls.pull_if_mine(counting=gone), settings.retry_s, timers)
        self._notices = tuple(Notices(origin.notices.get(one.name), self._told, one, timers) for one in self._sources)
        self._deadlines = AccountDeadlines(people, self.pulls.rejudge, timers)
        changes = UserChanges(tables.users, self.pulls, people, secrets, timers, self._as_pulled)
        platform.meter.gauge(
            "lyncpy_directory_pull_age_seconds",
            "Time since the directory was last read whole; -1: it never was.",
            lambda: timers.wall() - self.pulls.state.pulled_at if self.pulls.state.pulled_at else -1.0,
        )
        self.offer = Offer(
            self.name,
            operations=Search(tables.address_book).operations(),
            commands=(
                *Commands(self.pulls, self._notices, people, groups, secrets, settings, timers).declared(),
                *LineCommands(self.pulls, people).declared(),
                *GroupCommands(groups, timers).declared(),
                *PolicyCommands(people, groups, policies).declared(),
                *SearchCommands(tables.address_book).declared(),
                *UserCommands(changes, people, self._is_asked_elsewhere).declared(),
            ),
            reasons=(self.reasons,),
            conditions=(self._state,),
        )

    def _origin(self, origin: DirectoryOrigin, accounts: Accounts) -> PeopleSource:
        """Give where people come from, the store too: enabled only in their time, with the numbers that are theirs."""
        both = DirectoryWithKept(origin.directory, accounts, self._people.everybody, self._owner_of)
        expiring = ExpiringDirectory(both, self._timers, overdue_ends=self._settings.must_change_signs_out)
        return PeopleSource(NumberedDirectory(expiring, self._people.owners, origin.listed), places_of(self._sources))

    def _as_pulled(self, person: Person) -> Person:
        """Give a person of the store as a pull gives them."""
        wall, overdue_ends = self._timers.wall(), self._settings.must_change_signs_out
        person = judged(person, wall, overdue_ends=overdue_ends)
        return dialled(lined(person, self._people.owners.keyed(person.key)), self._listed)

    async def open(self) -> None:
        """Know everybody, and begin to pull."""
        self._listening = (
            self._bus.listen(PersonChanged, self._written_elsewhere),
            self._bus.listen(GroupsChanged, self._written_elsewhere),
            self._bus.listen(AddressesChanged, self._written_elsewhere),
            self._bus.listen(PoliciesChanged, self._written_elsewhere),
            self._bus.listen(NodeLost, self.pulls.node_lost),
            self._bus.listen(GroupsChanged, self._policies.groups_changed),
            self._bus.listen(PersonChanged, self._policies.person_changed),
            self._bus.listen(PersonChanged, self._deadlines.person_changed),
            self._bus.listen(PersonChanged, self._address_book.person_changed),
            self._bus.listen(GroupsChanged, self._address_book.groups_changed),
            *((self._bus.listen(PersonChanged, self._photos.person_changed),) if self._photos is not None else ()),
        )
        await self._meanings.open()
        await self._policies.stored.open()
        await self.pulls.open()
        self._deadlines.open()
        self._address_book.open()
        self._policies.note_meanings()
        for notices in self._notices:
            notices.open()

    async def close(self) -> None:
        """Stop pulling."""
        self._deadlines.close()
        self._address_book.close()
        if self._photos is not None:
            await self._photos.close()
        self._told.close()
        for notices in self._notices:
            await notices.close()
        await self.pulls.close()
        for listening in self._listening:
            listening.stop()

    def _written_elsewhere(self, fact: PersonChanged | GroupsChanged | AddressesChanged | PoliciesChanged) -> None:
        """Look what is new in the store; with whoever has told it, this node may have told it itself."""
        if self._nodes.others():
            self._sweep.hasten()

    async def reasons(self, aor: Aor) -> Sequence[Reason]:
        """Say what the directory has to do with a person's fate."""
        person = self._people.person(aor)
        found = (
            self._unknown(aor)
            if person is None
            else [*self._known(person), *await self._secret(person), *await self._photo(person)]
        )
        if any(one.aor == aor for one in self.pulls.withheld):
            found.append(
                Reason(
                    "directory",
                    "the entry is gone from the directory, but the removal is held back with many others",
                    good=False,
                    remedy="`directory pull --force` carries it out",
                )
            )
        return [*found, *self._pasts(aor), *self._skipped(aor)]

    def _pasts(self, aor: Aor) -> list[Reason]:
        """Give the former holders of the address, and the former addresses of its holder."""
        owners = self._people.owners
        mine = owners.by_id(owners.owner(aor))
        found = []
        for one in mine.former if mine is not None else ():
            if one.aor != aor:
                found.append(Reason("directory", f"was {bare(one.aor)} until {moment(one.until)}", good=True))
        for other in owners.had(aor):
            if mine is not None and other.id == mine.id:
                continue
            if not other.is_held:
                led = ", and messages to it still arrive there" if owners.led_to(aor) == other.aor else ""
                text = f"it was the address of who is {bare(other.aor)} now{led}"
                found.append(Reason("directory", text, good=mine is not None, remedy=""))
                continue
            until = moment(other.removed_at + self._settings.held_s)
            text = f"the address was that of somebody who left the directory at {moment(other.removed_at)}"
            text += f' ("{other.name}")' if other.name else ""
            remedy = "`directory restore` if the person is the same under a new key" if mine is not None else ""
            found.append(
                Reason("directory", f"{text}; their data is kept until {until}", good=mine is not None, remedy=remedy)
            )
        return found

    def _unknown(self, aor: Aor) -> list[Reason]:
        near = self._people.near(aor)
        hint = f"; the nearest address is {near[0]}" if near else ""
        pulled, first = moment(self.pulls.state.pulled_at) or "never", self._sources[0]
        where = f"{self.pulls.places.text}, last pull {pulled}{'' if len(self._sources) > 1 else _searched(first)}"
        return [
            Reason(
                "directory",
                f"nobody is known as {bare(aor)} ({where}){hint}",
                good=False,
                remedy="add the person to the directory and run `directory pull`, or correct the address",
            )
        ]

    def _known(self, person: Person) -> list[Reason]:
        objection = objection_to(person, self._timers.wall())
        where = person.source or person.key
        if objection is None:
            return [Reason("directory", f"known from {where}, and enabled", good=True)]
        said = f"{bare(person.aor)} {objection.words}"
        if objection.reason is DenialReason.MUST_CHANGE_PASSWORD:
            remedy = "change it in the directory and run `directory pull`, or see [directory] must_change"
            return [Reason("sign-in", f"{said}; {self._overdue()}", good=False, remedy=remedy)]
        if is_disabled_here(person):
            return [
                Reason("directory", said, good=False, remedy=f"`user enable {bare(person.aor)}` lets them in again")
            ]
        detail = "" if objection.words == "is switched off" else f": {said}"
        if person.is_kept_here:
            remedy = f"see `user set {bare(person.aor)}` --since and --until"
            return [Reason("directory", f"may not sign in now: {said} ({where})", good=False, remedy=remedy)]
        remedy = _REMEDIES.get(objection.reason, "enable the person there and run `directory pull`")
        return [Reason("directory", f"disabled in the directory ({where}){detail}", good=False, remedy=remedy)]

    def _overdue(self) -> str:
        """Tell whether users who must change their password are signed out."""
        return (
            "who was signed in was signed out"
            if self._settings.must_change_signs_out
            else "who is signed in stays so until the next sign-in ([directory] must_change_signs_out)"
        )

    def _owner_of(self, key: str) -> OwnerId | None:
        found = self._people.owners.keyed(key)
        return None if found is None else found.id

    def _is_asked_elsewhere(self, person: Person) -> bool:
        """Tell whether the directory is asked about a person's password."""
        name = self.pulls.places.directory_of(person.key)
        return any(one.binds for one in self._sources if one.name == name)

    async def _secret(self, person: Person) -> list[Reason]:
        if await self._secrets.nt_hash(person.aor) is not None:
            return []
        if self._is_asked_elsewhere(person):
            finding = "no NT hash is known: NTLM cannot work; TLS-DSK does, with the directory's password"
            return [Reason("sign-in", finding, good=True)]
        return [
            Reason(
                "sign-in",
                "no password is set: NTLM cannot work",
                good=False,
                remedy=f"`user passwd {bare(person.aor)}` sets one, or map nt_hash in [directory] attributes",
            )
        ]

    async def _photo(self, person: Person) -> list[Reason]:
        objection = "" if self._photos is None else await self._photos.objection(person)
        if not objection:
            return []
        remedy = "give them another one in the directory; it is read again within an hour"
        return [Reason("directory", f"the photo is left out: {objection}", good=False, remedy=remedy)]

    def _skipped(self, aor: Aor) -> list[Reason]:
        person = self._people.person(aor)
        mine = [one for one in self.pulls.state.skipped if person is not None and one.key == person.key]
        named = list(dict.fromkeys((*mine, *naming(self.pulls.state.skipped, aor))))
        found = [
            Reason(
                "directory",
                f"{'something is left out' if one.keeps else 'an entry was skipped'}: {one.source}: {one.reason}",
                good=False,
                remedy="correct the entry and run `directory pull`",
            )
            for one in named[:NAMED_MOST]
        ]
        if len(named) > NAMED_MOST:
            more = f"{len(named) - NAMED_MOST} more entries that were skipped name this address"
            found.append(Reason("directory", more, good=False, remedy="see `directory skipped`"))
        return found

    def _state(self) -> list[Reason]:
        found = []
        last = moment(self.pulls.state.pulled_at) or "never"
        is_overdue = self._timers.now() > self.pulls.recovered_at + self._settings.overdue_s
        if is_overdue and not self.pulls.failure:
            remedy = "`directory pull` says what holds it up"
            finding = (
                f"the last pull that succeeded is too old: {last}, and one is due every {self._settings.interval_s} s"
            )
            found.append(Reason("directory", finding, good=False, remedy=remedy, key="overdue"))
        if self.pulls.failure:
            found.append(
                Reason(
                    "directory",
                    f"it cannot be read since {moment(self.pulls.failing_since)}; what is known is as old as the last pull ({last})",
                    good=False,
                    remedy=self.pulls.failure,
                    key="whole",
                )
            )
        found += [
            Reason(
                "directory",
                f"one of the directories cannot be read since {moment(self.pulls.failing_since)}; what is known of its people is as old",
                good=False,
                remedy=reason,
                # With the name that this directory has in the settings, or its url.
                key=f"unread {reason.partition(': ')[0]}",
            )
            for reason in self.pulls.unread
        ]
        if self.pulls.refused:
            found.append(
                Reason(
                    "directory",
                    f"removals are held back: {self.pulls.refused}",
                    good=False,
                    remedy="correct the directory, or run `directory pull --force` if it is right",
                    key="refused",
                )
            )
        shared = self._people.shared_numbers()
        if shared:
            finding = f"the number {shared[0].uri[4:]} is that of {bare(shared[0].people[0])} and of others"
            more = f", and {len(shared) - 1} more numbers are those of several people" if len(shared) > 1 else ""
            remedy = "give each to one person; `directory skipped` names all of them"
            found.append(
                Reason(
                    "directory", f"{finding}{more}: they ring nobody", good=False, remedy=remedy, key="shared numbers"
                )
            )
        strange = self._policies.strange_members() if len(self._people) else ()
        if strange:
            policy, text = strange[0]
            more = f", and {len(strange) - 1} more members are nobody" if len(strange) > 1 else ""
            finding = f"[policies.{policy}] members: \"{text[:80]}\" is nobody's address and no group's name{more}"
            remedy = "correct it there and `reload`, or add who is meant to the directory; `policy show` names all"
            found.append(Reason("policies", finding, good=False, remedy=remedy, key="strange members"))
        return found


def _searched(source: DirectorySource) -> str:
    """Name what is read of an LDAP server; a file is read whole."""
    if not source.is_ldap:
        return ""
    bases = " and ".join(source.bases) or "all that the server holds"
    filters = " or ".join(source.filters) or f"the filter of the preset {source.preset}"
    return f", under {bases}, with {filters}"


_REMEDIES: Final = {
    DenialReason.EXPIRED: "give them a later date there and run `directory pull`",
    DenialReason.NOT_YET_VALID: "wait, or give them an earlier date there and run `directory pull`",
}
