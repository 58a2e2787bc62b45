"""Contact lists: the values, and the rules by which they change. Nothing here knows a wire or a store.

`decide` turns a wish into a `Delta` or a `No`; `follow` is the only way a list changes, for
the server as for every client: whoever follows all deltas in order holds the server's list.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from lyncpy.contracts.names import Aor

GROUP_ID_MAXIMUM: Final = 63
"""Spec: [MS-SIP] 3.7.4.4: groups are numbered from 1 to 63."""

OTHERS: Final = 1
"""Spec: [MS-SIP] 3.7.4.4: the default group, made by the server, never made or deleted by a user."""


@dataclass(frozen=True, slots=True)
class Group:
    """A named shelf of the contact list."""

    id: int
    name: str
    external_uri: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """One person on the list."""

    aor: Aor
    name: str = ""
    """The name that the user gave; empty: shown as the contact calls himself."""

    groups: tuple[int, ...] = (OTHERS,)
    """Ids, in the client's order; never empty."""

    subscribed: bool = True
    external_uri: str = ""
    extension: str = ""
    """XML of the client's own, never looked into."""


@dataclass(frozen=True, slots=True)
class ContactList:
    """All contacts and groups of one user, as of `delta_num`."""

    delta_num: int = 1
    """Grows by one with every change; a client takes 0 for "not known", so it begins at 1."""

    groups: Mapping[int, Group] = field(default_factory=lambda: {OTHERS: Group(OTHERS, "~")})
    """By id; `OTHERS` is always there."""

    contacts: Mapping[Aor, Contact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a list may grow."""

    contacts: int
    groups: int
    extension_bytes: int


@dataclass(frozen=True, slots=True)
class SetContact:
    """Add a contact, or change what is known of one."""

    aor: Aor
    name: str
    groups: tuple[int, ...]
    """Empty: the default group."""

    subscribed: bool = True
    external_uri: str = ""
    extension: str | None = None
    """None: leave it as it is. One client's extension survives another client that knows none."""


@dataclass(frozen=True, slots=True)
class DeleteContact:
    """Take a contact off the list."""

    aor: Aor


@dataclass(frozen=True, slots=True)
class AddGroup:
    """Make a group; the server chooses its id."""

    name: str
    external_uri: str = ""


@dataclass(frozen=True, slots=True)
class ModifyGroup:
    """Rename a group."""

    id: int
    name: str
    external_uri: str = ""


@dataclass(frozen=True, slots=True)
class DeleteGroup:
    """Remove a group that holds no contact."""

    id: int


Change = SetContact | DeleteContact | AddGroup | ModifyGroup | DeleteGroup


class No(enum.Enum):
    """Why a change is not made."""

    CONTACT_UNKNOWN = enum.auto()
    GROUP_UNKNOWN = enum.auto()
    CONTACTS_FULL = enum.auto()
    GROUPS_FULL = enum.auto()
    EXTENSION_TOO_LARGE = enum.auto()
    NAME_TAKEN = enum.auto()
    GROUP_NOT_EMPTY = enum.auto()
    GROUP_FIXED = enum.auto()


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed from `previous` to `number`."""

    number: int
    previous: int
    added_groups: tuple[Group, ...] = ()
    modified_groups: tuple[Group, ...] = ()
    added_contacts: tuple[Contact, ...] = ()
    modified_contacts: tuple[Contact, ...] = ()
    deleted_groups: tuple[int, ...] = ()
    deleted_contacts: tuple[Aor, ...] = ()


def decide(contacts: ContactList, change: Change, limits: Limits) -> Delta | No:
    """Say what a change makes of the list, or why it is refused.

    The delta number a client sends is no reason to refuse: clients count on by themselves,
    also after a refusal, and have several requests under way. Changes concern one contact
    or group each; the last one wins, and every device is told.

    Spec: [MS-SIP] 3.7.4.3, 3.7.4.4. Client: deltaNum is counted locally and never resynchronised.
    """
    number = contacts.delta_num + 1
    delta = Delta(number, contacts.delta_num)
    match change:
        case SetContact():
            return _set_contact(contacts, change, limits, delta)
        case DeleteContact(aor):
            if aor not in contacts.contacts:
                return No.CONTACT_UNKNOWN
            return replace(delta, deleted_contacts=(aor,))
        case AddGroup(name, external_uri):
            if _named(contacts, name) is not None:
                return No.NAME_TAKEN
            if len(contacts.groups) >= limits.groups:
                return No.GROUPS_FULL
            return replace(delta, added_groups=(Group(_free_id(contacts), name, external_uri),))
        case ModifyGroup():
            return _modify_group(contacts, change, delta)
        case DeleteGroup(group):
            return _delete_group(contacts, group, delta)
        case _:  # pragma: no cover - mypy proves that nothing comes here
            assert_never(change)


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


def truth(contacts: ContactList, change: Change) -> Delta:
    """Say how things stand with what a refused change was about.

    A client makes a change locally before it asks, and keeps it whatever the answer; this
    takes its view back to the list. The list is the same before and after.
    """
    delta = Delta(contacts.delta_num, contacts.delta_num)
    match change:
        case SetContact(aor) | DeleteContact(aor):
            contact = contacts.contacts.get(aor)
            if contact is None:
                return replace(delta, deleted_contacts=(aor,))
            return replace(delta, modified_contacts=(contact,))
        case AddGroup(name):
            group = _named(contacts, name)
            return delta if group is None else replace(delta, added_groups=(group,))
        case ModifyGroup(id_):
            group = contacts.groups.get(id_)
            if group is None:
                return replace(delta, deleted_groups=(id_,))
            return replace(delta, modified_groups=(group,))
        case DeleteGroup(id_):
            group = contacts.groups.get(id_)
            if group is None:
                return replace(delta, deleted_groups=(id_,))
            members = tuple(contact for contact in contacts.contacts.values() if id_ in contact.groups)
            return replace(delta, added_groups=(group,), modified_contacts=members)
        case _:  # pragma: no cover - mypy proves that nothing comes here
            assert_never(change)


def _set_contact(contacts: ContactList, change: SetContact, limits: Limits, delta: Delta) -> Delta | No:
    groups = tuple(dict.fromkeys(change.groups)) or (OTHERS,)
    if any(group not in contacts.groups for group in groups):
        return No.GROUP_UNKNOWN
    old = contacts.contacts.get(change.aor)
    if old is None and len(contacts.contacts) >= limits.contacts:
        return No.CONTACTS_FULL
    extension = change.extension
    if extension is None:
        extension = "" if old is None else old.extension
    elif len(extension.encode()) > limits.extension_bytes:
        return No.EXTENSION_TOO_LARGE
    new = Contact(change.aor, change.name, groups, change.subscribed, change.external_uri, extension)
    return replace(delta, added_contacts=(new,)) if old is None else replace(delta, modified_contacts=(new,))


def _modify_group(contacts: ContactList, change: ModifyGroup, delta: Delta) -> Delta | No:
    if change.id not in contacts.groups:
        return No.GROUP_UNKNOWN
    if change.id == OTHERS:
        return No.GROUP_FIXED
    other = _named(contacts, change.name)
    if other is not None and other.id != change.id:
        return No.NAME_TAKEN
    return replace(delta, modified_groups=(Group(change.id, change.name, change.external_uri),))


def _delete_group(contacts: ContactList, group: int, delta: Delta) -> Delta | No:
    if group not in contacts.groups:
        return No.GROUP_UNKNOWN
    if group == OTHERS:
        return No.GROUP_FIXED
    if any(group in contact.groups for contact in contacts.contacts.values()):
        return No.GROUP_NOT_EMPTY
    return replace(delta, deleted_groups=(group,))


def _named(contacts: ContactList, name: str) -> Group | None:
    return next((group for group in contacts.groups.values() if group.name == name), None)


def _free_id(contacts: ContactList) -> int:
    """Choose an id; one that was in use before comes last, because a device may still speak of the old group."""
    following = max(contacts.groups) + 1
    if following <= GROUP_ID_MAXIMUM:
        return following
    return next(number for number in range(1, GROUP_ID_MAXIMUM + 1) if number not in contacts.groups)
