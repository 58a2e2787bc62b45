"""The rules of one chat, without dialogs: who gets what next, and when a message is finished."""

from collections.abc import Sequence

from zope.interface import implementer

from lyncpy.contracts.mcu import DeliveryFailure, FailureKind, Hear, ILeg, IMessage, Participant
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.workloads.im.model.room import (
    LOST,
    ChatMember,
    DeliverToLeg,
    Device,
    Finished,
    LeftMessage,
    LegEnded,
    MemberState,
    Probe,
    Room,
    RoomBounds,
    Waits,
)

SILENT = DeliveryFailure(FailureKind.SILENT, 408)


@implementer(ILeg)
class Deaf:
    """A leg that does nothing: the room never calls one."""

    address = "sip:device"
    flow = FlowName("n/1")

    def deliver(self, message: IMessage, hear: Hear) -> None:
        """Nobody calls this."""

    def probe(self, hear: Hear) -> None:
        """Nobody calls this."""

    def types(self, author: Aor, body: bytes) -> None:
        """Nobody calls this."""

    def report(self, number: int, failed: Sequence[tuple[str, DeliveryFailure]]) -> None:
        """Nobody calls this."""

    def hang_up(self, reason: str | None) -> None:
        """Nobody calls this."""


def _room(*users: str, window: int = 1, waiting: int = 10, silences: int = 2) -> tuple[Room, list[ChatMember]]:
    room = Room("sip:focus", RoomBounds(window, waiting, 100, silences, 32.0))
    members = []
    for user in users:
        member = ChatMember(Participant("sip:focus", Aor(f"sip:{user}@x"), Epid("e"), ""), Deaf())
        room.join(member, 0.0)
        assert room.joined(member) == []
        members.append(member)
    return room, members


def test_a_message_is_finished_when_it_has_an_outcome_everywhere() -> None:
    """Not earlier, whatever the outcomes are."""
    room, (alice, bob, carol) = _room("alice", "bob", "carol")
    message = room.accept(alice, "text/plain", b"x")
    assert room.spread(message) == [DeliverToLeg(bob, message), DeliverToLeg(carol, message)]
    assert room.settled(bob, message, SILENT) == []
    assert room.settled(carol, message, None) == [Finished(message)]
    assert message.failures == [(bob, SILENT)]


def test_nobody_else_is_there() -> None:
    """A message to an empty room is finished at once."""
    room, (alice,) = _room("alice")
    message = room.accept(alice, "text/plain", b"x")
    assert room.spread(message) == [Finished(message)]


def test_what_waits_is_not_overtaken_even_where_the_leg_is_about_to_end() -> None:
    """Until the leg has been ended, messages for it stay in order."""
    room, (alice, bob) = _room("alice", "bob")
    first, second, third = (room.accept(alice, "text/plain", b"x") for _ in range(3))
    assert room.spread(first) == [DeliverToLeg(bob, first)]
    assert room.spread(second) == [Waits(bob, second)]
    assert room.settled(bob, first, LOST) == [Finished(first), LegEnded(bob, FailureKind.LOST)]
    assert room.spread(third) == [Waits(bob, third)]
    assert room.leave(bob, LOST) == [Finished(second), Finished(third)]


def test_silences_in_a_row_end_a_leg() -> None:
    """And what is still under way then is settled without further ado."""
    room, (alice, bob) = _room("alice", "bob", window=3)
    messages = [room.accept(alice, "text/plain", b"x") for _ in range(3)]
    for message in messages:
        room.spread(message)
    assert room.settled(bob, messages[0], SILENT) == [Finished(messages[0])]
    assert room.settled(bob, messages[1], SILENT) == [Finished(messages[1]), LegEnded(bob, FailureKind.SILENT)]
    assert room.leave(bob) == []
    assert room.settled(bob, messages[2], None) == [Finished(messages[2])]
    assert room.leave(bob) == []


def test_who_left_between_acceptance_and_spreading_is_named() -> None:
    """They belong to the audience that was recorded."""
    room, (alice, bob) = _room("alice", "bob")
    message = room.accept(alice, "text/plain", b"x")
    room.leave(bob)
    assert room.spread(message) == [Finished(message)]
    assert [member for member, _ in message.failures] == [bob]


