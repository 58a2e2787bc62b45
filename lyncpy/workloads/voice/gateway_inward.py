"""A call from outside: whom the number that a gateway calls belongs to is rung, by their rules, as in any call.

Spec: RFC 3261 §12.1.1; RFC 3325 §5 (the caller is believed as a gateway of the settings asserts it); spec notes, "voice" §5.
"""

import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.names import NO_EPID, Aor, Epid, FlowName
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.refusal import EXPECTED_FAILURE, Diagnostics, Refused, WorldUnavailable, translated
from lyncpy.core.forward import ForkResult, OnEarly
from lyncpy.core.peers import PeerArrival
from lyncpy.core.platform import Platform
from lyncpy.sip.dialog import MAX_FORWARDS, Dialog, DialogState
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response, new_call_id, new_tag, response_to
from lyncpy.sip.sdp import media_of
from lyncpy.sip.telephone import dialled_in
from lyncpy.workloads.voice.gateway_call import APPLICATION, CallSides, GatewayCall
from lyncpy.workloads.voice.gateway_callers import CallersShown, ShownCaller
from lyncpy.workloads.voice.gateway_dialing import CallTable
from lyncpy.workloads.voice.gateways import Gateway
from lyncpy.workloads.voice.model.gateway_messages import ALLOWED, ANONYMOUS_AOR, passed
from lyncpy.workloads.voice.model.outbound import NOBODYS
from lyncpy.workloads.voice.numbers import Numbers

FULL: Final = Diagnostics(EXPECTED_FAILURE + 503, "The gateway has as many calls as it may have")
NO_MEDIA: Final = Diagnostics(EXPECTED_FAILURE + 488, "A call from outside offers audio or video")

RingsSomebody = Callable[[Arrival, Aor, OnEarly | None], Coroutine[Any, Any, ForkResult]]


