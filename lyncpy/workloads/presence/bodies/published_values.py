"""What the server reads in published values: states, devices, and the wish to be seen by contacts only.

Of all others it keeps the text and knows no more. Names are local ones, because clients disagree about prefixes.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Final, TypeVar

from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.interned import interned
from lyncpy.sip.markup import Element, attr, child, children, local, outer_xml, read_xml, text_of
from lyncpy.workloads.presence.model.states import Activity, Capability, Device, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import DEFAULT, OFFLINE, PRIVACY_INSTANCE, InstanceKey

READ: Final = frozenset({"state", "device", "otherOptions"})
"""Categories whose values the server interprets."""

_STATE_KINDS: Final[Mapping[str, StateKind | None]] = {one.value: one for one in StateKind}

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_FLAGS: Final = ("render", "capture", "publish", "version")
_EXTENSIONS: Final = frozenset({"delimiter", "end", "extension"})
_CAPABILITIES_MAX: Final = 64
"""Capabilities of one device; no client knows a third as many."""

REMEMBERED_BYTES: Final = 2_048
"""A longer value is read anew each time: clients write states of some hundred, and a user may publish many kilobytes."""

_AROUND: Final = (
    b'<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence"><publications><publication>'
    b"%b</publication></publications></publish>"
)
_ADDRESS: Final = b"sip:"
_DEPTH: Final = 3
"""Elements around a value."""

E = TypeVar("E")


def read_value(key: InstanceKey, value: Element | None) -> tuple[StateDocument | None, Device | None, bool]:
    """Read those values of a publication that the server interprets: a state, a device, or the wish for privacy."""
    if value is None:
        return None, None, False
    return (
        read_state(value) if key.category == "state" else None,
        read_device(value) if key.category == "device" else None,
        key.category == "otherOptions" and key.instance == PRIVACY_INSTANCE and read_privacy(value),
    )


Known = tuple[str, StateDocument | None, Device | None, bool]
"""A value as it is kept, and what `read_value` reads in it."""


def known_value(key: InstanceKey, raw: bytes) -> Known | None:
    """Read a value by its text alone, which most clients write word for word as others do.

    Args:
        key: Of the publication.
        raw: What stands in it, at most `REMEMBERED_BYTES`.

    Returns:
        The value; None when the text is not one whole element that stays as it is when it is taken out of its
        document, or says what has to be refused.
    """
    named = key.category, key.instance == PRIVACY_INSTANCE, raw
    # What has an address in it is one user's, and nobody else will write it.
    return _read_known(named) if _ADDRESS in raw else _known[named]


def _read_known(named: tuple[str, bool, bytes]) -> Known | None:
    category, is_privacy, raw = named
    try:
        value = next(islice(read_xml(_AROUND % raw).walk(), _DEPTH, None), None)
        text = "" if value is None else outer_xml(value)
        if text.encode() != raw:
            return None
        return interned(text), *read_value(InstanceKey(category, PRIVACY_INSTANCE if is_privacy else 0, DEFAULT), value)
    except RemoteProtocolError:
        return None


# States, notes and devices: many people are available in the same words.
_known: Final = Remembered(_read_known, 8_388_608)


def read_state(el: Element) -> StateDocument | None:
    """Read a `state` element; None for a kind that does not count in aggregation.

    Raises:
        RemoteProtocolError: It has no number for the availability; such a state crashes a real client.
    """
    kind = word_of(el, "type", _STATE_KINDS, None, after=":")
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
        number_of(el, "minAvailability", 65535, 0),
        number_of(el, "maxAvailability", 65535, OFFLINE - 1),
        tuple((attr(one, "LCID") or "", text_of(one)) for one in children(el, "custom")),
    )


def read_device(el: Element) -> Device:
    """Read a `device` element: the endpoint's id, and its capabilities.

    Names that cannot be written again as an element are passed over.

    Spec: the device schema, `capabilities`.
    """
    block = child(el, "capabilities")
    found: dict[str, Capability] = {}
    for one in () if block is None else block:
        name = local(one)
        if _NAME.fullmatch(name) and name not in _EXTENSIONS:
            # The same few words come from every device, and stay as long as it is signed in.
            found[name] = Capability(interned(name), *[interned(attr(one, flag) or "") for flag in _FLAGS])
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


# --- words and numbers


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def number_of(el: Element, attribute: str, highest: int, absent: int | None = None) -> int:
    """Read an attribute that is a number from 0 to `highest`; `absent` is for an element without it.

    Raises:
        RemoteProtocolError: 400, when it is no such number, or is missing and must not be.
    """
    text = attr(el, attribute)
    if text is None and absent is not None:
        return absent
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > highest:
        raise RemoteProtocolError(f'{attribute} is not a number up to {highest}: "{(text or "")[:80]}"')
    return int(text)


def word_of(el: Element, attribute: str, words: Mapping[str, E], absent: E, *, after: str = "") -> E:
    """Read an attribute with a closed set of values; any other value counts as absent."""
    text = attr(el, attribute) or ""
    return words.get(text.rpartition(after)[2] if after else text, absent)
