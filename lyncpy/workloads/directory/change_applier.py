"""What a pull changes is carried out: kept, then shown, then told. One deed at a time.

What is told is durable. Nothing that somebody owns is moved by any of this: it is stored
under who they are, and who has an address is what is changed here.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import Group, Person, judged, objection_to
from lyncpy.contracts.facts import AddressesChanged, GroupsChanged, PersonChanged, SecretChanged
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.timers import ITimers
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.model.changes import AddressMove, AddressMoves, GroupChanges
from lyncpy.workloads.directory.owners import Owner, lined
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.records import DirectoryRecords, Known, chunks

NAMED_MOST: Final = 20
"""People or entries that the log names of one pull; `directory` says all."""


class PersonMissing(Exception):
    """A person or owner that was named is not in the state that the command needs; the text tells an operator."""


class ChangeApplier:
    """Changes the tables of people, owners and groups, and their records.

    Args:
        kept: The stored directory.
        people, groups: The tables.
        bus: Tells of changes.
        timers: The wall clock.
        overdue_ends: Whether who must change the password is signed out.
    """

    log = Logger()

    def __init__(
        self, kept: DirectoryRecords, people: People, groups: Groups, bus: IBus, timers: ITimers, *, overdue_ends: bool
    ) -> None:
        self._overdue_ends = overdue_ends
        self._kept = kept
        self._people = people
        self._groups = groups
        self._bus = bus
        self._timers = timers

    def know(self, person: Person, owner: Owner) -> Person:
        """Enter a person from their record into the tables, unless they are held back or it cannot be read; give them as judged now."""
        self._people.owners.put_owner(owner)
        return self._show(person) if owner.key and not owner.is_held else person

    def _owner_at(self, aor: Aor) -> Owner | None:
        return self._people.owners.by_id(self._people.owners.owner(aor))

    async def remove(self, people: Sequence[Person]) -> None:
        """Hold back the data of people who left the directory."""
        now = self._timers.wall()
        held = [
            (person, owner.removed(person.display_name, now))
            for person in people
            if (owner := self._owner_at(person.aor)) is not None
        ]
        await self._kept.write_people(held)
        for person, owner in held:
            self._hide(person.aor)
            self._people.owners.put_owner(owner)
            self._bus.tell(PersonChanged.gone(person.aor))
        self._bus.tell(AddressesChanged(frozenset(person.aor for person, _ in held)))

    async def update_people(self, people: Sequence[Person]) -> None:
        """Write and apply the changes of people who keep their address."""
        known = [
            (person, replace(owner, key=person.key))
            for person in people
            if (owner := self._owner_at(person.aor)) is not None
        ]
        await self._kept.write_people(known)
        for person, owner in known:
            former, shown = self._people.person(person.aor), self.know(person, owner)
            self._bus.tell(PersonChanged.from_person(shown))
            if former is not None and _has_another_password(former, person):
                # What was proven with a password that the directory took back holds no longer.
                self._bus.tell(SecretChanged(person.aor))

    async def move(self, moves: AddressMoves) -> None:
        """Give people other addresses; with all that is theirs, for nothing is kept under an address."""
        now = self._timers.wall()
        known = [
            (move.before, move.after, replace(owner, key=move.after.key).moved(move.after.aor, now))
            for move in moves.people
            if (owner := self._owner_at(move.before.aor)) is not None
        ]
        kept = [(after, owner) for _, after, owner in known]
        await (self._kept.move(kept, now) if moves.together else self._kept.write_people(kept))
        for before, after, _ in known:
            self._hide(before.aor)
            self._bus.tell(PersonChanged.gone(before.aor, after.aor))
        for _, after, owner in known:
            self._bus.tell(PersonChanged.from_person(self.know(after, owner)))
        self._bus.tell(
            AddressesChanged(frozenset(aor for before, after, _ in known for aor in (before.aor, after.aor)))
        )
        for before, after, _ in known[:NAMED_MOST]:
            self.log.info("{former} has the address {aor} now", former=before.aor, aor=after.aor)

    async def add_people(self, people: Sequence[Person], *, first: bool) -> None:
        """Add people who are new, or who come back to their data.

        Args:
            first: Whether nobody was ever known here, so that their addresses were nobody else's before.
        """
        now = 0.0 if first else self._timers.wall()
        owners = self._people.owners
        known = [(person, owners.made(person, now)) for person in people]
        back = {owner.id: before for _, owner in known if (before := owners.by_id(owner.id)) is not None}
        # Who is known by an address alone was never seen: a password may have been set for whoever gets it.
        await self._kept.claim([one for one in known if one[1].id not in back or not back[one[1].id].key])
        await self._kept.write_people(known)
        touched = {one.aor for one in back.values()}
        for person, owner in known:
            if owner.id in back or owners.has_past(person.aor):
                touched.add(person.aor)
            self._bus.tell(PersonChanged.from_person(self.know(person, owner)))
        if touched:
            self._bus.tell(AddressesChanged(frozenset(touched)))
        for owner_id, before in back.items():
            if before.is_held:
                self.log.info("{aor} is in the directory again, with what is theirs", aor=before.aor, owner=owner_id)

    def name_successors(self, successors: Sequence[AddressMove]) -> None:
        """Log each person who is taken for another one than had the address; an operator may know better."""
        owners = self._people.owners
        for one in successors[:NAMED_MOST]:
            before = owners.keyed(one.before.key)
            if before is not None and before.is_held:
                self.log.warn(
                    "{aor} was {before} and is {after} now: to this server another person; if it is the same"
                    " one, `directory restore {owner} {aor}` gives them what waits",
                    aor=bare(one.after.aor),
                    before=one.before.source or one.before.key,
                    after=one.after.source or one.after.key,
                    owner=before.id,
                )

    async def regroup(self, changes: GroupChanges) -> None:
        """Write and apply the changes of groups; one fact tells of all groups that a chunk touches."""
        for chunk in chunks((*changes.removed, *changes.replaced)):
            await self._kept.drop_groups(chunk)
            touched = self._groups.around(group.key for group in chunk)
            for group in chunk:
                self._groups.drop(group.key)
            self._bus.tell(GroupsChanged(touched))
        for chunk in chunks((*changes.changed, *changes.added)):
            await self._kept.keep_groups(chunk)
            # Who held a group under its old name held it until now; who holds it under its new one does from now on.
            touched = self._groups.around(group.key for group in chunk)
            for group in chunk:
                self._groups.put_group(group)
            self._bus.tell(GroupsChanged(touched | self._groups.around(group.key for group in chunk)))

    async def give_line(self, aor: Aor, line: str | None) -> None:
        """Give a person a line in place of the directory's, "" for none; None: the directory's counts again."""
        person, owner = self._people.person(aor), self._owner_at(aor)
        if person is None or owner is None:
            raise PersonMissing(f"nobody has the address {bare(aor)} any more")
        listed = person.line if owner.line is None else person.listed_line
        given = replace(person, line=listed, listed_line="")
        if line is not None:
            given = replace(person, line=line, listed_line=listed)
        owner = replace(owner, line=line)
        await self._kept.write_people([(given, owner)])
        self._bus.tell(PersonChanged.from_person(self.know(given, owner)))

    async def give(self, owner: OwnerId, aor: Aor) -> None:
        """Give all data of an owner who is held back to the person with an address: an operator says that they are the same.

        What they had since they came under their new key is deleted.

        Raises:
            PersonMissing: Nobody is held back under this name, or nobody has the address.
            StoreUnavailable: Not all could be kept; it may be tried again after a pull.
        """
        owners = self._people.owners
        held, holder, person = self.held_back(owner), owners.by_id(owners.owner(aor)), self._people.person(aor)
        if holder is None or person is None:
            raise PersonMissing(
                f"nobody has the address {bare(aor)} any more; `why {bare(aor)}` says what became of them"
            )
        self._hide(aor)
        self._bus.tell(PersonChanged.gone(aor))
        await self.delete(holder)
        came_back = replace(held, key=person.key).moved(aor, self._timers.wall())
        person = lined(person, came_back)
        await self._kept.write_people([(person, came_back)])
        self.know(person, came_back)
        self._bus.tell(PersonChanged.from_person(person))
        self._bus.tell(AddressesChanged(frozenset({aor, held.aor})))

    def held_back(self, owner: OwnerId) -> Owner:
        """Find a person whose data is held back.

        Raises:
            PersonMissing: They are in the directory, or what was theirs is deleted or given to somebody.
        """
        found = self._people.owners.by_id(owner)
        if found is None:
            raise PersonMissing(f"nothing waits for {owner} any more: it was deleted, or given to somebody")
        if not found.is_held:
            raise PersonMissing(f"{owner} is in the directory again as {bare(found.aor)}, and has what is theirs")
        return found

    async def delete(self, owner: Owner) -> None:
        """Delete all data of owners who are held back.

        Raises:
            StoreUnavailable: Not all could be deleted; it may be tried again.
        """
        await self._kept.delete(owner.id)
        self._people.owners.delete([owner.id])
        self._bus.tell(AddressesChanged(frozenset({owner.aor})))

    async def delete_over(self, until: float) -> None:
        """Delete the data of people who left the directory before this, in wall-clock seconds."""
        over = [one for one in self._people.owners.held_back() if one.removed_at <= until]
        for owner in over:
            await self.delete(owner)
        if over:
            self.log.info("the data of {count} people who are gone for good was deleted", count=len(over))

    def follow(self, id_: OwnerId, known: Known | None) -> None:
        """Show what another node has kept of somebody, and tell it here alone: to all others that node tells it itself."""
        owners, tell = self._people.owners, self._bus.tell_here
        before = owners.by_id(id_)
        had = None if before is None or before.is_held else before.aor
        if known is None:
            self._forget(id_, before, had)
            return
        person, owner = known
        has, was_had = None if owner.is_held else owner.aor, owners.has_past(owner.aor)
        former = None if had is None else self._people.person(had)
        # Somebody else may have got the address by now.
        if had is not None and had != has and owners.owner(had) == id_:
            self._hide(had)
            tell(PersonChanged.gone(had, has))
        shown = self.know(person, owner)
        if has is not None and (had, former) != (has, shown):
            tell(PersonChanged.from_person(shown))
            if former is not None and _has_another_password(former, person):
                tell(SecretChanged(has))
        if had != has and (before is not None or was_had):
            tell(AddressesChanged(frozenset(aor for aor in (had, owner.aor) if aor is not None)))

    def _forget(self, id_: OwnerId, before: Owner | None, had: Aor | None) -> None:
        if had is not None:
            self._hide(had)
            self._bus.tell_here(PersonChanged.gone(had))
        self._people.owners.delete([id_])
        if before is not None:
            self._bus.tell_here(AddressesChanged(frozenset({before.aor})))

    def follow_group(self, key: str, group: Group | None) -> None:
        """Show a group as another node has kept it; as of people."""
        if self._groups.group(key) == group:
            return
        touched = self._groups.around([key])
        if group is None:
            self._groups.drop(key)
        else:
            self._groups.put_group(group)
        self._bus.tell_here(GroupsChanged(touched | self._groups.around([key])))

    def rejudge(self, aors: Sequence[Aor]) -> None:
        """Show people as they are now whose time may have begun or ended. Nothing is kept: the dates are."""
        for aor in aors:
            former, wall = self._people.person(aor), self._timers.wall()
            if former is not None and judged(former, wall, overdue_ends=self._overdue_ends) is not former:
                person, objection = self._show(former), objection_to(former, wall)
                self.log.info("{aor} {news}", aor=aor, news="may sign in now" if objection is None else objection.words)
                self._bus.tell(PersonChanged.from_person(person))

    def _show(self, person: Person) -> Person:
        """Enter a person into the tables as the clock judges them now: time has passed since the directory was read."""
        person = judged(person, self._timers.wall(), overdue_ends=self._overdue_ends)
        self._people.put_person(person)
        self._groups.know(person)
        return person

    def _hide(self, aor: Aor) -> None:
        self._people.drop(aor)
        self._groups.remove_person(aor)


def _has_another_password(former: Person, person: Person) -> bool:
    """Tell whether somebody's password in the directory is no more what it was; where that was not known, it is the same."""
    if former.nt_hash is not None and person.nt_hash != former.nt_hash:
        return True
    return bool(former.password_set and person.password_set) and person.password_set != former.password_set
