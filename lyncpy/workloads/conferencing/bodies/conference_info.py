"""Conference-info documents: rosters for their watchers, and conferences as the factory lists them.

A roster is written once for each audience, not for each watcher; watchers' documents differ
in the version alone, which counts the documents of one subscription (RFC 4575
§5.1). A change is written from the meeting as it was last shown and as it is now, so that
any number of steps fit into one document, and following all documents always gives the
full one.
"""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lyncpy.contracts.names import Aor
from lyncpy.sip.markup import escape, quote_attr
from lyncpy.workloads.conferencing.bodies.c3p import INFO_NS
from lyncpy.workloads.conferencing.model.attendees import Attendee, Meeting, RosterEndpoint
from lyncpy.workloads.conferencing.model.conference import FOCUS, Conference, ConferenceRole, join_url

INFO_TYPE: Final = "application/conference-info+xml"
MSCI_NS: Final = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions"

_NAMESPACES: Final = f'xmlns="{INFO_NS}" xmlns:msci="{MSCI_NS}"'
_SEPARATOR: Final = '<separator xmlns="urn:ietf:params:xml:ns:conference-info-separator"/>'


class RosterView(enum.Enum):
    """The part of a roster that somebody may see."""

    ALL = "presenters"
    INSIDE = "attendees"
    SELF = "lobby"


@dataclass(frozen=True, slots=True)
class RosterAudience:
    """The watchers that see the same of a roster."""

    view: RosterView
    who: Aor | None = None
    """In the lobby, the one user that is seen: oneself; else None."""


PRESENTERS: Final = RosterAudience(RosterView.ALL)
ATTENDEES: Final = RosterAudience(RosterView.INSIDE)


@dataclass(frozen=True, slots=True)
class RosterBody:
    """A document without its version."""

    head: bytes
    tail: bytes

    def at(self, version: int) -> bytes:
        """Return the document with a version: one more than the watcher's last; the first is 1."""
        return b'%s version="%d"%s' % (self.head, version, self.tail)


def audience_of(meeting: Meeting, user: Aor) -> RosterAudience | None:
    """Return the audience that somebody belongs to; None: they are not in the meeting."""
    attendee = meeting.attendees.get(user)
    if attendee is None:
        return None
    if attendee.waits:
        return RosterAudience(RosterView.SELF, user)
    return PRESENTERS if attendee.role is ConferenceRole.PRESENTER else ATTENDEES


def full(meeting: Meeting, audience: RosterAudience) -> RosterBody:
    """Write everything that an audience sees.

    Client: the first document must name the IM MCU in conf-uris, or texts go nowhere.
    """
    users = "".join(_user(attendee) for attendee in _seen(meeting, audience))
    return _document(
        meeting,
        "full",
        _description(meeting, audience),
        _state(meeting, audience),
        f'<users state="full">{users}</users>',
        "" if audience.view is RosterView.SELF else _view(meeting),
    )


def delta(before: Meeting, was: RosterAudience, after: Meeting, audience: RosterAudience) -> RosterBody | None:
    """Write the difference between the meeting as it was last shown to somebody and as it is; None: there is none.

    Somebody let in from the lobby gets a full document. Every user who changed is in it with
    all their endpoints, and those who left are marked as deleted.

    Client: it takes a user without a connected chat endpoint for gone, and one who is merely
    missing for still there.

    Args:
        before: The meeting as it was shown last.
        was: The audience that they belonged to then.
        after: The meeting as it is now.
        audience: The audience that they belong to now.
    """
    if audience != was and RosterView.SELF in (audience.view, was.view):
        return full(after, audience)
    old = {attendee.user: attendee for attendee in _seen(before, was)}
    new = {attendee.user: attendee for attendee in _seen(after, audience)}
    # Most are the very same values as before, and need no comparing.
    touched = (each for user, each in new.items() if old.get(user) is not each and old.get(user) != each)
    users = "".join(
        (
            *map(_user, touched),
            *(f'<user entity={quote_attr(user)} state="deleted"/>' for user in old if user not in new),
        )
    )
    about, state = _description(after, audience), _state(after, audience)
    same_view = audience.view is RosterView.SELF or before.locked == after.locked
    parts = (
        "" if before.conference is after.conference or about == _description(before, was) else about,
        "" if state == _state(before, was) else state,
        f'<users state="partial">{users}</users>' if users else "",
        "" if same_view else _view(after),
    )
    return _document(after, "partial", *parts) if any(parts) else None


