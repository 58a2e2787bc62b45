"""The delegates of a user: a list with a version, told to all the user's devices."""

import pytest

from tests.kit.hall import tree
from tests.kit.presence import Client, PresenceRoom, availability, people, publication, state, views

TYPE = "application/msrtc-setdelegates+xml"
SELF_TYPE = "application/vnd-microsoft-roaming-self+xml"
JOHN = '<setDelegate uri="sip:john@contoso.test" action="add"><publishOperation authorization="allow"/></setDelegate>'
NO_JOHN = '<setDelegate uri="sip:john@contoso.test" action="remove"/>'
ASKED = b'<roamingList><roaming type="delegates"/></roamingList>'


@pytest.fixture
def room() -> PresenceRoom:
    """A room with presence for a manager, an assistant and a colleague."""
    return PresenceRoom(people("alice", "john", "bob"), delegates_per_user=1)


@pytest.fixture
def alice(room: PresenceRoom) -> Client:
    """A device of Alice."""
    return room.sign_in("alice")


def sets(client: Client, version: int, inner: str = JOHN) -> int:
    """Change delegates; give the status."""
    body = f'<setDelegates version="{version}">{inner}</setDelegates>'
    client.last = client.device.service(TYPE, body.encode())  # type: ignore[attr-defined]  # for the next question
    client.room.pass_time()
    return int(client.last.status)  # type: ignore[attr-defined]  # as above


def test_every_device_hears_of_a_new_delegate(room: PresenceRoom, alice: Client) -> None:
    """Also the one that named them: it learns the new version."""
    phone = room.sign_in("alice", "cccccccccccc")
    for device in (alice, phone):
        device.device.subscribe("vnd-microsoft-roaming-self", ASKED, content_type=SELF_TYPE)
    assert sets(alice, 0) == 200
    for device in (alice, phone):
        (document,) = device.hears()
        assert document.find("delegates").get("version") == "1"
        assert dict(document.find("delegates/delegate").attrib) == {
            "uri": "john@contoso.test",
            "publish": "true",
            "redelegate": "false",
        }


def test_who_did_not_ask_for_delegates_hears_of_none(alice: Client) -> None:
    """A client that does not know them is not told; but its levels have changed with them."""
    alice.sees_itself()
    assert sets(alice, 0) == 200
    assert all(document.find("delegates") is None for document in alice.hears())


def test_they_come_at_sign_in_and_survive_a_restart(room: PresenceRoom, alice: Client) -> None:
    """A delegate is one until they are removed."""
    assert sets(alice, 0) == 200
    room.hall.restart()
    room.workload = room.opened()
    document = tree(room.sign_in("alice", "e2").device.subscribe("vnd-microsoft-roaming-self").body)
    assert document.find("delegates").get("version") == "1"
    assert sets(alice, 1, NO_JOHN) == 200
    document = tree(room.sign_in("alice", "e3").device.subscribe("vnd-microsoft-roaming-self").body)
    assert document.findall("delegates/delegate") == []


def test_an_old_version_is_refused_with_the_fault_of_the_specification(alice: Client) -> None:
    """The client learns the current version, in the header that it shows and the body that it reads."""
    assert sets(alice, 0) == 200
    assert sets(alice, 0, NO_JOHN) == 409
    refusal = alice.last  # type: ignore[attr-defined]  # see sets
    assert (refusal.headers.get("ms-diagnostics") or "").startswith("2141;")
    assert refusal.content_type == "application/msrtc-fault+xml"
    fault = tree(refusal.body)
    assert fault.findtext("Faultcode") == "Client.BadCall.WrongDelta"
    assert dict(fault.find("details/operation").attrib) == {"index": "1", "version": "0", "curVersion": "1"}


def test_too_many_are_refused(alice: Client) -> None:
    """The bound is a setting."""
    assert sets(alice, 0, JOHN + JOHN.replace("john", "jane")) == 413


def test_a_body_that_is_none_is_refused_and_so_is_another_s_list(room: PresenceRoom, alice: Client) -> None:
    """400 and 403, as for all that a user changes."""
    assert sets(alice, 0, "") == 400
    body = f'<setDelegates version="0">{JOHN}</setDelegates>'.encode()
    assert room.sign_in("bob").device.service(TYPE, body, to="sip:alice@contoso.test").status == 403


def test_a_delegate_sees_what_the_team_sees_at_once(room: PresenceRoom, alice: Client) -> None:
    """Do Not Disturb is "urgent interruptions only" for them from now on; others see no change."""
    john, bob = room.sign_in("john"), room.sign_in("bob")
    alice.publishes(
        *alice.states(9500)[:2],
        *(publication("state", 0x20000000, c, state("userState", 9500, manual=True)) for c in (2, 3)),
    )
    assert availability(views(john.watches("alice"))["alice"]) == 9500
    bob.watches("alice")
    assert sets(alice, 0) == 200
    assert [availability(one) for one in john.hears_of_others()] == [6900]
    assert bob.hears_of_others() == []
