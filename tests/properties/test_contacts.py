"""Contact lists for all inputs: whoever follows the deltas shows the server's list, whatever users and directory do."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lyncpy.contracts.names import Aor
from lyncpy.workloads.contacts.bodies import write_delta, write_list
from lyncpy.workloads.contacts.generated_groups import place, regenerated
from lyncpy.workloads.contacts.lists import pack, unpack
from lyncpy.workloads.contacts.model import (
    AddGroup,
    Change,
    ContactBook,
    ContactDenial,
    ContactList,
    DeleteContact,
    DeleteGroup,
    Generated,
    ListLimits,
    ModifyGroup,
    SetContact,
    amends,
    decide,
)
from tests.kit.hall import tree
from tests.kit.owners import AddressOwners
from tests.kit.soak import many

ADDRESSES = st.sampled_from([Aor(f"sip:{name}@contoso.test") for name in "abcdef"])
GROUPS = st.integers(1, 6) | st.integers(61, 63)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=8)
EXTENSIONS = st.sampled_from([None, "", "<x/>", "<y a='1'>text</y>"])
LIMITS = ListLimits(contacts=4, groups=5, extension_bytes=12, list_bytes=1_048_576)

CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(
        SetContact, ADDRESSES, NAMES, st.lists(GROUPS, max_size=3).map(tuple), st.booleans(), extension=EXTENSIONS
    ),
    st.builds(DeleteContact, ADDRESSES),
    st.builds(AddGroup, NAMES),
    st.builds(ModifyGroup, GROUPS, NAMES),
    st.builds(DeleteGroup, GROUPS),
)

OWNER = Aor("sip:a@contoso.test")
DIRECTORY = st.lists(
    st.builds(Generated, st.sampled_from(["department", "1", "2", "3"]), NAMES, st.frozensets(ADDRESSES, min_size=1)),
    max_size=3,
    unique_by=lambda group: group.key,
)
"""Groups of the directory for one list."""

Seen = dict[str, tuple[str, ...]]


@dataclass
class Client:
    """Reads documents as the real client does: by its own order, whatever theirs."""

    number: str = ""
    groups: dict[str, str] = field(default_factory=dict)
    contacts: Seen = field(default_factory=dict)

    def reads_list(self, body: bytes) -> None:
        """Take the first list; its addresses lack the scheme."""
        full = tree(body)
        self.number = full.get("deltaNum")
        for group in full.findall("group"):
            self.groups[group.get("id")] = group.get("name")
        for contact in full.findall("contact"):
            self._sets(contact, "sip:")

    def reads_delta(self, body: bytes) -> None:
        """Follow a delta."""
        delta = tree(body)
        assert delta.get("prevDeltaNum") == self.number
        self.number = delta.get("deltaNum")
        for kind in ("addedGroup", "modifiedGroup"):
            for group in delta.findall(kind):
                self.groups[group.get("id")] = group.get("name")
        for kind in ("addedContact", "modifiedContact"):
            for contact in delta.findall(kind):
                self._sets(contact, "")
        for contact in delta.findall("deletedContact"):
            self.contacts.pop(contact.get("uri"), None)
        for group in delta.findall("deletedGroup"):
            self.groups.pop(group.get("id"), None)

    def _sets(self, contact: Any, scheme: str) -> None:
        values = tuple(contact.get(name) for name in ("name", "groups", "subscribed"))
        children = contact.find("contactExtension")
        kept = "" if children is None else "".join(child.tag for child in children)
        self.contacts[scheme + contact.get("uri")] = (*values, kept)


class Following(RuleBasedStateMachine):
    """A server, a client from the beginning, and others that come later or were refused."""

    def __init__(self) -> None:
        """Begin with a new list and one client that has it."""
        super().__init__()
        self.stored = pack(ContactBook(OWNER))
        self.placed: dict[int, Generated] = {}
        self.clients: list[Client] = []
        self.joins()

    @property
    def book(self) -> ContactBook:
        """The list as the store gives it, with what the directory has put into it."""
        return replace(unpack(self.stored, OWNER, AddressOwners())[0], generated=self.placed)

    @property
    def contacts(self) -> ContactList:
        """The list as it is shown."""
        return self.book.shown()

    @rule()
    def joins(self) -> None:
        """Another device reads the whole list."""
        client = Client()
        client.reads_list(write_list(self.contacts))
        self.clients = [*self.clients[-3:], client]

    @rule(change=CHANGES)
    def asks(self, change: Change) -> None:
        """Somebody asks for a change: it is told to all, or the truth to the one who asked."""
        before = self.book
        decided = decide(before, change, LIMITS)
        if isinstance(decided, ContactDenial):
            for delta in amends(before, change):
                self.clients[-1].reads_delta(write_delta(delta))
            return
        assert decided.delta.number == before.own.delta_num + 1
        self.stored = pack(decided.book)
        for client in self.clients:
            client.reads_delta(write_delta(decided.delta))
        if decided.correction is not None:
            self.clients[-1].reads_delta(write_delta(decided.correction))

    @rule(groups=DIRECTORY)
    def the_directory_changes(self, groups: list[Generated]) -> None:
        """People and groups are others: all devices are told."""
        before = self.book
        after = place(before, groups)
        after = replace(after, own=replace(after.own, delta_num=after.own.delta_num + 1))
        self.stored, self.placed = pack(after), dict(after.generated)
        assert unpack(self.stored, OWNER, AddressOwners())[1] == after.mark
        for client in self.clients:
            client.reads_delta(write_delta(regenerated(before, after)))

    @invariant()
    def all_agree(self) -> None:
        """Every client holds what a new one would read."""
        fresh = Client()
        fresh.reads_list(write_list(self.contacts))
        assert all(client == fresh for client in self.clients)

    @invariant()
    def the_list_is_sound(self) -> None:
        """Bounds hold, the default group is there, and everybody is in a group that exists."""
        contacts = self.contacts
        assert contacts.groups[1].name == "~"
        own = self.book.own
        assert len(own.groups) <= LIMITS.groups
        assert len(own.contacts) <= LIMITS.contacts
        assert len(contacts.groups) == len(own.groups) + len(self.placed)
        assert contacts.contacts.keys() == self.book.everybody()
        names = [group.name for group in contacts.groups.values()]
        assert len(names) == len(set(names))
        assert all(c.groups and set(c.groups) <= set(contacts.groups) for c in contacts.contacts.values())


Following.TestCase.settings = settings(max_examples=many(60), stateful_step_count=30)


TestFollowing = Following.TestCase
"""Deltas applied in order to the first full list always give the stored list."""
