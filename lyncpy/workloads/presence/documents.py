"""What presence tells clients, written: a user's own data, views of others, faults, cards.

Hot, therefore plain text without a tree. Everything that came from outside is escaped, or
is XML that was read and written again by `bodies`. Spec: [MS-PRES] 2.2; Client: protocol
notes, "presence" §4 to §6.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, bare
from lyncpy.sip.body import Part, write_multipart
from lyncpy.sip.markup import escape, quote_attr
from lyncpy.sip.message import Headers
from lyncpy.workloads.presence.aggregate import OFFLINE, Activity, Aggregate
from lyncpy.workloads.presence.audience import Audience, visible
from lyncpy.workloads.presence.model import STANDARD_CONTAINERS, Board, Container, Instance, Stale

ROAMING_SELF: Final = "application/vnd-microsoft-roaming-self+xml"
CATEGORIES_TYPE: Final = "application/msrtc-event-categories+xml"
FAULT_TYPE: Final = "application/msrtc-fault+xml"
_RLMI: Final = "application/rlmi+xml"

_NS: Final = "http://schemas.microsoft.com/2006/09/sip"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_COMMON: Final = f"{_NS}/commontypes"


# --- what a user is told of himself


def write_own(
    board: Board,
    *,
    categories: Collection[str] | None = None,
    containers: Collection[int] | None = None,
    subscribers: bool = False,
) -> bytes:
    """Write `roamingData` for a user's own endpoint; None: all of them.

    Every category is whole: a client forgets what it knew of each category that is named,
    and publishes with the versions that it finds here. One that is empty is named alone.

    Client: protocol notes, "presence" §4.1, §5.3.
    """
    parts = [f'<roamingData xmlns="{_NS}/roaming-self">']
    wanted = {key.category for key in board.instances} if categories is None else categories
    if wanted or categories is None:
        parts.append(f'<categories xmlns="{_NS}/categories" uri={quote_attr(board.aor)}>')
        for name in sorted(wanted):
            found = [_own(one) for one in board.of(name)]
            parts.extend(found or [f'<category name="{name}"/>'])
        parts.append("</categories>")
    ids = {*STANDARD_CONTAINERS, *board.containers} if containers is None else containers
    if ids:
        parts.append(f'<containers xmlns="{_NS}/containers">')
        parts.extend(_container(id_, board.containers.get(id_, Container())) for id_ in sorted(ids))
        parts.append("</containers>")
    if subscribers:
        parts.append(f'<subscribers xmlns="{_NS}/presence-subscribers">')
        parts.extend(
            f"<subscriber user={quote_attr(bare(one.aor))} displayName={quote_attr(one.display_name)}"
            ' acknowledged="false" type="sameEnterprise"/>'
            for one in board.subscribers
            if not one.acknowledged
        )
        parts.append("</subscribers>")
    parts.append("</roamingData>")
    return "".join(parts).encode()


def _own(one: Instance) -> str:
    category, instance, container = one.key
    return (
        f'<category name="{category}" instance="{instance}" publishTime="{_time(one.published)}"'
        f' container="{container}" version="{one.version}" expireType="{one.expire.value}">{_value(one)}</category>'
    )


def _container(id_: int, container: Container) -> str:
    if not container.members:
        return f'<container id="{id_}" version="{container.version}"/>'
    members = "".join(
        f'<member type="{kind.value}"' + (f" value={quote_attr(value)}/>" if value else "/>")
        for kind, value in sorted(container.members, key=lambda member: (member.kind.value, member.value))
    )
    return f'<container id="{id_}" version="{container.version}">{members}</container>'


def write_fault(stale: Stale) -> bytes:
    """Write the fault of a 409; a real client looks for exactly this code.

    Spec: [MS-PRES], `Client.BadCall.WrongDelta`.
    """
    operations = "".join(
        f'<operation index="{one.index}" version="{one.version}" curVersion="{one.current}"/>' for one in stale.faults
    )
    return (
        f'<Fault xmlns="{_NS}/service-fault"><Faultcode>Client.BadCall.WrongDelta</Faultcode>'
        f"<details>{operations}</details></Fault>"
    ).encode()


# --- what others are told of a user


def write_view(board: Board, seen_by: Audience, categories: Iterable[str]) -> bytes:
    """Write what an audience sees of these categories; the same text for all who belong to it.

    A category that it does not see is named alone, and a state that it does not see is
    offline. Neither container nor version is named: a watcher is not to learn his level.
    """
    parts = [f'<categories xmlns="{_NS}/categories" uri={quote_attr(board.aor)}>']
    for name in sorted(categories):
        found = visible(board, seen_by, name)
        parts.extend([_seen(one) for one in found] or [_OFFLINE if name == "state" else f'<category name="{name}"/>'])
    parts.append("</categories>")
    return "".join(parts).encode()


def write_unknown(uri: str, categories: Iterable[str]) -> bytes:
    """Write what is seen of somebody who does not exist: he is offline. Without a part for him, the client would never refresh."""
    parts = [_OFFLINE if name == "state" else f'<category name="{name}"/>' for name in sorted(categories)]
    return f'<categories xmlns="{_NS}/categories" uri={quote_attr(uri)}>{"".join(parts)}</categories>'.encode()


def write_list(owner: Aor, views: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Write the views of several people as one body: an rlmi list and a part for each.

    Args:
        owner: The watcher; the list is his.
        views: Maps the URI, as the watcher wrote it, to a categories document.

    Spec: RFC 4662 §5. Client: an instance without `state` crashes it.
    """
    mark, host = secrets.token_hex(8), owner.rpartition("@")[2]
    resources = "".join(
        f'<resource uri={quote_attr(uri)}><instance id="0" state="active" cid="c{index}.{mark}@{host}"/></resource>'
        for index, uri in enumerate(views)
    )
    rlmi = (
        f'<list xmlns="urn:ietf:params:xml:ns:rlmi" uri={quote_attr(owner)} version="0" fullState="false">'
        f"{resources}</list>"
    )
    parts = [_part(f"r.{mark}@{host}", _RLMI, rlmi.encode())]
    parts += [_part(f"c{index}.{mark}@{host}", CATEGORIES_TYPE, view) for index, view in enumerate(views.values())]
    return write_multipart(
        parts, subtype="related", boundary=f"part-{mark}", params={"type": _RLMI, "start": f"r.{mark}@{host}"}
    )


