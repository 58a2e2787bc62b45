"""Contact lists: the values, and the rules by which they change. Pure.

A list has two halves. The user's own half is stored; the generated half, groups and their members,
is made anew from the directory, and only counted and numbered here. Together they are the
`ContactList` that every device shows. `decide` turns a change into a new `ContactBook` and a
`Delta`, or a `ContactDenial`; `follow` is how every device changes its list: a device that
follows all deltas in order shows the server's list.
"""

import enum
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple, TypeVar, assert_never

from lyncpy.contracts.names import Aor

K = TypeVar("K", Aor, int)
T = TypeVar("T")

GROUP_ID_MAXIMUM: Final = 63
"""Spec: [MS-SIP] 3.7.4.4: groups are numbered from 1 to 63."""

LAST_ID: Final = 64
"""Given only when no other is left: Lync allows 64 groups, one more than its specification has numbers for."""

OTHERS: Final = 1
"""Spec: [MS-SIP] 3.7.4.4: the default group, made by the server, never made or deleted by a user."""


@dataclass(frozen=True, slots=True)
class ContactGroup:
    """A named group of the contact list."""

    id: int
    name: str
    external_uri: str = ""


class Contact(NamedTuple):
    """One person on the list."""

    aor: Aor
    name: str = ""
    """The name that the user gave; empty: shown by the name that the contact gives."""

    groups: tuple[int, ...] = (OTHERS,)
    """Ids, in the client's order. Empty only in a `ContactBook`: a name kept for somebody whom the directory has in the list."""

    subscribed: bool = True
    external_uri: str = ""
    extension: str = ""
    """XML of the client's own, never looked into."""


@dataclass(frozen=True, slots=True)
class ContactList:
    """All contacts and groups of a user as their devices show them, or in a `ContactBook` their own ones."""

    delta_num: int = 1
    """Grows by one with every change; a client takes 0 for "not known", so it begins at 1."""

    groups: Mapping[int, ContactGroup] = field(default_factory=lambda: {OTHERS: ContactGroup(OTHERS, "~")})
    """By id; `OTHERS` is always there."""

    contacts: Mapping[Aor, Contact] = field(default_factory=dict)


