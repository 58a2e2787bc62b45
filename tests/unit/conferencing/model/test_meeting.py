"""Who is admitted to a meeting, with which role, what they may do there, and when it ends."""

from dataclasses import replace
from typing import Any

import pytest

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.conferencing.model.admission import MAY, FocusAction, JoinerRelation
from lyncpy.workloads.conferencing.model.attendees import (
    Admitted,
    Arrived,
    ConferenceEdited,
    Departure,
    Gone,
    LockChanged,
    MediumJoined,
    MediumLeft,
    Meeting,
    MeetingChange,
    MeetingEnd,
    MeetingEnded,
    MeetingState,
    MeetingStep,
    RoleChanged,
    departed_attendee,
)
from lyncpy.workloads.conferencing.model.conference import (
    CHAT,
    Active,
    AdmissionPolicy,
    Autopromote,
    C3pReason,
    ConferenceDenied,
    ConferenceRole,
)
from lyncpy.workloads.conferencing.model.lifetime import MeetingMachine, begin, deadline, expire, remembered
from lyncpy.workloads.conferencing.model.meeting import (
    admit,
    call_in,
    deleted,
    deny,
    eject,
    end,
    join,
    leave,
    may,
    medium_joined,
    medium_left,
    reform,
    relation_of,
    set_lock,
    set_role,
)
from tests.kit.rosters import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DESK,
    GUEST,
    MALLORY,
    NOON,
    PHONE,
    conference,
    done,
    joiner,
    meeting,
    policy_with,
)

PEOPLE = {
    "organizer": ALICE,
    "named presenter": BOB,
    "invited": CAROL,
    "colleague": DAVE,
    "outsider": MALLORY,
    "guest": GUEST,
}
INVITED = {BOB: ConferenceRole.PRESENTER, CAROL: ConferenceRole.ATTENDEE}


def changes(step: MeetingStep | ConferenceDenied) -> tuple[MeetingChange, ...]:
    """Give what happened."""
    assert not isinstance(step, ConferenceDenied), step
    return step[1]


def why(step: MeetingStep | ConferenceDenied) -> C3pReason:
    """Say why nothing happened."""
    assert isinstance(step, ConferenceDenied), step
    return step.reason


def waits(step: MeetingStep | ConferenceDenied) -> bool:
    """Say whether the one who came was sent to the lobby."""
    (arrived,) = changes(step)
    assert isinstance(arrived, Arrived)
    return arrived.waits


def ending(step: MeetingStep | ConferenceDenied) -> MeetingEnd:
    """Say why the meeting ended."""
    last = changes(step)[-1]
    assert isinstance(last, MeetingEnded)
    return last.why


def departures(step: MeetingStep | ConferenceDenied) -> dict[Aor, Departure]:
    """Say who is gone, and why."""
    return {change.user: change.why for change in changes(step) if isinstance(change, Gone) and change.last}


# -- who comes in -----------------------------------------------------------------------------


@pytest.mark.parametrize("lobby_capable", [True, False])
@pytest.mark.parametrize(
    ("admission", "locked", "let_in"),
    [
        (AdmissionPolicy.CLOSED, False, {"organizer", "named presenter", "invited"}),
        (AdmissionPolicy.OPEN, False, {"organizer", "named presenter", "invited", "colleague"}),
        (AdmissionPolicy.ANONYMOUS, False, set(PEOPLE)),
        (AdmissionPolicy.CLOSED, True, {"organizer", "named presenter"}),
        (AdmissionPolicy.OPEN, True, {"organizer", "named presenter"}),
        (AdmissionPolicy.ANONYMOUS, True, {"organizer", "named presenter"}),
    ],
)
def test_who_walks_in_and_who_asks_in_the_lobby(
    admission: AdmissionPolicy, locked: bool, let_in: set[str], lobby_capable: bool
) -> None:
    """The admission policy decides; a lock decides harder; who knows no lobby is refused instead of waiting."""
    running = replace(meeting(admission=admission, invited=INVITED), locked=locked)
    for name, user in PEOPLE.items():
        step = join(running, joiner(user, lobby_capable=lobby_capable), 1.0)
        if name in let_in:
            assert not waits(step), name
        elif lobby_capable:
            assert waits(step), name
        else:
            assert isinstance(step, ConferenceDenied), name
            assert step.text