def _part(name: str, content_type: str, body: bytes) -> Part:
    lines = (("Content-Transfer-Encoding", "binary"), ("Content-ID", f"<{name}>"), ("Content-Type", content_type))
    return Part(Headers(lines), body)


def _seen(one: Instance) -> str:
    return (
        f'<category name="{one.key.category}" instance="{one.key.instance}"'
        f' publishTime="{_time(one.published)}">{_value(one)}</category>'
    )


# --- values that the server writes


def write_aggregate(value: Aggregate) -> str:
    """Write an `aggregateState` ([MS-PRES] state category)."""
    last = "" if value.last_active is None else f' lastActive="{_time(value.last_active)[:19]}"'
    text = (
        f'<state xmlns="{_NS}/state" xmlns:xsi="{_XSI}" xsi:type="aggregateState"{last}>'
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
    names = ("timeZoneBias", "timeZoneName", "timeZoneAbbreviation", "device")
    common = [(name, said) for name, said in zip(names, (*value.zone, value.device), strict=True) if said]
    if common:
        fields = "".join(f'<{name} xmlns="{_COMMON}">{escape(said)}</{name}>' for name, said in common)
        text += f'<delimiter xmlns="{_COMMON}"/>{fields}<end xmlns="{_COMMON}"/>'
    return text + "</state>"


def _write_activity(activity: Activity) -> str:
    token = f" token={quote_attr(activity.token)}" if activity.token else ""
    bounds = f' minAvailability="{activity.minimum}" maxAvailability="{activity.maximum}"'
    custom = "".join(f"<custom LCID={quote_attr(lcid)}>{escape(said)}</custom>" for lcid, said in activity.custom)
    return f"<activity{token}{bounds}>{custom}</activity>" if custom else f"<activity{token}{bounds}/>"


def write_contact_card(person: Person, facts: Collection[str], phones: Collection[str]) -> str:
    """Write a `contactCard` of what the directory knows.

    Args:
        person: Whose.
        facts: Which of company, department, title and office are on it, beside name and mail.
        phones: Which kinds of phones are on it.

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
        f"<phone type={quote_attr(phone.kind)}><uri>{escape(_tel(phone.number))}</uri>"
        f"<displayString>{escape(phone.number)}</displayString></phone>"
        for phone in person.phones
        if phone.kind in phones and _tel(phone.number) != "tel:"
    )
    identity = f"<name>{_fields(names)}</name>{_fields([('email', person.mail)])}"
    known = _fields(row for row in rows if row[0] in facts)
    return f'<contactCard xmlns="{_NS}/contactcard"><identity>{identity}</identity>{known}{listed}</contactCard>'


def _fields(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in rows if text)


def write_user_properties(person: Person) -> str:
    """Write the `userProperties`: the user's own line, for his own clients."""
    line = f'<line lineType="Uc">{escape(person.line)}</line>' if person.line else ""
    return f'<userProperties xmlns="{_NS}/userProperties"><lines>{line}</lines></userProperties>'


def _tel(number: str) -> str:
    return "tel:" + "".join(
        mark for mark in number.removeprefix("tel:") if mark.isascii() and (mark.isdigit() or mark in "+*#")
    )


# --- small words


def _value(one: Instance) -> str:
    return write_aggregate(one.value) if isinstance(one.value, Aggregate) else one.value


def _time(at: float) -> str:
    """Write a time as clients do: UTC with milliseconds, without a zone."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03}"


_OFFLINE: Final = (
    f'<category name="state" instance="0" publishTime="{_time(0)}">{write_aggregate(Aggregate(OFFLINE))}</category>'
)
