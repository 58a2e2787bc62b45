"""Conferences as they are stored: what an organizer scheduled, and what a running meeting left; pure.

The rules of a running meeting are in `meeting.py`. Times here are wall-clock seconds since
the epoch: a conference outlives the process.
"""

import enum
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from lyncpy.contracts.names import Aor, ConferenceId, aor_of, conference_id_of, conference_key, same_conference
from lyncpy.contracts.owners import NOBODY, OwnerId
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.uri import parse_uri

T = TypeVar("T")

DAY_S: Final = 86_400
YEAR_S: Final = 31_557_600

CHAT: Final = "chat"
FOCUS: Final = "focus"

_ID: Final = re.compile(r"[0-9A-Za-z]{8,32}")
_PASSCODE: Final = re.compile(r"[0-9A-Za-z]{4,16}")
_OPAQUE: Final = re.compile(r"app:conf:(?P<kind>[a-z-]{1,32}):id:(?P<id>[0-9a-z]{8,32})", re.IGNORECASE)


class ConferenceRole(enum.Enum):
    """The role of a participant; the value is the word on the wire. Spec: [MS-CONFBAS] 2.2.2."""

    PRESENTER = "presenter"
    ATTENDEE = "attendee"


class AdmissionPolicy(enum.Enum):
    """Which joiners a conference admits at once; the value is the word on the wire. Spec: [MS-CONFPRO] 2.2.1.2."""

    CLOSED = "closedAuthenticated"
    OPEN = "openAuthenticated"
    ANONYMOUS = "anonymous"


class Autopromote(enum.IntEnum):
    """Who becomes a presenter by joining; the value is the number on the wire."""

    NOBODY = 0
    COMPANY = 32_768
    EVERYONE = 2_147_483_648


class C3pReason(enum.Enum):
    """Why a command failed; the value is the word on the wire. Spec: [MS-CONFPRO] 2.2.3, [MS-CONFBAS] 2.2.3."""

    ALREADY_ADMITTED = "alreadyAdmitted"
    ANONYMOUS_NOT_ALLOWED = "anonymousUsersNotAllowed"
    CONFERENCE_DOES_NOT_EXIST = "conferenceDoesntExist"
    CONFERENCE_EXISTS = "conferenceExists"
    CONFERENCE_FULL = "conferenceFull"
    FEDERATED_NOT_ALLOWED = "federatedUsersNotAllowed"
    FORBIDDEN = "forbidden"
    INVALID_ADMISSION_POLICY = "invalidAdmissionPolicy"
    INVALID_AUTOPROMOTE = "invalidAutopromoteValue"
    INVALID_ID = "invalidConferenceId"
    INVALID_EXPIRY = "invalidExpiryTime"
    INVALID_PASSCODE = "invalidPasscode"
    INVALID_ROLE = "invalidRole"
    INVALID_STATIC = "invalidStaticMeetingRequest"
    INVALID_USER = "invalidUserEntity"
    INVALID_VERSION = "invalidVersion"
    MAXIMUM_CONFERENCES = "maximumConferencesExceeded"
    MAXIMUM_SIZE = "maximumMeetingSizeExceeded"
    MAXIMUM_STATIC = "maximumStaticMeetingsExceeded"
    MCU_TYPE_NOT_AVAILABLE = "mcuTypeNotAvailable"
    NOTIFICATION_DATA_TOO_LARGE = "notificationDataTooLarge"
    NOT_SUPPORTED = "notSupported"
    OTHER = "otherFailure"
    REQUEST_MALFORMED = "requestMalformed"
    REQUEST_TOO_LARGE = "requestTooLarge"
    SERVER_BUSY = "serverBusy"
    STATIC_DOES_NOT_MATCH = "staticFlagDoesntMatch"
    UNAUTHORIZED = "unauthorized"
    USER_BUSY = "userBusy"
    USER_DECLINED = "userDeclined"
    USER_DOES_NOT_EXIST = "userDoesntExist"
    USER_EXISTS = "userExists"
    USER_NOT_ANSWERED = "userNotAnswered"


@dataclass(frozen=True, slots=True)
class ConferenceDenied:
    """The refusal of a command by a rule; nothing has changed."""

    reason: C3pReason
    text: str = ""
    """A sentence that may be shown to the user; "" where the reason suffices."""


