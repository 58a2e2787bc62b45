"""The table of contact lists: the one place that writes them.

Lists are not kept in memory: one is read at sign-in, and an endpoint that has the list needs no more of it than
its number. Only one that a device has changed stays for a while, for who arranges their contacts changes many in a
row. Of all others the groups that the directory has put into the lists of signed-in users are remembered, by
reference, to find out when they change.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from lyncpy.contracts.bus import IBus, Interest
from lyncpy.contracts.contacts import CONTACTS
from lyncpy.contracts.facts import ContactsChanged
from lyncpy.contracts.names import Aor, Epid, Version, aor_of
from lyncpy.contracts.owners import IOwners, OwnerId, read_owners, resolve
from lyncpy.contracts.store import IStore
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.versioned import NONE_YET, Decision, VersionedTable
from lyncpy.workloads.contacts.bodies import write_delta
from lyncpy.workloads.contacts.changed_lists import ChangedLists, ListNames, Row, StoredList
from lyncpy.workloads.contacts.generated_groups import GeneratedGroups, place, regenerated
from lyncpy.workloads.contacts.model import (
    OTHERS,
    Change,
    Contact,
    ContactBook,
    ContactDenial,
    ContactGroup,
    ContactList,
    DecidedChange,
    Delta,
    Generated,
    ListLimits,
    SetContact,
    amends,
    decide,
    difference,
)

KIND: Final = CONTACTS

_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

T = TypeVar("T")


class ChangeDeclined(Exception):
    """A change that was not made.

    Args:
        no: The reason.
        amends: Deltas that tell a device how the list really is.
    """

    def __init__(self, no: ContactDenial, amends: Sequence[Delta]) -> None:
        super().__init__(no.name)
        self.no = no
        self.amends = amends


@dataclass(frozen=True, slots=True)
class _Given:
    """The groups that the directory has put into the list of a signed-in user."""

    owner: OwnerId
    wanted: tuple[Generated, ...]
    """As the directory has them."""

    placed: Mapping[int, Generated]
    """As the user's devices show them."""


