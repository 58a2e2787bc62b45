"""The lifetime of a meeting: its states, how it begins, who is removed from it, what ends it and when; pure."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.conferencing.model.attendees import (
    Attendee,
    Departure,
    Gone,
    Meeting,
    MeetingChange,
    MeetingEnd,
    MeetingEnded,
    MeetingPolicy,
    MeetingState,
    MeetingStep,
    RosterEndpoint,
)
from lyncpy.workloads.conferencing.model.conference import Active, Conference


class MeetingEvent(enum.Enum):
    """What may happen to a meeting: who is inside after a step, or its end."""

    ACCOUNTS = "somebody with an account is inside"
    GUESTS = "only guests are inside"
    NOBODY = "nobody is inside"
    OVER = "it ends"


MEETING: Final[Mapping[MeetingState, Mapping[MeetingEvent, MeetingState]]] = {
    MeetingState.OPENED: {
        MeetingEvent.ACCOUNTS: MeetingState.RUNNING,
        MeetingEvent.GUESTS: MeetingState.GUESTS_ALONE,
        MeetingEvent.OVER: MeetingState.ABANDONED,
    },
    MeetingState.RUNNING: {
        MeetingEvent.GUESTS: MeetingState.GUESTS_ALONE,
        MeetingEvent.NOBODY: MeetingState.EMPTY,
        MeetingEvent.OVER: MeetingState.TERMINATED,
    },
    MeetingState.GUESTS_ALONE: {
        MeetingEvent.ACCOUNTS: MeetingState.RUNNING,
        MeetingEvent.NOBODY: MeetingState.EMPTY,
        MeetingEvent.OVER: MeetingState.TERMINATED,
    },
    MeetingState.EMPTY: {
        MeetingEvent.ACCOUNTS: MeetingState.RUNNING,
        MeetingEvent.GUESTS: MeetingState.GUESTS_ALONE,
        MeetingEvent.OVER: MeetingState.TERMINATED,
    },
    MeetingState.ABANDONED: {},
    MeetingState.TERMINATED: {},
}
"""The states of a meeting; an event without a move leaves it in its state."""


class Transition(NamedTuple):
    """A meeting before a step and after it, with the changes between, in order."""

    before: Meeting
    after: Meeting
    changes: tuple[MeetingChange, ...]


class MeetingMachine:
    """A meeting that steps move, and time does; `core.deadline.Runner` can run it.

    Attributes:
        meeting: The meeting as it is now.
    """

    __slots__ = ("meeting",)

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting

    def receive(self, step: MeetingStep) -> Transition:
        """Make a step that a rule has decided for the meeting as it is."""
        before, (self.meeting, changes) = self.meeting, step
        return Transition(before, self.meeting, changes)

    def expire(self, now: float) -> Transition:
        """Make the step that time makes, if its deadline has come."""
        return self.receive(expire(self.meeting, now))

    def deadline(self) -> float | None:
        """Return when `expire` has something to do, in monotonic seconds; None: never."""
        return deadline(self.meeting)


def begin(
    conference: Conference, instance: str, meeting_policy: MeetingPolicy, now: float, organizer_name: str
) -> Meeting:
    """Open a meeting of a conference, or go on with the one that was running when the process died.

    Nobody is in it yet. Where it goes on, its granted roles, its lock and its instance are those that
    `remembered` returned in the process that is gone.

    Args:
        instance: The GUID of a new meeting.
        organizer_name: The organizer's display name; "" when it is not known.
    """
    active = conference.active
    if active is None:
        return Meeting(conference, instance, meeting_policy, organizer_name)
    return Meeting(
        conference,
        active.instance,
        meeting_policy,
        organizer_name,
        state=MeetingState.EMPTY,
        state_since=now,
        locked=active.locked,
        granted=dict(active.granted),
        kept=active.kept,
        ejected=active.ejected,
        meant={aor: owner for aor, owner in conference.meant.items() if aor in active.people()},
        account_at=now,
    )


def remembered(meeting: Meeting, since: float) -> Active | None:
    """Return what must survive this process; None before anybody was in the meeting, and when it has ended.

    Args:
        since: Wall-clock seconds at which it began.
    """
    if meeting.ended or not meeting.begun:
        return None
    present = {attendee.user: attendee.owner for attendee in meeting.inside if not attendee.guest}
    kept = meeting.kept.union(present)
    active = Active(meeting.instance, since, meeting.locked, meeting.granted, kept, meeting.ejected)
    known, people = {**meeting.meant, **present}, active.people()
    return replace(active, meant={aor: owner for aor, owner in known.items() if owner and aor in people})


# -- time -------------------------------------------------------------------------------------


def deadline(meeting: Meeting) -> float | None:
    """Return when `expire` has something to do, at the earliest, in monotonic seconds; None: never."""
    waits = [attendee.since + meeting.meeting_policy.lobby_wait_s for attendee in meeting.lobby]
    return min([*waits, *(at for at, _ in _endings(meeting))], default=None)


def expire(meeting: Meeting, now: float) -> MeetingStep:
    """Remove from the lobby those who waited too long, and end the meeting that nobody needs any more."""
    changes: list[MeetingChange] = []
    if meeting.ended:
        return meeting, ()
    # The last one to leave the lobby of a meeting that has not begun ends it, and the loop with it.
    for attendee in meeting.lobby:
        if attendee.since + meeting.meeting_policy.lobby_wait_s <= now and not meeting.ended:
            meeting, gone = remove(meeting, attendee, None, Departure.WAITED, now)
            changes += gone
    due = [why for at, why in _endings(meeting) if at <= now]
    if due:
        meeting, ends = terminate(meeting, due[0])
        changes += ends
    return meeting, tuple(changes)


def _endings(meeting: Meeting) -> Iterable[tuple[float, MeetingEnd]]:
    """Yield every time at which the meeting ends as things stand, and why."""
    meeting_policy = meeting.meeting_policy
    if meeting.ended:
        return
    if meeting.state is MeetingState.EMPTY:
        yield meeting.state_since + meeting_policy.linger_s, MeetingEnd.NOBODY_CAME_BACK
    if meeting.state is MeetingState.GUESTS_ALONE:
        patience = meeting_policy.guests_alone_s if meeting.account_at is None else meeting_policy.guests_left_s
        yield meeting.state_since + patience, MeetingEnd.GUESTS_ALONE
    if meeting.account_at is not None:
        yield meeting.account_at + meeting_policy.idle_s, MeetingEnd.IDLE


# -- steps ------------------------------------------------------------------------------------


def put(meeting: Meeting, attendee: Attendee) -> Meeting:
    """Insert or replace an attendee."""
    return replace(meeting, attendees={**meeting.attendees, attendee.user: attendee})


def with_owner(meeting: Meeting, attendee: Attendee) -> Mapping[Aor, OwnerId]:
    """Return the persons behind remembered addresses, with one attendee more."""
    return {**meeting.meant, attendee.user: attendee.owner} if attendee.owner else meeting.meant


def entered(meeting: Meeting, attendee: Attendee, now: float) -> Meeting:
    """Note what follows from a participant being inside."""
    return _occupied(
        replace(
            meeting,
            kept=meeting.kept - {attendee.user},
            called=meeting.called - {attendee.user},
            account_at=meeting.account_at if attendee.guest else now,
        ),
        now,
    )


def _occupied(meeting: Meeting, now: float) -> Meeting:
    """Make the move that follows from who is inside."""
    inside = meeting.inside
    if not inside:
        event = MeetingEvent.NOBODY
    elif all(attendee.guest for attendee in inside):
        event = MeetingEvent.GUESTS
    else:
        event = MeetingEvent.ACCOUNTS
    state = MEETING[meeting.state].get(event)
    return meeting if state is None else replace(meeting, state=state, state_since=now)


def remove(
    meeting: Meeting, attendee: Attendee, devices: tuple[RosterEndpoint, ...] | None, why: Departure, now: float
) -> MeetingStep:
    """Remove devices of an attendee, None: all of them; end the meeting where nobody is left who may return."""
    rest, gone = _removed(attendee, attendee.devices if devices is None else devices, why)
    if rest.endpoints:
        return put(meeting, rest), gone
    others = {user: other for user, other in meeting.attendees.items() if user != attendee.user}
    # A guest's address is made up anew at each join, and whoever was in the lobby had not been admitted.
    lost = why is Departure.LOST and not attendee.guest and not attendee.waits
    after = replace(meeting, attendees=others)
    if lost:
        after = replace(after, kept=meeting.kept | {attendee.user}, meant=with_owner(meeting, attendee))
    after = _occupied(after, now)
    # Whoever is kept may return, within `linger_s`. Before anybody was inside, the lobby waits for the first.
    if after.inside or after.kept or (after.attendees and not after.begun):
        return after, gone
    over, ends = terminate(after, MeetingEnd.LAST_LEFT)
    return over, (*gone, *ends)


def _removed(
    attendee: Attendee, devices: Iterable[RosterEndpoint], why: Departure
) -> tuple[Attendee, tuple[Gone, ...]]:
    """Remove devices from an attendee; return the attendee afterwards, and one change for each device."""
    gone: list[Gone] = []
    for device in devices:
        media = tuple(end for end in attendee.endpoints if end.epid == device.epid and end is not device)
        attendee = replace(attendee, endpoints=tuple(end for end in attendee.endpoints if end.epid != device.epid))
        gone.append(Gone(attendee.user, device, media, why, last=not attendee.endpoints))
    return attendee, tuple(gone)


def terminate(meeting: Meeting, why: MeetingEnd) -> MeetingStep:
    """End the meeting: remove everybody, from the lobby too. Ending it again changes nothing."""
    if meeting.ended:
        return meeting, ()
    changes: list[MeetingChange] = []
    for attendee in meeting.attendees.values():
        changes += _removed(attendee, attendee.devices, Departure.ENDED)[1]
    after = replace(meeting, attendees={}, state=MEETING[meeting.state][MeetingEvent.OVER])
    return after, (*changes, MeetingEnded(why))
