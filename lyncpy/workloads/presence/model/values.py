"""The XML of the server's own publications: aggregates, cards, properties.

Plain text without a tree; everything that came from outside is escaped. Client: protocol
notes, "presence" §6.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from math import floor
from typing import Final

from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.contracts.directory import Person, Phone, TelephonyMode
from lyncpy.contracts.names import bare
from lyncpy.sip.interned import interned
from lyncpy.sip.markup import escape, quote_attr
from lyncpy.sip.namespaces import INSTANCE_NS, PRESENCE_NS
from lyncpy.workloads.presence.model.states import (
    Activity,
    Aggregate,
    AggregateMachine,
    Capability,
    LegacyInterop,
    Service,
    Services,
)
from lyncpy.workloads.presence.model.tables import Instance

_COMMON: Final = f"{PRESENCE_NS}/commontypes"
_NOT_DIALLED: Final = re.compile("[^0-9+*#]")


def write_value(one: Instance) -> str:
    """Write the value of a publication: as its client wrote it, or as the server made it."""
    value = one.value
    if isinstance(value, str):
        return value
    if isinstance(value, Aggregate):
        return AGGREGATES[value]
    if isinstance(value, LegacyInterop):
        return write_legacy_interop(value)
    if isinstance(value, AggregateMachine):
        return write_aggregate_machine(value)
    return write_services(value)


@lru_cache(maxsize=1024)  # what was published together, or is written for many, has few times
def write_time(at: float) -> str:
    """Write a time as clients do: UTC with milliseconds, without a zone."""
    return f"{_second(floor(at))}.{int(at * 1000) % 1000:03}"


@lru_cache(maxsize=256)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def write_aggregate(value: Aggregate) -> str:
    """Write an `aggregateState` ([MS-PRES] state category)."""
    last = "" if value.last_active is None else f' lastActive="{_second(floor(value.last_active))}"'
    text = (
        f'<state xmlns="{PRESENCE_NS}/state" xmlns:xsi="{INSTANCE_NS}" xsi:type="aggregateState"{last}>'
        f"<availability>{value.availability}</availability>"
    )
    if value.activity is not None:
        text += _write_activity(value.activity)
    text += _fields(
        (
            ("endpointLocation", value.location),
            ("meetingSubject", value.meeting_subject),
            ("meetingLocation", value.meeting_location),
        )
    )
    return text + _common(value.zone, value.device) + "</state>"


# Many are available in the same words.
AGGREGATES: Final = Remembered(write_aggregate, 4_194_304)
"""Aggregates as they are written."""


def _common(zone: tuple[str, str, str], device: str) -> str:
    names = ("timeZoneBias", "timeZoneName", "timeZoneAbbreviation", "device")
    said = [(name, text) for name, text in zip(names, (*zone, device), strict=True) if text]
    if not said:
        return ""
    fields = "".join(f'<{name} xmlns="{_COMMON}">{escape(text)}</{name}>' for name, text in said)
    return f'<delimiter xmlns="{_COMMON}"/>{fields}<end xmlns="{_COMMON}"/>'


def write_aggregate_machine(value: AggregateMachine) -> str:
    """Write an `aggregateMachineState`: which of the user's machines is the most active ([MS-PRES] state category)."""
    named = f" endpointId={quote_attr(value.endpoint_id)}" if value.endpoint_id else ""
    return (
        f'<state xmlns="{PRESENCE_NS}/state" xmlns:xsi="{INSTANCE_NS}" xsi:type="aggregateMachineState"{named}>'
        f"<availability>{value.availability}</availability>{_places[value.location, value.zone, value.device]}</state>"
    )


def _write_place(place: tuple[str, tuple[str, str, str], str]) -> str:
    location, zone, device = place
    return _fields([("endpointLocation", location)]) + _common(zone, device)


# Most machines say the same of where they are.
_places: Final = Remembered(_write_place, 1_048_576)


def write_services(value: Services) -> str:
    """Write a `services` of what all devices can do ([MS-PRES] services category)."""
    capabilities = "".join(map(_write_service, value.services))
    return (
        f'<services xmlns="{PRESENCE_NS}/service"><service uri={quote_attr(value.uri)}>'
        f"<capabilities>{capabilities}</capabilities></service></services>"
    )


def _write_service(one: Service) -> str:
    on = f" preferredEndpointId={quote_attr(one.endpoint_id)}" if one.endpoint_id else ""
    availability = "" if one.availability is None else f' deviceAvailability="{one.availability}"'
    return f"{_capabilities[one.capability]}{on}{availability}/>"