@pytest.mark.parametrize(
    ("user", "locked", "reason"),
    [
        (GUEST, False, C3pReason.ANONYMOUS_NOT_ALLOWED),
        (MALLORY, False, C3pReason.FEDERATED_NOT_ALLOWED),
        (DAVE, False, C3pReason.UNAUTHORIZED),
        (DAVE, True, C3pReason.UNAUTHORIZED),
    ],
)
def test_who_is_refused_learns_why(user: Aor, locked: bool, reason: C3pReason) -> None:
    """A client without a lobby shows the reason."""
    running = replace(meeting(admission=AdmissionPolicy.CLOSED), locked=locked)
    assert why(join(running, joiner(user, lobby_capable=False), 0.0)) is reason


def test_no_guests_where_the_organizers_policy_forbids_them() -> None:
    """Not even in the lobby."""
    running = meeting(meeting_policy=policy_with(guests=False), admission=AdmissionPolicy.ANONYMOUS)
    assert why(join(running, joiner(GUEST), 0.0)) is C3pReason.ANONYMOUS_NOT_ALLOWED


@pytest.mark.parametrize(
    ("autopromote", "presenters"),
    [
        (Autopromote.NOBODY, {"organizer", "named presenter"}),
        (Autopromote.COMPANY, {"organizer", "named presenter", "invited", "colleague"}),
        (Autopromote.EVERYONE, set(PEOPLE)),
    ],
)
def test_as_what_somebody_joins(autopromote: Autopromote, presenters: set[str]) -> None:
    """The organizer is a presenter, and whoever the invitation or the conference makes one; what clients ask for decides nothing."""
    running = meeting(admission=AdmissionPolicy.ANONYMOUS, invited=INVITED, autopromote=autopromote)
    for name, user in PEOPLE.items():
        role = done(join(running, joiner(user), 0.0)).attendees[user].role
        assert (role is ConferenceRole.PRESENTER) == (name in presenters), name


def test_a_meeting_holds_so_many_people() -> None:
    """One more is refused, a further device of somebody who is in is not."""
    running = meeting(ALICE, BOB, meeting_policy=policy_with(size=2))
    assert why(join(running, joiner(CAROL), 0.0)) is C3pReason.MAXIMUM_SIZE
    assert not waits(join(running, joiner(BOB, PHONE), 0.0))


def test_a_lobby_holds_so_many_people() -> None:
    """A crowd before the door is kept small."""
    running = meeting(CAROL, meeting_policy=policy_with(lobby=1), admission=AdmissionPolicy.CLOSED)
    assert why(join(running, joiner(DAVE), 0.0)) is C3pReason.MAXIMUM_SIZE


def test_somebody_takes_part_with_several_devices() -> None:
    """Each is an endpoint of the same person; so many and no more."""
    running = meeting(ALICE, meeting_policy=policy_with(devices=2))
    step = join(running, joiner(ALICE, PHONE), 5.0)
    (arrived,) = changes(step)
    assert isinstance(arrived, Arrived)
    assert (arrived.first, arrived.replaced, arrived.endpoint.epid) == (False, None, PHONE)
    assert why(join(done(step), joiner(ALICE, Epid("third")), 5.0)) is C3pReason.MAXIMUM_SIZE


def test_a_device_that_joins_again_takes_its_own_place() -> None:
    """The earlier dialog is replaced; the chat goes on."""
    running = meeting(ALICE)
    again = replace(joiner(ALICE), entity="{new}", display_name="")
    step = join(running, again, 5.0)
    (arrived,) = changes(step)
    assert isinstance(arrived, Arrived)
    assert arrived.replaced == running.attendees[ALICE].at(DESK)
    alice = done(step).attendees[ALICE]
    assert [(end.entity, end.kind) for end in alice.endpoints] == [("{new}", "focus"), ("chat-alice", CHAT)]
    assert alice.display_name == "Alice"


