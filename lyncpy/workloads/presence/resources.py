"""Answers over HTTP: the presence icon of a user for any web page, and the same as JSON.

    /presence/alice@example.com.svg?size=16
    /presence/alice@example.com.json

A reader sees what a watcher of their level sees, by the same rules (`audience`). One who may see
nothing sees a user who is offline, whether because they are blocked, because the user shows
nothing to them, or because there is no such user: an anonymous reader cannot tell. A signed-in
reader may search the directory anyway, and is told that there is no such user.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReader, HttpReaderKind, HttpRefused, HttpResource
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import children, read_xml, text_of
from lyncpy.workloads.presence.bodies.icons import LARGEST, SMALLEST, TITLES, USUAL, Icon, draw
from lyncpy.workloads.presence.model.aggregate import band_of, is_shaded
from lyncpy.workloads.presence.model.audience import Audience, audience, visible
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.states import Activity, Aggregate
from lyncpy.workloads.presence.model.tables import OFFLINE, UNKNOWN_BELOW, Band, Instance, Relation

PATH: Final = "/presence/"
FRESH_S: Final = 10
"""Seconds for which a browser need not ask again: a page with twenty colleagues, opened twice, costs once."""

_ADDRESS: Final = re.compile(r"(?:sip:)?([^\s@/:;?<>\"]{1,64})(?:@([A-Za-z0-9.-]{1,253}))?", re.IGNORECASE)
_NOTE_CHARACTERS: Final = 1024

_ICONS: Final = {
    (Band.AVAILABLE, False): Icon.AVAILABLE,
    (Band.AVAILABLE, True): Icon.AVAILABLE_IDLE,
    (Band.BUSY, False): Icon.BUSY,
    (Band.BUSY, True): Icon.BUSY_IDLE,
    (Band.DO_NOT_DISTURB, False): Icon.DO_NOT_DISTURB,
    (Band.BE_RIGHT_BACK, False): Icon.BE_RIGHT_BACK,
    (Band.AWAY, False): Icon.AWAY,
    (Band.OFFLINE, False): Icon.OFFLINE,
}
"""Class of an availability, and whether it is shaded as inactive → icon."""


@dataclass(frozen=True, slots=True)
class ShownPresence:
    """What one reader sees of a user."""

    icon: Icon
    number: int = 0
    """The availability; 0: not known."""

    activity: str = ""
    note: str = ""
    last_active: float | None = None
    """Seconds since the epoch."""


UNKNOWN: Final = ShownPresence(Icon.UNKNOWN)
NOBODY_THERE: Final = ShownPresence(Icon.OFFLINE, OFFLINE)


class Resources:
    """Answers under `/presence/`."""

    def __init__(
        self,
        read: Callable[[Aor], Awaitable[Board]],
        people: IPeople,
        domains: Collection[str],
        relation: Callable[[str], Relation],
        kinds: Collection[str],
    ) -> None:
        """Create the resources.

        Args:
            read: Gives a user's board.
            people: Everybody who exists.
            domains: The enterprise's own; an address without a domain has the first.
            relation: Gives the relation of a reader to the enterprise.
            kinds: The kinds of readers who may read; none: nothing is offered.
        """
        self._read = read
        self._people = people
        self._domains = tuple(domains)
        self._relation = relation
        self._readers = frozenset(HttpReaderKind(kind) for kind in kinds)
        self._drawn: dict[tuple[Icon, int], bytes] = {}
        self._edition = hashlib.sha256(b"".join(draw(icon) for icon in Icon)).hexdigest()[:8]

    def rows(self) -> tuple[HttpResource, ...]:
        """Give the resources that are offered; none when nobody may read."""
        return (HttpResource(PATH, self.answer, readers=self._readers),) if self._readers else ()

    async def answer(self, asked: HttpAsked) -> HttpAnswer:
        """Answer with an icon or with JSON.

        Raises:
            HttpRefused: 404 for a path without an address, 400 for a size that cannot be drawn.
        """
        address, dot, form = asked.path[len(PATH) :].rpartition(".")
        matched = _ADDRESS.fullmatch(address)
        if not dot or form not in ("svg", "json") or matched is None:
            raise HttpRefused(404, "ask for /presence/ADDRESS.svg or /presence/ADDRESS.json")
        size = _size(asked.query.get("size", str(USUAL)))
        aor = aor_of(f"{matched[1]}@{matched[2] or self._domains[0]}")
        shown = await self._shown(aor, asked.reader)
        status = 404 if shown is UNKNOWN else 200
        scope = "public" if asked.reader.kind is HttpReaderKind.ANONYMOUS else "private"
        cache = f"{scope}, max-age={FRESH_S}"
        if form == "json":
            body = _written(aor, shown)
            return HttpAnswer(status, "application/json", body, hashlib.sha256(body).hexdigest()[:32], cache)
        etag = f"{shown.icon.value}-{size}-{self._edition}"
        return HttpAnswer(status, "image/svg+xml", self._icon(shown.icon, size), etag, cache)

    async def _shown(self, aor: Aor, reader: HttpReader) -> ShownPresence:
        if aor.rpartition("@")[2] not in self._domains:
            return UNKNOWN
        person = self._people.person(aor)
        if person is None:
            return NOBODY_THERE if reader.kind is HttpReaderKind.ANONYMOUS else UNKNOWN
        board = await self._read(aor)
        watcher = reader.aor or Aor("")
        return seen(board, audience(board, watcher, self._relation(watcher)))

    def _icon(self, icon: Icon, size: int) -> bytes:
        drawn = self._drawn.get((icon, size))
        if drawn is None:
            drawn = self._drawn[icon, size] = draw(icon, size)
        return drawn


def seen(board: Board, seen_by: Audience) -> ShownPresence:
    """Give what an audience sees of a user; a state that it does not see is offline, as for any watcher."""
    state = next(iter(visible(board, seen_by, "state")), None)
    note = next(iter(visible(board, seen_by, "note")), None)
    number, activity, last_active = (OFFLINE, None, None) if state is None else _state(state)
    icon = Icon.UNKNOWN if number < UNKNOWN_BELOW else _ICONS[band_of(number), is_shaded(number)]
    return ShownPresence(icon, number, _words(activity), "" if note is None else _text(note), last_active)


def _state(one: Instance) -> tuple[int, Activity | None, float | None]:
    if isinstance(one.value, Aggregate):
        return one.value.availability, one.value.activity, one.value.last_active
    # A client's own aggregateState, from before the server made them.
    return (one.state.availability, one.state.activity, None) if one.state is not None else (OFFLINE, None, None)


def _words(activity: Activity | None) -> str:
    if activity is None:
        return ""
    return activity.custom[0][1] if activity.custom else activity.token


def _text(one: Instance) -> str:
    """Give the words of a note: of its first body; an out-of-office text stands before a personal one."""
    if not isinstance(one.value, str):
        return ""
    try:
        root = read_xml(one.value.encode())
    except RemoteProtocolError:
        return ""
    bodies = children(root, "body")
    return text_of(bodies[0] if bodies else None).strip()[:_NOTE_CHARACTERS]


def _written(aor: Aor, shown: ShownPresence) -> bytes:
    document: dict[str, object] = {
        "address": bare(aor),
        "availability": shown.icon.value,
        "title": TITLES[shown.icon],
        "number": shown.number,
    }
    if shown.activity:
        document["activity"] = shown.activity
    if shown.note:
        document["note"] = shown.note
    if shown.last_active is not None:
        document["lastActive"] = datetime.fromtimestamp(shown.last_active, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(document, ensure_ascii=False).encode()


def _size(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,2}", text) or not SMALLEST <= int(text) <= LARGEST:
        raise HttpRefused(400, f"size is a number of pixels from {SMALLEST} to {LARGEST}")
    return int(text)
