"""Presence of clients from before 2007 by SOAP: they publish, ask for others' presence, and answer for watchers.

`core.operations` has the route of all SOAP in SERVICE. Spec: [MS-SIP] setPresence, getPresence, setACE.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Epid, aor_of, bare
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Operation
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, child, text_of
from lyncpy.sip.message import Response, response_to
from lyncpy.sip.namespaces import INSTANCE_NS, PRESENCE_NS
from lyncpy.sip.soap import REQUEST_NS, SOAP_TYPE, write_envelope
from lyncpy.workloads.presence.bodies.legacy import LEGACY_CATEGORIES, PresenceFormat
from lyncpy.workloads.presence.model.board import Board, Outcome, PublicationDenied, publish
from lyncpy.workloads.presence.model.levels import MemberChange, acknowledge, set_members
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.states import Activity, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    BLOCKED,
    INPUT,
    INPUT_LOWERED,
    OFFLINE,
    Container,
    ContainerMember,
    Expire,
    InstanceKey,
    MemberKind,
    Publication,
)
from lyncpy.workloads.presence.presentities import Presentities
from lyncpy.workloads.presence.watcher_index import WatchedPerson

_ACTIVITIES: Final = ((200, 15500), (300, 5000), (400, 12500), (500, 3500), (700, 6500), (800, 15500), (1000, 3500))
"""(upper bound of an old activity, availability) ([MS-SIP] 2.2.1)."""

_IN_A_CALL: Final = range(500, 600)
_CALL: Final = Activity("on-the-phone", 6500, 8999)

_INSTANCES: Final = {StateKind.MACHINE: 0x30000000, StateKind.PHONE: 0x80000000}
"""First instance of each kind, as newer clients number theirs, so that a device has one of each."""

_REACHABLE_FROM: Final = 100
_AGGREGATE_MAX: Final = 999

_NOT_YOURS: Final = Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI")


class Soap:
    """Publishes an old client's presence as the state of its machine, and a watcher's right as an access level."""

    def __init__(self, presentities: Presentities, locator: ILocator, quotas: Quotas) -> None:
        self._presentities = presentities
        self._people = presentities.people
        self._boards = presentities.boards
        self._relation = presentities.relation
        self._locator = locator
        self._quotas = quotas

    def operations(self) -> Mapping[str, Operation]:
        """Give the SOAP operations."""
        return {"getPresence": self.get_presence, "setPresence": self.set_presence, "setACE": self.set_ace}

    async def get_presence(self, arrival: Arrival, operation: Element) -> Response:
        """Answer with what the sender may see of somebody, once.

        Spec: [MS-SIP] getPresence, by which a blocked watcher gets a 403; here they get what
        everybody gets of a person who is offline, so that they cannot tell.
        """
        uri = _named(operation)
        aor, watcher = aor_of(uri), arrival.sender.aor
        board = None if self._people.person(aor) is None else await self._boards.read(aor)
        asked = WatchedPerson(LEGACY_CATEGORIES, form=PresenceFormat.PRESENTITY)
        seen = self._presentities.seen(watcher, {} if board is None else {aor: board})
        document = self._presentities.document_for(uri, asked, seen.get(aor))
        return _answered(arrival, "getPresence", document.body.decode())

    async def set_presence(self, arrival: Arrival, operation: Element) -> Response:
        """Publish an old client's presence as the state of its machine.

        Raises:
            Refused: 403 for another's presence, or without being signed in.

        Spec: [MS-SIP] setPresence.
        """
        aor, epid = arrival.sender.aor, arrival.sender.epid
        said = child(operation, "presentity")
        if said is None:
            raise RemoteProtocolError("no presentity to set")
        uri = attr(said, "uri")
        if uri and aor_of(uri) != aor:
            raise Refused(403, _NOT_YOURS)
        states = _states(_aggregate(said, "availability"), _aggregate(said, "activity"))
        if all(endpoint.epid != epid for endpoint in await self._locator.endpoints(aor)):
            raise Refused(403, _NOT_YOURS)
        outcome = await self._boards.change(
            aor, lambda board, now: publish(board, _published(board, states, epid), epid, now, self._quotas), epid
        )
        _require(outcome)
        return response_to(arrival.request, 200)

    async def set_ace(self, arrival: Arrival, ace: Element) -> Response:
        """Answer for a watcher: they are known from now on, and blocked if they lose the right to presence.

        Spec: [MS-SIP] setACE. Of the rights only those of one user mean something here: levels
        for everybody and for domains are those of the user's newer clients.
        """
        aor = arrival.sender.aor
        kind = (text_of(child(ace, "type")) or attr(ace, "type") or "").upper()
        mask = (text_of(child(ace, "mask")) or attr(ace, "mask") or "").strip()
        rights = (text_of(child(ace, "rights")) or attr(ace, "rights") or "").upper()
        if kind == "USER" and mask:
            await self._boards.change(aor, lambda board, now: acknowledge(board, (aor_of(mask),), now, self._quotas))
            blocks = rights[:1] in ("D", "B")

            def change(board: Board, now: float) -> Outcome:
                return set_members(board, _levels(board, mask, blocks=blocks), now, self._quotas, self._relation)

            outcome = await self._boards.change(aor, change)
            _require(outcome)
        return response_to(arrival.request, 200)


def _named(operation: Element) -> str:
    presentity = child(operation, "presentity")
    uri = (attr(presentity, "uri") if presentity is not None else attr(operation, "uri")) or ""
    if not uri.strip():
        raise RemoteProtocolError("nobody to give the presence of")
    return uri.strip()


def _aggregate(presentity: Element, name: str) -> int:
    el = child(presentity, name)
    text = "" if el is None else (attr(el, "aggregate") or "").strip()
    if not (text.isascii() and text.isdigit()) or int(text[:9]) > _AGGREGATE_MAX:
        raise RemoteProtocolError(f"{name} is not a number up to {_AGGREGATE_MAX}")
    return int(text)


def _states(availability: int, activity: int) -> Mapping[StateKind, StateDocument | None]:
    """Give the states for an old client's numbers; None: a state that is to be removed."""
    if availability < _REACHABLE_FROM:
        return {StateKind.MACHINE: StateDocument(StateKind.MACHINE, OFFLINE), StateKind.PHONE: None}
    number = next(number for below, number in _ACTIVITIES if activity < below)
    call = StateDocument(StateKind.PHONE, number, activity=_CALL) if activity in _IN_A_CALL else None
    return {StateKind.MACHINE: StateDocument(StateKind.MACHINE, number), StateKind.PHONE: call}