def test_a_guest_is_not_taken_for_a_device_of_somebody_else() -> None:
    """A name that a guest gives himself proves nothing."""
    running = meeting(ALICE, admission=AdmissionPolicy.ANONYMOUS)
    assert why(join(running, joiner(ALICE, PHONE, guest=True), 0.0)) is C3pReason.UNAUTHORIZED


def test_nobody_joins_a_meeting_that_is_over() -> None:
    """The next one begins anew."""
    over = done(end(meeting(ALICE), ALICE))
    assert why(join(over, joiner(ALICE), 0.0)) is C3pReason.CONFERENCE_DOES_NOT_EXIST


# -- media ------------------------------------------------------------------------------------


def test_media_are_for_those_who_are_in() -> None:
    """Who waits has none, nor has a device that never joined."""
    running = done(join(meeting(ALICE, admission=AdmissionPolicy.CLOSED), joiner(DAVE), 0.0))
    assert why(medium_joined(running, DAVE, DESK, CHAT, "c", 0.0)) is C3pReason.UNAUTHORIZED
    assert why(medium_joined(running, ALICE, PHONE, CHAT, "c", 0.0)) is C3pReason.USER_DOES_NOT_EXIST
    assert why(medium_joined(running, BOB, DESK, CHAT, "c", 0.0)) is C3pReason.USER_DOES_NOT_EXIST


def test_a_device_is_in_a_medium_once() -> None:
    """A second INVITE of the same device replaces the first."""
    step = medium_joined(meeting(ALICE), ALICE, DESK, CHAT, "c2", 1.0)
    (joined,) = changes(step)
    assert isinstance(joined, MediumJoined)
    assert joined.replaced is not None
    assert joined.replaced.entity == "chat-alice"
    assert len(done(step).attendees[ALICE].endpoints) == 2


def test_leaving_a_medium_leaves_the_meeting_alone() -> None:
    """He is still in the roster, without the medium."""
    running = meeting(ALICE)
    step = medium_left(running, ALICE, DESK, CHAT)
    (left,) = changes(step)
    assert isinstance(left, MediumLeft)
    assert done(step).attendees[ALICE].at(DESK, CHAT) is None
    assert done(step).attendees[ALICE].at(DESK) is not None


def test_what_is_not_there_cannot_leave() -> None:
    """Late news of an MCU or a lost connection changes nothing."""
    running = meeting(ALICE)
    for step in (
        medium_left(running, ALICE, PHONE, CHAT),
        medium_left(running, BOB, DESK, CHAT),
        leave(running, BOB, DESK, 0.0),
        leave(running, ALICE, PHONE, 0.0),
    ):
        assert step == (running, ())


# -- leaving ----------------------------------------------------------------------------------


def test_a_device_leaves_with_its_media() -> None:
    """The person stays as long as one of their devices does."""
    running = done(join(meeting(ALICE, BOB), joiner(ALICE, PHONE), 0.0))
    step = leave(running, ALICE, DESK, 1.0)
    (gone,) = changes(step)
    assert isinstance(gone, Gone)
    assert ([end.kind for end in gone.media], gone.last, gone.why) == ([CHAT], False, Departure.LEFT)
    assert [end.epid for end in done(step).attendees[ALICE].endpoints] == [PHONE]


def test_the_last_one_to_leave_ends_the_meeting() -> None:
    """Also for who waits in the lobby."""
    running = done(join(meeting(ALICE, admission=AdmissionPolicy.CLOSED), joiner(DAVE), 0.0))
    step = leave(running, ALICE, DESK, 1.0)
    assert ending(step) is MeetingEnd.LAST_LEFT
    assert departures(step) == {ALICE: Departure.LEFT, DAVE: Departure.ENDED}
    assert done(step).ended


def test_a_meeting_waits_for_who_was_lost() -> None:
    """A server that restarts, or a network that fails, does not end it; patience does."""
    running = done(leave(meeting(ALICE), ALICE, DESK, 10.0, lost=True))
    assert not running.ended
    assert deadline(running) == 610.0
    assert expire(running, 609.0) == (running, ())
    assert ending(expire(running, 610.0)) is MeetingEnd.NOBODY_CAME_BACK


