"""The rules of a running meeting: who is admitted, with which role, who may do what; pure.

How it begins, and what time does to it, is in `lifetime.py`.

Every function returns the meeting afterwards and its changes, or why it is denied. `now` is
monotonic seconds. An `actor` is the participant who asks; None is an operator at the shell.
"""

from dataclasses import replace
from typing import Final

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.owners import NOBODY, OwnerId
from lyncpy.workloads.conferencing.model.admission import (
    ADMITTED,
    LEVELS,
    LOCKED_OUT,
    MAY,
    NOT_INVITED,
    REFUSALS,
    AccessLevel,
    FocusAction,
    JoinerRelation,
    promoted,
)
from lyncpy.workloads.conferencing.model.attendees import (
    Admitted,
    Arrived,
    Attendee,
    ConferenceEdited,
    Departure,
    Joiner,
    LockChanged,
    MediumJoined,
    MediumLeft,
    Meeting,
    MeetingEnd,
    MeetingStep,
    RoleChanged,
    RosterEndpoint,
)
from lyncpy.workloads.conferencing.model.conference import (
    FOCUS,
    C3pReason,
    Conference,
    ConferenceDenied,
    ConferenceRole,
)
from lyncpy.workloads.conferencing.model.lifetime import entered, put, remove, terminate, with_owner

_NOBODY: Final = ConferenceDenied(C3pReason.USER_DOES_NOT_EXIST)
_FORBIDDEN: Final = ConferenceDenied(C3pReason.FORBIDDEN, "Only a presenter may do this")

# -- joining and leaving -------------------------------------------------------------------------------------


def reform(meeting: Meeting, conference: Conference) -> MeetingStep:
    """Replace the conference of a meeting by its modified version; those who are inside stay."""
    return replace(meeting, conference=conference), (ConferenceEdited(),)


def relation_of(meeting: Meeting, joiner: Joiner) -> JoinerRelation:
    """Return the relation of a joiner to the meeting.

    But for guests the relations are tried in the order of `JoinerRelation`: the first that holds decides
    about the admission. The spec has the admission of each (closed, open, anonymous) but no rule for a joiner
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


def join(meeting: Meeting, joiner: Joiner, now: float, *, was_inside: bool = False) -> MeetingStep | ConferenceDenied:
    """Admit a device to the meeting or to its lobby, or deny it.

    A further device of a participant joins where they are; the same device again replaces its
    earlier dialog and keeps its media.

    Args:
        meeting: As it is.
        joiner: Who asks.
        now: Monotonic seconds.
        was_inside: Whether another node had let them in, which is lost; nobody has to be let in twice.

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
    level = AccessLevel.LOCKED if meeting.locked else LEVELS[meeting.conference.admission]
    waits = relation not in ADMITTED[level] and not (was_inside and joiner.user not in meeting.ejected)
    # A client that does not say `lobby-capable` ([MS-CONFBAS] 2.2.3.4) would take the lobby for the meeting.
    if waits and not joiner.lobby_capable:
        return LOCKED_OUT if meeting.locked else REFUSALS.get(relation, NOT_INVITED)
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
    after = put(meeting, attendee)
    if not waits:
        after = entered(after, attendee, now)
    return after, (Arrived(joiner.user, endpoint, waits, first=True),)


def medium_joined(
    meeting: Meeting, user: Aor, epid: Epid, kind: str, entity: str, now: float
) -> MeetingStep | ConferenceDenied:
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
    after = put(meeting, _swapped(attendee, replaced, endpoint))
    return after, (MediumJoined(user, endpoint, replaced),)


def medium_left(meeting: Meeting, user: Aor, epid: Epid, kind: str) -> MeetingStep:
    """Remove a device from a medium; nothing happens when it is not in it."""
    attendee = meeting.attendees.get(user)
    endpoint = attendee.at(epid, kind) if attendee is not None else None
    if attendee is None or endpoint is None:
        return meeting, ()
    rest = tuple(end for end in attendee.endpoints if end is not endpoint)
    return put(meeting, replace(attendee, endpoints=rest)), (MediumLeft(user, endpoint),)


def leave(meeting: Meeting, user: Aor, epid: Epid, now: float, *, lost: bool = False) -> MeetingStep:
    """Remove a device, with its media; nothing happens when it is not there.

    A participant who is `lost` may return to a locked meeting; one who left joins as anybody does.
    The meeting ends when the last one leaves, and waits for `linger_s` when the last one is lost.
    """
    attendee = meeting.attendees.get(user)
    device = attendee.at(epid) if attendee is not None else None
    if attendee is None or device is None:
        return meeting, ()
    return remove(meeting, attendee, (device,), Departure.LOST if lost else Departure.LEFT, now)


# -- commands ---------------------------------------------------------------------------------


def may(meeting: Meeting, actor: Aor | None, action: FocusAction) -> bool:
    """Tell whether somebody may send this command about others. Spec: [MS-CONFBAS] 3.5.5."""
    if actor is None:
        return True
    attendee = meeting.attendees.get(actor)
    return attendee is not None and not attendee.waits and action in MAY[attendee.role]


