"""Presence by SOAP, as clients before 2007 set and asked for it."""

from typing import Any

import pytest

from lyncpy.sip.message import Response
from tests.kit.hall import tree
from tests.kit.presence import Client, PresenceRoom, availability, people, views

SOAP = "application/soap+xml"
NS = "http://schemas.microsoft.com/winrtc/2002/11/sip"


@pytest.fixture
def room() -> PresenceRoom:
    """A room with presence for three people."""
    return PresenceRoom(people("alice", "bob", "carol"), members_per_container=10)


@pytest.fixture
def alice(room: PresenceRoom) -> Client:
    """A device of Alice with a client of 2005."""
    return room.sign_in("alice")


@pytest.fixture
def bob(room: PresenceRoom) -> Client:
    """A device of Bob."""
    return room.sign_in("bob", "bbbbbbbbbbbb")


def says(client: Client, operation: str, inner: str) -> Response:
    """Send one operation."""
    body = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="{NS}"><s:Body>'
        f"<m:{operation}>{inner}</m:{operation}></s:Body></s:Envelope>"
    )
    response = client.device.service(SOAP, body.encode())
    client.room.pass_time()
    return response


def sets(client: Client, reachable: object, activity: object, uri: str = "") -> int:
    """Set presence with old numbers; give the status."""
    named = f' m:uri="{uri}"' if uri else ""
    inner = (
        f'<m:presentity{named}><m:availability m:aggregate="{reachable}"/><m:activity m:aggregate="{activity}"/>'
        "</m:presentity>"
    )
    return says(client, "setPresence", inner).status


def asks(client: Client, uri: str) -> Any:
    """Ask for somebody's presence; give the presentity."""
    response = says(client, "getPresence", f'<m:presentity m:uri="{uri}"/>')
    assert response.status == 200
    return tree(response.body).find(".//presentity")


@pytest.mark.parametrize(
    ("reachable", "activity", "number"),
    [(300, 400, 3500), (300, 900, 3500), (300, 200, 5000), (300, 600, 6500), (300, 500, 6500), (300, 300, 12500),
     (300, 100, 15500), (300, 150, 15500), (300, 700, 15500), (0, 0, 18500)],
)  # fmt: skip
def test_what_an_old_client_sets_newer_ones_see(
    alice: Client, bob: Client, reachable: int, activity: int, number: int
) -> None:
    """Its pair of numbers becomes a state of today."""
    bob.watches("alice")
    assert sets(alice, reachable, activity, "sip:alice@contoso.test") == 200
    told = [availability(one) for one in bob.hears_of_others()]
    assert told == ([] if number == 18500 else [number])


def test_what_it_sets_again_replaces_it_and_ends_with_it(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """As any state of a device."""
    bob.watches("alice")
    for activity in (400, 600):
        assert sets(alice, 300, activity) == 200
    room.sign_out(alice)
    assert [availability(one) for one in bob.hears_of_others()] == [3500, 6500, 18500]


def test_a_call_has_its_word(alice: Client, bob: Client) -> None:
    """In a call is more than busy."""
    bob.watches("alice")
    sets(alice, 300, 500)
    (document,) = bob.hears_of_others()
    assert document.find(".//activity").get("token") == "on-the-phone"


@pytest.mark.parametrize(("reachable", "activity"), [("", 1), (-1, 1), (300, 1000), (300, "9" * 30), ("x", 1)])
def test_numbers_that_are_none_are_refused(alice: Client, reachable: object, activity: object) -> None:
    """The scale ends at 999."""
    assert sets(alice, reachable, activity) == 400


def test_nobody_sets_another_s_presence(alice: Client, room: PresenceRoom) -> None:
    """Nor their own without being signed in: it would never end."""
    assert sets(alice, 300, 400, "sip:bob@contoso.test") == 403
    assert says(alice, "setPresence", "").status == 400
    room.endpoints.found.clear()
    assert sets(alice, 300, 400) == 403


def test_presence_is_asked_for_once(alice: Client, bob: Client) -> None:
    """The answer has what the sender may see, in old words."""
    sets(alice, 300, 600)
    found = asks(bob, "sip:alice@contoso.test")
    assert found.find("activity").get("aggregate") == "600"
    assert found.find("displayName").get("displayName") == "Alice"
    assert says(bob, "getPresence", "").status == 400


def test_who_is_blocked_cannot_tell(alice: Client, bob: Client) -> None:
    """They get, byte for byte, what they get of Carol, who is away."""
    sets(alice, 300, 400)
    alice.allows(32000, 0, '<member action="add" type="user" value="bob@contoso.test"/>')
    answers = [
        says(bob, "getPresence", f'<m:presentity m:uri="sip:{user}@contoso.test"/>') for user in ("alice", "carol")
    ]
    assert answers[0].status == answers[1].status == 200
    assert answers[0].body.replace(b"alice", b"carol").replace(b"Alice", b"Carol") == answers[1].body
    assert b'availability aggregate="0"' in answers[0].body


def rights(client: Client, user: str, right: str) -> int:
    """Answer for a watcher as a client of 2005 does."""
    inner = f"<m:type>USER</m:type><m:mask>sip:{user}@contoso.test</m:mask><m:rights>{right}</m:rights><m:deltaNum>1</m:deltaNum>"
    return says(client, "setACE", inner).status


def test_a_right_that_is_given_answers_the_question(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """The watcher is known from now on; what they see is as it was."""
    bob.watches("alice")
    room.pass_time()
    assert len(tree(alice.device.subscribe("presence.wpending").body)) == 1
    assert rights(alice, "bob", "AA") == 200
    assert len(tree(alice.device.subscribe("presence.wpending").body)) == 0
    assert bob.hears_of_others() == []


def test_a_right_that_is_taken_blocks(alice: Client, bob: Client) -> None:
    """And one that is given back, unblocks; twice is once."""
    sets(alice, 300, 400)
    alice.allows(300, 0, '<member action="add" type="user" value="bob@contoso.test"/>')
    bob.watches("alice")
    assert [rights(alice, "bob", right) for right in ("BD", "BD", "AA")] == [200, 200, 200]
    assert [availability(one) for one in bob.hears_of_others()] == [18500, 3500]


def test_rights_of_all_change_nothing(alice: Client, bob: Client) -> None:
    """Levels for everybody are those of the newer clients."""
    sets(alice, 300, 400)
    assert says(alice, "setACE", "<m:type>ALL</m:type><m:mask/><m:rights>DD</m:rights>").status == 200
    assert availability(views(bob.watches("alice"))["alice"]) == 3500


def test_a_level_that_is_full_is_told(room: PresenceRoom, alice: Client) -> None:
    """Nobody more can be blocked than a list may hold."""
    for n in range(10):
        assert rights(alice, f"u{n}", "DD") == 200
    assert rights(alice, "bob", "DD") == 413