def test_who_was_lost_comes_back_through_a_locked_door() -> None:
    """He had been let in; who left by himself asks again."""
    running = done(set_lock(meeting(ALICE, BOB, CAROL), ALICE, locked=True))
    running = done(leave(running, BOB, DESK, 1.0, lost=True))
    running = done(leave(running, CAROL, DESK, 1.0))
    assert not waits(join(running, joiner(BOB, lobby_capable=False), 2.0))
    assert waits(join(running, joiner(CAROL), 2.0))


def test_who_came_back_is_not_lost_any_more() -> None:
    """When they leave then, they have left the meeting."""
    running = done(leave(meeting(ALICE), ALICE, DESK, 1.0, lost=True))
    running = done(join(running, joiner(ALICE), 2.0))
    assert deadline(running) == 2.0 + running.meeting_policy.idle_s
    assert ending(leave(running, ALICE, DESK, 3.0)) is MeetingEnd.LAST_LEFT


def test_a_meeting_that_nobody_was_let_into_ends_with_the_last_who_waits() -> None:
    """Nothing is left of it."""
    running = meeting(CAROL, DAVE, admission=AdmissionPolicy.CLOSED)
    running = done(leave(running, CAROL, DESK, 1.0))
    assert not running.ended
    assert ending(leave(running, DAVE, DESK, 1.0)) is MeetingEnd.LAST_LEFT


# -- the lobby --------------------------------------------------------------------------------


@pytest.fixture
def knocking() -> Meeting:
    """Alice is in; Dave waits, with two devices."""
    running = meeting(ALICE, DAVE, admission=AdmissionPolicy.CLOSED, meeting_policy=policy_with(size=2))
    return done(join(running, joiner(DAVE, PHONE), 0.0))


def test_a_presenter_lets_somebody_in(knocking: Meeting) -> None:
    """They are in with all their devices, and may take part in the chat."""
    step = admit(knocking, ALICE, DAVE, 5.0)
    assert changes(step) == (Admitted(DAVE),)
    assert not done(step).attendees[DAVE].waits
    assert medium_joined(done(step), DAVE, PHONE, CHAT, "c", 6.0)
    assert why(admit(done(step), ALICE, DAVE, 6.0)) is C3pReason.ALREADY_ADMITTED
    assert why(deny(done(step), ALICE, DAVE, 6.0)) is C3pReason.ALREADY_ADMITTED


def test_nobody_is_let_into_a_full_meeting(knocking: Meeting) -> None:
    """The presenter learns that it is full."""
    full = replace(knocking, meeting_policy=policy_with(size=1))
    assert why(admit(full, ALICE, DAVE, 1.0)) is C3pReason.CONFERENCE_FULL


def test_a_presenter_sends_somebody_away(knocking: Meeting) -> None:
    """By denying them, or by removing them."""
    assert departures(deny(knocking, ALICE, DAVE, 1.0)) == {DAVE: Departure.DENIED}
    assert departures(eject(knocking, ALICE, DAVE, 1.0)) == {DAVE: Departure.DENIED}
    assert why(deny(knocking, ALICE, CAROL, 1.0)) is C3pReason.USER_DOES_NOT_EXIST


def test_who_waits_too_long_is_sent_away(knocking: Meeting) -> None:
    """The meeting goes on."""
    assert deadline(knocking) == knocking.meeting_policy.lobby_wait_s
    step = expire(knocking, knocking.meeting_policy.lobby_wait_s)
    assert departures(step) == {DAVE: Departure.WAITED}
    assert not done(step).ended


def test_a_meeting_nobody_came_to_ends_with_the_patience_of_the_lobby() -> None:
    """Both who wait are sent away, and it is over."""
    running = meeting(CAROL, DAVE, admission=AdmissionPolicy.CLOSED)
    step = expire(running, running.meeting_policy.lobby_wait_s)
    assert departures(step) == {CAROL: Departure.WAITED, DAVE: Departure.WAITED}
    assert done(step).ended


