"""What operators do to people: those who are kept in the store are added, changed and removed; anybody may be disabled.

Each deed is written first, then shown, then told, as what a pull changes, and never while a pull is under way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lyncpy.contracts.addresses import BadDirectoryEntry
from lyncpy.contracts.directory import ISecrets, Person
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.person_form import ADDRESS, PHONES, FieldUnusable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.slices import Slices
from lyncpy.workloads.directory.accounts import (
    Accounts,
    AddressTaken,
    Disabling,
    Table,
    is_disabled_here,
    with_disabling,
)
from lyncpy.workloads.directory.model.changes import AddressMove, AddressMoves
from lyncpy.workloads.directory.people import AT_ONCE, People
from lyncpy.workloads.directory.pull import Pulls
from lyncpy.workloads.directory.records import together


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who is to be added."""

    table: Table
    """Names and values, without `enabled`."""

    is_enabled: bool = True
    password: str = ""
    """"": none is set."""


@dataclass(frozen=True, slots=True)
class UserTools:
    """What operators' commands about people need beside the tables.

    Attributes:
        accounts: What is kept in the store.
        nt_hash: Makes of a password what is kept of it.
        most: People who may be kept.
    """

    accounts: Accounts
    nt_hash: Callable[[str], bytes]
    most: int


def filled(table: Table) -> dict[str, object]:
    """Give a table without what is empty."""
    plain = {name: filled(value) if isinstance(value, Mapping) else value for name, value in table.items()}
    return {name: value for name, value in plain.items() if value not in ("", [], {})}


def merged(before: Table, wanted: Table) -> dict[str, object]:
    """Give a table with other values; of phone numbers those that are named."""
    table: dict[str, object] = {**before, **wanted}
    old, new = before.get(PHONES), wanted.get(PHONES)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        table[PHONES] = {**old, **new}
    return filled(table)