@dataclass(frozen=True, slots=True)
class Active:
    """The part of a running meeting that survives the process that ran it."""

    instance: str
    """The GUID of this occurrence."""

    since: float
    """When it began."""

    locked: bool
    granted: Mapping[Aor, ConferenceRole]
    """Roles that presenters gave or took in this occurrence."""

    kept: frozenset[Aor]
    """Those who were in it: they may return though the meeting has been locked since."""

    ejected: frozenset[Aor]
    """Those whom a presenter removed."""

    meant: Mapping[Aor, OwnerId] = field(default_factory=dict)
    """The persons behind these addresses."""

    def people(self) -> set[Aor]:
        """Return the addresses of all people that it names."""
        return {*self.granted, *self.kept, *self.ejected}


@dataclass(frozen=True, slots=True)
class Conference:
    """One conference as its organizer's focus factory stores it.

    Any number of meetings may take place in it until it expires; an ad-hoc conference is one
    whose client lets it expire after some hours.
    """

    organizer: Aor
    id: ConferenceId
    """As the client wrote it; two ids that differ in case only are the same."""

    created: float
    updated: float
    expires: float
    subject: str = ""
    display_text: str = ""
    admission: AdmissionPolicy = AdmissionPolicy.OPEN
    autopromote: Autopromote = Autopromote.NOBODY
    pstn_lobby_bypass: bool = False
    media: tuple[str, ...] = (CHAT,)
    invited: Mapping[Aor, ConferenceRole] = field(default_factory=dict)
    passcode: str = ""
    """The conference key that guests have to know; "" when knowing the link is enough."""

    notification_data: str = ""
    """An XML element that clients keep here for each other, with its namespaces; "" when there is none."""

    static: bool = False
    """Whether it is the one conference with a permanent address that a user may have."""

    version: int = 1
    """Grows with each modification."""

    activated: float | None = None
    """When its last meeting began."""

    active: Active | None = None
    """The meeting that is running, or was when the process died."""

    home: Aor | None = None
    """The address in its URIs, if the organizer has another by now: links in calendars stay valid."""

    owner: OwnerId = NOBODY
    """The person who is the organizer, whatever their address."""

    meant: Mapping[Aor, OwnerId] = field(default_factory=dict)
    """The persons behind the other addresses that it names."""

    asleep: Mapping[OwnerId, tuple[Aor, ConferenceRole]] = field(default_factory=dict)
    """Invited people who are removed and whose address somebody else has now; they are invited again when they return."""

    run_by: str = ""
    epoch: int = 0
    """Of several nodes, which was the home of its meetings last, and the number of that home; "" and 0: none yet."""

    @property
    def place(self) -> Aor:
        """The address in its URIs."""
        return self.home or self.organizer

    @property
    def key(self) -> str:
        """Its key in the store."""
        return key_of(self.place, self.id)

    @property
    def uri(self) -> str:
        """Its focus URI, always spelled the same. Spec: [MS-CONFBAS] 2.2.1."""
        return focus_uri(self.place, self.id)

    def mcu(self, kind: str) -> str:
        """Return the URI of one of its MCUs; `kind` is e.g. "chat"."""
        return entity_uri(self.place, kind, self.id)

    def people(self) -> set[Aor]:
        """Return the addresses of all people that it names, besides the organizer."""
        named = set(self.invited)
        if self.active is not None:
            named |= self.active.people()
        return named


@dataclass(frozen=True, slots=True)
class Address:
    """A conference URI, taken apart."""

    organizer: Aor
    kind: str
    """"focus", or the kind of an MCU; lower case."""

    id: ConferenceId

    @property
    def key(self) -> str:
        """The conference's key in the store."""
        return key_of(self.organizer, self.id)


def entity_uri(organizer: Aor, kind: str, id_: str) -> str:
    """Write the URI of a focus or an MCU."""
    return f"{organizer};gruu;opaque=app:conf:{kind}:id:{id_}"


def focus_uri(organizer: Aor, id_: str) -> str:
    """Write a focus URI."""
    return entity_uri(organizer, FOCUS, id_)


def key_of(organizer: Aor, id_: str) -> str:
    """Return the key of a conference in the store: ids are unique for an organizer, in any case."""
    return f"{organizer}/{conference_key(id_)}"


def read_address(uri: str) -> Address | None:
    """Read a focus or MCU URI, its parameters in any order and case; None: it is no such URI."""
    if len(uri) > 1024:
        return None
    try:
        entity = parse_uri(uri.strip())
    except RemoteProtocolError:
        return None
    match = _OPAQUE.fullmatch(entity.opaque)
    if match is None or entity.scheme == "tel" or entity.headers:
        return None
    return Address(aor_of(entity.aor), match["kind"].lower(), conference_id_of(match["id"]))


def join_url(base: str, conference: Conference) -> str:
    """Return the link of a meeting: `<base>/<user>/<id>`; "" when `base` is ""."""
    user = conference.place.removeprefix("sip:").partition("@")[0]
    return f"{base.rstrip('/')}/{user}/{conference.id}" if base else ""