def test_a_meeting_of_guests_that_a_restart_emptied_ends_with_its_lobby() -> None:
    """Nobody can come back to it: guests have no name that could be known again."""
    active = Active("instance-1", NOON, False, {}, frozenset(), frozenset())
    running = begin(conference(active=active, admission=AdmissionPolicy.CLOSED), "", policy_with(linger_s=1e6), 0.0, "")
    running = done(join(done(join(running, joiner(CAROL), 0.0)), joiner(DAVE), 0.0))
    step = expire(running, running.meeting_policy.lobby_wait_s)
    assert departures(step) == {CAROL: Departure.WAITED, DAVE: Departure.ENDED}
    assert ending(step) is MeetingEnd.LAST_LEFT


def test_who_waits_may_do_nothing(knocking: Meeting) -> None:
    """Not even ask for the roster; they may leave."""
    assert not any(may(knocking, DAVE, action) for action in FocusAction)
    assert departures(eject(knocking, DAVE, DAVE, 1.0)) == {DAVE: Departure.LEFT}


# -- commands ---------------------------------------------------------------------------------


def test_attendees_may_only_look() -> None:
    """Every command that concerns others is for presenters; the operator may everything."""
    running = meeting(ALICE, BOB)
    assert MAY[ConferenceRole.ATTENDEE] == {FocusAction.GET_CONFERENCE}
    assert all(may(running, None, action) and may(running, ALICE, action) for action in FocusAction)
    assert not may(running, CAROL, FocusAction.GET_CONFERENCE)
    for step in (
        set_role(running, BOB, BOB, ConferenceRole.PRESENTER),
        set_lock(running, BOB, locked=True),
        eject(running, BOB, ALICE, 0.0),
        end(running, BOB),
        admit(running, BOB, CAROL, 0.0),
        deny(running, BOB, CAROL, 0.0),
    ):
        assert why(step) is C3pReason.FORBIDDEN


def test_a_presenter_makes_another() -> None:
    """And takes it back; the same role again is no change."""
    step = set_role(meeting(ALICE, BOB), ALICE, BOB, ConferenceRole.PRESENTER)
    assert changes(step) == (RoleChanged(BOB, ConferenceRole.PRESENTER),)
    assert changes(set_role(done(step), ALICE, BOB, ConferenceRole.PRESENTER)) == ()
    again = set_role(done(step), BOB, BOB, ConferenceRole.ATTENDEE)
    assert done(again).attendees[BOB].role is ConferenceRole.ATTENDEE


def test_a_role_is_kept_for_who_comes_back() -> None:
    """Whoever was made a presenter, or an attendee, is one when they join again."""
    running = done(
        set_role(meeting(ALICE, BOB, CAROL, autopromote=Autopromote.COMPANY), ALICE, BOB, ConferenceRole.ATTENDEE)
    )
    running = done(leave(running, BOB, DESK, 0.0))
    assert done(join(running, joiner(BOB), 1.0)).attendees[BOB].role is ConferenceRole.ATTENDEE
    running = done(set_role(meeting(ALICE, BOB), ALICE, BOB, ConferenceRole.PRESENTER))
    running = done(set_lock(done(leave(running, BOB, DESK, 0.0)), ALICE, locked=True))
    assert done(join(running, joiner(BOB, lobby_capable=False), 1.0)).attendees[BOB].role is ConferenceRole.PRESENTER


def test_a_guests_role_is_gone_with_him() -> None:
    """His name is nobody's, so nobody inherits by it."""
    running = done(
        set_role(meeting(ALICE, GUEST, admission=AdmissionPolicy.ANONYMOUS), ALICE, GUEST, ConferenceRole.PRESENTER)
    )
    assert running.attendees[GUEST].role is ConferenceRole.PRESENTER
    running = done(leave(running, GUEST, DESK, 0.0))
    assert done(join(running, joiner(GUEST), 1.0)).attendees[GUEST].role is ConferenceRole.ATTENDEE


def test_the_organizer_and_the_last_presenter_keep_their_role() -> None:
    """A meeting that nobody leads could only be left."""
    running = meeting(ALICE, BOB, invited={BOB: ConferenceRole.PRESENTER})
    assert why(set_role(running, BOB, ALICE, ConferenceRole.ATTENDEE)) is C3pReason.FORBIDDEN
    alone = done(leave(running, ALICE, DESK, 0.0))
    assert why(set_role(alone, BOB, BOB, ConferenceRole.ATTENDEE)) is C3pReason.FORBIDDEN
    assert why(set_role(running, ALICE, CAROL, ConferenceRole.PRESENTER)) is C3pReason.USER_DOES_NOT_EXIST