def test_a_message_that_is_larger_than_the_bound_has_room_alone() -> None:
    """What is bounded is what waits behind it."""
    room, (alice, bob) = _room("alice", "bob")
    room.spread(room.accept(alice, "text/plain", b""))
    large, more = room.accept(alice, "text/plain", b"x" * 500), room.accept(alice, "text/plain", b"x")
    assert room.spread(large) == [Waits(bob, large)]
    assert room.spread(more) == [Finished(more)]
    assert more.failures[0][1].status == 408
    assert bob.keeps_up is False


def test_who_is_here_is_known() -> None:
    """By user, by device, and whether guests are among them."""
    room, (alice, bob) = _room("alice", "bob")
    assert (len(room), room.people, room.has_guests) == (
        2,
        frozenset({alice.participant.user, bob.participant.user}),
        False,
    )
    guest = ChatMember(Participant("sip:focus", Aor("sip:guest@y"), Epid("g"), "", internal=False), Deaf())
    room.join(guest, 0.0)
    assert room.has_guests
    assert room.members_of(guest.participant.user, Epid("other")) == ()
    room.leave(guest)
    assert not room.has_guests


def test_who_does_not_say_that_they_have_joined_is_ended() -> None:
    """Each in their own time; until they say so, messages wait for them."""
    room, (alice,) = _room("alice")
    bob, carol = (ChatMember(Participant("sip:focus", Aor(f"sip:{who}@x"), Epid("e"), ""), Deaf()) for who in "bc")
    room.join(bob, 10.0)
    room.join(carol, 20.0)
    message = room.accept(alice, "text/plain", b"x")
    assert room.spread(message) == [Waits(bob, message), Waits(carol, message)]
    assert (room.deadline(), room.expire(41.9)) == (42.0, [])
    assert room.expire(42.0) == [LegEnded(bob, FailureKind.SILENT)]
    assert (bob.state, room.joined(bob)) == (MemberState.LEAVING, [])
    assert room.deadline() == 52.0
    assert room.joined(carol) == [DeliverToLeg(carol, message)]
    assert room.joined(carol) == []
    assert (room.deadline(), room.expire(99.0)) == (None, [])
    assert room.settled(carol, message, None) == []
    assert room.leave(bob) == [Finished(message)]
    assert (bob.is_here, room.leave(bob)) == (False, [])


def test_who_leaves_while_joining_has_no_deadline() -> None:
    """Nothing is left to wait for."""
    room, _ = _room()
    bob = ChatMember(Participant("sip:focus", Aor("sip:bob@x"), Epid("e"), ""), Deaf())
    room.join(bob, 0.0)
    room.leave(bob)
    assert room.deadline() is None


def _left(number: int, *open_to: str, waiting: tuple[str, ...] = (), failed: tuple[str, ...] = ()) -> LeftMessage:
    """Give what is left of a message of Alice's."""
    failures = tuple((_device(user), SILENT) for user in failed)
    devices = tuple(map(_device, open_to))
    return LeftMessage(
        number, _device("alice"), "text/plain", b"x", devices, frozenset(map(_device, waiting)), failures, None, True
    )


def _device(user: str) -> Device:
    return Aor(f"sip:{user}@x"), Epid("e")


def test_what_a_former_home_had_accepted_is_gone_on_with() -> None:
    """What waited is sent, who was sent it is asked, who is not there any more has not got it."""
    room, (alice, bob) = _room("alice", "bob", window=2)
    (first, second), effects = room.resume(
        1000, [_left(7, "bob", "carol"), _left(8, "bob", waiting=("bob",), failed=("dave",))], Deaf()
    )
    assert effects == [Probe(bob, (first,)), DeliverToLeg(bob, second)]
    assert bob.kept == {8}
    assert (first.is_left, first.sender) == (True, alice)
    ((carol, why),) = first.failures
    assert (carol.participant.user, carol.is_here, why) == ("sip:carol@x", False, LOST)
    assert room.settled(bob, first, None) == [Finished(first)]
    assert room.settled(bob, second, None) == [Finished(second)]
    assert [member.participant.user for member, _ in second.failures] == ["sip:dave@x"]
    assert room.accept(alice, "text/plain", b"x").number == 1001


def test_what_waited_at_a_former_home_waits_again() -> None:
    """Where nobody is left to be told, nobody is; and what has all its outcomes is reported."""
    room, _ = _room("bob")
    (_, _, third), effects = room.resume(0, [_left(1, "bob"), _left(2, "bob", waiting=("bob",)), _left(3)], Deaf())
    assert [type(one) for one in effects] == [Probe, Waits, Finished]
    assert (third.is_left, third.sender.is_here) == (False, False)
