"""Conferences as they are kept: what an organizer scheduled, and what a running meeting left; pure.

What happens while a meeting runs is in `meeting.py`. Times here are wall-clock seconds since
the epoch: a conference outlives the process.
"""

import enum
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from lyncpy.contracts.names import Aor, ConferenceId, aor_of, conference_id_of, conference_key, same_conference
from lyncpy.contracts.owners import NOBODY, OwnerId
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.uri import parse_uri

DAY_S: Final = 86_400
YEAR_S: Final = 31_557_600

CHAT: Final = "chat"
FOCUS: Final = "focus"

_ID: Final = re.compile(r"[0-9A-Za-z]{8,32}")
_PASSCODE: Final = re.compile(r"[0-9A-Za-z]{4,16}")
_OPAQUE: Final = re.compile(r"app:conf:(?P<kind>[a-z-]{1,32}):id:(?P<id>[0-9a-z]{8,32})", re.IGNORECASE)


class ConferenceRole(enum.Enum):
    """What a participant may do; the value is the word on the wire. Spec: [MS-CONFBAS] 2.2.2."""

    PRESENTER = "presenter"
    ATTENDEE = "attendee"


class AdmissionPolicy(enum.Enum):
    """Whom a conference takes in without asking; the value is the word on the wire. Spec: [MS-CONFPRO] 2.2.1.2."""

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
    """A rule forbids it; nothing changed."""

    reason: C3pReason
    text: str = ""
    """A sentence that may be shown to the user; "" where the reason says all."""


@dataclass(frozen=True, slots=True)
class Active:
    """What of a running meeting survives the process that ran it."""

    instance: str
    """The GUID of this occurrence."""

    since: float
    locked: bool = False
    granted: Mapping[Aor, ConferenceRole] = field(default_factory=dict)
    """Roles that presenters gave or took in this occurrence."""

    kept: frozenset[Aor] = frozenset()
    """Who was in it, and may come back though the door has been shut since."""

    ejected: frozenset[Aor] = frozenset()
    meant: Mapping[Aor, OwnerId] = field(default_factory=dict)
    """Who these people are."""

    def people(self) -> set[Aor]:
        """Give the addresses of all whom it names."""
        return {*self.granted, *self.kept, *self.ejected}


@dataclass(frozen=True, slots=True)
class Conference:
    """One conference as its organizer's focus factory keeps it.

    It may take place any number of times until it expires, as a recurring meeting does; an
    ad-hoc one is a conference like another whose client gave it some hours to live.
    """

    organizer: Aor
    id: ConferenceId
    """As the client wrote it; two that differ in case only are the same."""

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
    """The conference key that guests prove to know; "" when they need none to know the link."""

    notification_data: str = ""
    """An element of XML that belongs to clients, with its namespaces; "" when there is none."""

    static: bool = False
    """The one meeting with a permanent address that a user may have."""

    version: int = 1
    """Grows with each modification."""

    activated: float | None = None
    """When it last began."""

    active: Active | None = None
    """The occurrence that is running, or was when the process died."""

    home: Aor | None = None
    """The address that stands in its URIs, if the organizer has another by now: links in calendars are never old."""

    owner: OwnerId = NOBODY
    """Who the organizer is, whatever their address."""

    meant: Mapping[Aor, OwnerId] = field(default_factory=dict)
    """Who the other people are that it names."""

    asleep: Mapping[OwnerId, tuple[Aor, ConferenceRole]] = field(default_factory=dict)
    """Who is invited, but gone, and whose address is another's now; they are again when they come back."""

    @property
    def place(self) -> Aor:
        """The address that stands in its URIs."""
        return self.home or self.organizer

    @property
    def key(self) -> str:
        """Its name in the store."""
        return key_of(self.place, self.id)

    @property
    def uri(self) -> str:
        """Its focus URI, always spelled the same. Spec: [MS-CONFBAS] 2.2.1."""
        return focus_uri(self.place, self.id)

    def mcu(self, kind: str) -> str:
        """Give the URI of one of its MCUs, e.g. of "chat"."""
        return entity_uri(self.place, kind, self.id)

    def people(self) -> set[Aor]:
        """Give the addresses of all whom it names, beside the organizer."""
        named = set(self.invited)
        if self.active is not None:
            named |= self.active.people()
        return named


@dataclass(frozen=True, slots=True)
class Address:
    """What a conference URI names."""

    organizer: Aor
    kind: str
    """"focus", or the kind of an MCU; lower case."""

    id: ConferenceId

    @property
    def key(self) -> str:
        """The conference's name in the store."""
        return key_of(self.organizer, self.id)


def entity_uri(organizer: Aor, kind: str, id_: str) -> str:
    """Write the URI of a focus or an MCU."""
    return f"{organizer};gruu;opaque=app:conf:{kind}:id:{id_}"


def focus_uri(organizer: Aor, id_: str) -> str:
    """Write a focus URI."""
    return entity_uri(organizer, FOCUS, id_)


def key_of(organizer: Aor, id_: str) -> str:
    """Name a conference in the store: ids are unique for an organizer, in any case."""
    return f"{organizer}/{conference_key(id_)}"


def read_address(uri: str) -> Address | None:
    """Read a focus or MCU URI, with its parameters in any order and case; None if it is none."""
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
    """Give the link of a meeting: `<base>/<user>/<id>`; "" when the house has no site for meetings."""
    user = conference.place.removeprefix("sip:").partition("@")[0]
    return f"{base.rstrip('/')}/{user}/{conference.id}" if base else ""


