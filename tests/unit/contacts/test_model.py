"""The rules of the contact list."""

from lyncpy.contracts.names import Aor
from lyncpy.workloads.contacts.model import (
    AddGroup,
    Change,
    Contact,
    ContactList,
    DeleteContact,
    DeleteGroup,
    Delta,
    Group,
    Limits,
    ModifyGroup,
    No,
    SetContact,
    decide,
    follow,
    truth,
)

BOB = Aor("sip:bob@contoso.test")
CAROL = Aor("sip:carol@contoso.test")
LIMITS = Limits(contacts=3, groups=3, extension_bytes=10)


def made(*changes: Change) -> ContactList:
    """Give the list that changes make of a new one."""
    contacts = ContactList()
    for change in changes:
        delta = decide(contacts, change, LIMITS)
        assert isinstance(delta, Delta), delta
        contacts = follow(contacts, delta)
    return contacts


def test_a_new_list_holds_the_default_group() -> None:
    """A user who never kept anybody has one group, for other contacts."""
    assert made() == ContactList(1, {1: Group(1, "~")}, {})


def test_every_change_counts_by_one() -> None:
    """Clients count their own changes; the server counts alike."""
    assert made(SetContact(BOB, "", ()), SetContact(BOB, "Bobby", ()), DeleteContact(BOB)).delta_num == 4


def test_a_contact_without_a_group_goes_to_the_default_one() -> None:
    """Nobody is lost between the groups."""
    assert made(SetContact(BOB, "Bobby", ())).contacts == {BOB: Contact(BOB, "Bobby", (1,))}


def test_a_group_named_twice_counts_once() -> None:
    """A client that repeats a group does not put the contact there twice."""
    assert made(SetContact(BOB, "", (1, 1))).contacts[BOB].groups == (1,)


def test_an_extension_survives_a_client_that_knows_none() -> None:
    """What one client keeps with a contact is still there after another client renamed him."""
    contacts = made(SetContact(BOB, "", (), extension="<x/>"), SetContact(BOB, "Bobby", ()))
    assert contacts.contacts[BOB].extension == "<x/>"
    delta = decide(contacts, SetContact(BOB, "Bobby", (), extension=""), LIMITS)
    assert isinstance(delta, Delta)
    assert follow(contacts, delta).contacts[BOB].extension == ""


def test_groups_are_numbered_upwards() -> None:
    """A number that a deleted group had is not given to the next group at once."""
    contacts = made(AddGroup("a"), AddGroup("b"), DeleteGroup(2), AddGroup("c"))
    assert sorted(contacts.groups) == [1, 3, 4]


def test_numbers_of_deleted_groups_are_used_when_the_last_is_taken() -> None:
    """The wire has 63 numbers; a user who made and deleted many groups does not run out."""
    many = Limits(10, 63, 0)
    contacts = ContactList(9, {1: Group(1, "~"), 63: Group(63, "last")}, {})
    delta = decide(contacts, AddGroup("new"), many)
    assert isinstance(delta, Delta)
    assert delta.added_groups == (Group(2, "new"),)


def test_refuses_what_is_not_there() -> None:
    """A change of an unknown contact or group says which of the two is unknown."""
    assert decide(made(), DeleteContact(BOB), LIMITS) is No.CONTACT_UNKNOWN
    assert decide(made(), SetContact(BOB, "", (7,)), LIMITS) is No.GROUP_UNKNOWN
    assert decide(made(), ModifyGroup(7, "x"), LIMITS) is No.GROUP_UNKNOWN
    assert decide(made(), DeleteGroup(7), LIMITS) is No.GROUP_UNKNOWN


def test_refuses_more_contacts_than_allowed_but_changes_those_there_are() -> None:
    """A full list can still be kept in order."""
    full = made(*(SetContact(Aor(f"sip:{n}@x"), "", ()) for n in range(3)))
    assert decide(full, SetContact(BOB, "", ()), LIMITS) is No.CONTACTS_FULL
    assert isinstance(decide(full, SetContact(Aor("sip:1@x"), "One", ()), LIMITS), Delta)


def test_refuses_more_groups_than_allowed() -> None:
    """The default group counts."""
    assert decide(made(AddGroup("a"), AddGroup("b")), AddGroup("c"), LIMITS) is No.GROUPS_FULL


def test_refuses_an_extension_that_is_too_large() -> None:
    """A client cannot use a contact as a disk."""
    assert decide(made(), SetContact(BOB, "", (), extension="é" * 6), LIMITS) is No.EXTENSION_TOO_LARGE


def test_refuses_a_name_that_another_group_has() -> None:
    """Clients fold groups of one name into one, so there is never a second; also not of the default group."""
    contacts = made(AddGroup("a"), AddGroup("b"))
    assert decide(contacts, AddGroup("a"), LIMITS) is No.NAME_TAKEN
    assert decide(contacts, ModifyGroup(3, "a"), LIMITS) is No.NAME_TAKEN
    assert decide(contacts, AddGroup("~"), LIMITS) is No.NAME_TAKEN
    assert isinstance(decide(contacts, ModifyGroup(3, "b"), LIMITS), Delta)


def test_a_group_with_contacts_cannot_be_deleted() -> None:
    """The contacts must have been moved first, else they would be in no group."""
    contacts = made(AddGroup("a"), SetContact(BOB, "", (2,)))
    assert decide(contacts, DeleteGroup(2), LIMITS) is No.GROUP_NOT_EMPTY


def test_the_default_group_stays_as_it_is() -> None:
    """It is neither renamed nor deleted."""
    assert decide(made(), ModifyGroup(1, "Mine"), LIMITS) is No.GROUP_FIXED
    assert decide(made(), DeleteGroup(1), LIMITS) is No.GROUP_FIXED


def test_the_truth_about_a_contact() -> None:
    """After a refusal a device hears what is really kept of the contact: it as it is, or that it is not."""
    contacts = made(SetContact(BOB, "Bobby", ()))
    assert truth(contacts, SetContact(BOB, "", (9,))) == Delta(2, 2, modified_contacts=(Contact(BOB, "Bobby"),))
    assert truth(contacts, DeleteContact(CAROL)) == Delta(2, 2, deleted_contacts=(CAROL,))


def test_the_truth_about_a_group() -> None:
    """A device that deleted a group with contacts gets both back; one that named a group wrongly, the right name."""
    contacts = made(AddGroup("a"), SetContact(BOB, "", (2,)), SetContact(CAROL, "", ()))
    bob, group = Contact(BOB, "", (2,)), Group(2, "a")
    assert truth(contacts, DeleteGroup(2)) == Delta(4, 4, added_groups=(group,), modified_contacts=(bob,))
    assert truth(contacts, DeleteGroup(8)) == Delta(4, 4, deleted_groups=(8,))
    assert truth(contacts, ModifyGroup(2, "~")) == Delta(4, 4, modified_groups=(group,))
    assert truth(contacts, ModifyGroup(8, "x")) == Delta(4, 4, deleted_groups=(8,))
    assert truth(contacts, AddGroup("a")) == Delta(4, 4, added_groups=(group,))
    assert truth(contacts, AddGroup("new")) == Delta(4, 4)
