"""The two sides of a request to another user: the endpoints that can be reached, and the record."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import NO_EPID, Aor, aor_of
from lyncpy.contracts.numbers import INumbers
from lyncpy.contracts.privacy import OFFLINE, IPrivacy, has_blocked, may_reach
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.core.platform import Platform
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import Session, SessionState, Side

UNKNOWN: Final = Diagnostics(1003, "User does not exist")


class Parties:
    """Looks up the two sides of a request before it is passed on."""

    def __init__(self, platform: Platform, privacy: IPrivacy, numbers: INumbers, *, idle_s: float) -> None:
        """Keep where users and endpoints are found.

        Args:
            privacy: Tells whether a user has blocked another.
            numbers: Finds the person behind a telephone number.
            idle_s: Seconds after which a session in which nothing is sent ends.
        """
        self._locator = platform.locator
        self._people = platform.people
        self._privacy = privacy
        self._numbers = numbers
        self._node = platform.node
        self._timers = platform.timers
        self._idle_s = idle_s

    async def begin_record(self, arrival: Arrival) -> Session:
        """Begin the record of a request without a dialog; the table of sessions is left alone."""
        callee = Side(self._called(arrival), NO_EPID, "")
        record, caller = await self._record(arrival, callee)
        return await self._session(record, caller, callee, SessionState.INVITED)

    async def resume_record(self, arrival: Arrival, endpoint: Endpoint) -> Session:
        """Begin the record anew of a dialog that both clients have, and this server does not know (any more).

        Which of them called is not known either: the first to send something counts as the caller.
        """
        callee = Side(endpoint.aor, endpoint.epid, arrival.request.to.tag or "")
        record, caller = await self._record(arrival, callee)
        record = replace(
            record,
            to_tag=callee.tag,
            user2_endpoint=endpoint.instance,
            answered_at=record.invited_at,
            response_code=200,
        )
        return await self._session(record, caller, callee, SessionState.ESTABLISHED)

    async def _session(self, record: SessionRecord, caller: Side, callee: Side, state: SessionState) -> Session:
        is_despite = await has_blocked(self._privacy, caller.aor, callee.aor)
        return Session(record, caller, callee, self._timers.now(), self._idle_s, state, is_despite)

    async def _record(self, arrival: Arrival, callee: Side) -> tuple[SessionRecord, Side]:
        request, sender = arrival.request, arrival.sender
        own = [e.instance for e in await self._locator.endpoints(sender.aor) if e.epid == sender.epid]
        record = SessionRecord(
            session_id=str(uuid.uuid4()),
            call_id=request.call_id,
            from_tag=request.from_.tag or "",
            to_tag="",
            conversation_id=request.headers.get("Ms-Conversation-ID") or "",
            user1=sender.aor,
            user2=callee.aor,
            user1_endpoint=own[0] if own else "",
            user2_endpoint="",
            user1_client=request.headers.get("User-Agent") or "",
            user2_client="",
            media=rules.media(request),
            invited_at=self._timers.wall(),
            node=self._node,
        )
        return record, Side(sender.aor, sender.epid, request.from_.tag or "", request.cseq.number)

    def _called(self, arrival: Arrival) -> Aor:
        """Give the address that a request is for; of a number, that of the person who has it.

        What a device is sent has the number still: in To, and in its History-Info.
        """
        target = arrival.request.target
        return self._numbers.callee(target, arrival.sender.aor) or aor_of(target.aor)

    def is_known(self, aor: Aor) -> bool:
        """Tell whether this is somebody's address."""
        return self._people.person(aor) is not None

    async def may_speak(self, sender: Aor, to: Aor) -> bool:
        """Tell whether a user who is signed in lets another send them something outside of any known session."""
        return await may_reach(self._privacy, to, sender)

    def check_known(self, aor: Aor) -> None:
        """Check that an address is somebody's who may be called.

        Raises:
            Refused: 404 (1003).
        """
        person = self._people.person(aor)
        if person is None or not person.enabled:
            raise Refused(404, UNKNOWN)

    async def reachable(self, arrival: Arrival) -> Sequence[Endpoint]:
        """Return the endpoints for a request without a dialog: all of the user, or the one that a GRUU names.

        The sender's own connection is left out.

        Raises:
            Refused: 404 (1003), nobody enabled has this address; of a number, see `INumbers`; 480 (1), no endpoint is signed in, or the
                user has blocked the sender, or may have.
        """
        request, sender = arrival.request, arrival.sender
        target = request.target
        aor = self._called(arrival)
        # The order decides what a sender learns: whether there is such a user, and then nothing but offline.
        self.check_known(aor)
        if target.is_gruu:
            named = await self._locator.by_uri(target)
            endpoints: Sequence[Endpoint] = () if named is None else (named,)
        else:
            endpoints = await self._locator.endpoints(aor)
        # A user may write to a further device of their own, but not to the one that they write from.
        others = [e for e in endpoints if e.flow != arrival.flow]
        # A blocked sender must not be able to tell that they are: the answer is that for somebody offline.
        if not others or not await self.may_speak(sender.aor, aor):
            raise Refused(480, OFFLINE)
        return others
