"""Writes presence for watchers from before 2007: the same audience, in the words that they know.

They are told of one state, a name, an address, a phone and a note. Categories, containers
and levels are nothing to them; what they may see is decided by `audience` all the same.

Spec: [MS-SIP] 2.2.1 (msrtc.pidf), 2.2.2 (xpidf); [MS-PRES] 1.3.3 (which format), RFC 3863
and 4480 (pidf). Client: protocol notes, "presence" §6.6.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.contracts.names import Aor, bare
from lyncpy.sip.enums import IdentityEnum
from lyncpy.sip.markup import Element, child, escape, quote_attr, read_xml, text_of
from lyncpy.workloads.presence.model.aggregate import interop_of, legacy_of
from lyncpy.workloads.presence.model.audience import Audience, visible
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.states import Aggregate, LegacyInterop
from lyncpy.workloads.presence.model.tables import OFFLINE, Instance, Legacy


class PresenceFormat(IdentityEnum):
    """The formats of presence, the best first; the value is the media type."""

    CATEGORIES = "application/msrtc-event-categories+xml"
    PRESENTITY = "text/xml+msrtc.pidf"
    PIDF = "application/pidf+xml"
    XPIDF = "application/xpidf+xml"


LEGACY_CATEGORIES: Final = frozenset({"state", "contactCard", "note"})
"""The categories of which the documents for old watchers are made."""

_PRESENTITY_NS: Final = "http://schemas.microsoft.com/2002/09/sip/presence"
_NOTE_BOUND: Final = 512
"""Characters of a note; all of `userInfo` may have 1024 ([MS-SIP] 2.2.1)."""

_RPID: Final = {
    "idle": "away",
    "busy": "busy",
    "berightback": "away",
    "away": "away",
    "onthephone": "on-the-phone",
}
"""Substatus → RPID activity."""


def form_of(accept: tuple[str, ...]) -> PresenceFormat | None:
    """Choose a format by the Accept headers; None: the watcher accepts none of ours.

    Spec: [MS-PRES] 1.3.3; the order of preference is ours, whatever the order of the header.
    """
    return _forms[accept]


def _form_of(accept: tuple[str, ...]) -> PresenceFormat | None:
    accepted = {part.split(";", 1)[0].strip().lower() for value in accept for part in value.split(",")}
    accepted.discard("")
    if not accepted or "*/*" in accepted:
        return PresenceFormat.CATEGORIES
    return next((form for form in PresenceFormat if {form.value, form.value.partition("/")[0] + "/*"} & accepted), None)


# All clients of one kind accept the same.
_forms: Final = Remembered[tuple[str, ...], PresenceFormat | None](_form_of, 65_536)


@dataclass(frozen=True, slots=True)
class LegacyView:
    """All that an old watcher may see of a person."""

    uri: str
    """The person's address, as the watcher wrote it."""

    words: Legacy
    name: str = ""
    mail: str = ""
    phone: str = ""
    note: str = ""


def person_seen(board: Board, seen_by: Audience) -> LegacyView:
    """Give what an audience sees of a person, in the words of older clients."""
    cards = [_root(one) for one in visible(board, seen_by, "contactCard")]
    notes = [_root(one) for one in visible(board, seen_by, "note")]
    return LegacyView(
        board.aor,
        legacy_of(_interop(visible(board, seen_by, "state"))),
        _first(cards, "identity", "name", "displayName"),
        _first(cards, "identity", "email"),
        _first(cards, "phone", "displayString"),
        _first(notes, "body")[:_NOTE_BOUND],
    )


def person_unknown(uri: str) -> LegacyView:
    """Give what is seen of a user who does not exist: they are offline."""
    return LegacyView(uri, legacy_of(LegacyInterop(OFFLINE)))


def write_legacy(seen: LegacyView, form: PresenceFormat) -> bytes:
    """Write what a watcher sees, in one of the old formats."""
    write = {PresenceFormat.PRESENTITY: _presentity, PresenceFormat.PIDF: _pidf, PresenceFormat.XPIDF: _xpidf}[form]
    return write(seen).encode()


def _presentity(seen: LegacyView) -> str:
    words = seen.words
    parts = [
        f'<presentity xmlns="{_PRESENTITY_NS}" uri={quote_attr(bare(seen.uri))}>',
        f'<availability aggregate="{words.reachable}"/><activity aggregate="{words.activity}"/>',
    ]
    if seen.name:
        parts.append(f"<displayName displayName={quote_attr(seen.name)}/>")
    if seen.mail:
        parts.append(f"<email email={quote_attr(seen.mail)}/>")
    if seen.phone:
        parts.append(f'<phoneNumber label="" number={quote_attr(seen.phone)}/>')
    if seen.note:
        parts.append(f"<userInfo><note>{escape(seen.note)}</note></userInfo>")
    parts.append("<devices/></presentity>")
    return "".join(parts)


def _pidf(seen: LegacyView) -> str:
    words = seen.words
    activity = _RPID.get(words.substatus)
    activities = "" if activity is None else f"<ep:activities><ep:activity>{activity}</ep:activity></ep:activities>"
    name = f"<ci:display-name>{escape(seen.name)}</ci:display-name>" if seen.name else ""
    return (
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:ep="urn:ietf:params:xml:ns:pidf:status:rpid-status"'
        f' xmlns:ci="urn:ietf:params:xml:ns:pidf:cipid" entity={quote_attr(seen.uri)}>'
        f'<tuple id="0"><status><basic>{"open" if words.reachable else "closed"}</basic>{activities}</status></tuple>'
        f"{name}</presence>"
    )


def _xpidf(seen: LegacyView) -> str:
    words = seen.words
    name = f"<display name={quote_attr(seen.name)}/>" if seen.name else ""
    status = "open" if words.reachable else "inactive"
    return (
        f"<presence><presentity uri={quote_attr(seen.uri + ';method=SUBSCRIBE')}/>{name}"
        f'<atom id="1"><address uri={quote_attr(seen.uri + ";user=ip")} priority="0.800000">'
        f'<status status="{status}"/><msnsubstatus substatus="{words.substatus}"/></address></atom></presence>'
    )


def write_pending(watchers: Iterable[tuple[Aor, str]]) -> bytes:
    """Write the watchers who wait for an answer, for `presence.wpending`: pairs of address and name.

    Client: each `watcher` of each document makes it ask its user.
    """
    rows = "".join(
        f"<watcher uri={quote_attr(aor)} displayName={quote_attr(name or bare(aor))}/>" for aor, name in watchers
    )
    return f"<watchers>{rows}</watchers>".encode()


def _interop(states: Sequence[Instance]) -> LegacyInterop:
    """Give the aggregate state that is shown; in a container of a client's own it may be the client's."""
    for one in states:
        if isinstance(one.value, Aggregate):
            return interop_of(one.value)
        if one.state is not None:
            token = one.state.activity.token if one.state.activity else ""
            return LegacyInterop(one.state.availability, token)
    return LegacyInterop(OFFLINE)


def _root(one: Instance) -> Element | None:
    return read_xml(one.value.encode()) if isinstance(one.value, str) and one.value else None


def _first(roots: Iterable[Element | None], *path: str) -> str:
    for root in roots:
        el = root
        for name in path:
            el = None if el is None else child(el, name)
        text = text_of(el).strip()
        if text:
            return text
    return ""
