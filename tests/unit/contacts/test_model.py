"""The rules of the contact list."""

from dataclasses import replace

from lyncpy.contracts.names import Aor
from lyncpy.workloads.contacts.generated_groups import place, regenerated
from lyncpy.workloads.contacts.model import (
    AddGroup,
    Change,
    Contact,
    ContactBook,
    ContactDenial,
    ContactGroup,
    ContactList,
    DecidedChange,
    DeleteContact,
    DeleteGroup,
    Delta,
    Generated,
    ListLimits,
    ModifyGroup,
    SetContact,
    amends,
    decide,
    follow,
    truth,
)

ALICE = Aor("sip:alice@contoso.test")
BOB = Aor("sip:bob@contoso.test")
CAROL = Aor("sip:carol@contoso.test")
LIMITS = ListLimits(contacts=3, groups=3, extension_bytes=10, list_bytes=1_048_576)


def after(book: ContactBook, *changes: Change, limits: ListLimits = LIMITS) -> ContactBook:
    """Give the book that changes make of one; what devices show follows by deltas alone."""
    for change in changes:
        decided = decide(book, change, limits)
        assert isinstance(decided, DecidedChange), decided
        assert follow(book.shown(), decided.delta) == decided.book.shown()
        book = decided.book
    return book


def begun(*changes: Change) -> ContactBook:
    """Give the book that changes make of a new one."""
    return after(ContactBook(ALICE), *changes)


def made(*changes: Change) -> ContactList:
    """Give the list that changes make of a new one."""
    return begun(*changes).shown()


def test_a_new_list_holds_the_default_group() -> None:
    """A user who never kept anybody has one group, for other contacts."""
    assert made() == ContactList(1, {1: ContactGroup(1, "~")}, {})


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
    """What one client keeps with a contact is still there after another client renamed them."""
    book = begun(SetContact(BOB, "", (), extension="<x/>"), SetContact(BOB, "Bobby", ()))
    assert book.shown().contacts[BOB].extension == "<x/>"
    assert after(book, SetContact(BOB, "Bobby", (), extension="")).shown().contacts[BOB].extension == ""


def test_groups_are_numbered_upwards() -> None:
    """A number that a deleted group had is not given to the next group at once."""
    contacts = made(AddGroup("a"), AddGroup("b"), DeleteGroup(2), AddGroup("c"))
    assert sorted(contacts.groups) == [1, 3, 4]


def test_numbers_of_deleted_groups_are_used_when_the_last_is_taken() -> None:
    """The wire has 63 numbers; a user who made and deleted many groups does not run out."""
    book = ContactBook(ALICE, ContactList(9, {1: ContactGroup(1, "~"), 63: ContactGroup(63, "last")}, {}))
    assert 2 in after(book, AddGroup("new"), limits=ListLimits(10, 64, 0, 1_048_576)).shown().groups


def test_there_is_room_for_64_groups() -> None:
    """The default group and 63 more, the last with a number beyond those of the specification; then it is full."""
    many = ListLimits(10, 64, 0, 1_048_576)
    book = after(ContactBook(ALICE), *(AddGroup(f"group {number}") for number in range(63)), limits=many)
    assert sorted(book.shown().groups) == list(range(1, 65))
    assert decide(book, AddGroup("one more"), many) is ContactDenial.GROUPS_FULL
    assert 5 in after(book, DeleteGroup(5), AddGroup("instead"), limits=many).shown().groups


def test_refuses_what_is_not_there() -> None:
    """A change of an unknown contact or group says which of the two is unknown."""
    assert decide(begun(), DeleteContact(BOB), LIMITS) is ContactDenial.CONTACT_UNKNOWN
    assert decide(begun(), SetContact(BOB, "", (7,)), LIMITS) is ContactDenial.GROUP_UNKNOWN
    assert decide(begun(), ModifyGroup(7, "x"), LIMITS) is ContactDenial.GROUP_UNKNOWN
    assert decide(begun(), DeleteGroup(7), LIMITS) is ContactDenial.GROUP_UNKNOWN


def test_refuses_more_contacts_than_allowed_but_changes_those_there_are() -> None:
    """A full list can still be kept in order."""
    full = begun(*(SetContact(Aor(f"sip:{n}@x"), "", ()) for n in range(3)))
    assert decide(full, SetContact(BOB, "", ()), LIMITS) is ContactDenial.CONTACTS_FULL
    assert isinstance(decide(full, SetContact(Aor("sip:1@x"), "One", ()), LIMITS), DecidedChange)


def test_refuses_more_groups_than_allowed() -> None:
    """The default group counts."""
    assert decide(begun(AddGroup("a"), AddGroup("b")), AddGroup("c"), LIMITS) is ContactDenial.GROUPS_FULL


