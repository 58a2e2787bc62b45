"""The chat of a conference under bad conditions: whatever was acknowledged has arrived, or its sender knows where not."""

import pytest

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from tests.kit.actors import Actor
from tests.kit.hall import tree
from tests.kit.meetings import Seat
from tests.kit.stage import Stage

IMDN = "application/ms-imdn+xml"


def _meet(stage: Stage, *users: str) -> "tuple[tuple[Actor, ...], tuple[Seat, ...]]":
    actors = stage.sign_in(*users)
    first = actors[0].meets()
    seats = (first, *(actor.joins(first.focus) for actor in actors[1:]))
    stage.passes(1)
    return actors, seats


def _reported(seat: Seat) -> dict[str, list[str]]:
    """Give who did not get which message, by Message-Id."""
    found: dict[str, list[str]] = {}
    for report in seat.reports:
        assert report.headers.get("Content-Type") == IMDN
        root = tree(report.body)
        number = root.findtext("message-id")
        assert number not in found, "two reports about one message"
        found[number] = [one.get("uri").strip("<>").partition("@")[0][4:] for one in root.iterfind("recipient")]
    return found


def test_everybody_hears_everything_once_and_in_order(stage: Stage) -> None:
    """Six people speak at the same time."""
    _, seats = _meet(stage, "alice", "bob", "carol", "dave", "erin", "frank")
    said = []
    for number in range(5):
        for seat in seats:
            said.append(seat.says(f"{seat.client.user} {number}"))
    stage.passes(2)
    assert {exchange.status for exchange in said} == {202}
    for seat in seats:
        assert seat.chat is not None
        for other in seats:
            mine = [text for author, text in seat.texts if author == other.client.user]
            wanted = [] if other is seat else [f"{other.client.user} {number}" for number in range(5)]
            assert mine == wanted
        assert list(_reported(seat).values()) == [[]] * 5


def test_a_participant_is_cut_off_between_202_and_delivery(stage: Stage) -> None:
    """He has read nothing when his connection breaks: all that he missed is reported, the others have it."""
    (alice, bob, carol), (first, _, third) = _meet(stage, "alice", "bob", "carol")
    bob.ignores_messages = True
    with alice.in_one_breath():
        said = [first.says(f"{number}") for number in range(40)]
    bob.is_cut_off()
    stage.passes(1)
    assert {exchange.status for exchange in said} == {202}
    assert [text for _, text in third.texts] == [f"{number}" for number in range(40)]
    assert list(_reported(first).values()) == [["bob"]] * 40
    assert first.who_chats() == ["alice", "carol"]
    assert carol.sip.is_connected


def test_a_client_that_hangs_is_reported_and_let_go(stage: Stage) -> None:
    """The others are not slowed; after three silences his place is given up, and everybody sees it."""
    (_, bob, _), (first, second, third) = _meet(stage, "alice", "bob", "carol")
    bob.ignores_messages = True
    for number in range(4):
        assert first.says(f"{number}").status == 202
    stage.passes(1)
    assert [text for _, text in third.texts] == ["0", "1", "2", "3"]
    assert first.reports == []
    stage.passes(25)
    assert list(_reported(first).values()) == [["bob"]] * 4
    assert second.chat is not None
    assert second.chat.is_over
    assert "bob" not in first.who_chats()


def test_a_device_that_was_taken_out_can_come_back(stage: Stage) -> None:
    """It hears what is said from then on."""
    (_, bob), (first, second) = _meet(stage, "alice", "bob")
    bob.ignores_messages = True
    for number in range(3):
        first.says(f"{number}")
    stage.passes(25)
    bob.ignores_messages = False
    second.joins_chat()
    first.says("welcome back")
    stage.passes(1)
    assert second.texts == [("alice", "welcome back")]


def test_the_sender_is_cut_off_after_202(stage: Stage) -> None:
    """What was acknowledged is delivered all the same."""
    (alice, _), (first, second) = _meet(stage, "alice", "bob")
    with alice.in_one_breath():
        said = first.says("last words")
    assert said.status == 202
    alice.is_cut_off()
    stage.passes(1)
    assert second.texts == [("alice", "last words")]