class Lists:
    """Contact lists in the store, one writer of each at a time.

    Args:
        store: Keeps the lists.
        bus: Tells of changes.
        writers: Lets one writer through at a time.
        limits: The bounds of a list.
        generated_groups: The groups that the directory generates.
        owners: Gives the owner of an address.
    """

    def __init__(
        self,
        store: IStore,
        bus: IBus,
        writers: KeyedLock,
        limits: ListLimits,
        generated_groups: GeneratedGroups,
        owners: IOwners,
    ) -> None:
        self._changed = ChangedLists(owners, self._placed)
        self._table: VersionedTable[Aor, StoredList] = VersionedTable(
            KIND, self, self._changed, store=store, writers=writers, tell=bus.tell
        )
        self._limits = limits
        self._generated_groups = generated_groups
        self._owners = owners
        self._bus = bus
        self._given: dict[Aor, _Given] = {}
        self.shown: Final = Interest()
        """Whose lists devices show here."""

    def __len__(self) -> int:
        return len(self._given)

    def hold(self, aor: Aor) -> AbstractAsyncContextManager[None]:
        """Hold a list, so that nobody else changes it inside the block."""
        return self._table.hold(aor)

    async def read(self, aor: Aor) -> ContactBook:
        """Give a user's list; one that was never written has the default group and the generated groups."""
        return (await self._table.load(aor)).book

    async def change(self, aor: Aor, change: Change, by: Epid | None) -> DecidedChange:
        """Make a change; when this returns, it is durable and told to all who listen.

        Args:
            aor: The user's address.
            change: The change.
            by: The endpoint that asks for it; None: no endpoint does.

        Raises:
            Declined: A rule forbids it; nothing changed.
            Refused: 503, when other processes were first time and again.
        """

        def made(stored: StoredList) -> tuple[DecidedChange | ChangeDeclined, ContactBook, Delta | None]:
            decided = decide(stored.book, change, self._limits)
            if isinstance(decided, ContactDenial):
                return ChangeDeclined(decided, amends(stored.book, change)), stored.book, None
            return decided, decided.book, decided.delta

        if isinstance(change, SetContact) and change.name == self._generated_groups.name_of(change.aor):
            # COMPAT pidgin-sipe 1.25: where the user gave no name, it sends the one that the contact has; kept, it
            # would hide every later one.
            change = replace(change, name="")
        async with self.hold(aor):
            if by is not None:
                self._changed.begin(aor)
            decided = await self._written(aor, made, by)
        if isinstance(decided, ChangeDeclined):
            raise decided
        return decided

    # --- what other processes change

    def heard(self, fact: ContactsChanged) -> None:
        """Forget a list of which somebody tells a later change than the last that is known here."""
        number = self._changed.number(fact.aor)
        if number is not None and number < fact.delta_num:
            self._changed.reread(fact.aor)

    def held(self) -> Iterable[str]:
        """Give the records of the lists that devices show."""
        return filter(None, map(self._owners.owner, self._changed.versions))

    def version_of(self, key: str) -> Version | None:
        """Give the version of a record whose list devices show here; None: none does."""
        aor = self._owners.address(OwnerId(key))
        return None if aor is None else self._changed.versions.get(aor)

    async def renew(self, key: str) -> None:
        """Read a list again, and have devices told of it which show an older one."""
        aor = self._owners.address(OwnerId(key))
        if aor is None or aor not in self._changed.versions:
            return
        async with self.hold(aor):
            self._changed.reread(aor)
            book = await self.read(aor)
        self._bus.tell_here(ContactsChanged(aor, book.own.delta_num, b"", None))

    # --- the half that the directory makes

    async def arrived(self, aor: Aor) -> ContactList:
        """Give the whole list for a device that signs in; the caller holds the list.

        From then on the user is told what the directory changes in it, until `left`.
        """
        return (await self._follow(aor)).shown()

    async def refresh(self, aor: Aor) -> None:
        """Update a user's list with what the directory has changed, and tell their devices.

        Raises:
            StoreUnavailable: Nothing was told; it is still to be done.
        """
        async with self.hold(aor):
            if self.is_outdated(aor):
                await self._follow(aor)

    def left(self, aor: Aor) -> None:
        """Forget a user whose last device is gone."""
        self._given.pop(aor, None)
        self._changed.discard(aor)
        self.shown.discard(aor)

    def signed_in(self) -> Sequence[Aor]:
        """Give the users who are told of changes."""
        return tuple(self._given)

    def is_outdated(self, aor: Aor) -> bool:
        """Tell whether the user's devices show other generated groups than the directory has now."""
        given = self._given.get(aor)
        return given is not None and given.wanted != self._generated_groups.wanted(aor)

    def is_lost(self, aor: Aor) -> bool:
        """Tell whether an address belongs to another owner than when its devices were given the list."""
        given = self._given.get(aor)
        return given is not None and given.owner != self._owners.owner(aor)

    async def _follow(self, aor: Aor) -> ContactBook:
        """Update the generated groups of a list, count the change, and tell it."""
        wanted = self._generated_groups.wanted(aor)
        given = self._given.get(aor)

        def regrown(stored: StoredList) -> tuple[ContactBook, ContactBook, Delta | None]:
            after = place(stored.book, wanted)
            if after.mark == stored.mark:
                return after, after, None
            after = replace(after, own=replace(after.own, delta_num=after.own.delta_num + 1))
            return after, after, regenerated(stored.book, after) if given is not None else _unknown(after)

        owner = self._owners.owner(aor)
        self._changed.versions.setdefault(aor, NONE_YET)
        self.shown.add(aor)
        book = await self._written(aor, regrown, None)
        self._given[aor] = _Given(owner, wanted, book.generated)
        return book

    async def readdress(self, aor: Aor) -> None:
        """Write the present addresses of the people in a user's list, and tell the user's devices.

        Raises:
            StoreUnavailable: Nothing was told; it is still to be done.
        """

        def unchanged(stored: StoredList) -> tuple[None, ContactBook, None]:
            return None, stored.book, None

        async with self.hold(aor):
            await self._written(aor, unchanged, None)

    # --- the store

    async def _written(
        self, aor: Aor, decide: Callable[[StoredList], tuple[T, ContactBook, Delta | None]], by: Epid | None
    ) -> T:
        """Read, decide, write, tell. Without a delta nothing is written.

        New addresses of the people in the list come first, as a change of their own: devices follow the list by its numbers.
        """

        def decided(stored: StoredList) -> Decision[StoredList, T]:
            present, facts = stored, []
            if stored.former is not None:
                present, delta = _readdressed(stored, stored.former)
                facts.append(_changed(aor, delta, None))
            result, book, news = decide(present)
            if news is not None:
                present = replace(present, book=book)
                facts.append(_changed(aor, news, by))
            return Decision(result, stored if present is stored else self._to_write(present), news=facts)

        return await self._table.change(aor, decided)

    def _to_write(self, stored: StoredList) -> StoredList:
        """Give a list that was changed, with what is written beside it."""
        names, book = stored.names, stored.book
        meant = {one: names.meant.get(one) or self._owners.meant(one) for one in book.own.contacts}
        return replace(stored, mark=book.mark, names=replace(names, meant=meant))

    def record_key(self, key: Aor) -> str:
        """Give the key of a list's record: the owner of the address."""
        return self._owners.owner(key)

    def unpack(self, key: Aor, value: bytes | None) -> StoredList:
        """Read a list, with the generated groups that the user's devices show; where none does, those of the directory."""
        return self._placed(
            StoredList(ContactBook(key)) if value is None else StoredList(*unpack(value, key, self._owners))
        )

    def _placed(self, stored: StoredList) -> StoredList:
        key = stored.book.owner
        given = self._given.get(key)
        if given is None or given.owner != self._owners.owner(key):
            book = place(stored.book, self._generated_groups.wanted(key))
        elif stored.former is None and stored.book.generated is given.placed:
            return stored
        else:
            book = replace(stored.book, generated=given.placed)
        if stored.former is None and book is stored.book:
            return stored
        former = None if stored.former is None else replace(stored.former, generated=book.generated)
        return replace(stored, book=book, former=former)

    def pack(self, value: StoredList) -> bytes:
        """Write a list as it is stored."""
        return pack(value.book, value.names.meant, value.names.asleep)

    def merged(self, mine: StoredList, theirs: StoredList) -> StoredList:
        """Give what another process has stored: nothing of a list is in memory only."""
        return theirs


