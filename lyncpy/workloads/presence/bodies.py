"""What clients ask of presence, read: publications, members, batches of people to watch.

Names are local ones, because clients disagree about prefixes. What a client published is
kept as the text that it wrote; only states are looked into. What the server writes is in
`documents`. Spec: [MS-PRES] 2.2; Client: protocol notes, "presence" §4 to §6.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, child, children, local, outer_xml, read_xml, text_of
from lyncpy.workloads.presence.aggregate import OFFLINE, Activity, State, StateKind
from lyncpy.workloads.presence.model import (
    HIGHEST_CONTAINER,
    HIGHEST_INSTANCE,
    Expire,
    Key,
    Member,
    MemberChange,
    MemberKind,
    Publication,
)

BATCH_TYPE: Final = "application/msrtc-adrl-categorylist+xml"

DEFAULT_CATEGORIES: Final = frozenset({"contactCard", "note", "state", "services", "calendarData"})
"""What a watcher gets who names none."""

ROAMING_PARTS: Final = frozenset({"categories", "containers", "subscribers"})

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_VERSION_MAX: Final = 0x7FFFFFFF
_EXPIRES_MAX: Final = 366 * 86400

E = TypeVar("E")


# --- what a client publishes


def read_publish(body: bytes) -> tuple[Aor, tuple[Publication, ...]]:
    """Read a `publish` document: whose board, and what.

    Raises:
        RemoteProtocolError: 400, when it is not one, or names one publication twice.

    Spec: [MS-PRES] 2.2.2, `publish`.
    """
    root = _root(body, "publish")
    block = child(root, "publications")
    if block is None:
        raise RemoteProtocolError("nothing to publish")
    found = tuple(_publication(one) for one in children(block, "publication"))
    if not found:
        raise RemoteProtocolError("nothing to publish")
    if len({one.key for one in found}) != len(found):
        raise RemoteProtocolError("a publication is there twice")
    return aor_of(attr(block, "uri") or ""), found


def _publication(el: Element) -> Publication:
    category = _name(el, "categoryName")
    key = Key(category, _number(el, "instance", HIGHEST_INSTANCE), _number(el, "container", HIGHEST_CONTAINER))
    expires = attr(el, "expires")
    value = next(iter(el), None)
    expires_s = None if expires is None else _number(el, "expires", _EXPIRES_MAX)
    expire = _word(el, "expireType", Expire, Expire.ENDPOINT)
    if expires_s == 0:
        return Publication(key, _number(el, "version", _VERSION_MAX, 0), expire, expires_s=0)
    if expire is Expire.TIME and expires_s is None:
        raise RemoteProtocolError("a publication bound in time has no expires")
    return Publication(
        key,
        _number(el, "version", _VERSION_MAX, 0),
        expire,
        "" if value is None else outer_xml(value),
        expires_s,
        None if category != "state" or value is None else read_state(value),
    )


def read_state(el: Element) -> State | None:
    """Read a `state` element; None for a kind that adds nothing to anybody's state.

    Raises:
        RemoteProtocolError: Without a number for the availability; a real client falls over
            such a state.
    """
    kind = _word(el, "type", StateKind, None, after=":")
    if kind is None:
        return None
    try:
        availability = int(text_of(child(el, "availability")))
    except ValueError:
        raise RemoteProtocolError("a state without availability") from None
    return State(
        kind,
        min(max(availability, 0), 65535),
        manual=attr(el, "manual") == "true",
        activity=_activity(child(el, "activity")),
        starts=_moment(attr(el, "startTime")),
        ends=_moment(attr(el, "endTime")),
        device=text_of(child(el, "device")),
        location=text_of(child(el, "endpointLocation")),
        zone=(
            text_of(child(el, "timeZoneBias")),
            text_of(child(el, "timeZoneName")),
            text_of(child(el, "timeZoneAbbreviation")),
        ),
        meeting_subject=text_of(child(el, "meetingSubject")),
        meeting_location=text_of(child(el, "meetingLocation")),
    )


def _activity(el: Element | None) -> Activity | None:
    if el is None:
        return None
    return Activity(
        attr(el, "token") or "",
        _number(el, "minAvailability", 65535, 0),
        _number(el, "maxAvailability", 65535, OFFLINE - 1),
        tuple((attr(one, "LCID") or "", text_of(one)) for one in children(el, "custom")),
    )


def read_set_members(body: bytes) -> tuple[MemberChange, ...]:
    """Read a `setContainerMembers` document.

    Raises:
        RemoteProtocolError: 400, when it is not one, or names one container twice.
    """
    found = tuple(_member_change(one) for one in children(_root(body, "setContainerMembers"), "container"))
    if len({one.container for one in found}) != len(found):
        raise RemoteProtocolError("a container is there twice")
    return found


def _member_change(el: Element) -> MemberChange:
    sides: dict[str, set[Member]] = {"add": set(), "remove": set()}
    for one in children(el, "member"):
        side = sides.get(attr(one, "action") or "")
        kind = _word(one, "type", MemberKind, None)
        if side is None or kind is None:
            raise RemoteProtocolError("not a change of members")
        value = bare((attr(one, "value") or "").strip().lower())
        if (value != "") != (kind in (MemberKind.USER, MemberKind.DOMAIN)):
            raise RemoteProtocolError("a member without value, or with one too many")
        side.add(Member(kind, value))
    return MemberChange(
        _number(el, "id", HIGHEST_CONTAINER),
        _number(el, "version", _VERSION_MAX, 0),
        frozenset(sides["add"]),
        frozenset(sides["remove"]),
    )


def read_set_subscribers(body: bytes) -> tuple[Aor, ...]:
    """Read a `setSubscribers` document: whom the user knows of from now on."""
    found = children(_root(body, "setSubscribers"), "subscriber")
    if not found or any(attr(one, "acknowledged") != "true" for one in found):
        raise RemoteProtocolError("nobody to acknowledge")
    return tuple(aor_of(attr(one, "user") or "") for one in found)


# --- what a client asks for


def read_roaming_list(body: bytes) -> frozenset[str]:
    """Read which parts of his own data a client wants; without a body, all."""
    if not body.strip():
        return ROAMING_PARTS
    asked = {attr(one, "type") or "" for one in children(_root(body, "roamingList"), "roaming")}
    return ROAMING_PARTS & asked


@dataclass(frozen=True, slots=True)
class Resource:
    """Somebody whom a client wants to watch, as the client names him."""

    uri: str
    aor: Aor


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a batch: begin or end to watch some people."""

    id: str
    subscribes: bool
    resources: tuple[Resource, ...]
    """Empty, for an end: all whom the action of this id began to watch."""

    categories: frozenset[str]