class UserChanges:
    """Changes people.

    Args:
        tools: What is kept in the store.
        pulls: Lets nobody else change the tables meanwhile.
        people: Everybody.
        secrets: Passwords.
        timers: The wall clock.
        as_pulled: Gives a person who is kept here as a pull would.
    """

    def __init__(
        self,
        tools: UserTools,
        pulls: Pulls,
        people: People,
        secrets: ISecrets,
        timers: ITimers,
        as_pulled: Callable[[Person], Person],
    ) -> None:
        self._accounts = tools.accounts
        self._nt_hash = tools.nt_hash
        self._most = tools.most
        self._pulls = pulls
        self._people = people
        self._secrets = secrets
        self._timers = timers
        self._as_pulled = as_pulled

    async def room(self) -> int:
        """Give how many more people may be kept in the store."""
        count = 0
        async for some in Slices(self._timers, AT_ONCE).runs_of(self._people.everybody()):
            count += sum(one.is_kept_here for one in some)
        return max(0, self._most - count)

    def objection(self, table: Table) -> str:
        """Say why somebody cannot be added now; "" when they can."""
        try:
            person = self._accounts.person(table)
        except (FieldUnusable, BadDirectoryEntry) as error:
            return str(error)
        holder = self._people.person(person.aor)
        if holder is None:
            return ""
        return f"{bare(person.aor)} is somebody already, known from {holder.source or holder.key}"

    async def add(self, newcomers: Sequence[NewPerson], author: str) -> list[Person | str]:
        """Add people; give each of them, or why they were not added.

        Raises:
            StoreUnavailable: Some may have been added.
        """

        async def deed() -> list[Person | str]:
            found = await together([self._write(one) for one in newcomers])
            added = [self._as_pulled(one) for one in found if isinstance(one, Person)]
            await self._pulls.applier.add_people(added, first=not self._pulls.state.pulled_at)
            return found

        found = await self._pulls.alone(deed)
        for newcomer, person in zip(newcomers, found, strict=True):
            if isinstance(person, Person):
                await self._set_up(person, newcomer, author)
        return found

    async def _write(self, newcomer: NewPerson) -> Person | str:
        # Again, for somebody may have come while a pull was waited for.
        if objection := self.objection(newcomer.table):
            return objection
        try:
            return await self._accounts.add(newcomer.table)
        except AddressTaken as error:
            return str(error)

    async def _set_up(self, person: Person, newcomer: NewPerson, author: str) -> None:
        # In this order: whoever has no password yet cannot sign in, if nothing more is written.
        if not newcomer.is_enabled:
            await self.disable(person, author, "added so")
        if newcomer.password:
            await self._secrets.set_hash(person.aor, self._nt_hash(newcomer.password))

    async def set_password(self, person: Person, password: str) -> None:
        """Set somebody's password; what was proven with the former ends."""
        await self._secrets.set_hash(person.aor, self._nt_hash(password))

    async def change(self, person: Person, wanted: Table, *, is_dry: bool = False) -> Sequence[str]:
        """Change what is kept of somebody; give the names of what differs.

        Args:
            person: As they are now.
            wanted: New values by their names; an empty one: it is not known any more.
            is_dry: Only find out.

        Raises:
            CommandFailed: They are not kept here, or would be unusable.
        """
        self._check_kept(person)

        async def deed() -> Sequence[str]:
            before = await self._accounts.table(person)
            former = self._people.person(person.aor)
            if before is None or former is None or former.key != person.key:
                raise CommandFailed(f"{bare(person.aor)} was removed or changed meanwhile; look again: user show")
            table = merged(before, wanted)
            after = self._usable(table, person.key)
            table[ADDRESS] = bare(after.aor)
            if after.aor != former.aor and (holder := self._people.person(after.aor)) is not None:
                raise CommandFailed(f"{bare(after.aor)} is the address of somebody already: {holder.source}")
            differs = [name for name in sorted({*before, *table}) if before.get(name) != table.get(name)]
            if not differs or is_dry:
                return differs
            after = with_disabling(after, await self._accounts.disabling(self._owner(former.aor)))
            await self._accounts.write(person, table)
            if after.aor != former.aor:
                await self._pulls.applier.move(AddressMoves((AddressMove(former, after),)))
            else:
                await self._pulls.applier.update_people([after])
            return differs

        return await self._pulls.alone(deed)

    def _usable(self, table: Table, key: str) -> Person:
        try:
            person = self._accounts.person(table, key)
        except (FieldUnusable, BadDirectoryEntry) as error:
            raise CommandFailed(f"nothing was changed: {error}") from None
        return self._as_pulled(person)

    async def remove(self, person: Person) -> None:
        """Remove somebody who is kept in the store; what is theirs is held back.

        Raises:
            CommandFailed: They are not kept here.
        """
        self._check_kept(person)

        async def deed() -> None:
            await self._accounts.remove(person)
            former = self._people.person(person.aor)
            if former is not None and former.key == person.key:
                await self._pulls.applier.remove([former])

        await self._pulls.alone(deed)

    async def disable(self, person: Person, author: str, reason: str) -> None:
        """Disable somebody, whoever has them: they are signed out, and stay so whatever the directory says."""

        async def deed() -> None:
            owner, now = self._owner(person.aor), self._timers.wall()
            disabling = Disabling(author, now, reason)
            await self._accounts.disable(owner, disabling)
            await self._show(person.aor, disabling)

        await self._pulls.alone(deed)

    async def enable(self, person: Person) -> None:
        """Disable somebody no more.

        Raises:
            CommandFailed: It was not an operator who disabled them.
        """

        async def deed() -> None:
            owner = self._owner(person.aor)
            if await self._accounts.disabling(owner) is None:
                raise CommandFailed(_not_disabled(person))
            await self._accounts.disable(owner, None)
            await self._show(person.aor, None)

        await self._pulls.alone(deed)

    async def _show(self, aor: Aor, disabling: Disabling | None) -> None:
        person = self._people.person(aor)
        if person is not None and (after := with_disabling(person, disabling)) is not person:
            await self._pulls.applier.update_people([after])

    def _owner(self, aor: Aor) -> OwnerId:
        owner = self._people.owners.owner(aor)
        if not owner:
            raise CommandFailed(f"nobody has the address {bare(aor)} any more")
        return owner

    def _check_kept(self, person: Person) -> None:
        if person.is_kept_here:
            return
        raise CommandFailed(
            f"nothing was changed: {bare(person.aor)} belongs to the directory, which says who they are"
            f" ({person.source or person.key}); change the entry there and run `directory pull`"
        )


def _not_disabled(person: Person) -> str:
    who = bare(person.aor)
    if person.enabled:
        return f"{who} is not disabled: they may sign in"
    if person.is_contact:
        return f"{who} is only there to be found, and has no account here ({person.source})"
    if is_disabled_here(person):
        return f"{who} was enabled by another server at this moment"
    return (
        f"{who} is not disabled here: {person.barred or 'the time of the account is over, or has not begun'}"
        f" ({person.source or person.key}); change that there and run `directory pull`"
    )