def test_both_devices_of_a_user_take_part(stage: Stage) -> None:
    """What he says at one is heard at the other, and by the others once at each device of theirs."""
    alice, desk, phone = stage.sign_in("alice", "bob", "bob")
    first = alice.meets()
    at_desk, at_phone = desk.joins(first.focus), phone.joins(first.focus)
    stage.passes(1)
    at_desk.says("from my desk")
    stage.passes(1)
    assert (first.texts, at_desk.texts, at_phone.texts) == ([("bob", "from my desk")], [], [("bob", "from my desk")])
    phone.is_cut_off()
    stage.passes(1)
    first.says("still there?")
    stage.passes(1)
    assert at_desk.texts == [("alice", "still there?")]
    assert first.who_chats() == ["alice", "bob"]


def test_typing_is_shown(stage: Stage) -> None:
    """With the name of who types."""
    _, (first, second, third) = _meet(stage, "alice", "bob", "carol")
    assert first.chat is not None
    assert first.chat.types().status == 200
    stage.passes(1)
    assert (first.typing, second.typing, third.typing) == ([], ["alice"], ["alice"])


def test_everybody_invited_joins_with_every_device(stage: Stage) -> None:
    """Both devices of the invited accept by themselves; one is the answer, both are in the conference."""
    alice, desk, phone = stage.sign_in("alice", "bob", "bob")
    first = alice.meets()
    invitation = first.invites(desk.aor)
    stage.passes(1)
    assert invitation.status == 200
    assert len(invitation.finals) == 1
    assert [len(desk.seats), len(phone.seats)] == [1, 1]
    first.says("welcome")
    stage.passes(1)
    assert [desk.seats[0].texts, phone.seats[0].texts] == [[("alice", "welcome")]] * 2
    assert stage.command("sessions").rows == []


@pytest.mark.parametrize("how", ["leaves", "is cut off", "signs out"])
def test_nothing_is_left_of_a_chat(stage: Stage, how: str) -> None:
    """However people go."""
    actors, seats = _meet(stage, "alice", "bob", "carol")
    seats[0].says("hello")
    for actor, seat in zip(actors, seats, strict=True):
        if how == "leaves":
            seat.leaves()
        elif how == "is cut off":
            actor.is_cut_off()
        else:
            actor.signs_out()
    stage.passes(60)
    assert len(stage.unit("im").mcu) == 0
    assert len(stage.ground.outbound) == 0


def test_a_directory_group_is_invited(stage: Stage) -> None:
    """Who invites a group invites its members: all who are there join, by one invitation."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    members = frozenset(f"key-{user}" for user in ("alice", "bob", "carol", "dave"))
    stage.ground.tables.groups.put_group(Group("team", "Team", Aor("sip:team@example.com"), members))
    first = alice.meets()
    invitation = first.invites("sip:team@example.com")
    stage.passes(1)
    assert invitation.status == 200
    assert first.who_chats() == ["alice", "bob", "carol"]
    first.says("hello, team")
    stage.passes(1)
    assert [one.seats[0].texts for one in (bob, carol)] == [[("alice", "hello, team")]] * 2
    ends = {record.user2: record.end_reason for record in stage.sessions("alice") if "ocschat" not in record.user2}
    assert ends == {
        bob.aor: "conference invitation",
        carol.aor: "conference invitation",
        "sip:dave@example.com": "rejected",
    }


def test_an_invitation_keeps_its_conversation(stage: Stage) -> None:
    """Ms-Conversation-ID ties the conference to the window from which it grew; it is passed on as it is."""
    alice, bob = stage.sign_in("alice", "bob")
    focus = alice.meets().focus
    body = f'<Conferencing version="2.0"><focus-uri>{focus}</focus-uri><im available="true"/></Conferencing>'
    fields = [
        ("Contact", f"<{alice.sip.gruu}>"),
        ("Ms-Conversation-ID", "909353124"),
        ("Content-Type", "application/ms-conf-invite+xml"),
    ]
    alice.sip.ask(alice.sip.request("INVITE", bob.aor, fields, body.encode()), branch=False)
    (invite,) = [
        one for one in bob.sip.heard if one.method == "INVITE" and one.content_type.endswith("conf-invite+xml")
    ]
    assert invite.headers.get("Ms-Conversation-ID") == "909353124"
    assert invite.body == body.encode()