# -- scheduling -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConferenceTerms:
    """The limits of conferences, and the values that hold where a client names none."""

    media: tuple[str, ...]
    """Kinds of MCU that exist here."""

    per_organizer: int
    """Conferences that one organizer may have; those over for good do not count."""

    organizer_bytes: int
    """Bytes of all texts and invited people in an organizer's conferences, which are all in memory."""

    subject_letters: int
    notification_bytes: int
    invited: int
    ad_hoc_s: float
    """Seconds until a conference expires whose client names no end."""

    admission: AdmissionPolicy
    autopromote: Autopromote
    guests: bool
    """Whether anonymous meetings may be made at all."""


@dataclass(frozen=True, slots=True)
class ConferenceRequest:
    """What a client asks for when it makes or modifies a conference.

    None: it does not say. Words that are none of the protocol's stand as they came; the rules refuse them.
    """

    id: str | None = None
    subject: str | None = None
    display_text: str | None = None
    expires: float | None = None
    admission: str | None = None
    autopromote: int | None = None
    pstn_lobby_bypass: bool | None = None
    media: tuple[str, ...] | None = None
    invited: tuple[tuple[Aor, str], ...] | None = None
    passcode: str | None = None
    notification_data: str | None = None
    static: bool | None = None
    version: int | None = None


def schedule(
    organizer: Aor,
    requested: ConferenceRequest,
    existing: Collection[Conference],
    terms: ConferenceTerms,
    now: float,
    *,
    guests: bool = True,
) -> Conference | ConferenceDenied:
    """Make a conference as a client requests it.

    Args:
        requested: Its `id` must be given.
        existing: The organizer's conferences, without those that are over for good.
        now: Wall-clock seconds.
        guests: Whether the organizer's policy allows guests.

    Returns:
        The conference, with those media only that exist here; or why not.

    Spec: [MS-CONFPRO] 3.2.5.1, 2.2.3.
    """
    if requested.id is None or _ID.fullmatch(requested.id) is None:
        return ConferenceDenied(C3pReason.INVALID_ID)
    if any(same_conference(other.id, requested.id) for other in existing):
        return ConferenceDenied(C3pReason.CONFERENCE_EXISTS)
    if len(existing) >= terms.per_organizer:
        return ConferenceDenied(C3pReason.MAXIMUM_CONFERENCES)
    if requested.static and any(other.static for other in existing):
        return ConferenceDenied(C3pReason.MAXIMUM_STATIC)
    bare = Conference(
        organizer,
        conference_id_of(requested.id),
        created=now,
        updated=now,
        expires=now + terms.ad_hoc_s,
        admission=terms.admission,
        autopromote=terms.autopromote,
        media=terms.media,
        static=bool(requested.static),
        version=0,
    )
    return _within(_applied(bare, requested, terms, now, guests=guests), 0, existing, terms)


def modify(
    conference: Conference,
    requested: ConferenceRequest,
    terms: ConferenceTerms,
    now: float,
    *,
    guests: bool = True,
    existing: Collection[Conference] = (),
) -> Conference | ConferenceDenied:
    """Change what a request names of a conference, and leave the rest; arguments are as for `schedule`.

    Its id and whether it is static never change; a request that names a version must name the
    present one.

    Spec: [MS-CONFPRO] 3.2.5.5.
    """
    if requested.id is not None and not same_conference(requested.id, conference.id):
        return ConferenceDenied(C3pReason.INVALID_ID)
    if requested.static not in (None, conference.static):
        return ConferenceDenied(C3pReason.STATIC_DOES_NOT_MATCH)
    if requested.version not in (None, conference.version):
        return ConferenceDenied(C3pReason.INVALID_VERSION)
    return _within(_applied(conference, requested, terms, now, guests=guests), _weight(conference), existing, terms)


INVITED_BYTES: Final = 100
"""Bytes that one invited person counts for."""


def _weight(conference: Conference) -> int:
    """Estimate the size of a conference in memory, in bytes."""
    texts = len(conference.subject) + len(conference.display_text) + len(conference.notification_data)
    return texts + INVITED_BYTES * len(conference.invited)


def _within(
    found: Conference | ConferenceDenied, before: int, existing: Collection[Conference], terms: ConferenceTerms
) -> Conference | ConferenceDenied:
    """Deny a change that exceeds `organizer_bytes`; `before` is the former weight of this conference.

    A change that makes a conference no heavier is never denied: else an organizer over the limit, after it was
    lowered, could not even shorten a subject.
    """
    if isinstance(found, ConferenceDenied) or _weight(found) <= before:
        return found
    most = terms.organizer_bytes - _weight(found) + before
    return ConferenceDenied(C3pReason.MAXIMUM_CONFERENCES) if sum(map(_weight, existing)) > most else found