def _readdressed(stored: StoredList, former: ContactBook) -> tuple[StoredList, Delta]:
    """Count a change of addresses, and give the delta of it."""
    book = stored.book
    book = replace(book, own=replace(book.own, delta_num=book.own.delta_num + 1))
    both = {**former.own.contacts, **book.own.contacts}
    other = [aor for aor in both if former.own.contacts.get(aor) != book.own.contacts.get(aor)]
    return replace(stored, book=book, former=None), difference(former, book, other, ())


def _changed(owner: Aor, delta: Delta, by: Epid | None) -> ContactsChanged:
    return ContactsChanged(owner, delta.number, b"" if delta.is_unknown else write_delta(delta), by)


def _unknown(book: ContactBook) -> Delta:
    """Give a delta for a change that happened while no device showed the list."""
    return Delta(book.own.delta_num, book.own.delta_num - 1, is_unknown=True)


def pack(
    book: ContactBook, meant: Mapping[Aor, OwnerId] | None = None, asleep: Sequence[tuple[Row, OwnerId]] = ()
) -> bytes:
    """Write a list as it is stored: JSON that an operator can read. Of the generated groups, only ids and a digest.

    Args:
        book: The list.
        meant: The owners of its contacts' addresses.
        asleep: Contacts who are gone and whose address is another's; nobody sees them for now.
    """
    own = book.own
    return _JSON.encode(
        {
            "delta_num": own.delta_num,
            "groups": [[group.id, group.name, group.external_uri] for group in own.groups.values()],
            "contacts": [
                [c.aor, c.name, list(c.groups), c.subscribed, c.external_uri, c.extension]
                for c in own.contacts.values()
            ],
            "ids": dict(book.ids),
            "mark": book.mark,
            "owners": {aor: owner for aor, owner in (meant or {}).items() if owner},
            **({"asleep": [[row, owner] for row, owner in asleep]} if asleep else {}),
        }
    ).encode()


def unpack(value: bytes, owner: Aor, owners: IOwners) -> tuple[ContactBook, str, ListNames, ContactBook | None]:
    """Read what `pack` wrote.

    Returns:
        The book without its generated groups, its contacts under the addresses that they have
        now; the digest of the generated groups; the owners of the addresses; and the book as it is
        written, where that differs.
    """
    stored: dict[str, Any] = json.loads(value)  # Any: json gives no types; the values below do
    groups = {group.id: group for group in (ContactGroup(*row) for row in stored["groups"])}
    rows: list[Row] = stored["contacts"]
    for row in rows:
        row[0] = aor_of(row[0])
    meant = read_owners(owners, stored.get("owners"), [row[0] for row in rows])
    written = {row[0]: _contact(row, groups) for row in rows}
    number, ids, mark = stored["delta_num"], stored.get("ids", {}), stored.get("mark", "")
    as_written = ContactBook(owner, ContactList(number, groups, written), ids)
    sleeping = [(row, OwnerId(one)) for row, one in stored.get("asleep", ())]
    is_same = owners.have(meant) or all(resolve(owners, aor, one) == aor for aor, one in meant.items())
    if is_same and not sleeping:
        return as_written, mark, ListNames(meant), None
    named = [*((row, meant[row[0]]) for row in rows), *sleeping]
    found, names = _present(named, owner, owners, groups)
    contacts = {aor: found[aor] for aor in (*(one for one in written if one in found), *found)}
    book = ContactBook(owner, ContactList(number, groups, contacts), ids)
    return book, mark, names, None if written == found else as_written


def _present(
    named: Iterable[tuple[Row, OwnerId]], owner: Aor, owners: IOwners, groups: Mapping[int, ContactGroup]
) -> tuple[dict[Aor, Contact], ListNames]:
    """Give contacts under the addresses that they have now, and those who are asleep."""
    found: dict[Aor, Contact] = {}
    meant: dict[Aor, OwnerId] = {}
    asleep: list[tuple[Row, OwnerId]] = []
    # Who is there under the address that is written is so before anybody who came to it since.
    for row, one in sorted(named, key=lambda pair: owners.address(pair[1]) != pair[0][0]):
        aor = resolve(owners, aor_of(row[0]), one)
        if aor is not None and aor not in found and aor != owner:
            found[aor], meant[aor] = _contact([aor, *row[1:]], groups), one
        elif one and owners.keeps(one):
            asleep.append((row, one))
    return found, ListNames(meant, tuple(asleep))


def _contact(row: Row, groups: Mapping[int, ContactGroup]) -> Contact:
    """Read a contact; one whose groups were all deleted since is in the default group."""
    aor, name, ids, subscribed, external_uri, extension = row
    left = tuple(filter(groups.__contains__, ids))
    return Contact(aor, name, left if left or not ids else (OTHERS,), subscribed, external_uri, extension)