def test_a_presenter_shuts_the_door_and_opens_it() -> None:
    """Who is in stays in; shutting it twice is once."""
    step = set_lock(meeting(ALICE, BOB), ALICE, locked=True)
    assert changes(step) == (LockChanged(locked=True),)
    assert len(done(step).inside) == 2
    assert changes(set_lock(done(step), ALICE, locked=True)) == ()
    assert changes(set_lock(done(step), ALICE, locked=False)) == (LockChanged(locked=False),)


def test_a_presenter_throws_somebody_out() -> None:
    """With every device and its media."""
    running = done(join(meeting(ALICE, BOB), joiner(BOB, PHONE), 0.0))
    step = eject(running, ALICE, BOB, 1.0)
    assert [(change.endpoint.epid, change.why) for change in changes(step) if isinstance(change, Gone)] == [
        (DESK, Departure.EJECTED),
        (PHONE, Departure.EJECTED),
    ]
    assert BOB not in done(step).attendees
    assert why(eject(running, ALICE, CAROL, 1.0)) is C3pReason.USER_DOES_NOT_EXIST


def test_who_was_thrown_out_is_nobody_special_any_more() -> None:
    """They may join where anybody may; at a closed or locked meeting they have to ask."""
    named: dict[str, Any] = {"invited": {BOB: ConferenceRole.PRESENTER}, "autopromote": Autopromote.COMPANY}
    opened = done(eject(meeting(ALICE, BOB, **named), ALICE, BOB, 1.0))
    step = join(opened, joiner(BOB), 2.0)
    assert not waits(step)
    assert done(step).attendees[BOB].role is ConferenceRole.ATTENDEE
    closed = done(eject(meeting(ALICE, BOB, admission=AdmissionPolicy.CLOSED, **named), ALICE, BOB, 1.0))
    assert waits(join(closed, joiner(BOB), 2.0))
    assert isinstance(join(closed, joiner(BOB, lobby_capable=False), 2.0), ConferenceDenied)


def test_who_was_thrown_out_is_forgiven_by_being_let_in() -> None:
    """Or by being made a presenter."""
    closed = done(
        eject(
            meeting(ALICE, BOB, admission=AdmissionPolicy.CLOSED, invited={BOB: ConferenceRole.ATTENDEE}),
            ALICE,
            BOB,
            1.0,
        )
    )
    again = done(admit(done(join(closed, joiner(BOB), 2.0)), ALICE, BOB, 3.0))
    assert BOB not in again.ejected
    opened = done(join(done(eject(meeting(ALICE, BOB), ALICE, BOB, 1.0)), joiner(BOB), 2.0))
    assert BOB not in done(set_role(opened, ALICE, BOB, ConferenceRole.PRESENTER)).ejected


def test_guests_can_be_thrown_out_too() -> None:
    """Nothing of them is remembered: their address will be another."""
    running = meeting(ALICE, GUEST, admission=AdmissionPolicy.ANONYMOUS)
    step = eject(running, ALICE, GUEST, 1.0)
    assert departures(step) == {GUEST: Departure.EJECTED}
    assert done(step).ejected == frozenset()


def test_the_organizer_is_thrown_out_by_the_operator_alone() -> None:
    """It is their meeting."""
    running = meeting(ALICE, BOB, invited={BOB: ConferenceRole.PRESENTER})
    assert why(eject(running, BOB, ALICE, 1.0)) is C3pReason.FORBIDDEN
    assert departures(eject(running, None, ALICE, 1.0)) == {ALICE: Departure.EJECTED}


def test_anybody_may_take_himself_out() -> None:
    """By the same command that throws others out."""
    assert departures(eject(meeting(ALICE, BOB), BOB, BOB, 1.0)) == {BOB: Departure.LEFT}