def purgeable(conference: Conference, now: float) -> bool:
    """Tell whether a conference is over for good: expired, and without a meeting. A static one never is."""
    return conference.active is None and not conference.static and conference.expires <= now


def _applied(
    conference: Conference, requested: ConferenceRequest, terms: ConferenceTerms, now: float, *, guests: bool
) -> Conference | ConferenceDenied:
    """Replace what a request names, if all of it is allowed."""
    # All or nothing: one wrong element leaves the conference as it was.
    found = _why_not(requested, terms, now, guests=guests)
    if found is not None:
        return ConferenceDenied(found)
    return replace(
        conference,
        updated=now,
        version=conference.version + 1,
        subject=_or(requested.subject, conference.subject),
        display_text=_or(requested.display_text, conference.display_text),
        expires=_or(requested.expires, conference.expires),
        admission=AdmissionPolicy(_or(requested.admission, conference.admission.value)),
        autopromote=Autopromote(_or(requested.autopromote, conference.autopromote.value)),
        pstn_lobby_bypass=_or(requested.pstn_lobby_bypass, conference.pstn_lobby_bypass),
        media=_media(conference, requested, terms),
        invited=conference.invited
        if requested.invited is None
        else {user: ConferenceRole(role) for user, role in requested.invited},
        passcode=_or(requested.passcode, conference.passcode),
        notification_data=_or(requested.notification_data, conference.notification_data),
    )


def _or(requested: T | None, present: T) -> T:
    return present if requested is None else requested


def _media(conference: Conference, requested: ConferenceRequest, terms: ConferenceTerms) -> tuple[str, ...]:
    """Return the requested media that exist here; all that exist where the request names none."""
    if requested.media is None:
        return conference.media
    return tuple(kind for kind in terms.media if kind in requested.media) or terms.media


def _why_not(requested: ConferenceRequest, terms: ConferenceTerms, now: float, *, guests: bool) -> C3pReason | None:
    """Return the first thing that is wrong with a request, in the order of the elements in its document; None: nothing is."""
    anonymous = requested.admission == AdmissionPolicy.ANONYMOUS.value
    checks = (
        (
            max(map(len, (requested.subject or "", requested.display_text or ""))) > terms.subject_letters,
            C3pReason.REQUEST_TOO_LARGE,
        ),
        (requested.expires is not None and not _may_expire(requested.expires, now), C3pReason.INVALID_EXPIRY),
        (
            requested.admission is not None and requested.admission not in _ADMISSIONS,
            C3pReason.INVALID_ADMISSION_POLICY,
        ),
        (anonymous and not (guests and terms.guests), C3pReason.ANONYMOUS_NOT_ALLOWED),
        (
            requested.autopromote is not None and requested.autopromote not in _AUTOPROMOTES,
            C3pReason.INVALID_AUTOPROMOTE,
        ),
        (
            bool(requested.passcode) and _PASSCODE.fullmatch(requested.passcode or "") is None,
            C3pReason.INVALID_PASSCODE,
        ),
        (
            len((requested.notification_data or "").encode()) > terms.notification_bytes,
            C3pReason.NOTIFICATION_DATA_TOO_LARGE,
        ),
        (
            bool(requested.media) and set(terms.media).isdisjoint(requested.media or ()),
            C3pReason.MCU_TYPE_NOT_AVAILABLE,
        ),
    )
    return next((reason for wrong, reason in checks if wrong), None) or _why_not_invite(requested.invited or (), terms)


def _why_not_invite(invited: Collection[tuple[str, str]], terms: ConferenceTerms) -> C3pReason | None:
    """Return the first thing that is wrong with the addresses and roles of a request; None: nothing is."""
    if len(invited) > terms.invited:
        return C3pReason.REQUEST_TOO_LARGE
    if any(role not in _ROLES for _, role in invited):
        return C3pReason.INVALID_ROLE
    return C3pReason.INVALID_USER if any("@" not in user for user, _ in invited) else None


_ADMISSIONS: Final = frozenset(admission.value for admission in AdmissionPolicy)
_AUTOPROMOTES: Final = frozenset(map(int, Autopromote))
_ROLES: Final = frozenset(role.value for role in ConferenceRole)


def _may_expire(expires: float, now: float) -> bool:
    """Tell whether a time of expiry is allowed: from one year ago to ten years ahead ([MS-CONFPRO] 3.2.5.1)."""
    return now - YEAR_S <= expires <= now + 10 * YEAR_S
