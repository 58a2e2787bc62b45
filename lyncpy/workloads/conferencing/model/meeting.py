"""The rules of a running meeting: who is admitted, with which role, who may do what, when it ends; pure.

Every function returns the meeting afterwards and its changes, or why it is denied. `now` is
monotonic seconds. An `actor` is the participant who asks; None is an operator at the shell.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.owners import NOBODY, OwnerId
from lyncpy.workloads.conferencing.model.admission import (
    DOORS,
    LOCKED,
    MAY,
    NOT_INVITED,
    REFUSALS,
    SHUT,
    FocusAction,
    JoinDecision,
    JoinerRelation,
    promoted,
)
from lyncpy.workloads.conferencing.model.attendees import (
    Admitted,
    Arrived,
    Attendee,
    Change,
    Departure,
    Gone,
    Joiner,
    LockChanged,
    MediumJoined,
    MediumLeft,
    Meeting,
    MeetingEnd,
    MeetingEnded,
    MeetingPolicy,
    Reformed,
    RoleChanged,
    RosterEndpoint,
    Step,
)
from lyncpy.workloads.conferencing.model.conference import (
    FOCUS,
    Active,
    C3pReason,
    Conference,
    ConferenceDenied,
    ConferenceRole,
)

_NOBODY: Final = ConferenceDenied(C3pReason.USER_DOES_NOT_EXIST)
_FORBIDDEN: Final = ConferenceDenied(C3pReason.FORBIDDEN, "Only a presenter may do this")

# -- life -------------------------------------------------------------------------------------


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


def reform(meeting: Meeting, conference: Conference) -> Step:
    """Replace the conference of a meeting by its modified version; those who are inside stay."""
    return replace(meeting, conference=conference), (Reformed(),)


def relation_of(meeting: Meeting, joiner: Joiner) -> JoinerRelation:
    """Return the relation of a joiner to the meeting.

    The relations are tried in the order in which `JoinerRelation` lists them, for the first that holds
    decides at the door. The spec has the admission of each (closed, open, anonymous) but no rule for a joiner
    who is two things at once.

    Spec: [MS-CONFPRO] 2.2.1.2; [MS-CONFBAS] 3.5.5.
    """
    conference, user = meeting.conference, joiner.user
    # A guest is asked for first: the address was made up for them, and no list can mean it.
    if joiner.guest:
        return JoinerRelation.GUEST
    if user == conference.organizer:
        return JoinerRelation.ORGANIZER
    # An ejected participant is an ordinary colleague or outsider again: else the invitation, or having been inside,
    # would bring them back past the presenter who removed them.
    if user not in meeting.ejected:
        # What a presenter granted in this meeting outweighs the invitation, both ways.
        if meeting.granted.get(user, conference.invited.get(user)) is ConferenceRole.PRESENTER:
            return JoinerRelation.PRESENTER
        if user in meeting.kept:
            return JoinerRelation.RETURNING
        if user in conference.invited or user in meeting.called:
            return JoinerRelation.INVITED
    return JoinerRelation.COLLEAGUE if joiner.internal else JoinerRelation.OUTSIDER


def role_of(meeting: Meeting, joiner: Joiner, relation: JoinerRelation) -> ConferenceRole:
    """Return the role with which somebody joins; the role that they ask for decides nothing.

    Client: every client asks for the role of an attendee, the organizer's too.
    """
    if relation in (JoinerRelation.ORGANIZER, JoinerRelation.PRESENTER):
        return ConferenceRole.PRESENTER
    granted = meeting.granted.get(joiner.user)
    if granted is not None:
        return granted
    entitled = joiner.user not in meeting.ejected and promoted(
        meeting.conference.autopromote, relation, internal=joiner.internal
    )
    return ConferenceRole.PRESENTER if entitled else ConferenceRole.ATTENDEE


def join(meeting: Meeting, joiner: Joiner, now: float) -> Step | ConferenceDenied:
    """Admit a device to the meeting or to its lobby, or deny it.

    A further device of a participant joins where they are; the same device again replaces its
    earlier dialog and keeps its media.

    Spec: [MS-CONFBAS] 3.5.5.
    """
    if meeting.ended:
        return ConferenceDenied(C3pReason.CONFERENCE_DOES_NOT_EXIST)
    present = meeting.attendees.get(joiner.user)
    if present is not None:
        return _with_device(meeting, present, joiner, now)
    relation = relation_of(meeting, joiner)
    # The organizer's policy stands above the conference: with it guests do not come as far as the lobby.
    if relation is JoinerRelation.GUEST and not meeting.meeting_policy.guests:
        return REFUSALS[JoinerRelation.GUEST]
    # The lock stands above the admission policy: everybody new waits ([MS-CONFPRO] 2.2.1.2).
    row = LOCKED if meeting.locked else meeting.conference.admission
    waits = DOORS[row, relation] is JoinDecision.LOBBY
    # A client that does not say `lobby-capable` ([MS-CONFBAS] 2.2.3.4) would take the lobby for the meeting.
    if waits and not joiner.lobby_capable:
        return SHUT if meeting.locked else REFUSALS.get(relation, NOT_INVITED)
    # People are counted, not devices; those who wait have a bound of their own and take nobody's place inside.
    room, taken = (
        (meeting.meeting_policy.lobby, len(meeting.lobby))
        if waits
        else (meeting.meeting_policy.size, len(meeting.inside))
    )
    if taken >= room:
        return ConferenceDenied(C3pReason.MAXIMUM_SIZE, "This meeting is full")
    role = role_of(meeting, joiner, relation)
    endpoint = _focus_endpoint(joiner, now)
    attendee = Attendee(
        joiner.user, joiner.display_name, role, relation, joiner.internal, waits, now, (endpoint,), joiner.owner
    )
    after = _put(meeting, attendee)
    if not waits:
        after = _entered(after, attendee, now)
    return after, (Arrived(joiner.user, endpoint, waits, first=True),)


def medium_joined(
    meeting: Meeting, user: Aor, epid: Epid, kind: str, entity: str, now: float
) -> Step | ConferenceDenied:
    """Add a device to a medium; the same device again replaces its earlier endpoint.

    Only participants who are inside, not in the lobby, may, and only with a device that joined the focus.

    Spec: [MS-CONFIM] 3.1: whoever is in a medium is in the conference first.
    """
    attendee = meeting.attendees.get(user)
    focus = attendee.at(epid) if attendee is not None else None
    if attendee is None or focus is None:
        return _NOBODY
    if attendee.waits:
        return ConferenceDenied(C3pReason.UNAUTHORIZED, "You have not been let in yet")
    replaced = attendee.at(epid, kind)
    endpoint = RosterEndpoint(entity, kind, epid, now, focus.gruu, focus.client)
    after = _put(meeting, _swapped(attendee, replaced, endpoint))
    return after, (MediumJoined(user, endpoint, replaced),)


def medium_left(meeting: Meeting, user: Aor, epid: Epid, kind: str) -> Step:
    """Remove a device from a medium; nothing happens when it is not in it."""
    attendee = meeting.attendees.get(user)
    endpoint = attendee.at(epid, kind) if attendee is not None else None
    if attendee is None or endpoint is None:
        return meeting, ()
    rest = tuple(end for end in attendee.endpoints if end is not endpoint)
    return _put(meeting, replace(attendee, endpoints=rest)), (MediumLeft(user, endpoint),)


def leave(meeting: Meeting, user: Aor, epid: Epid, now: float, *, lost: bool = False) -> Step:
    """Remove a device, with its media; nothing happens when it is not there.

    A participant who is `lost` may return to a locked meeting; one who left joins as anybody does.
    The meeting ends when the last one leaves, and waits for `linger_s` when the last one is lost.
    """
    attendee = meeting.attendees.get(user)
    device = attendee.at(epid) if attendee is not None else None
    if attendee is None or device is None:
        return meeting, ()
    return _out(meeting, attendee, (device,), Departure.LOST if lost else Departure.LEFT, now)


# -- commands ---------------------------------------------------------------------------------


def may(meeting: Meeting, actor: Aor | None, action: FocusAction) -> bool:
    """Tell whether somebody may send this command about others. Spec: [MS-CONFBAS] 3.5.5."""
    if actor is None:
        return True
    attendee = meeting.attendees.get(actor)
    return attendee is not None and not attendee.waits and action in MAY[attendee.role]


def admit(meeting: Meeting, actor: Aor | None, user: Aor, now: float) -> Step | ConferenceDenied:
    """Admit somebody from the lobby. Spec: [MS-CONFBAS] 4.4.8."""
    found = _waiting(meeting, actor, user)
    if isinstance(found, ConferenceDenied):
        return found
    if len(meeting.inside) >= meeting.meeting_policy.size:
        return ConferenceDenied(C3pReason.CONFERENCE_FULL, "This meeting is full")
    attendee = replace(found, waits=False, since=now)
    after = _entered(_put(meeting, attendee), attendee, now)
    return replace(after, ejected=after.ejected - {user}), (Admitted(user),)


def deny(meeting: Meeting, actor: Aor | None, user: Aor, now: float) -> Step | ConferenceDenied:
    """Remove somebody from the lobby. Spec: [MS-CONFBAS] 4.4.8."""
    found = _waiting(meeting, actor, user)
    return found if isinstance(found, ConferenceDenied) else _out(meeting, found, None, Departure.DENIED, now)


def call_in(meeting: Meeting, actor: Aor | None, user: Aor, owner: OwnerId = NOBODY) -> Step | ConferenceDenied:
    """Count somebody as invited until they join, because a presenter has them called; also one who was ejected.

    Spec: [MS-CONFBAS] 2.2.3.15; attendees may not.
    """
    if not may(meeting, actor, FocusAction.ADD_USER):
        return _FORBIDDEN
    present = meeting.attendees.get(user)
    if present is not None:
        return ConferenceDenied(C3pReason.USER_EXISTS)
    if len(meeting.inside) >= meeting.meeting_policy.size:
        return ConferenceDenied(C3pReason.MAXIMUM_SIZE, "This meeting is full")
    meant = {**meeting.meant, user: owner} if owner else meeting.meant
    return replace(meeting, called=meeting.called | {user}, ejected=meeting.ejected - {user}, meant=meant), ()


def set_role(meeting: Meeting, actor: Aor | None, user: Aor, role: ConferenceRole) -> Step | ConferenceDenied:
    """Change the role of a participant, for as long as this meeting lasts.

    The organizer stays a presenter, and so does the last one there is: in a meeting without a
    presenter nobody could be admitted, and nobody made a presenter.

    Spec: [MS-CONFBAS] 3.5.5, modifyUserRoles.
    """
    if not may(meeting, actor, FocusAction.MODIFY_USER_ROLES):
        return _FORBIDDEN
    attendee = meeting.attendees.get(user)
    if attendee is None or attendee.waits:
        return _NOBODY
    if attendee.role is role:
        return meeting, ()
    if attendee.relation is JoinerRelation.ORGANIZER:
        return ConferenceDenied(C3pReason.FORBIDDEN, "The organizer stays a presenter")
    if role is ConferenceRole.ATTENDEE and len(meeting.presenters()) == 1:
        return ConferenceDenied(C3pReason.FORBIDDEN, "The last presenter stays one")
    # A guest's address is made up anew at each join: what is granted to it must not outlive the guest.
    granted = meeting.granted if attendee.guest else {**meeting.granted, user: role}
    ejected = meeting.ejected - {user} if role is ConferenceRole.PRESENTER else meeting.ejected
    after = replace(
        _put(meeting, replace(attendee, role=role)), granted=granted, ejected=ejected, meant=_meant(meeting, attendee)
    )
    return after, (RoleChanged(user, role),)


def set_lock(meeting: Meeting, actor: Aor | None, *, locked: bool) -> Step | ConferenceDenied:
    """Lock or unlock the meeting; those in the lobby go on waiting."""
    if not may(meeting, actor, FocusAction.MODIFY_CONFERENCE_LOCK):
        return _FORBIDDEN
    if meeting.locked == locked:
        return meeting, ()
    return replace(meeting, locked=locked), (LockChanged(locked),)


def eject(meeting: Meeting, actor: Aor | None, user: Aor, now: float) -> Step | ConferenceDenied:
    """Remove a participant, with all their devices; or remove oneself.

    Whoever was ejected loses what invitations and presenters gave them: they may join where
    anybody may, and wait in the lobby elsewhere.

    Spec: [MS-CONFBAS] 3.5.5, deleteUser.
    """
    if actor != user and not may(meeting, actor, FocusAction.DELETE_USER):
        return _FORBIDDEN
    attendee = meeting.attendees.get(user)
    if attendee is None:
        return _NOBODY
    if actor == user:
        return _out(meeting, attendee, None, Departure.LEFT, now)
    if attendee.waits:
        return _out(meeting, attendee, None, Departure.DENIED, now)
    if attendee.relation is JoinerRelation.ORGANIZER and actor is not None:
        return ConferenceDenied(C3pReason.FORBIDDEN, "The organizer cannot be removed")
    granted = {who: role for who, role in meeting.granted.items() if who != user}
    ejected = meeting.ejected if attendee.guest else meeting.ejected | {user}
    meant = _meant(meeting, attendee)
    after = replace(meeting, granted=granted, ejected=ejected, kept=meeting.kept - {user}, meant=meant)
    return _out(after, attendee, None, Departure.EJECTED, now)


def end(meeting: Meeting, actor: Aor | None) -> Step | ConferenceDenied:
    """End the meeting for everybody."""
    if not may(meeting, actor, FocusAction.DELETE_CONFERENCE):
        return _FORBIDDEN
    return _over(meeting, MeetingEnd.BY_OPERATOR if actor is None else MeetingEnd.BY_PRESENTER)


def deleted(meeting: Meeting) -> Step:
    """End the meeting because its conference exists no more."""
    return _over(meeting, MeetingEnd.DELETED)


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
            meeting, gone = _out(meeting, attendee, None, Departure.WAITED, now)
            changes += gone
    due = [why for at, why in _endings(meeting) if at <= now]
    if due:
        meeting, ends = _over(meeting, due[0])
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


# -- what serves them -------------------------------------------------------------------------


def _focus_endpoint(joiner: Joiner, now: float) -> RosterEndpoint:
    return RosterEndpoint(joiner.entity, FOCUS, joiner.epid, now, joiner.gruu, joiner.client, joiner.lobby_capable)


def _meant(meeting: Meeting, attendee: Attendee) -> Mapping[Aor, OwnerId]:
    """Return the persons behind remembered addresses, with one attendee more."""
    return {**meeting.meant, attendee.user: attendee.owner} if attendee.owner else meeting.meant


def _put(meeting: Meeting, attendee: Attendee) -> Meeting:
    return replace(meeting, attendees={**meeting.attendees, attendee.user: attendee})


def _swapped(attendee: Attendee, old: RosterEndpoint | None, new: RosterEndpoint) -> Attendee:
    """Replace an earlier endpoint by a new one, or append the new one."""
    if old is None:
        return replace(attendee, endpoints=(*attendee.endpoints, new))
    return replace(attendee, endpoints=tuple(new if end is old else end for end in attendee.endpoints))


def _with_device(meeting: Meeting, present: Attendee, joiner: Joiner, now: float) -> Step | ConferenceDenied:
    """Let a further device join where its user is, inside or in the lobby; a guest is never a device of a user."""
    if joiner.guest != present.guest:
        return ConferenceDenied(C3pReason.UNAUTHORIZED, "Somebody of this name is in the meeting")
    replaced = present.at(joiner.epid)
    if replaced is None and len(present.devices) >= meeting.meeting_policy.devices:
        return ConferenceDenied(C3pReason.MAXIMUM_SIZE, "You have joined with too many devices")
    endpoint = _focus_endpoint(joiner, now)
    attendee = replace(_swapped(present, replaced, endpoint), display_name=joiner.display_name or present.display_name)
    after = _put(meeting, attendee)
    if not attendee.waits:
        after = _entered(after, attendee, now)
    return after, (Arrived(joiner.user, endpoint, attendee.waits, first=False, replaced=replaced),)


def _entered(meeting: Meeting, attendee: Attendee, now: float) -> Meeting:
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


def _waiting(meeting: Meeting, actor: Aor | None, user: Aor) -> Attendee | ConferenceDenied:
    if not may(meeting, actor, FocusAction.SET_LOBBY_ACCESS):
        return _FORBIDDEN
    attendee = meeting.attendees.get(user)
    if attendee is None:
        return _NOBODY
    return attendee if attendee.waits else ConferenceDenied(C3pReason.ALREADY_ADMITTED)


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


def _out(
    meeting: Meeting, attendee: Attendee, devices: tuple[RosterEndpoint, ...] | None, why: Departure, now: float
) -> Step:
    """Remove devices of an attendee, None: all of them; end the meeting where nobody is left who may return."""
    rest, gone = _removed(attendee, attendee.devices if devices is None else devices, why)
    if rest.endpoints:
        return _put(meeting, rest), gone
    others = {user: other for user, other in meeting.attendees.items() if user != attendee.user}
    lost = why is Departure.LOST and not attendee.guest and not attendee.waits
    after = replace(meeting, attendees=others)
    if lost:
        after = replace(after, kept=meeting.kept | {attendee.user}, meant=_meant(meeting, attendee))
    after = _watched(after, now)
    if after.inside or after.kept or (after.attendees and not after.begun):
        return after, gone
    over, ends = _over(after, MeetingEnd.LAST_LEFT)
    return over, (*gone, *ends)


def _over(meeting: Meeting, why: MeetingEnd) -> Step:
    """End the meeting: remove everybody, from the lobby too. Ending it again changes nothing."""
    if meeting.ended:
        return meeting, ()
    changes: list[Change] = []
    for attendee in meeting.attendees.values():
        changes += _removed(attendee, attendee.devices, Departure.ENDED)[1]
    after = replace(meeting, attendees={}, ended=True, empty_since=None, alone_since=None)
    return after, (*changes, MeetingEnded(why))