def _begin_service(known: Capability) -> str:
    rows = (
        ("render", known.render),
        ("capture", known.capture),
        ("publish", known.publish),
        ("version", known.version),
    )
    return f"<{known.name}{''.join(f' {name}={quote_attr(said)}' for name, said in rows if said)}"


# All devices of one kind of client can do the same.
_capabilities: Final = Remembered(_begin_service, 1_048_576)


def write_legacy_interop(value: LegacyInterop) -> str:
    """Write a `legacyInterop`: the state for old watchers ([MS-PRES] legacyInterop category)."""
    token = f" token={quote_attr(value.token)}" if value.token else ""
    return f'<legacyInterop xmlns="{PRESENCE_NS}/categories" availability="{value.availability}"{token}/>'


def _write_activity(activity: Activity) -> str:
    token = f" token={quote_attr(activity.token)}" if activity.token else ""
    bounds = f' minAvailability="{activity.minimum}" maxAvailability="{activity.maximum}"'
    custom = "".join(f"<custom LCID={quote_attr(lcid)}>{escape(said)}</custom>" for lcid, said in activity.custom)
    return f"<activity{token}{bounds}>{custom}</activity>" if custom else f"<activity{token}{bounds}/>"


def write_contact_card(person: Person, facts: Collection[str], phones: Collection[str]) -> str:
    """Write a `contactCard` from a directory entry.

    Args:
        person: The directory entry.
        facts: Which of company, department, title and office are on the card, beside name and mail.
        phones: The kinds of phones that are on the card.

    Spec: the contactCard schema of Lync 2013. Client: protocol notes, "presence" §6.5.
    """
    names = (
        ("displayName", person.display_name or bare(person.aor)),
        ("firstName", person.given_name),
        ("lastName", person.surname),
    )
    rows = (
        ("company", person.company),
        ("department", person.department),
        ("title", person.title),
        ("office", person.office),
    )
    listed = "".join(
        f"<phone type={quote_attr(phone.kind)}><uri>{escape(uri)}</uri>"
        f"<displayString>{escape(phone.number)}</displayString></phone>"
        for phone, uri in _card_phones(person)
        if phone.kind in phones and uri != "tel:"
    )
    identity = f"<name>{_fields(names)}</name>{_fields([('email', person.mail)])}"
    known = _fields(row for row in rows if row[0] in facts)
    return (
        f'<contactCard xmlns="{PRESENCE_NS}/contactcard"><identity>{identity}</identity>{known}{listed}</contactCard>'
    )


def _fields(rows: Iterable[tuple[str, str]]) -> str:
    return "".join([f"<{name}>{escape(text)}</{name}>" for name, text in rows if text])


def card_kinds(person: Person) -> frozenset[str]:
    """Give the kinds of phones that somebody has."""
    return frozenset(phone.kind for phone, _ in _card_phones(person))


def _card_phones(person: Person) -> Sequence[tuple[Phone, str]]:
    """Give the phones that a card may show, each with its tel URI.

    The line of who has one is their telephone at work, and the only one there; shown as the directory writes the number,
    where it writes it.

    Spec: spec notes, "active-directory" §4 (msRTCSIP-Line).
    """
    phones = [(phone, phone.uri or _tel(phone.number)) for phone in person.phones]
    if not person.line:
        return phones
    number, _, ext = person.line.removeprefix("tel:").partition(";ext=")
    plain = f"{number} x{ext}" if ext else number
    shown = next((phone.number for phone, uri in phones if phone.kind == "work" and uri == person.line), plain)
    return [(Phone("work", shown), person.line), *((phone, uri) for phone, uri in phones if phone.kind != "work")]


def write_user_properties(person: Person) -> str:
    """Write the `userProperties`: the user's line and how they use a telephone, for their own clients.

    The private line is told nobody. A `Uc` line is called from the client; another kind without the `lineServer` of its
    telephone system asks a client to do nothing.

    Spec: [MS-PRES] userProperties category.
    """
    mode = person.telephony_mode
    kind = "Uc" if mode in (TelephonyMode.UC, TelephonyMode.DUAL) else "Rcc"
    is_told = person.line and mode is not TelephonyMode.NONE
    line = f'<line lineType="{kind}">{escape(person.line)}</line>' if is_told else ""
    # Most have no line, and then the same text.
    return interned(
        f'<userProperties xmlns="{PRESENCE_NS}/categories"><lines>{line}</lines>'
        f"<telephonyMode>{mode.value}</telephonyMode></userProperties>"
    )


def _tel(number: str) -> str:
    return "tel:" + _NOT_DIALLED.sub("", number.removeprefix("tel:"))
