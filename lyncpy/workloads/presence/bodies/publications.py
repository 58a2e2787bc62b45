"""Reads what clients send about their own boards: publications, members, subscribers, delegates.

Names are local ones, because clients disagree about prefixes. A publication is kept as the text
that its client wrote; only states are interpreted. The documents for clients are written in
`categories`; whom a client wants to watch is read in `batches`. Spec: [MS-PRES] 2.2; Client:
protocol notes, "presence" §4 to §6.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Final, TypeVar

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, child, children, local, outer_xml, read_xml, text_of
from lyncpy.workloads.presence.model.levels import MemberChange, member_of
from lyncpy.workloads.presence.model.states import Activity, Capability, Device, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    HIGHEST_CONTAINER,
    HIGHEST_INSTANCE,
    OFFLINE,
    PRIVACY_INSTANCE,
    ContainerMember,
    Delegate,
    Expire,
    InstanceKey,
    MemberKind,
    Publication,
)

ROAMING_PARTS: Final = frozenset({"categories", "containers", "subscribers", "delegates"})
"""The parts of its user's own data that an endpoint may ask for."""

_ROAMING_ELEMENTS: Final = frozenset({"roaming", "roamingex"})
"""Name of an element, in lower case → the part that it asks for."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_VERSION_MAX: Final = 0x7FFFFFFF
_EXPIRES_MAX: Final = 366 * 86400

READ: Final = frozenset({"state", "device", "otherOptions"})
"""Categories whose values the server interprets."""

_EXPIRE_TYPES: Final[Mapping[str, Expire]] = {one.value: one for one in Expire}
_STATE_KINDS: Final[Mapping[str, StateKind | None]] = {one.value: one for one in StateKind}
_MEMBER_KINDS: Final[Mapping[str, MemberKind | None]] = {one.value: one for one in MemberKind}

_FLAGS: Final = ("render", "capture", "publish", "version")
_EXTENSIONS: Final = frozenset({"delimiter", "end", "extension"})
_CAPABILITIES_MAX: Final = 64
"""Capabilities of one device; no client knows a third as many."""

E = TypeVar("E")


# --- what a client publishes


def read_publish(body: bytes) -> tuple[Aor, tuple[Publication, ...]]:
    """Read a `publish` document: the board's owner, and the publications.

    Raises:
        RemoteProtocolError: 400, when it is not one, or names one publication twice.

    Spec: [MS-PRES] 2.2.2, `publish`.
    """
    root = _root(body, "publish")
    block = child(root, "publications")
    if block is None:
        raise RemoteProtocolError("nothing to publish")
    read: _Read = {}
    found = tuple(_publication(one, read) for one in children(block, "publication"))
    if not found:
        raise RemoteProtocolError("nothing to publish")
    if len({one.key for one in found}) != len(found):
        raise RemoteProtocolError("a publication is there twice")
    return aor_of(attr(block, "uri") or ""), found


_Read = dict[tuple[str, int, str], tuple[str, StateDocument | None, Device | None, bool]]
"""Category, instance and text of a value → the text, and what it says: clients publish most in two or three containers."""


def _publication(el: Element, read: _Read) -> Publication:
    category = _name(el, "categoryName")
    key = InstanceKey(category, _number(el, "instance", HIGHEST_INSTANCE), _number(el, "container", HIGHEST_CONTAINER))
    expires = attr(el, "expires")
    value = next(iter(el), None)
    expires_s = None if expires is None else _number(el, "expires", _EXPIRES_MAX)
    expire = _word(el, "expireType", _EXPIRE_TYPES, Expire.ENDPOINT)
    if expires_s == 0:
        return Publication(key, _number(el, "version", _VERSION_MAX, 0), expire, expires_s=0)
    if expire is Expire.TIME and expires_s is None:
        raise RemoteProtocolError("a publication bound in time has no expires")
    text = "" if value is None else outer_xml(value)
    said = read.get((key.category, key.instance, text))
    if said is None:
        # Many users' devices say the very same, for as long as they are signed in.
        said = read[key.category, key.instance, text] = (intern(text), *read_value(key, value))
    text, state, device, private = said
    return Publication(
        key, _number(el, "version", _VERSION_MAX, 0), expire, text, expires_s, state, device, private=private
    )


def read_value(key: InstanceKey, value: Element | None) -> tuple[StateDocument | None, Device | None, bool]:
    """Read those values of a publication that the server interprets: a state, a device, or the wish for privacy."""
    if value is None:
        return None, None, False
    return (
        read_state(value) if key.category == "state" else None,
        read_device(value) if key.category == "device" else None,
        key.category == "otherOptions" and key.instance == PRIVACY_INSTANCE and read_privacy(value),
    )


def read_state(el: Element) -> StateDocument | None:
    """Read a `state` element; None for a kind that does not count in aggregation.

    Raises:
        RemoteProtocolError: It has no number for the availability; such a state crashes a real client.
    """
    kind = _word(el, "type", _STATE_KINDS, None, after=":")
    if kind is None:
        return None
    fields = {one.local: one for one in reversed(el)}  # of several of one name the first counts

    def said(name: str) -> str:
        return text_of(fields[name]) if name in fields else ""

    try:
        availability = int(said("availability"))
    except ValueError:
        raise RemoteProtocolError("a state without availability") from None
    return StateDocument(
        kind,
        min(max(availability, 0), 65535),
        manual=attr(el, "manual") == "true",
        activity=_activity(fields.get("activity")),
        starts=_moment(attr(el, "startTime")),
        ends=_moment(attr(el, "endTime")),
        device=said("device"),
        location=said("endpointLocation"),
        zone=(said("timeZoneBias"), said("timeZoneName"), said("timeZoneAbbreviation")),
        meeting_subject=said("meetingSubject"),
        meeting_location=said("meetingLocation"),
        endpoint_id=attr(el, "endpointId") or "",
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


def read_device(el: Element) -> Device:
    """Read a `device` element: the endpoint's id, and its capabilities.

    Names that cannot be written again as an element are passed over.

    Spec: the device schema, `capabilities`.
    """
    block = child(el, "capabilities")
    listed = () if block is None else tuple(block)
    found = {
        # The same few words come from every device, and stay as long as it is signed in.
        local(one): Capability(*(intern(text) for text in (local(one), *((attr(one, flag) or "") for flag in _FLAGS))))
        for one in listed
        if _NAME.fullmatch(local(one)) and local(one) not in _EXTENSIONS
    }
    return Device(
        attr(el, "endpointId") or "",
        "" if block is None else attr(block, "uri") or "",
        block is not None and attr(block, "preferred") == "true",
        tuple(found.values())[:_CAPABILITIES_MAX],
    )


def read_privacy(el: Element) -> bool:
    """Tell whether the user asks to be seen by their contacts only.

    Spec: the otherOptions schema of Lync 2010, `privacyModeUserSelection`.
    """
    return text_of(child(el, "privacyModeUserSelection")).strip().lower() == "private"


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
    sides: dict[str, set[ContainerMember]] = {"add": set(), "remove": set()}
    for one in children(el, "member"):
        side = sides.get(attr(one, "action") or "")
        kind = _word(one, "type", _MEMBER_KINDS, None)
        if side is None or kind is None:
            raise RemoteProtocolError("not a change of members")
        value = (attr(one, "value") or "").strip()
        if (value != "") != (kind in (MemberKind.USER, MemberKind.DOMAIN)):
            raise RemoteProtocolError("a member without value, or with one too many")
        side.add(member_of(kind, value))
    return MemberChange(
        _number(el, "id", HIGHEST_CONTAINER),
        _number(el, "version", _VERSION_MAX, 0),
        frozenset(sides["add"]),
        frozenset(sides["remove"]),
    )


def read_set_subscriber(body: bytes) -> Aor:
    """Read a `setSubscribers` document: the address of the watcher whom the user knows from now on.

    Raises:
        RemoteProtocolError: 400, when it is not one, or does not name exactly one subscriber as known.

    Spec: [MS-PRES] 2.2.2.6.2.
    """
    found = children(_root(body, "setSubscribers"), "subscriber")
    user = (attr(found[0], "user") or "").strip() if len(found) == 1 else ""
    if not user or attr(found[0], "acknowledged") != "true":
        raise RemoteProtocolError("not one subscriber to acknowledge")
    return aor_of(user)


def read_set_delegates(body: bytes) -> tuple[int, tuple[Delegate, ...], tuple[Aor, ...]]:
    """Read a `setDelegates` document: the version that the client saw last, the delegates to add, those to remove.

    Raises:
        RemoteProtocolError: 400, when it is not one, or names somebody twice.

    Spec: [MS-PRES] 2.2.2.10.2. Operations are `allow` or `deny`; a right that is not named is denied.
    """
    root = _root(body, "setDelegates")
    add, remove = [], []
    for one in root:
        uri, action = (attr(one, "uri") or "").strip(), attr(one, "action") or "add"
        if not uri or action not in ("add", "remove"):
            raise RemoteProtocolError("not a change of delegates")
        if action == "remove":
            remove.append(aor_of(uri))
        else:
            rights = (_is_allowed(one, name) for name in ("publishOperation", "redelegateOperation"))
            add.append(Delegate(aor_of(uri), *rights))
    named = [*remove, *(one.aor for one in add)]
    if not named or len(set(named)) != len(named):
        raise RemoteProtocolError("nobody to add or remove, or somebody twice")
    return _number(root, "version", _VERSION_MAX, 0), tuple(add), tuple(remove)


def _is_allowed(el: Element, name: str) -> bool:
    operation = child(el, name)
    return operation is not None and attr(operation, "authorization") == "allow"


def read_roaming_list(body: bytes) -> frozenset[str]:
    """Read which parts of the user's own data a client asks for; without a body, all.

    Parts that came later than the first clients (delegates) are asked for by an element with a name and
    a namespace of its own. Unknown parts are passed over: there is nothing to tell of them.

    Raises:
        RemoteProtocolError: 400, when it is not such a list.

    Spec: [MS-PRES] 2.2.2.5, 4.4.1 (`roaming`, `roamingEx`).
    """
    if not body.strip():
        return ROAMING_PARTS
    root = _root(body, "roamingList")
    asked = {(attr(one, "type") or "").strip().lower() for one in root if local(one).lower() in _ROAMING_ELEMENTS}
    return ROAMING_PARTS & asked


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


def _word(el: Element, attribute: str, words: Mapping[str, E], absent: E, *, after: str = "") -> E:
    """Read an attribute with a closed set of values; any other value counts as absent."""
    text = attr(el, attribute) or ""
    return words.get(text.rpartition(after)[2] if after else text, absent)