def admit(meeting: Meeting, actor: Aor | None, user: Aor, now: float) -> MeetingStep | ConferenceDenied:
    """Admit somebody from the lobby. Spec: [MS-CONFBAS] 4.4.8."""
    found = _waiting(meeting, actor, user)
    if isinstance(found, ConferenceDenied):
        return found
    if len(meeting.inside) >= meeting.meeting_policy.size:
        return ConferenceDenied(C3pReason.CONFERENCE_FULL, "This meeting is full")
    attendee = replace(found, waits=False, since=now)
    after = entered(put(meeting, attendee), attendee, now)
    return replace(after, ejected=after.ejected - {user}), (Admitted(user),)


def deny(meeting: Meeting, actor: Aor | None, user: Aor, now: float) -> MeetingStep | ConferenceDenied:
    """Remove somebody from the lobby. Spec: [MS-CONFBAS] 4.4.8."""
    found = _waiting(meeting, actor, user)
    return found if isinstance(found, ConferenceDenied) else remove(meeting, found, None, Departure.DENIED, now)


def call_in(meeting: Meeting, actor: Aor | None, user: Aor, owner: OwnerId = NOBODY) -> MeetingStep | ConferenceDenied:
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


def set_role(meeting: Meeting, actor: Aor | None, user: Aor, role: ConferenceRole) -> MeetingStep | ConferenceDenied:
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
        put(meeting, replace(attendee, role=role)),
        granted=granted,
        ejected=ejected,
        meant=with_owner(meeting, attendee),
    )
    return after, (RoleChanged(user, role),)


def set_lock(meeting: Meeting, actor: Aor | None, *, locked: bool) -> MeetingStep | ConferenceDenied:
    """Lock or unlock the meeting; those in the lobby go on waiting."""
    if not may(meeting, actor, FocusAction.MODIFY_CONFERENCE_LOCK):
        return _FORBIDDEN
    if meeting.locked == locked:
        return meeting, ()
    return replace(meeting, locked=locked), (LockChanged(locked),)


def eject(meeting: Meeting, actor: Aor | None, user: Aor, now: float) -> MeetingStep | ConferenceDenied:
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
        return remove(meeting, attendee, None, Departure.LEFT, now)
    if attendee.waits:
        return remove(meeting, attendee, None, Departure.DENIED, now)
    if attendee.relation is JoinerRelation.ORGANIZER and actor is not None:
        return ConferenceDenied(C3pReason.FORBIDDEN, "The organizer cannot be removed")
    granted = {who: role for who, role in meeting.granted.items() if who != user}
    ejected = meeting.ejected if attendee.guest else meeting.ejected | {user}
    meant = with_owner(meeting, attendee)
    after = replace(meeting, granted=granted, ejected=ejected, kept=meeting.kept - {user}, meant=meant)
    return remove(after, attendee, None, Departure.EJECTED, now)


def end(meeting: Meeting, actor: Aor | None) -> MeetingStep | ConferenceDenied:
    """End the meeting for everybody."""
    if not may(meeting, actor, FocusAction.DELETE_CONFERENCE):
        return _FORBIDDEN
    return terminate(meeting, MeetingEnd.BY_OPERATOR if actor is None else MeetingEnd.BY_PRESENTER)


def deleted(meeting: Meeting) -> MeetingStep:
    """End the meeting because its conference exists no more."""
    return terminate(meeting, MeetingEnd.DELETED)


# -- what serves them -------------------------------------------------------------------------


def _focus_endpoint(joiner: Joiner, now: float) -> RosterEndpoint:
    return RosterEndpoint(joiner.entity, FOCUS, joiner.epid, now, joiner.gruu, joiner.client)


def _swapped(attendee: Attendee, old: RosterEndpoint | None, new: RosterEndpoint) -> Attendee:
    """Replace an earlier endpoint by a new one, or append the new one."""
    if old is None:
        return replace(attendee, endpoints=(*attendee.endpoints, new))
    return replace(attendee, endpoints=tuple(new if end is old else end for end in attendee.endpoints))


def _with_device(meeting: Meeting, present: Attendee, joiner: Joiner, now: float) -> MeetingStep | ConferenceDenied:
    """Let a further device join where its user is, inside or in the lobby; a guest is never a device of a user."""
    if joiner.guest != present.guest:
        return ConferenceDenied(C3pReason.UNAUTHORIZED, "Somebody of this name is in the meeting")
    replaced = present.at(joiner.epid)
    if replaced is None and len(present.devices) >= meeting.meeting_policy.devices:
        return ConferenceDenied(C3pReason.MAXIMUM_SIZE, "You have joined with too many devices")
    endpoint = _focus_endpoint(joiner, now)
    attendee = replace(_swapped(present, replaced, endpoint), display_name=joiner.display_name or present.display_name)
    after = put(meeting, attendee)
    if not attendee.waits:
        after = entered(after, attendee, now)
    return after, (Arrived(joiner.user, endpoint, attendee.waits, first=False, replaced=replaced),)


def _waiting(meeting: Meeting, actor: Aor | None, user: Aor) -> Attendee | ConferenceDenied:
    if not may(meeting, actor, FocusAction.SET_LOBBY_ACCESS):
        return _FORBIDDEN
    attendee = meeting.attendees.get(user)
    if attendee is None:
        return _NOBODY
    return attendee if attendee.waits else ConferenceDenied(C3pReason.ALREADY_ADMITTED)