def _document(meeting: Meeting, state: str, *parts: str) -> RosterBody:
    head = f'<conference-info {_NAMESPACES} entity={quote_attr(meeting.conference.uri)} state="{state}"'
    return RosterBody(head.encode(), f">{''.join(parts)}</conference-info>".encode())


def _seen(meeting: Meeting, audience: RosterAudience) -> Iterator[Attendee]:
    view, who = audience.view, audience.who
    for attendee in meeting.attendees.values():
        if view is RosterView.ALL or attendee.user == who or (view is RosterView.INSIDE and not attendee.waits):
            yield attendee


def _description(meeting: Meeting, audience: RosterAudience) -> str:
    """Write the conference-description. To those in the lobby it does not name the media.

    Spec: RFC 4575 §5.3, [MS-CONFBAS] 2.2.2.3.
    """
    conference = meeting.conference
    inside = audience.view is not RosterView.SELF
    url = join_url(meeting.meeting_policy.meeting_url, conference) if inside else ""
    organizer = (
        f"<msci:organizer><msci:entity>{escape(conference.organizer)}</msci:entity>"
        f"<msci:display-name>{escape(meeting.organizer_name or conference.organizer[4:])}</msci:display-name>"
        "</msci:organizer>"
    )
    return "".join(
        (
            "<conference-description>",
            _texts(conference),
            _conf_uris(conference) if inside else "",
            f"<maximum-user-count>{meeting.meeting_policy.size}</maximum-user-count>",
            _kept(conference),
            organizer,
            f"<msci:join-url>{escape(url)}</msci:join-url>" if url else "",
            conference.notification_data if inside else "",
            "</conference-description>",
        )
    )


def _texts(conference: Conference) -> str:
    shown = conference.display_text or conference.subject
    return f"<display-text>{escape(shown)}</display-text><subject>{escape(conference.subject)}</subject>"


def _conf_uris(conference: Conference) -> str:
    entries = "".join(
        f"<entry><uri>{escape(conference.mcu(kind))}</uri><display-text>{kind}</display-text>"
        f"<purpose>{kind}</purpose></entry>"
        for kind in conference.media
    )
    return f'<conf-uris state="full">{entries}</conf-uris>'


def _kept(conference: Conference) -> str:
    """Write the elements of a description that the factory stores.

    Each generation of servers added elements behind a separator, so that older clients can pass
    them over. Spec: [MS-CONFPRO] 2.2.1.2, 4.1.
    """
    return (
        f"<msci:conference-id>{conference.id}</msci:conference-id>"
        f"<msci:expiry-time>{_time(conference.expires)}</msci:expiry-time>"
        f"<msci:admission-policy>{conference.admission.value}</msci:admission-policy>"
        # Elements about phones stand between the two; this server has none.
        f"{_SEPARATOR}{_SEPARATOR}"
        f"<msci:autopromote>{int(conference.autopromote)}</msci:autopromote>"
        f"<msci:pstn-lobby-bypass>{_truth(conference.pstn_lobby_bypass)}</msci:pstn-lobby-bypass>"
    )


def _state(meeting: Meeting, audience: RosterAudience) -> str:
    """Write the conference-state. Spec: RFC 4575 §5.5."""
    count = "" if audience.view is RosterView.SELF else f"<user-count>{len(meeting.inside)}</user-count>"
    return (
        f"<conference-state>{count}<active>{_truth(not meeting.ended)}</active>"
        f"<locked>{_truth(meeting.locked)}</locked></conference-state>"
    )