# -- scheduling -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConferenceTerms:
    """What the house allows conferences, and what it takes for granted."""

    media: tuple[str, ...] = (CHAT,)
    """Kinds of MCU that exist here."""

    per_organizer: int = 1000
    organizer_bytes: int = 4_194_304
    """Of all texts and invited people in an organizer's conferences, which are all in memory."""

    subject_letters: int = 1024
    notification_bytes: int = 16_384
    invited: int = 1000
    ad_hoc_s: float = 8 * 3600
    """How long a conference is kept whose client names no end."""

    admission: AdmissionPolicy = AdmissionPolicy.OPEN
    autopromote: Autopromote = Autopromote.COMPANY
    guests: bool = True
    """Whether anonymous meetings may be made at all."""


@dataclass(frozen=True, slots=True)
class ConferenceRequest:
    """What a client asks of a conference; None: it does not say. Words it got wrong are kept as they came."""

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
    """Make a conference of a wish.

    Args:
        organizer: Whose it will be.
        requested: Its `id` must be given; `new_id` of the factory makes one.
        existing: The organizer's conferences, without those that are over for good.
        terms: The house's.
        now: Wall-clock seconds.
        guests: Whether the organizer's policy lets him have guests.

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
    """Change what a wish names of a conference, and leave the rest; `existing` is as for `schedule`.

    Its id and whether it is static never change; a wish that names a version must name the
    present one.

    Spec: [MS-CONFPRO] 3.2.5.5.
    """
    if requested.id is not None and not same_conference(requested.id, conference.id):
        return ConferenceDenied(C3pReason.INVALID_ID)
    if requested.static is not None and requested.static != conference.static:
        return ConferenceDenied(C3pReason.STATIC_DOES_NOT_MATCH)
    if requested.version is not None and requested.version != conference.version:
        return ConferenceDenied(C3pReason.INVALID_VERSION)
    return _within(_applied(conference, requested, terms, now, guests=guests), _weight(conference), existing, terms)


INVITED_BYTES: Final = 100
"""What one invited person counts for."""


def _weight(conference: Conference) -> int:
    """Measure a conference, in bytes or nearly so."""
    texts = len(conference.subject) + len(conference.display_text) + len(conference.notification_data)
    return texts + INVITED_BYTES * len(conference.invited)


def _within(
    found: Conference | ConferenceDenied, before: int, existing: Collection[Conference], terms: ConferenceTerms
) -> Conference | ConferenceDenied:
    """Refuse what makes an organizer's conferences weigh more than they may; `before` is what this one weighed."""
    if isinstance(found, ConferenceDenied) or _weight(found) <= before:
        return found
    most = terms.organizer_bytes - _weight(found) + before
    return ConferenceDenied(C3pReason.MAXIMUM_CONFERENCES) if sum(map(_weight, existing)) > most else found


def purgeable(conference: Conference, now: float) -> bool:
    """Say whether a conference is over for good: expired, and nobody is in it. A static one never is."""
    return conference.active is None and not conference.static and conference.expires <= now


def _applied(
    conference: Conference, requested: ConferenceRequest, terms: ConferenceTerms, now: float, *, guests: bool
) -> Conference | ConferenceDenied:
    """Take over what a wish names; the order of the checks is that of the elements in the document."""
    found = _why_not(requested, terms, now, guests=guests)
    if found is not None:
        return ConferenceDenied(found)
    return replace(
        conference,
        updated=now,
        version=conference.version + 1,
        subject=_or(requested.subject, conference.subject),
        display_text=_or(requested.display_text, conference.display_text),
        expires=conference.expires if requested.expires is None else requested.expires,
        admission=conference.admission if requested.admission is None else AdmissionPolicy(requested.admission),
        autopromote=conference.autopromote if requested.autopromote is None else Autopromote(requested.autopromote),
        pstn_lobby_bypass=(
            conference.pstn_lobby_bypass if requested.pstn_lobby_bypass is None else requested.pstn_lobby_bypass
        ),
        media=_media(conference, requested, terms),
        invited=conference.invited
        if requested.invited is None
        else {user: ConferenceRole(role) for user, role in requested.invited},
        passcode=_or(requested.passcode, conference.passcode),
        notification_data=_or(requested.notification_data, conference.notification_data),
    )


def _or(wished: str | None, present: str) -> str:
    return present if wished is None else wished


def _media(conference: Conference, requested: ConferenceRequest, terms: ConferenceTerms) -> tuple[str, ...]:
    """Grant what exists of what is wished; a client that wishes for nothing that exists gets what there is."""
    if requested.media is None:
        return conference.media
    return tuple(kind for kind in terms.media if kind in requested.media) or terms.media


def _why_not(requested: ConferenceRequest, terms: ConferenceTerms, now: float, *, guests: bool) -> C3pReason | None:
    """Give the first thing that is wrong with a wish."""
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
        (len(requested.invited or ()) > terms.invited, C3pReason.REQUEST_TOO_LARGE),
        (any(role not in _ROLES for _, role in requested.invited or ()), C3pReason.INVALID_ROLE),
        (any("@" not in user for user, _ in requested.invited or ()), C3pReason.INVALID_USER),
    )
    return next((reason for wrong, reason in checks if wrong), None)


_ADMISSIONS: Final = frozenset(admission.value for admission in AdmissionPolicy)
_AUTOPROMOTES: Final = frozenset(map(int, Autopromote))
_ROLES: Final = frozenset(role.value for role in ConferenceRole)


def _may_expire(expires: float, now: float) -> bool:
    """Spec: [MS-CONFPRO] 3.2.5.1: from one year before now to ten years after."""
    return now - YEAR_S <= expires <= now + 10 * YEAR_S
