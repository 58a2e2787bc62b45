"""A call out of the house: one gateway after the other is tried, until one takes the call or refuses it.

Spec: RFC 3261 §13.2.2.4, §16.7; RFC 3263 §4.3.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.peers import PeerPlace
from lyncpy.contracts.records import IRecording, SessionRecord
from lyncpy.contracts.refusal import EXPECTED_FAILURE, TOO_MANY_HOPS, Diagnostics, Refused
from lyncpy.core.hourly_quota import cut
from lyncpy.core.platform import Platform
from lyncpy.core.set_index import remove_member
from lyncpy.sip.dialog import Dialog, DialogState
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Request, Response, new_call_id, new_tag, response_to
from lyncpy.sip.sdp import media_of
from lyncpy.sip.trust import CHALLENGES
from lyncpy.workloads.voice.gateway_call import ANSWER_S, APPLICATION, NOT_ANSWERED, CallSides, GatewayCall
from lyncpy.workloads.voice.gateways import Gateway
from lyncpy.workloads.voice.model.gateway_choice import GOES_ON, in_order
from lyncpy.workloads.voice.model.gateway_messages import OutwardInvite, outward, passed
from lyncpy.workloads.voice.model.outbound import Attempt, NumberRouting

NOBODY: Final = Diagnostics(EXPECTED_FAILURE + 480, "No gateway takes calls to this number now")

STRAYS_MOST: Final = 32
"""Further dialogs that a gateway begins for one call, which are ended; of more it hears nothing but the ACK."""

_OF_BODY: Final = ("Content-Type", "Content-Disposition")


class CallTable:
    """The calls at gateways: by the key that clients are told, and by Call-ID and our tag, as gateways know them."""

    def __init__(self, recording: IRecording) -> None:
        self._recording = recording
        self._calls: dict[str, GatewayCall] = {}
        self._far: dict[tuple[str, str], GatewayCall] = {}
        self._of_device: dict[tuple[Aor, Epid], set[GatewayCall]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def all_calls(self) -> tuple[GatewayCall, ...]:
        """Give all."""
        return tuple(self._calls.values())

    def of_key(self, key: str) -> GatewayCall | None:
        """Give the call that a client names."""
        return self._calls.get(key)

    def of_gateway(self, request: Request) -> GatewayCall | None:
        """Give the call that a gateway names."""
        return self._far.get((request.call_id, request.to.tag or ""))

    def of_device(self, aor: Aor, epid: Epid) -> tuple[GatewayCall, ...]:
        """Give the calls of a device."""
        return tuple(self._of_device.get((aor, epid), ()))

    def add(self, call: GatewayCall) -> None:
        """Begin a call."""
        self._calls[call.key] = call
        self._of_device.setdefault((call.aor, call.epid), set()).add(call)

    def taken(self, call: GatewayCall, aor: Aor, epid: Epid) -> None:
        """Note which device has taken a call from outside."""
        remove_member(self._of_device, (call.aor, call.epid), call)
        call.aor, call.epid = aor, epid
        self._of_device.setdefault((aor, epid), set()).add(call)

    def at_gateway(self, call: GatewayCall, gateway: Gateway, invite: Request) -> None:
        """Note at which gateway a call is tried."""
        call.gateway, call.invite, call.far, call.name = gateway, invite, None, _name(invite)
        self._far[call.name] = call
        gateway.calls += 1

    def from_gateway(self, call: GatewayCall, gateway: Gateway, name: tuple[str, str]) -> None:
        """Note from which gateway a call comes, and its Call-ID and our tag there."""
        call.gateway, call.name = gateway, name
        self._far[name] = call
        gateway.calls += 1

    def leave_gateway(self, call: GatewayCall) -> None:
        """Note that it is there no more; may be called twice."""
        if call.gateway is not None and self._far.pop(call.name, None) is not None:
            call.gateway.calls -= 1

    def forget(self, call: GatewayCall) -> bool:
        """End a call; tell whether it was known."""
        self.leave_gateway(call)
        if self._calls.pop(call.key, None) is None:
            return False
        remove_member(self._of_device, (call.aor, call.epid), call)
        return True

    def write(self, call: GatewayCall) -> None:
        """Have its record written as it is now."""
        self._recording.queue_record(cut(call.record))


class Dialing:
    """Makes calls.

    Args:
        platform: The clocks and the meters.
        sides: Reaches the gateways.
        table: The calls.
        ringing_s: How long a call may ring.
        domain: Of the addresses that clients are given.
        draw: Gives a number from 0 to below its argument.
    """

    def __init__(
        self,
        platform: Platform,
        sides: CallSides,
        table: CallTable,
        ringing_s: float,
        domain: str,
        draw: Callable[[float], float],
    ) -> None:
        self._node = platform.node
        self._timers = platform.timers
        self._sides = sides
        self._table = table
        self._ringing_s = ringing_s
        self._domain = domain
        self._draw = draw
        counter = platform.meter.counter
        self._made = counter("lyncpy_voice_gateway_calls_total", "Calls to gateways that were accepted.")
        self._failed = counter("lyncpy_voice_gateway_calls_failed_total", "Calls to gateways that nobody accepted.")

    async def dial(self, arrival: Arrival, decision: NumberRouting) -> Response:
        """Call a number; give the answer to the client.

        Raises:
            Refused: 483, it has been passed on too often.
        """
        request = arrival.request
        if request.max_forwards is not None and request.max_forwards <= 0:
            raise Refused(483, TOO_MANY_HOPS)
        call = self._begun(arrival, decision)
        self._table.add(call)
        arrival.provisional(response_to(request, 100))

        def cancel() -> None:
            self.cancel(call)

        arrival.on_cancel(cancel)
        try:
            response = await self._through(call, arrival, decision)
        finally:
            arrival.forget(cancel)
            call.asking = None
            if not call.is_answered:
                self._table.forget(call)
        self._record(call, response)
        return response

    def cancel(self, call: GatewayCall) -> None:
        """Want a call no more that nobody has accepted."""
        call.is_cancelled = True
        if call.asking is not None:
            call.asking.cancel()

    async def _through(self, call: GatewayCall, arrival: Arrival, decision: NumberRouting) -> Response:
        last: Response | None = None
        gateways, now = self._sides.gateways, self._timers.now
        for attempt in in_order(decision.attempts, gateways.states(), now(), self._draw):
            gateway = gateways.named(attempt.gateway)
            # Each was usable when the order was made; much may have happened since.
            if call.is_cancelled or gateway is None or not gateway.state().is_usable(now()):
                continue
            place = gateway.place
            if place is None:
                continue
            last = await self._try(call, arrival, (gateway, place), attempt)
            if last.status not in GOES_ON or call.has_rung:
                break
        if call.is_cancelled and not call.is_answered:
            return response_to(arrival.request, 487)
        if last is None:
            return Refused(480, NOBODY).response(arrival.request)
        return last if last.status < 300 else self._refusal(arrival.request, last)

    async def _try(
        self, call: GatewayCall, arrival: Arrival, there: tuple[Gateway, PeerPlace], attempt: Attempt
    ) -> Response:
        """Call one gateway; give its refusal as it came, or the acceptance as the client gets it."""
        gateway, place = there
        invite = self._invite(arrival.request, gateway, attempt)
        self._table.at_gateway(call, gateway, invite)
        asking = call.asking = self._sides.peers.ask(
            place,
            invite,
            answer_s=float(gateway.settings.answer_s),
            ringing_s=self._ringing_s,
            on_provisional=lambda response: self._rings(call, arrival, invite, response),
            on_late=lambda response: self.late(call, place, invite, response),
        )
        response = await asking.final
        if 200 <= response.status < 300:
            return self._accepted(call, arrival, invite, response)
        self._table.leave_gateway(call)
        self._sides.gateways.refused(gateway, response, local=asking.local)
        return response

    def _rings(self, call: GatewayCall, arrival: Arrival, invite: Request, response: Response) -> None:
        """Pass a provisional answer on, with what is heard meanwhile (RFC 3960)."""
        if call.is_cancelled or call.invite is not invite:
            return
        call.has_rung = True
        tag = response.to.tag
        if tag and (call.far is None or call.far.remote_tag != tag):
            call.far = Dialog.from_response(invite, response)
        arrival.provisional(self._sides.answer(call, arrival.request, response))

    def _accepted(self, call: GatewayCall, arrival: Arrival, invite: Request, response: Response) -> Response:
        known = call.far
        call.far = Dialog.from_response(invite, response)
        if known is not None and known.remote_tag == call.far.remote_tag:  # PRACK and UPDATE have used up numbers
            call.far.local_seq = max(known.local_seq, call.far.local_seq)
        if call.is_cancelled:  # the CANCEL has crossed it
            self._sides.send_ack(call)
            self._sides.hang_up_gateway(call)
            return response_to(arrival.request, 487)
        call.is_answered = True
        call.near.state = DialogState.CONFIRMED
        call.record = replace(
            call.record,
            answered_at=self._timers.wall(),
            to_tag=call.near.local_tag,
            user2_client=response.headers.get("Server") or response.headers.get("User-Agent") or "",
        )
        return self._sides.answer(call, arrival.request, response)

    def late(self, call: GatewayCall, place: PeerPlace, invite: Request, response: Response) -> None:
        """Acknowledge an acceptance that comes again; one of another dialog is ended at once (RFC 3261 §13.2.2.4)."""
        far, tag = call.far, response.to.tag or ""
        if call.is_answered and call.invite is invite and far is not None and far.remote_tag == tag:
            if call.ack is not None:
                self._sides.peers.send_ack(place, call.ack)
            return
        try:
            stray = Dialog.from_response(invite, response)
        except RemoteProtocolError:
            return
        self._sides.peers.send_ack(place, stray.ack(invite))
        if tag not in call.tags and len(call.tags) < STRAYS_MOST:
            call.tags.add(tag)
            _ = self._sides.peers.ask(place, stray.next_request("BYE"), answer_s=ANSWER_S)

    def _refusal(self, request: Request, response: Response) -> Response:
        """Give the answer to the client where a gateway has refused: what is for the server alone stays here."""
        status = response.status
        if status in (408, 430) or status in CHALLENGES or status < 400:
            return Refused(408 if status == 408 else 480, NOT_ANSWERED).response(request)
        return response_to(request, status, phrase=response.phrase, headers=passed(response.edited(drop=_OF_BODY)))

    def _record(self, call: GatewayCall, response: Response) -> None:
        """Write what has become of it."""
        status = response.status
        (self._made if call.is_answered else self._failed).add()
        name = "" if call.gateway is None else call.gateway.name
        call.record = replace(call.record, response_code=status, user2_endpoint=name)
        if not call.is_answered:
            reason = {487: "cancelled", 408: "timed out"}.get(status, "rejected")
            by = "user1" if status == 487 else "user2"
            call.record = replace(call.record, ended_at=self._timers.wall(), end_reason=reason, ended_by=by)
        self._table.write(call)

    def _begun(self, arrival: Arrival, decision: NumberRouting) -> GatewayCall:
        request, sender, key = arrival.request, arrival.sender, new_call_id()
        record = SessionRecord(
            session_id=str(uuid.uuid4()),
            call_id=request.call_id,
            from_tag=request.from_.tag or "",
            to_tag="",
            conversation_id=request.headers.get("Ms-Conversation-ID") or "",
            user1=sender.aor,
            user2=decision.number,
            user1_endpoint="",
            user2_endpoint="",
            user1_client=request.headers.get("User-Agent") or "",
            user2_client="",
            media=" ".join(sorted(media_of(request.body))),
            invited_at=self._timers.wall(),
            node=self._node,
        )
        near = Dialog.from_request(request, new_tag(), state=DialogState.EARLY)
        number = decision.number.removeprefix("tel:").partition(";")[0]
        contact = f"sip:{number}@{self._domain};gruu;opaque={APPLICATION}{key}"
        return GatewayCall(key, sender.aor, sender.epid, near, record, contact)

    def _invite(self, request: Request, gateway: Gateway, attempt: Attempt) -> Request:
        given, gateways = gateway.settings, self._sides.gateways
        host = f"[{given.address}]" if ":" in given.address else given.address
        uri = f"sip:{attempt.called}@{host}:{given.port_used};transport={given.transport};user=phone"
        own, contact = gateways.sent_by.rpartition(":")[0], gateways.contact(gateway)
        return outward(request, OutwardInvite(uri, attempt.caller, own, contact, new_call_id(), new_tag()))


def _name(invite: Request) -> tuple[str, str]:
    return invite.call_id, invite.from_.tag or ""