def test_refuses_what_makes_the_whole_list_too_long_and_takes_what_does_not() -> None:
    """A thousand extensions of the largest size would be megabytes at each sign-in, and at each change."""
    wide = ListLimits(contacts=1000, groups=64, extension_bytes=4096, list_bytes=10_000)
    carol = Aor("sip:carol@x")
    book = after(ContactBook(ALICE), SetContact(BOB, "", (), extension="x" * 4096), limits=wide)
    book = after(book, SetContact(carol, "", (), extension="x" * 4096), limits=wide)
    assert (
        decide(book, SetContact(Aor("sip:dave@x"), "", (), extension="x" * 4096), wide) is ContactDenial.LIST_TOO_LARGE
    )
    assert decide(book, AddGroup("g", "x" * 3000), wide) is ContactDenial.LIST_TOO_LARGE
    lowered = replace(wide, list_bytes=5000)
    assert isinstance(decide(book, SetContact(BOB, "", (), extension="x"), lowered), DecidedChange)
    assert isinstance(decide(book, DeleteContact(carol), lowered), DecidedChange)
    assert decide(book, SetContact(BOB, "Bob", (), extension="x" * 4096), lowered) is ContactDenial.LIST_TOO_LARGE


def test_refuses_an_extension_that_is_too_large() -> None:
    """A client cannot use a contact as a disk."""
    assert decide(begun(), SetContact(BOB, "", (), extension="é" * 6), LIMITS) is ContactDenial.EXTENSION_TOO_LARGE


def test_refuses_a_name_that_another_group_has() -> None:
    """Clients fold groups of one name into one, so there is never a second; also not of the default group."""
    contacts = begun(AddGroup("a"), AddGroup("b"))
    assert decide(contacts, AddGroup("a"), LIMITS) is ContactDenial.NAME_TAKEN
    assert decide(contacts, ModifyGroup(3, "a"), LIMITS) is ContactDenial.NAME_TAKEN
    assert decide(contacts, AddGroup("~"), LIMITS) is ContactDenial.NAME_TAKEN
    assert isinstance(decide(contacts, ModifyGroup(3, "b"), LIMITS), DecidedChange)


def test_a_group_with_contacts_cannot_be_deleted() -> None:
    """The contacts must have been moved first, else they would be in no group."""
    contacts = begun(AddGroup("a"), SetContact(BOB, "", (2,)))
    assert decide(contacts, DeleteGroup(2), LIMITS) is ContactDenial.GROUP_NOT_EMPTY


def test_the_default_group_stays_as_it_is() -> None:
    """It is neither renamed nor deleted."""
    assert decide(begun(), ModifyGroup(1, "Mine"), LIMITS) is ContactDenial.GROUP_FIXED
    assert decide(begun(), DeleteGroup(1), LIMITS) is ContactDenial.GROUP_FIXED


def test_the_truth_about_a_contact() -> None:
    """After a refusal a device hears what is really kept of the contact: it as it is, or that it is not."""
    contacts = begun(SetContact(BOB, "Bobby", ()))
    assert truth(contacts, SetContact(BOB, "", (9,))) == Delta(2, 2, modified_contacts=(Contact(BOB, "Bobby"),))
    assert truth(contacts, DeleteContact(CAROL)) == Delta(2, 2, deleted_contacts=(CAROL,))


def test_the_truth_about_a_group() -> None:
    """A device that deleted a group with contacts gets both back; one that named a group wrongly, the right name."""
    contacts = begun(AddGroup("a"), SetContact(BOB, "", (2,)), SetContact(CAROL, "", ()))
    bob, group = Contact(BOB, "", (2,)), ContactGroup(2, "a")
    assert truth(contacts, DeleteGroup(2)) == Delta(4, 4, added_groups=(group,), modified_contacts=(bob,))
    assert truth(contacts, DeleteGroup(8)) == Delta(4, 4, deleted_groups=(8,))
    assert truth(contacts, ModifyGroup(2, "~")) == Delta(4, 4, modified_groups=(group,))
    assert truth(contacts, ModifyGroup(8, "x")) == Delta(4, 4, deleted_groups=(8,))
    assert truth(contacts, AddGroup("a")) == Delta(4, 4, added_groups=(group,))
    assert truth(contacts, AddGroup("new")) == Delta(4, 4)


# --- what the directory puts into lists

DAVE = Aor("sip:dave@contoso.test")
RESEARCH = Generated("department", "Research", frozenset({ALICE, BOB, CAROL}))
TEAM = Generated("group:1", "Team", frozenset({BOB, DAVE}))


def given(*groups: Generated, own: ContactBook | None = None) -> ContactBook:
    """Give a book with groups of the directory."""
    return place(own or ContactBook(ALICE), groups)


