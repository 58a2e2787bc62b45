"""The lifetime of a meeting: how it begins and goes on, who is removed from it, what ends it and when; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.conferencing.model.attendees import (
    Attendee,
    Change,
    Departure,
    Gone,
    Meeting,
    MeetingEnd,
    MeetingEnded,
    MeetingPolicy,
    RosterEndpoint,
    Step,
)
from lyncpy.workloads.conferencing.model.conference import Active, Conference


def begin(
    conference: Conference, instance: str, meeting_policy: MeetingPolicy, now: float, organizer_name: str = ""
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
        locked=active.locked,
        begun=True,
        granted=dict(active.granted),
        kept=active.kept,
        ejected=active.ejected,
        meant={aor: owner for aor, owner in conference.meant.items() if aor in active.people()},
        empty_since=now,
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


def expire(meeting: Meeting, now: float) -> Step:
    """Remove from the lobby those who waited too long, and end the meeting that nobody needs any more."""
    changes: list[Change] = []
    if meeting.ended:
        return meeting, ()
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
    if meeting.empty_since is not None:
        yield meeting.empty_since + meeting_policy.linger_s, MeetingEnd.NOBODY_CAME_BACK
    if meeting.alone_since is not None:
        patience = meeting_policy.guests_alone_s if meeting.account_at is None else meeting_policy.guests_left_s
        yield meeting.alone_since + patience, MeetingEnd.GUESTS_ALONE
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
    return _watched(
        replace(
            meeting,
            begun=True,
            kept=meeting.kept - {attendee.user},
            called=meeting.called - {attendee.user},
            account_at=meeting.account_at if attendee.guest else now,
        ),
        now,
    )


def _watched(meeting: Meeting, now: float) -> Meeting:
    """Start or stop the times of an empty meeting and of guests alone."""
    inside = meeting.inside
    empty = meeting.begun and not inside
    alone = bool(inside) and all(attendee.guest for attendee in inside)
    return replace(
        meeting,
        empty_since=(now if meeting.empty_since is None else meeting.empty_since) if empty else None,
        alone_since=(now if meeting.alone_since is None else meeting.alone_since) if alone else None,
    )


def remove(
    meeting: Meeting, attendee: Attendee, devices: tuple[RosterEndpoint, ...] | None, why: Departure, now: float
) -> Step:
    """Remove devices of an attendee, None: all of them; end the meeting where nobody is left who may return."""
    rest, gone = _removed(attendee, attendee.devices if devices is None else devices, why)
    if rest.endpoints:
        return put(meeting, rest), gone
    others = {user: other for user, other in meeting.attendees.items() if user != attendee.user}
    lost = why is Departure.LOST and not attendee.guest and not attendee.waits
    after = replace(meeting, attendees=others)
    if lost:
        after = replace(after, kept=meeting.kept | {attendee.user}, meant=with_owner(meeting, attendee))
    after = _watched(after, now)
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


def terminate(meeting: Meeting, why: MeetingEnd) -> Step:
    """End the meeting: remove everybody, from the lobby too. Ending it again changes nothing."""
    if meeting.ended:
        return meeting, ()
    changes: list[Change] = []
    for attendee in meeting.attendees.values():
        changes += _removed(attendee, attendee.devices, Departure.ENDED)[1]
    after = replace(meeting, attendees={}, ended=True, empty_since=None, alone_since=None)
    return after, (*changes, MeetingEnded(why))
