"""One person and one device, however their names are written; each hears of himself as he wrote it."""

import re

import pytest

from lyncpy.contracts.names import aor_of
from lyncpy.sip.message import Request
from tests.kit.actors import Actor
from tests.kit.meetings import code_of
from tests.kit.stage import Stage

ODD: tuple[tuple[str, str], ...] = (
    ("anne+test", "anne%2Btest"),
    ("r&d", "r%26d"),
    ("_ops", "%5Fops"),
    ("+14255550100", "%2B14255550100"),
    ("o'neil(x)=$~!*", "O'Neil%28x%29%3D%24%7E%21*"),
    (".dot.", "%2eDot."),
)
"""A person of the directory, and how a client spells him."""


def _room(stage: Stage) -> Actor:
    """Sign in a device of Bob's that writes its epid in capitals, as UCMA does."""
    room = stage.actor("bob", epid="6C801B691BF0")
    room.signs_in()
    return room


def test_a_device_with_capitals_can_do_all_that_devices_can(stage: Stage) -> None:
    """Publish, be watched, be written to and write, join, invite, keep contacts; refresh, and go."""
    (alice,) = stage.sign_in("alice")
    room = _room(stage)
    assert room.publishes(6500).status == 200
    alice.watches(room)
    assert alice.hears(room).number == 6500
    hers, his = alice.talks_to(room)
    assert (hers.says("hi").status, his.says("hello").status) == (200, 200)
    back, forth = room.talks_to(alice)
    assert (back.says("hi").status, forth.says("hello").status) == (200, 200)
    assert room.pages(alice, "a note").status == 200
    seat = room.meets()
    other = alice.joins(seat.focus)
    assert other.says("in the meeting").status == 202
    stage.passes(1)
    assert seat.texts == [("alice", "in the meeting")]
    assert room.adds("carol@example.com").status == 200
    assert room.sip.register().status == 200
    (row,) = (row for row in stage.command("endpoints").rows if row[0] == "bob@example.com")
    assert row[1] == "6c801b691bf0"
    hers.hangs_up()
    room.signs_out()
    assert alice.hears(room).number == 18500


@pytest.mark.parametrize("target", ["bob@example.com", "bob@example.com/6c801b691bf0", "BOB@example.com./6C801B691BF0"])
def test_who_is_signed_out_is_told_with_the_epid_that_he_wrote(stage: Stage, target: str) -> None:
    """A device knows itself in its own letters; an operator need not."""
    room = _room(stage)
    assert len(stage.command("signout", target=target).rows) == 1
    stage.passes(1)
    notice = next(one for one in room.sip.heard if one.event == "registration-notify")
    assert "6C801B691BF0" in (notice.headers.get("To") or "")


def test_whoever_leaves_a_conversation_by_vanishing_is_named_as_he_wrote_himself(stage: Stage) -> None:
    """The farewell speaks for the device that is gone, in its letters."""
    (alice,) = stage.sign_in("alice")
    room = _room(stage)
    alice.talks_to(room)
    room.is_cut_off()
    stage.passes(60)
    byes: list[Request] = [one for one in alice.sip.heard if one.method == "BYE"]
    assert [one.from_.epid for one in byes] == ["6C801B691BF0"]


def test_an_instance_in_capitals_is_the_same_device_at_its_refresh(stage: Stage) -> None:
    """URNs of UUIDs are equivalent in either case: nothing is replaced, nothing ends."""
    (alice, bob) = stage.sign_in("alice", "bob")
    hers, _ = alice.talks_to(bob)
    gruu = bob.sip.gruu
    bob.sip.instance = bob.sip.instance.upper()
    assert bob.sip.register().status == 200
    assert bob.sip.gruu == gruu
    assert hers.says("still there?").status == 200


def test_a_device_without_an_epid_is_known_by_its_instance_wherever_it_speaks(stage: Stage) -> None:
    """What it publishes is believed, as what others do."""
    bob = stage.actor("bob")
    bob.sip.says_epid = False
    bob.signs_in()
    (alice,) = stage.sign_in("alice")
    assert bob.publishes(6500).status == 200
    hers, his = alice.talks_to(bob)
    assert (hers.says("hi").status, his.says("hello").status) == (200, 200)


@pytest.mark.parametrize(("user", "spelled"), ODD)
def test_somebody_is_one_person_however_he_is_spelled(stage: Stage, user: str, spelled: str) -> None:
    """He signs in, is watched, written to, kept as a contact and met; every spelling finds him."""
    stage.changes(user)
    stage.pulls()
    (alice,) = stage.sign_in("alice")
    odd = stage.actor(user, spelled=spelled)
    odd.signs_in()
    uri = f"sip:{spelled}@EXAMPLE.com"
    assert odd.publishes(9500).status == 200
    assert alice.adds(uri.removeprefix("sip:"), 1, name="Odd").status == 200
    assert [aor_of(one) for one in alice.contacts.people] == [f"sip:{user}@example.com"]
    assert not any("&" in one for one in alice.contacts.people)  # clients copy it into XML as it is
    watched = alice.watches(uri)
    assert watched.status == 200
    assert "availability>9500<" in re.sub(r"\s", "", watched.answer.body.decode()).replace("</availability", "<")
    talk = alice.invites(uri)
    assert talk.is_answered
    assert talk.says("hi").status == 200
    assert odd.invites(alice).is_answered
    seat = odd.meets()
    stage.passes(1)
    assert code_of(alice.seat(seat.focus.replace(user, spelled)).knocks().answer) == "success"
    assert sorted(seat.roster) == sorted(["sip:alice@example.com", f"sip:{user}@example.com"])
    assert stage.command("contacts show", user="alice@example.com").rows[0][0] == f"{user}@example.com"
    assert [row[0] for row in stage.command("endpoints", user=f"{spelled}@example.com").rows] == [f"{user}@example.com"]


def test_who_is_blocked_is_so_in_every_spelling(stage: Stage) -> None:
    """A member of a container is a person, not the letters that his name was written with."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.publishes(3500)
    answer = alice.sets_members({32000: '<member action="add" type="user" value="%62OB@example.com."/>'})
    assert answer.status == 200
    bob.watches("sip:%61lice@example.com")
    assert bob.pages("sip:Alice@example.com", "hello").status == 480


def test_an_escaped_at_sign_is_nobody_else(stage: Stage) -> None:
    """`bob%40evil` is not bob, nor anybody of another domain."""
    alice, bob = stage.sign_in("alice", "bob")
    for strange in ("bob%40evil", "bob%00", "bob%0a", "bob%3ax", "bob%2f", "bob;x=y", "bob%2562"):
        assert alice.pages(f"sip:{strange}@example.com", "hello").status == 404
    assert alice.pages("sip:bob%zz@example.com", "hello").status == 400
    assert alice.adds("bob%zz@example.com", 1).status == 400
    assert bob.texts == []
