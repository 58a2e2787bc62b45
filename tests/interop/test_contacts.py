"""The contact list as its owner keeps it, and as his other client hears of it."""

import pytest

from tests.interop.conftest import Clients

pytestmark = pytest.mark.interop

BOB, CAROL, DAVE = "bob@example.test", "carol@example.test", "dave@example.test"


@pytest.mark.libraries
def test_an_added_contact_is_seen_online_with_his_card(clients: Clients) -> None:
    """Alice adds Bob: she sees that he is available, and what the directory says of him."""
    alice, _ = clients("alice", "bob")

    alice.add_buddy(BOB, "Friends")

    seen = alice.wait_presence(BOB, status="available")
    assert (seen["group"], seen["alias"], seen["online"]) == ("Friends", "Bob Brandt", True)
    card = alice.info(BOB)
    assert (card["title"], card["department"], card["phone-display"]) == ("Engineer", "Research", "+1 555 0101")


def test_contacts_that_are_added_all_at_once_are_all_seen(clients: Clients) -> None:
    """Frank's first contacts come in one breath, before the server has answered for the first of them."""
    names = ("alice", "bob", "carol", "dave")
    frank, *_ = clients("frank", *names)

    for name in names:
        frank.add_buddy(f"{name}@example.test", "Everybody")

    for name in names:
        frank.wait_presence(f"{name}@example.test", status="available")


def test_the_list_is_there_at_the_next_sign_in(clients: Clients) -> None:
    """What Bob keeps is there when he signs in again, from a client that knows nothing."""
    (bob,) = clients("bob")
    bob.add_buddy(CAROL, "Bücher & <Mehr>", "Caro ☕")
    bob.add_buddy(DAVE, "Work")
    bob.settle()
    bob.alias_buddy(CAROL, "Carolina")
    bob.settle()
    bob.logout()
    bob.close()

    (again,) = clients("bob")

    again.until(lambda: again.contacts() == {(CAROL, "Bücher & <Mehr>"), (DAVE, "Work")}, "the list of before")
    assert [one["alias"] for one in again.blist() if one["who"] == f"sip:{CAROL}"] == ["Carolina"]


def test_every_change_is_told_to_the_other_client(clients: Clients) -> None:
    """What Carol does to her list at one machine is seen at the other: add, alias, move, rename, remove."""
    here, there = clients("carol", "carol@laptop")

    here.add_buddy(BOB, "Team")
    there.until(lambda: there.contacts() == {(BOB, "Team")}, "Bob in Team")

    here.alias_buddy(BOB, "Robert")
    there.wait_presence(BOB, alias="Robert")

    here.add_buddy(DAVE, "Team")
    there.until(lambda: there.contacts() == {(BOB, "Team"), (DAVE, "Team")}, "two in Team")
    here.in_step_with(there)

    here.move_buddy(DAVE, "Team", "Others")
    there.until(lambda: there.contacts() == {(BOB, "Team"), (DAVE, "Others")}, "Dave in Others")
    here.in_step_with(there)

    here.rename_group("Others", "Küche")
    there.until(lambda: (DAVE, "Küche") in there.contacts(), "the new name")
    here.in_step_with(there)

    here.remove_buddy(BOB, "Team")
    there.until(lambda: there.contacts() == {(DAVE, "Küche")}, "Bob gone")


def test_a_removed_group_is_empty_at_the_other_client_which_lives(clients: Clients) -> None:
    """Client: it dies of the news that a group is gone, so it only hears that nobody is in it; next time it is gone."""
    here, there = clients("erin", "erin@laptop")
    here.add_buddy(BOB, "Team")
    there.until(lambda: there.contacts() == {(BOB, "Team")}, "Bob in Team")

    here.remove_group("Team")
    there.until(lambda: there.contacts() == set(), "nobody in the list")
    here.settle()
    there.add_buddy(DAVE, "New")
    here.until(lambda: here.contacts() == {(DAVE, "New")}, "what the other does after")

    there.close()
    (there,) = clients("erin@laptop")
    assert "Team" not in there.groups()


def test_both_clients_may_change_the_list(clients: Clients) -> None:
    """Changes that two clients of Dave make one after the other both stay."""
    here, there = clients("dave", "dave@laptop")

    here.add_buddy(BOB, "Here")
    there.until(lambda: (BOB, "Here") in there.contacts(), "Bob")
    there.add_buddy(CAROL, "There")
    here.until(lambda: here.contacts() == {(BOB, "Here"), (CAROL, "There")}, "both at the first")
    there.until(lambda: there.contacts() == {(BOB, "Here"), (CAROL, "There")}, "both at the second")