@pytest.mark.parametrize(("actor", "by"), [(ALICE, MeetingEnd.BY_PRESENTER), (None, MeetingEnd.BY_OPERATOR)])
def test_a_presenter_or_an_operator_ends_the_meeting(actor: Aor | None, by: MeetingEnd) -> None:
    """Everybody is gone, and then it is over."""
    step = end(meeting(ALICE, BOB), actor)
    assert ending(step) is by
    assert departures(step) == {ALICE: Departure.ENDED, BOB: Departure.ENDED}
    assert changes(end(done(step), None)) == ()
    assert deadline(done(step)) is None
    assert expire(done(step), 1e9) == (done(step), ())


def test_who_is_called_in_counts_as_invited_until_they_come() -> None:
    """Presenters call, nobody calls who is there, and a full meeting takes nobody."""
    closed = meeting(ALICE, BOB, admission=AdmissionPolicy.CLOSED)
    assert isinstance(call_in(closed, CAROL, DAVE), ConferenceDenied)
    assert call_in(closed, ALICE, BOB) == ConferenceDenied(C3pReason.USER_EXISTS)
    full = replace(closed, meeting_policy=policy_with(size=1))
    assert isinstance(call_in(full, ALICE, DAVE), ConferenceDenied)
    called = done(call_in(closed, ALICE, DAVE))
    assert relation_of(called, joiner(DAVE)) is JoinerRelation.INVITED
    came = done(join(called, joiner(DAVE), 1.0))
    assert (len(came.inside), came.called) == (2, frozenset())


def test_a_conference_that_is_deleted_takes_its_meeting_along() -> None:
    """The records say that nobody in the meeting ended it."""
    step = deleted(meeting(ALICE, BOB))
    assert ending(step) is MeetingEnd.DELETED
    assert departures(step) == {ALICE: Departure.ENDED, BOB: Departure.ENDED}
    assert changes(deleted(done(step))) == ()


# -- time -------------------------------------------------------------------------------------


def test_guests_wait_for_somebody_with_an_account() -> None:
    """For an hour and a half; then the meeting ends."""
    running = meeting(GUEST, admission=AdmissionPolicy.ANONYMOUS)
    assert deadline(running) == 5400.0
    assert ending(expire(running, 5400.0)) is MeetingEnd.GUESTS_ALONE


def test_guests_stay_ten_minutes_after_the_last_one_with_an_account() -> None:
    """Unless one comes back."""
    running = done(leave(meeting(ALICE, GUEST, admission=AdmissionPolicy.ANONYMOUS), ALICE, DESK, 100.0))
    assert deadline(running) == 700.0
    again = done(join(running, joiner(BOB), 200.0))
    assert again.state is MeetingState.RUNNING
    assert ending(expire(running, 700.0)) is MeetingEnd.GUESTS_ALONE


def test_a_meeting_that_nobody_joins_any_more_ends_in_a_day() -> None:
    """A forgotten meeting does not stay open for good; each join begins the day anew."""
    running = meeting(ALICE, meeting_policy=policy_with(idle_s=100.0))
    running = done(join(running, joiner(BOB), 50.0))
    assert deadline(running) == 150.0
    assert ending(expire(running, 150.0)) is MeetingEnd.IDLE


def test_nothing_is_due_in_an_empty_new_meeting() -> None:
    """It has neither begun nor ended."""
    assert deadline(meeting()) is None
    assert expire(meeting(), 1e9) == (meeting(), ())


# -- surviving --------------------------------------------------------------------------------


def test_what_survives_a_restart_is_who_was_in_and_as_what() -> None:
    """After kill -9 everybody finds their place, behind a locked door too, and the ejected do not."""
    running = meeting(ALICE, BOB, CAROL, DAVE, GUEST, admission=AdmissionPolicy.ANONYMOUS)
    running = done(set_role(running, ALICE, BOB, ConferenceRole.PRESENTER))
    running = done(set_lock(running, BOB, locked=True))
    running = done(eject(running, BOB, CAROL, 1.0))
    active = remembered(running, NOON)
    assert active == Active(
        "instance-1", NOON, True, {BOB: ConferenceRole.PRESENTER}, frozenset({ALICE, BOB, DAVE}), frozenset({CAROL})
    )

    again = begin(conference(active=active, admission=AdmissionPolicy.ANONYMOUS), "instance-2", policy_with(), 5.0, "")
    assert again.instance == "instance-1"
    assert done(join(again, joiner(BOB), 6.0)).attendees[BOB].role is ConferenceRole.PRESENTER
    assert not waits(join(again, joiner(DAVE, lobby_capable=False), 6.0))
    assert waits(join(again, joiner(CAROL), 6.0))
    assert deadline(again) == 605.0
    assert ending(expire(again, 605.0)) is MeetingEnd.NOBODY_CAME_BACK