def _published(board: Board, states: Mapping[StateKind, StateDocument | None], epid: Epid) -> tuple[Publication, ...]:
    """Make the publications of an old client's machine, on the present versions: it knows of none."""
    own = int.from_bytes(hashlib.sha256(epid.encode()).digest()[:4]) >> 4
    found = []
    for kind, state in states.items():
        for container in (INPUT, INPUT_LOWERED):
            key = InstanceKey("state", _INSTANCES[kind] | own, container)
            old = board.instances.get(key)
            version = old.version if old else 0
            if state is None:
                found.append(Publication(key, version, Expire.ENDPOINT, expires_s=0))
            else:
                found.append(Publication(key, version, Expire.ENDPOINT, _written(state), state=state))
    return tuple(found)


def _written(state: StateDocument) -> str:
    activity = state.activity
    said = (
        ""
        if activity is None
        else (
            f'<activity token="{activity.token}" minAvailability="{activity.minimum}" maxAvailability="{activity.maximum}"/>'
        )
    )
    return (
        f'<state xmlns="{PRESENCE_NS}/state" xmlns:xsi="{INSTANCE_NS}" manual="false" xsi:type="{state.kind.value}">'
        f"<availability>{state.availability}</availability>{said}</state>"
    )


def _levels(board: Board, mask: str, *, blocks: bool) -> tuple[MemberChange, ...]:
    """Give the changes of members that block a watcher, or block them no longer."""
    member = ContainerMember(MemberKind.USER, bare(aor_of(mask)))
    there = {id_: one for id_, one in board.containers.items() if member in one.members}
    if not blocks:
        return tuple(
            MemberChange(id_, one.version, frozenset(), frozenset({member}))
            for id_, one in there.items()
            if id_ == BLOCKED
        )
    others = (
        MemberChange(id_, one.version, frozenset(), frozenset({member})) for id_, one in there.items() if id_ != BLOCKED
    )
    old = board.containers.get(BLOCKED, Container())
    return (*others, MemberChange(BLOCKED, old.version, frozenset({member}), frozenset()))


def _require(outcome: Outcome) -> None:
    if isinstance(outcome, PublicationDenied):
        raise Refused(413, Diagnostics(2006, "Container member limit exceeded"))


def _answered(arrival: Arrival, name: str, inner: str) -> Response:
    body = write_envelope(f'<m:{name} xmlns:m="{REQUEST_NS}">{inner}</m:{name}>')
    return response_to(arrival.request, 200, content_type=SOAP_TYPE, body=body)