def read_batch(body: bytes) -> tuple[Action, ...]:
    """Read a `batchSub` document.

    Raises:
        RemoteProtocolError: 400, when it is not one.

    Spec: [MS-PRES] 2.2.2, `batchSub`; [MS-SIP] for the dialog.
    """
    return tuple(_action(one) for one in children(_root(body, "batchSub"), "action"))


def _action(el: Element) -> Action:
    name = attr(el, "name")
    if name not in ("subscribe", "unsubscribe"):
        raise RemoteProtocolError(f'not an action: "{(name or "")[:80]}"')
    listed, asked = child(el, "adhocList"), child(el, "categoryList")
    uris = [] if listed is None else [(attr(one, "uri") or "").strip() for one in children(listed, "resource")]
    names = [] if asked is None else [_name(one, "name") for one in children(asked, "category")]
    return Action(
        attr(el, "id") or "",
        name == "subscribe",
        tuple(Resource(uri, aor_of(uri)) for uri in dict.fromkeys(uris) if uri),
        frozenset(names) or DEFAULT_CATEGORIES,
    )


# --- words and numbers


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _root(body: bytes, name: str) -> Element:
    root = read_xml(body)
    if local(root) != name:
        raise RemoteProtocolError(f'not a document of this kind: "{local(root)[:80]}"')
    return root


def _name(el: Element, attribute: str) -> str:
    name = attr(el, attribute) or ""
    if not _NAME.fullmatch(name):
        raise RemoteProtocolError(f'not a category: "{name[:80]}"')
    return name


def _number(el: Element, attribute: str, highest: int, absent: int | None = None) -> int:
    text = attr(el, attribute)
    if text is None and absent is not None:
        return absent
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > highest:
        raise RemoteProtocolError(f'{attribute} is not a number up to {highest}: "{(text or "")[:80]}"')
    return int(text)


def _word(el: Element, attribute: str, words: Callable[[str], E], absent: E, *, after: str = "") -> E:
    """Read a word of a closed set; one that is not in it is as absent."""
    text = attr(el, attribute) or ""
    try:
        return words(text.rpartition(after)[2] if after else text)
    except ValueError:
        return absent