class Inward:
    """Takes calls of gateways.

    Args:
        platform: The clocks and the meters.
        sides: Reaches both ends.
        table: The calls.
        numbers: Says whose a number is.
        callers: Says how a caller is shown.
        ring: Rings by the rules of who is called.
        domain: Of the addresses that clients are given.
    """

    def __init__(
        self,
        platform: Platform,
        sides: CallSides,
        table: CallTable,
        numbers: Numbers,
        callers: CallersShown,
        ring: RingsSomebody,
        domain: str,
    ) -> None:
        self._node = platform.node
        self._timers = platform.timers
        self._sides = sides
        self._table = table
        self._numbers = numbers
        self._callers = callers
        self._ring = ring
        self._domain = domain
        counter = platform.meter.counter
        self._taken = counter("lyncpy_voice_inward_calls_total", "Calls of gateways that somebody took.")
        self._refused = counter("lyncpy_voice_inward_calls_refused_total", "Calls of gateways that nobody took.")

    async def answer(self, asked: PeerArrival, gateway: Gateway) -> Response:
        """Ring whom a gateway calls; give the answer.

        Raises:
            Refused: 404 (4005) or 404 (14010), it is nobody's number; 485 (4009), it is several people's; 488, there is no audio
                and no video; 503, the gateway has as many calls as it may; and as of any call.
        """
        request = asked.request
        if media_of(request.body).isdisjoint(("audio", "video")):
            raise Refused(488, NO_MEDIA)
        if gateway.calls >= gateway.settings.calls:
            raise Refused(503, FULL, headers=[("Retry-After", "10")])
        callee, number = self._callee(request, gateway)
        caller = self._callers.shown(request, gateway)
        call = self._begun(asked, gateway, (callee, number), caller)
        self._table.add(call)
        self._table.from_gateway(call, gateway, (request.call_id, call.tag))
        try:
            outcome = await self._rings(call, asked, callee, caller)
        except (Refused, WorldUnavailable, RemoteProtocolError) as error:
            self._record(call, translated(error).status)
            raise
        finally:
            if not call.is_answered:
                self._table.forget(call)
        response = outcome.response
        self._record(call, response.status)
        return self._sides.answer_gateway(call, request, response)

    async def _rings(self, call: GatewayCall, asked: PeerArrival, callee: Aor, caller: ShownCaller) -> ForkResult:
        invite = self._invite(call, asked.request, caller)
        call.near_invite = invite
        arrival = Arrival(
            invite,
            FlowName(f"{self._node}/gateway"),
            asked.origin.address,
            self._timers.now(),
            Identity(caller.aor, NO_EPID, "gateway"),
            provisional=lambda response: self._provisional(call, asked, response),
        )
        asked.provisional(response_to(asked.request, 100))
        asked.on_cancel(arrival.cancel)
        outcome = await self._ring(arrival, callee, None)
        if outcome.endpoint is not None and 200 <= outcome.response.status < 300:
            self._accepted(call, asked.request, outcome.response, (outcome.endpoint.aor, outcome.endpoint.epid))
        return outcome

    def _provisional(self, call: GatewayCall, asked: PeerArrival, response: Response) -> None:
        """Pass on that somebody rings; what is said of the rules that have them ring is the affair of the house.

        A gateway is not asked to acknowledge it: a fork has several devices that would want that.
        """
        if response.status < 180 or response.status == 181:
            return
        plain = response.edited(drop=("RSeq", "Require"))
        asked.provisional(self._sides.answer_gateway(call, asked.request, plain))

    def _accepted(self, call: GatewayCall, request: Request, response: Response, who: tuple[Aor, Epid]) -> None:
        if call.near_invite is None:
            return
        self._table.taken(call, *who)
        call.near = Dialog.from_response(call.near_invite, response.edited(drop=["Record-Route"]))
        call.far = Dialog.from_request(request, call.tag, state=DialogState.CONFIRMED)
        call.is_answered = True
        call.record = replace(
            call.record,
            answered_at=self._timers.wall(),
            user2=who[0],
            to_tag=call.near.remote_tag,
            user2_client=response.headers.get("User-Agent") or "",
        )

    def _callee(self, request: Request, gateway: Gateway) -> tuple[Aor, str]:
        """Find whose number is called; by the gateway's dial plan, whichever the request names."""
        dialled = dialled_in(request.target)
        if dialled is None:
            raise Refused(NOBODYS.status, NOBODYS.diagnostics)
        plan = gateway.settings.dial_plan
        decision = self._numbers.decide(replace(dialled, context=plan.lower()), ANONYMOUS_AOR)
        if decision.person is None:
            # A number with a way out of the house is no way through the house.
            no = decision.refusal if decision.refusal is not None and not decision.attempts else NOBODYS
            no = NOBODYS if no.status == 403 else no
            raise Refused(no.status, no.diagnostics)
        return decision.person, decision.number

    def _begun(self, asked: PeerArrival, gateway: Gateway, called: tuple[Aor, str], caller: ShownCaller) -> GatewayCall:
        request, key, tag = asked.request, new_call_id(), new_tag()
        record = SessionRecord(
            session_id=str(uuid.uuid4()),
            call_id=request.call_id,
            from_tag=request.from_.tag or "",
            to_tag="",
            conversation_id="",
            user1=caller.named,
            user2=called[0],
            user1_endpoint=gateway.name,
            user2_endpoint="",
            user1_client=request.headers.get("User-Agent") or "",
            user2_client="",
            media=" ".join(sorted(media_of(request.body))),
            invited_at=self._timers.wall(),
            node=self._node,
        )
        number = called[1].removeprefix("tel:").partition(";")[0]
        near = Dialog(
            call_id=new_call_id(),
            local=f"{caller.address};tag={new_tag()}",
            remote=f"<sip:{number}@{self._domain};user=phone>",
            target=f"sip:{number}@{self._domain};user=phone",
            state=DialogState.EARLY,
        )
        contact = f"sip:{number}@{self._domain};gruu;opaque={APPLICATION}{key}"
        call = GatewayCall(key, called[0], NO_EPID, near, record, contact, is_inward=True, tag=tag)
        # Over a connection that a gateway has made nobody else may make one: what is said later goes to where it is.
        known = gateway.place
        same = known is not None and known.address == asked.origin.address and known.is_reliable
        call.there = known if same else asked.origin
        return call

    def _invite(self, call: GatewayCall, request: Request, caller: ShownCaller) -> Request:
        """Write the INVITE to devices. It comes from here: of the gateway it says nothing but what a call needs."""
        near = call.near
        hops = request.max_forwards
        fields = [
            ("Max-Forwards", MAX_FORWARDS if hops is None else str(max(hops - 1, 0))),
            ("From", near.local),
            ("To", near.remote),
            ("Call-ID", near.call_id),
            ("CSeq", "1 INVITE"),
            ("Contact", f"<{call.contact}>"),
            ("Allow", ALLOWED),
            *passed(request, reliable=False),
        ]
        near.local_seq = 1
        return Request("INVITE", near.target, Headers(fields), request.body)

    def _record(self, call: GatewayCall, status: int) -> None:
        (self._taken if call.is_answered else self._refused).add()
        call.record = replace(call.record, response_code=status)
        if not call.is_answered:
            reason, by = ("cancelled", "user1") if status == 487 else ("rejected", "user2")
            call.record = replace(call.record, ended_at=self._timers.wall(), end_reason=reason, ended_by=by)
        self._table.write(call)