def test_groups_of_the_directory_are_numbered_downwards_and_without_their_owner() -> None:
    """They look like any other group; nobody is their own contact."""
    shown = given(RESEARCH, TEAM).shown()
    assert {id_: group.name for id_, group in shown.groups.items()} == {1: "~", 63: "Research", 62: "Team"}
    assert {aor: one.groups for aor, one in shown.contacts.items()} == {BOB: (63, 62), CAROL: (63,), DAVE: (62,)}
    assert given(RESEARCH, TEAM).everybody() == shown.contacts.keys()


def test_somebody_who_is_both_is_one_contact_with_the_users_name() -> None:
    """The groups of both halves are joined; the name is the one that the user gave."""
    book = given(RESEARCH, own=begun(AddGroup("Friends"), SetContact(BOB, "Bobby", (2,))))
    assert book.shown().contacts[BOB] == Contact(BOB, "Bobby", (2, 63))


def test_a_group_keeps_its_number_while_the_list_lives() -> None:
    """Also when it was away, and another one came meanwhile."""
    book = given(RESEARCH, TEAM)
    other = Generated("group:2", "Other", frozenset({DAVE}))
    without = place(book, [other])
    assert {id_: one.name for id_, one in without.generated.items()} == {61: "Other"}
    assert {id_: one.name for id_, one in place(without, [TEAM, other]).generated.items()} == {62: "Team", 61: "Other"}


def test_numbers_of_groups_that_are_gone_are_used_when_no_other_is_left() -> None:
    """Groups of the directory that come and go for years do not use up the numbers; the longest gone gives way."""
    book = ContactBook(ALICE)
    for number in range(200):
        book = place(book, [Generated(f"group:{number}", "G", frozenset({BOB}))])
        assert len(book.generated) == 1
    assert set(book.ids.values()) <= set(range(2, 65))
    assert "group:199" in book.ids


def test_a_group_for_which_no_number_is_left_is_left_out() -> None:
    """A user whose own groups take all ids keeps them all."""
    groups = {id_: ContactGroup(id_, f"group {id_}" if id_ > 1 else "~") for id_ in range(1, 65)}
    assert given(RESEARCH, own=ContactBook(ALICE, ContactList(70, groups))).generated == {}


def test_own_groups_and_those_of_the_directory_do_not_take_the_same_number() -> None:
    """Whichever was first; a number that a group of the directory only had is taken when nothing else is left."""
    groups = {id_: ContactGroup(id_, f"group {id_}" if id_ > 1 else "~") for id_ in range(1, 62)}
    book = given(RESEARCH, TEAM, own=ContactBook(ALICE, ContactList(70, groups)))
    many = ListLimits(10, 64, 0, 1_048_576)
    book = after(book, AddGroup("x"), limits=many)
    assert 64 in book.own.groups
    assert decide(book, AddGroup("y"), many) is ContactDenial.GROUPS_FULL
    book = after(place(book, [RESEARCH]), AddGroup("y"), limits=many)
    assert book.own.groups[62].name == "y"
    assert given(RESEARCH, TEAM, own=book).generated.keys() == {63}


def test_a_name_that_the_user_has_given_is_told_from_that_of_the_directory() -> None:
    """Two groups of one name would be one to a client."""
    book = given(RESEARCH, own=begun(AddGroup("research")))
    assert book.generated[63].name == "Research (directory)"
    twice = place(book, [RESEARCH, replace(TEAM, name="Research"), replace(TEAM, key="x", name="RESEARCH")])
    assert [one.name for one in twice.generated.values()] == ["Research (directory)", "Research (2)", "RESEARCH (3)"]
    assert decide(book, AddGroup("Research (directory)"), LIMITS) is ContactDenial.NAME_TAKEN


def test_what_the_directory_makes_is_refused_and_set_right() -> None:
    """Its groups are neither renamed nor deleted, and nobody is taken out of them; the device gets back what it took away."""
    book = given(RESEARCH)
    group, bob, carol = ContactGroup(63, "Research"), Contact(BOB, groups=(63,)), Contact(CAROL, groups=(63,))
    assert decide(book, ModifyGroup(63, "Mine"), LIMITS) is ContactDenial.GROUP_GENERATED
    assert truth(book, ModifyGroup(63, "Mine")) == Delta(1, 1, modified_groups=(group,))
    assert after(book, ModifyGroup(63, "Research")).generated == book.generated
    assert decide(book, DeleteGroup(63), LIMITS) is ContactDenial.GROUP_GENERATED
    assert amends(book, DeleteGroup(63)) == (
        Delta(1, 1, deleted_contacts=(BOB, CAROL)),
        Delta(1, 1, added_groups=(group,), added_contacts=(bob, carol)),
    )
    assert decide(book, DeleteContact(BOB), LIMITS) is ContactDenial.CONTACT_GENERATED
    assert amends(book, DeleteContact(BOB)) == (Delta(1, 1, added_contacts=(bob,)),)


