"""Requests within a dialog: their sender, and the user and device that they are for.

The two clients own the dialog; the table of sessions has a record of it, and may know less:
a fork has several early dialogs, a device may send something before it has answered, the server may
have been restarted, and a client may have mixed up the tags of two dialogs when both sides invited
at once. So a request goes where its Request-URI says, as through any proxy (RFC 3261 §16.4 to
§16.6), and the record follows. It is refused where it contradicts the record: its sender is
no party to that dialog, its dialog has ended, its Request-URI names another user than the one
at the other end, or the device at the other end is not signed in.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.refusal import NO_DIALOG, Refused
from lyncpy.sip.headers import parse_name_addr, split_list
from lyncpy.sip.message import Request
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import Session, Side
from lyncpy.workloads.im.parties import Parties
from lyncpy.workloads.im.sessions import Sessions


class DialogDirection(NamedTuple):
    """One direction of a dialog, as a request names it."""

    session: Session
    """The record of the dialog; one that was begun for this request is not in the table yet."""

    side: Side
    """The side that sends."""

    endpoint: Endpoint | None
    """The device at the other end; None: it has signed out, or the record does not know it yet."""

    is_known: bool = True
    """Whether the record is in the table."""

    @property
    def call_id(self) -> str:
        """The Call-ID by which the device at the other end knows the dialog."""
        return self.session.record.call_id


class Dialogs:
    """Finds the direction of requests within dialogs."""

    def __init__(self, locator: ILocator, parties: Parties, sessions: Sessions) -> None:
        self._locator = locator
        self._parties = parties
        self._sessions = sessions

    def direction(self, arrival: Arrival) -> Coroutine[Any, Any, DialogDirection]:
        """Find who sends to which device in the dialog that a request names.

        Raises:
            Refused: 481, the request contradicts the record of that dialog, or what is known of its users.
        """
        session = self._sessions.find(arrival.request)
        return self._unknown(arrival) if session is None else self._known(arrival, session)

    async def _unknown(self, arrival: Arrival) -> DialogDirection:
        request = arrival.request
        # A dialog that a BYE has ended must not be taken for one that this server has merely forgotten.
        if self._sessions.is_over(request):
            raise Refused(481, NO_DIALOG)
        session = self._sessions.find_by_tags(request)
        if session is not None and arrival.sender.aor in (session.caller.aor, session.callee.aor):
            return await self._known(arrival, session)
        # No record, as after a restart: the two clients may go on, if the request names a device by itself and its
        # user has not blocked the sender. A record is begun anew.
        endpoint = await self._named(arrival)
        if endpoint is None or self._contradicts(request, endpoint.aor):
            raise Refused(481, NO_DIALOG)
        if not await self._parties.may_speak(arrival.sender.aor, endpoint.aor):
            raise Refused(481, NO_DIALOG)
        resumed = await self._parties.resume_record(arrival, endpoint)
        return DialogDirection(resumed, resumed.caller, endpoint, is_known=False)

    async def _known(self, arrival: Arrival, session: Session) -> DialogDirection:
        request, sender = arrival.request, arrival.sender
        sides = rules.sides(session, request.from_.tag or "", request.to.tag or "")
        # Tags can be overheard; the sender is who has signed the request.
        if sides is None or sides[0].aor != sender.aor:
            raise Refused(481, NO_DIALOG)
        side, other = sides
        if not side.epid and not session.answered:
            # An invited device sends something before it has answered: its tag names an early dialog.
            side = replace(side, epid=sender.epid)
            session = rules.heard_early(session, side)
            self._sessions.update_unrecorded(session)
        if self._contradicts(request, other.aor):
            raise Refused(481, NO_DIALOG)
        endpoint = None
        # A client may write any Contact, also one that looks like a GRUU and is none of ours.
        if request.target.is_gruu:
            endpoint = await self._locator.by_uri(request.target)
        if endpoint is None or endpoint.flow == arrival.flow:
            endpoint = await self._recorded(other, request.uri)
        return DialogDirection(session, side, endpoint)

    def _contradicts(self, request: Request, aor: Aor) -> bool:
        """Tell whether a request names another user than the one at the other end, by Request-URI or Route.

        The Contact of a device or a server is no user's, unless it has their address.
        """
        find = partial(_others, request, aor)
        others = find() if request.shared is None else request.shared.found("others", aor, find)
        return bool(others) and any(is_gruu or self._parties.is_known(named) for named, is_gruu in others)

    async def _recorded(self, other: Side, uri: str) -> Endpoint | None:
        """Find the device that the record names, or as long as it knows none the one with this Contact."""
        found = await self.device(other)
        if found is None and not other.epid:
            found = next((one for one in await self._locator.endpoints(other.aor) if one.contact == uri), None)
        return found

    async def device(self, side: Side) -> Endpoint | None:
        """Find the device of a side; None: it is not signed in."""
        for endpoint in await self._locator.endpoints(side.aor):
            if endpoint.epid == side.epid:
                return endpoint
        return None

    async def _named(self, arrival: Arrival) -> Endpoint | None:
        """Find the device that a request names where there is no record: by GRUU, or by Contact."""
        request = arrival.request
        if request.target.is_gruu:
            found = await self._locator.by_uri(request.target)
        else:
            here = await self._locator.endpoints(aor_of(request.to.uri))
            found = next((endpoint for endpoint in here if endpoint.contact == request.uri), None)
        return None if found is None or found.flow == arrival.flow else found


def _others(request: Request, aor: Aor) -> Sequence[tuple[Aor, bool]]:
    """Return the addresses but this one that a request names, by Request-URI or Route, and which of them are GRUUs."""
    routes = (route for value in request.headers.get_all("Route") if "@" in value for route in split_list(value))
    targets = (request.target, *(parse_uri(parse_name_addr(route).uri) for route in routes))
    named = [(aor_of(target.aor), target.is_gruu) for target in targets if target.user is not None]
    return [(other, is_gruu) for other, is_gruu in named if other != aor]