def _user(attendee: Attendee) -> str:
    """Write one participant with all endpoints. Spec: RFC 4575 §5.6."""
    if not attendee.written:
        attendee.written.append(_fresh_user(attendee))
    return attendee.written[0]


def _fresh_user(attendee: Attendee) -> str:
    ends = "".join(_endpoint(end, waits=attendee.waits) for end in attendee.endpoints)
    name = attendee.display_name or attendee.user.removeprefix("sip:")
    return (
        f'<user entity={quote_attr(attendee.user)} state="full"><display-text>{escape(name)}</display-text>'
        f"<roles><entry>{attendee.role.value}</entry></roles>{ends}</user>"
    )


def _endpoint(end: RosterEndpoint, *, waits: bool) -> str:
    """Write one endpoint; in the lobby its status is on-hold. Spec: [MS-CONFBAS] 2.2.2."""
    named = (("session-type", end.kind), ("epid", end.epid.written), ("endpoint-uri", end.gruu))
    about = "".join(f" msci:{name}={quote_attr(value)}" for name, value in named if value)
    status = "on-hold" if waits else "connected"
    media = (
        ""
        if end.kind == FOCUS
        else f'<media id="1"><type>{end.kind}</type><label>{end.kind}</label><status>sendrecv</status></media>'
    )
    return (
        f"<endpoint entity={quote_attr(end.entity)}{about}><status>{status}</status>"
        f"<joining-method>dialed-in</joining-method>{media}</endpoint>"
    )


def _view(meeting: Meeting) -> str:
    """Write the conference-view: the state of the focus and of each medium.

    Client: it looks for `locked` beside a medium of type chat.
    """
    conference, locked = meeting.conference, f"<msci:locked>{_truth(meeting.locked)}</msci:locked>"
    views = [_entity_view(conference.uri, locked)]
    for kind in conference.media:
        media = f'<msci:media><entry label="{kind}"><type>{kind}</type></entry></msci:media>'
        views.append(_entity_view(conference.mcu(kind), locked + media))
    return f'<msci:conference-view ci:state="full" xmlns:ci="{INFO_NS}">{"".join(views)}</msci:conference-view>'


def _entity_view(entity: str, state: str) -> str:
    return (
        f'<msci:entity-view ci:state="full" entity={quote_attr(entity)}>'
        f"<msci:entity-state>{state}</msci:entity-state></msci:entity-view>"
    )


# -- what the factory answers -----------------------------------------------------------------


def kept(conference: Conference, meeting_url: str) -> str:
    """Write a conference as its factory stores it, without the guests' key.

    Spec: [MS-CONFPRO] 2.2.1, 4.5.
    """
    url = join_url(meeting_url, conference)
    activated = (
        ""
        if conference.activated is None
        else f"<msci:last-activate>{_time(conference.activated)}</msci:last-activate>"
    )
    media = "".join(f'<msci:entity-view entity="{kind}"/>' for kind in conference.media)
    return "".join(
        (
            f'<conference-info {_NAMESPACES} entity={quote_attr(conference.uri)} state="full"',
            f' version="{conference.version}"',
            ' static="true">' if conference.static else ">",
            "<conference-description>",
            _texts(conference),
            _conf_uris(conference),
            f"<msci:last-update>{_time(conference.updated)}</msci:last-update>{activated}",
            f"<msci:is-active>{_truth(conference.active is not None)}</msci:is-active>",
            _kept(conference),
            f"<msci:join-url>{escape(url)}</msci:join-url>" if url else "",
            conference.notification_data,
            "</conference-description>",
            f'<users state="full">{_invited(conference.invited.items())}</users>',
            f"<msci:conference-view>{media}</msci:conference-view></conference-info>",
        )
    )


def _invited(invited: Iterable[tuple[Aor, ConferenceRole]]) -> str:
    return "".join(
        f"<user entity={quote_attr(user)}><roles><entry>{role.value}</entry></roles></user>" for user, role in invited
    )


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _time(at: float) -> str:
    """Write seconds since the epoch as a dateTime of XML Schema, in UTC, to the second."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