def test_moving_somebody_out_of_a_group_of_the_directory_puts_him_into_both() -> None:
    """The user's part of the wish is done, and their device alone is told the rest."""
    book = given(RESEARCH, own=begun(AddGroup("Friends")))
    decided = decide(book, SetContact(BOB, "", (2,)), LIMITS)
    assert isinstance(decided, DecidedChange)
    both = Contact(BOB, "", (2, 63))
    assert decided.delta == Delta(3, 2, modified_contacts=(both,))
    assert decided.correction == Delta(3, 3, modified_contacts=(both,))


def test_moving_somebody_into_a_group_of_the_directory_makes_him_a_contact() -> None:
    """Where they were; and somebody new is with the other contacts."""
    book = given(RESEARCH)
    decided = decide(book, SetContact(DAVE, "", (63,)), LIMITS)
    assert isinstance(decided, DecidedChange)
    assert decided.book.shown().contacts[DAVE].groups == (1,)
    assert decided.correction == Delta(2, 2, modified_contacts=(Contact(DAVE),))


def test_ones_own_membership_can_be_added_and_removed() -> None:
    """Groups as they really are need no correction, whoever made them."""
    book = given(RESEARCH, own=begun(AddGroup("Friends")))
    book = after(book, SetContact(BOB, "Bobby", (2, 63)))
    decided = decide(book, SetContact(BOB, "Bobby", (63,)), LIMITS)
    assert isinstance(decided, DecidedChange)
    assert decided.correction is None
    assert decided.book.shown().contacts[BOB] == Contact(BOB, "Bobby", (63,))


def test_a_name_given_to_somebody_of_the_directory_is_kept() -> None:
    """Also while they are away from the list; it is forgotten when the user takes it back."""
    book = after(given(RESEARCH), SetContact(BOB, "Bobby", (63,)))
    assert BOB not in place(book, []).shown().contacts
    assert BOB not in place(book, []).everybody()
    assert place(place(book, []), [RESEARCH]).shown().contacts[BOB].name == "Bobby"
    assert after(book, SetContact(BOB, "", (63,))).own.contacts == {}


def test_removing_somebody_who_is_in_both_halves_leaves_him_where_the_directory_has_him() -> None:
    """Other devices hear that they are in fewer groups; the one that removed them, that they are there."""
    book = given(RESEARCH, own=begun(SetContact(BOB, "Bobby", (1,))))
    decided = decide(book, DeleteContact(BOB), LIMITS)
    assert isinstance(decided, DecidedChange)
    left = Contact(BOB, "", (63,))
    assert decided.delta == Delta(3, 2, modified_contacts=(left,))
    assert decided.correction == Delta(3, 3, added_contacts=(left,))


def test_people_of_the_directory_do_not_count() -> None:
    """The limit is for whom the user keeps on the list."""
    crowd = Generated("department", "All", frozenset(Aor(f"sip:{number}@x") for number in range(50)))
    book = after(given(crowd), *(SetContact(Aor(f"sip:own{number}@x"), "", ()) for number in range(3)))
    assert decide(book, SetContact(BOB, "", ()), LIMITS) is ContactDenial.CONTACTS_FULL
    assert decide(book, SetContact(Aor("sip:1@x"), "", (1, 63)), LIMITS) is ContactDenial.CONTACTS_FULL
    assert len(book.everybody()) == 53


def test_the_directory_changes_lists_by_deltas() -> None:
    """Whoever moves to another department sees their group renamed, with other people; who is in neither half goes."""
    before = given(RESEARCH, TEAM, own=begun(SetContact(CAROL, "Caro", (1,))))
    sales = Generated("department", "Sales", frozenset({ALICE, DAVE}))
    placed = place(before, [sales])
    now = replace(placed, own=replace(placed.own, delta_num=placed.own.delta_num + 1))
    delta = regenerated(before, now)
    assert delta == Delta(
        3,
        2,
        modified_groups=(ContactGroup(63, "Sales"),),
        modified_contacts=(Contact(CAROL, "Caro", (1,)), Contact(DAVE, groups=(63,))),
        deleted_groups=(62,),
        deleted_contacts=(BOB,),
    )
    assert follow(before.shown(), delta) == now.shown()


def test_a_list_without_groups_of_the_directory_has_no_mark() -> None:
    """Where nothing is made from the directory, nothing is counted for it."""
    assert ContactBook(ALICE).mark == ""
    assert given(RESEARCH).mark == given(replace(RESEARCH)).mark != given(TEAM).mark