@dataclass(frozen=True)
class Generated:
    """A group that the directory generates; one value serves everybody who has it."""

    key: str
    """The identity of the group, whatever its name."""

    name: str
    members: frozenset[Aor]

    @cached_property
    def mark(self) -> str:
        """A digest of the members."""
        return hashlib.sha256("\n".join(sorted(self.members)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ContactBook:
    """A user's list in its two halves."""

    owner: Aor
    own: ContactList = field(default_factory=ContactList)
    """The user's own half; its delta number is that of the whole list."""

    ids: Mapping[str, int] = field(default_factory=dict)
    """Ids of generated groups by key, also of those that are gone: a device may still speak of one."""

    generated: Mapping[int, Generated] = field(default_factory=dict)
    """By id. The list's owner is shown in none of them, even as a member."""

    def group(self, id_: int) -> ContactGroup | None:
        """Give a group as it is shown; None: there is none with this id."""
        given = self.generated.get(id_)
        return self.own.groups.get(id_) if given is None else ContactGroup(id_, given.name)

    def contact(self, aor: Aor) -> Contact | None:
        """Give a contact as it is shown, in all groups of either half; None: they are not in the list."""
        own = self.own.contacts.get(aor)
        given = self.given(aor)
        if own is None:
            return Contact(aor, groups=given) if given else None
        if not given:
            return own if own.groups else None
        return own._replace(groups=(*own.groups, *given))

    def given(self, aor: Aor) -> tuple[int, ...]:
        """Give the ids of the generated groups with this member."""
        if aor == self.owner:
            return ()
        return tuple(id_ for id_, one in self.generated.items() if aor in one.members)

    def everybody(self) -> frozenset[Aor]:
        """Give the addresses of all contacts that are shown."""
        given = frozenset[Aor]().union(*(one.members for one in self.generated.values())) - {self.owner}
        return given | {contact.aor for contact in self.own.contacts.values() if contact.groups}

    def shown(self) -> ContactList:
        """Give the whole list as devices show it."""
        own = self.own
        if not self.generated:
            return ContactList(own.delta_num, own.groups, {aor: one for aor, one in own.contacts.items() if one.groups})
        groups = {id_: ContactGroup(id_, one.name) for id_, one in self.generated.items()}
        others = sorted(self.everybody() - own.contacts.keys())
        contacts = {aor: one for aor in (*own.contacts, *others) if (one := self.contact(aor)) is not None}
        return ContactList(own.delta_num, {**own.groups, **groups}, contacts)

    @property
    def mark(self) -> str:
        """A digest of the generated half; "" when there is none."""
        parts = [f"{id_} {one.name} {one.mark}" for id_, one in sorted(self.generated.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""


@dataclass(frozen=True, slots=True)
class ListLimits:
    """The bounds of the own half of a list."""

    contacts: int
    groups: int
    extension_bytes: int
    list_bytes: int
    """Of all names, addresses and extensions together: the list is written, and goes to each device, as a whole."""


@dataclass(frozen=True, slots=True)
class SetContact:
    """Add a contact, or change one."""

    aor: Aor
    name: str
    groups: tuple[int, ...]
    """Empty: the default group."""

    subscribed: bool = True
    external_uri: str = ""
    extension: str | None = None
    """None: leave it as it is. One client's extension survives another client that knows none."""

    is_trimmed: bool = False
    """Whether the client wrote the name with blanks around it, and so shows another one than the list has."""


@dataclass(frozen=True, slots=True)
class DeleteContact:
    """Remove a contact from the list; nobody is removed from a generated group."""

    aor: Aor


@dataclass(frozen=True, slots=True)
class AddGroup:
    """Add a group; the server chooses its id."""

    name: str
    external_uri: str = ""
    is_trimmed: bool = False
    """As of `SetContact`."""


@dataclass(frozen=True, slots=True)
class ModifyGroup:
    """Rename a group."""

    id: int
    name: str
    external_uri: str = ""
    is_trimmed: bool = False
    """As of `SetContact`."""


@dataclass(frozen=True, slots=True)
class DeleteGroup:
    """Remove a group that holds no contact."""

    id: int


Change = SetContact | DeleteContact | AddGroup | ModifyGroup | DeleteGroup


class ContactDenial(enum.Enum):
    """The reasons for which a change is denied."""

    CONTACT_UNKNOWN = enum.auto()
    GROUP_UNKNOWN = enum.auto()
    CONTACTS_FULL = enum.auto()
    LIST_TOO_LARGE = enum.auto()
    GROUPS_FULL = enum.auto()
    EXTENSION_TOO_LARGE = enum.auto()
    NAME_TAKEN = enum.auto()
    GROUP_NOT_EMPTY = enum.auto()
    GROUP_FIXED = enum.auto()
    GROUP_GENERATED = enum.auto()
    CONTACT_GENERATED = enum.auto()


@dataclass(frozen=True, slots=True)
class Delta:
    """The differences from the list with number `previous` to that with `number`."""

    number: int
    previous: int
    added_groups: tuple[ContactGroup, ...] = ()
    modified_groups: tuple[ContactGroup, ...] = ()
    added_contacts: tuple[Contact, ...] = ()
    modified_contacts: tuple[Contact, ...] = ()
    deleted_groups: tuple[int, ...] = ()
    deleted_contacts: tuple[Aor, ...] = ()
    is_unknown: bool = False
    """Whether the changes are not known; a device that shows the list is told it whole."""


@dataclass(frozen=True, slots=True)
class DecidedChange:
    """A change that is made."""

    book: ContactBook
    delta: Delta
    correction: Delta | None = None
    """What the list really has, for the device that asked, where that device shows something else; None: it does not."""


def decide(book: ContactBook, change: Change, limits: ListLimits) -> DecidedChange | ContactDenial:
    """Make a change of the list, or give the reason of a denial.

    The delta number that a client sends is no reason to deny: clients count on by themselves,
    also after a refusal, and have several requests under way. Changes concern one contact
    or group each; the last one wins, and every device is told.

    Spec: [MS-SIP] 3.7.4.3.
    """
    own = _own_half(book, change, limits)
    if isinstance(own, ContactDenial):
        return own
    length = letters(own)
    # Where the limit was lowered, what makes the list no longer is still taken.
    if length > limits.list_bytes and length > letters(book.own):
        return ContactDenial.LIST_TOO_LARGE
    after = replace(book, own=replace(own, delta_num=book.own.delta_num + 1))
    groups = own.groups.items() ^ book.own.groups.items()
    aors = (change.aor,) if isinstance(change, SetContact | DeleteContact) else ()
    delta = difference(book, after, aors, {id_ for id_, _ in groups})
    if not _is_unlike(after, change):
        return DecidedChange(after, delta)
    if isinstance(change, AddGroup):
        # The delta brings the group; the device that asked knows its id by then, and has another name for it.
        number = after.own.delta_num
        return DecidedChange(after, delta, Delta(number, number, modified_groups=delta.added_groups))
    return DecidedChange(after, delta, truth(after, change))


def _own_half(book: ContactBook, change: Change, limits: ListLimits) -> ContactList | ContactDenial:
    own = book.own
    match change:
        case SetContact():
            return _set_contact(book, change, limits)
        case DeleteContact(aor):
            # The answers differ: 404 for a contact who is not there, 403 for one whom only the directory can remove.
            if aor not in own.contacts:
                return ContactDenial.CONTACT_GENERATED if book.given(aor) else ContactDenial.CONTACT_UNKNOWN
            return replace(own, contacts={other: one for other, one in own.contacts.items() if other != aor})
        case AddGroup(name=name, external_uri=external_uri):
            id_ = _free_id(book)
            # A name is a group's identity to a client, in either half; so it is looked for before there is room.
            if _named(book, name) is not None:
                return ContactDenial.NAME_TAKEN
            if id_ is None or len(own.groups) >= limits.groups:
                return ContactDenial.GROUPS_FULL
            return replace(own, groups={**own.groups, id_: ContactGroup(id_, name, external_uri)})
        case ModifyGroup():
            return _modify_group(book, change)
        case DeleteGroup(group):
            return _delete_group(book, group)
        case _:  # pragma: no cover - mypy proves that nothing comes here
            assert_never(change)


def difference(before: ContactBook, after: ContactBook, aors: Iterable[Aor], groups: Iterable[int]) -> Delta:
    """Give the delta between two lists, for these contacts and groups alone."""
    added_groups, modified_groups, deleted_groups = _compared(groups, before.group, after.group)
    added_contacts, modified_contacts, deleted_contacts = _compared(aors, before.contact, after.contact)
    return Delta(
        after.own.delta_num,
        before.own.delta_num,
        added_groups=added_groups,
        modified_groups=modified_groups,
        added_contacts=added_contacts,
        modified_contacts=modified_contacts,
        deleted_groups=deleted_groups,
        deleted_contacts=deleted_contacts,
    )


def _compared(
    keys: Iterable[K], before: Callable[[K], T | None], after: Callable[[K], T | None]
) -> tuple[tuple[T, ...], tuple[T, ...], tuple[K, ...]]:
    """Give what is new, what is other than before, and the keys of what is gone; each in the order of the keys."""
    each = [(key, before(key), after(key)) for key in sorted(keys)]
    return (
        tuple(new for _, old, new in each if new is not None and old is None),
        tuple(new for _, old, new in each if new is not None and old not in (None, new)),
        tuple(key for key, old, new in each if new is None and old is not None),
    )


def follow(contacts: ContactList, delta: Delta) -> ContactList:
    """Apply a delta, as every client does."""
    groups = dict(contacts.groups)
    people = dict(contacts.contacts)
    for group in (*delta.added_groups, *delta.modified_groups):
        groups[group.id] = group
    for contact in (*delta.added_contacts, *delta.modified_contacts):
        people[contact.aor] = contact
    for gone in delta.deleted_groups:
        groups.pop(gone, None)
    for aor in delta.deleted_contacts:
        people.pop(aor, None)
    return ContactList(delta.number, groups, people)


def truth(book: ContactBook, change: Change) -> Delta:
    """Give the delta that shows a device the list as it is, after a change that was not made, or made in part only.

    A client makes a change locally before it asks, and keeps it whatever the answer; this
    takes its view back to the list. The delta's number is that of the list, which has not changed.
    """
    delta = Delta(book.own.delta_num, book.own.delta_num)
    # Each change is undone in the terms of what the client did locally: whatever it shows by mistake is deleted,
    # whatever it has removed is added, and whatever both have is modified ([MS-SIP] 3.7, the order of a delta).
    match change:
        case SetContact(aor) | DeleteContact(aor):
            contact = book.contact(aor)
            if contact is None:
                return replace(delta, deleted_contacts=(aor,))
            if isinstance(change, DeleteContact):
                return replace(delta, added_contacts=(contact,))
            return replace(delta, modified_contacts=(contact,))
        case AddGroup(name):
            group = _named(book, name)
            return delta if group is None else replace(delta, added_groups=(group,))
        case ModifyGroup(id_):
            group = book.group(id_)
            if group is None:
                return replace(delta, deleted_groups=(id_,))
            return replace(delta, modified_groups=(group,))
        case DeleteGroup(id_):
            return _still_there(book, id_, delta)
        case _:  # pragma: no cover - mypy proves that nothing comes here
            assert_never(change)


def amends(book: ContactBook, change: Change) -> tuple[Delta, ...]:
    """Give the deltas that show a device the list as it is, after a change that was refused.

    Client: it removes the members of a group before it deletes the group. For a generated group
    it was given them back at once, and has put them elsewhere, because the group was gone; so they are
    removed once more. A contact who is only moved to another group would look offline until they change;
    one who is added is subscribed to.
    """
    last = truth(book, change)
    if isinstance(change, DeleteGroup) and change.id in book.generated:
        everybody = tuple(contact.aor for contact in last.added_contacts)
        return Delta(last.number, last.previous, deleted_contacts=everybody), last
    return (last,)


def _still_there(book: ContactBook, id_: int, delta: Delta) -> Delta:
    """Give the delta that restores a group with its members; a client that deletes one has removed them before."""
    group = book.group(id_)
    if group is None:
        return replace(delta, deleted_groups=(id_,))
    shown = book.shown().contacts.values()
    members = tuple(contact for contact in shown if id_ in contact.groups)
    if id_ in book.generated:
        return replace(delta, added_groups=(group,), added_contacts=members)
    return replace(delta, added_groups=(group,), modified_contacts=members)


def letters(own: ContactList) -> int:
    """Give the size of a user's own half in characters, which is its size in bytes or nearly so."""
    groups = sum([len(one.name) + len(one.external_uri) for one in own.groups.values()])
    return groups + sum(
        [len(one.aor) + len(one.name) + len(one.external_uri) + len(one.extension) for one in own.contacts.values()]
    )


def _is_unlike(after: ContactBook, change: Change) -> bool:
    """Tell whether the client that asked for a change shows something else now than the list has."""
    match change:
        case SetContact(is_trimmed=True) | AddGroup(is_trimmed=True) | ModifyGroup(is_trimmed=True):
            return True
        case SetContact(aor, groups=groups):
            shown = after.contact(aor)
            return shown is None or set(shown.groups) != (set(groups) or {OTHERS})
        case DeleteContact(aor):
            return after.contact(aor) is not None
        case _:
            return False


def _set_contact(book: ContactBook, change: SetContact, limits: ListLimits) -> ContactList | ContactDenial:
    own = book.own
    # A client sends back all groups of a contact, generated ones too; of these nothing is the user's to store.
    groups = tuple(id_ for id_ in dict.fromkeys(change.groups) if id_ not in book.generated)
    if any(id_ not in own.groups for id_ in groups):
        return ContactDenial.GROUP_UNKNOWN
    # No group means the default one ([MS-SIP] 2.2.4.2), but for a contact whom the directory has in the list.
    if not groups and not book.given(change.aor):
        groups = (OTHERS,)
    old = own.contacts.get(change.aor)
    extension = change.extension
    if extension is None:
        extension = "" if old is None else old.extension
    elif len(extension.encode()) > limits.extension_bytes:
        return ContactDenial.EXTENSION_TOO_LARGE
    new = Contact(change.aor, change.name, groups, change.subscribed, change.external_uri, extension)
    if not groups and not (new.name or new.extension):
        # Nothing of the user's own is left: the directory has the contact in the list by itself.
        return replace(own, contacts={aor: one for aor, one in own.contacts.items() if aor != change.aor})
    # Only a new contact needs room: in a list above a bound that was lowered, all may still be changed.
    if old is None and len(own.contacts) >= limits.contacts:
        return ContactDenial.CONTACTS_FULL
    return replace(own, contacts={**own.contacts, change.aor: new})


def _modify_group(book: ContactBook, change: ModifyGroup) -> ContactList | ContactDenial:
    fixed = _fixed(book, change.id)
    if fixed is ContactDenial.GROUP_GENERATED and change.name == book.generated[change.id].name:
        # COMPAT pidgin-sipe 1.25: told of a group's new name, it asks for that name.
        return book.own
    if fixed is not None:
        return fixed
    other = _named(book, change.name)
    if other is not None and other.id != change.id:
        return ContactDenial.NAME_TAKEN
    groups = {**book.own.groups, change.id: ContactGroup(change.id, change.name, change.external_uri)}
    return replace(book.own, groups=groups)


def _delete_group(book: ContactBook, group: int) -> ContactList | ContactDenial:
    fixed = _fixed(book, group)
    if fixed is not None:
        return fixed
    if any(group in contact.groups for contact in book.own.contacts.values()):
        return ContactDenial.GROUP_NOT_EMPTY
    return replace(book.own, groups={id_: one for id_, one in book.own.groups.items() if id_ != group})


def _fixed(book: ContactBook, group: int) -> ContactDenial | None:
    """Give the reason for which a user cannot change a group; None: they can."""
    if group in book.generated:
        return ContactDenial.GROUP_GENERATED
    if group not in book.own.groups:
        return ContactDenial.GROUP_UNKNOWN
    return ContactDenial.GROUP_FIXED if group == OTHERS else None


def _named(book: ContactBook, name: str) -> ContactGroup | None:
    ids = (*book.own.groups, *book.generated)
    return next((group for id_ in ids if (group := book.group(id_)) is not None and group.name == name), None)


def _free_id(book: ContactBook) -> int | None:
    """Choose an id; one that was in use before comes last, because a device may still speak of the old group."""
    used = {*book.own.groups, *book.generated}
    kept = {*used, *book.ids.values()}
    order = (*range(max(book.own.groups) + 1, LAST_ID), *range(1, LAST_ID), LAST_ID)
    free = (id_ for id_ in order if id_ not in kept)
    gone = (id_ for id_ in order if id_ not in used)
    return next(free, None) or next(gone, None)
