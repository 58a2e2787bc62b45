"""The question who added one: what a real client makes of somebody who begins to watch its user."""

import pytest

from tests.interop.conftest import Clients

pytestmark = pytest.mark.interop

ANSWERED = "acknowledged="
"""In the request by which a client says that its user was asked."""


def test_a_user_is_asked_once_about_who_added_him(clients: Clients) -> None:
    """Bob adds Alice: her client asks whether to add him too, answers the server, and never asks again."""
    alice, bob = clients("alice", "bob")

    bob.add_buddy(alice.address)

    asked = alice.wait_for("added_by")
    assert asked["who"].endswith(bob.address)
    alice.until(
        lambda: any(ANSWERED in text for text in alice.sip("sent", "SERVICE")), "an answer about who watches her"
    )
    alice.settle()
    bob.logout()
    bob.login()
    bob.wait_presence(alice.address, status="available")
    alice.expect_none("added_by", seconds=1.0)


def test_a_user_who_was_away_is_asked_when_he_signs_in(clients: Clients) -> None:
    """Carol was added while she was away; her client asks at once, and not again the next time."""
    (dave,) = clients("dave")
    carol = clients.make("carol")
    dave.add_buddy(carol.address)
    dave.settle()

    carol.login()

    carol.wait_for("added_by")
    carol.settle()
    carol.logout()
    carol.login()
    carol.expect_none("added_by", seconds=1.0)


def test_a_contact_needs_no_question(clients: Clients) -> None:
    """Erin has Frank on her list when he adds her: nothing is asked."""
    erin, frank = clients("erin", "frank")
    erin.add_buddy(frank.address)
    erin.wait_presence(frank.address, status="available")
    erin.settle()

    frank.add_buddy(erin.address)
    frank.wait_presence(erin.address, status="available")

    erin.expect_none("added_by", seconds=1.0)


def test_a_second_client_is_not_left_with_the_question(clients: Clients) -> None:
    """Both of Bob's clients hear of Erin, and both get on with it; the server has one answer."""
    here, there, erin = clients("bob", "bob@laptop", "erin")

    erin.add_buddy(here.address)

    for client in (here, there):
        client.wait_for("added_by")
        client.settle()
    here.logout()
    here.login()
    here.expect_none("added_by", seconds=1.0)