def test_nothing_survives_of_a_meeting_that_was_none() -> None:
    """Before anybody was in, and after the end."""
    assert remembered(meeting(CAROL, admission=AdmissionPolicy.CLOSED), NOON) is None
    assert remembered(done(end(meeting(ALICE), None)), NOON) is None


def test_a_modified_conference_holds_for_who_comes_next() -> None:
    """Who is in stays, whatever the new invitation says."""
    running = meeting(ALICE, DAVE)
    step = reform(running, replace(running.conference, admission=AdmissionPolicy.CLOSED, subject="New"))
    assert changes(step) == (ConferenceEdited(),)
    assert len(done(step).inside) == 2
    assert waits(join(done(step), joiner(CAROL), 1.0))


def test_relations_are_told_apart() -> None:
    """The roster knows who is what."""
    running = meeting(ALICE, BOB, CAROL, DAVE, MALLORY, GUEST, admission=AdmissionPolicy.ANONYMOUS, invited=INVITED)
    assert [attendee.relation for attendee in running.inside] == [
        JoinerRelation.ORGANIZER,
        JoinerRelation.PRESENTER,
        JoinerRelation.INVITED,
        JoinerRelation.COLLEAGUE,
        JoinerRelation.OUTSIDER,
        JoinerRelation.GUEST,
    ]


def test_a_meeting_as_a_machine_says_when_time_moves_it() -> None:
    """Steps move it, and so does its deadline; each transition says what was before."""
    machine = MeetingMachine(meeting(ALICE, meeting_policy=policy_with(linger_s=60.0)))
    step = leave(machine.meeting, ALICE, DESK, 10.0, lost=True)
    assert not isinstance(step, ConferenceDenied)
    lost = machine.receive(step)
    assert (lost.before.state, lost.after.state) == (MeetingState.RUNNING, MeetingState.EMPTY)
    assert (machine.meeting, machine.deadline()) == (lost.after, 70.0)
    assert machine.expire(69.9).changes == ()
    over = machine.expire(70.0)
    assert (over.before, over.after.state) == (lost.after, MeetingState.TERMINATED)
    assert (over.changes, machine.deadline()) == ((MeetingEnded(MeetingEnd.NOBODY_CAME_BACK),), None)


def test_a_meeting_that_nobody_came_into_is_abandoned() -> None:
    """Whoever waited in its lobby leaves: nothing of it is recorded."""
    running = meeting(CAROL, admission=AdmissionPolicy.CLOSED)
    assert (running.state, running.begun) == (MeetingState.OPENED, False)
    over = done(leave(running, CAROL, DESK, 5.0))
    assert (over.state, over.begun, over.ended) == (MeetingState.ABANDONED, False, True)


def test_who_was_inside_need_not_be_let_in_again() -> None:
    """When another node goes on with the meeting: guests who were let in stay inside, though it is locked; nobody who was ejected does."""
    locked = replace(meeting(), locked=True)
    guest = joiner(GUEST)
    waits, stays = done(join(locked, guest, NOON)), done(join(locked, guest, NOON, was_inside=True))
    assert [len(one.lobby) for one in (waits, stays)] == [1, 0]
    ejected = replace(locked, ejected=frozenset({BOB}))
    assert len(done(join(ejected, joiner(BOB), NOON, was_inside=True)).lobby) == 1


def test_who_is_gone_is_nobody() -> None:
    """Of those whom another node had in the meeting only the address is known."""
    gone = departed_attendee(BOB)
    assert (gone.user, gone.devices, gone.guest, gone.waits) == (BOB, (), False, False)
