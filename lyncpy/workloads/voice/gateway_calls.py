"""Calls at gateways: this server is one end of a dialog with the client, and of another with the gateway.

What either side says in its dialog is said in the other one, and answered as it is answered there. Media passes between the two
as they describe it to each other: nothing here touches it.

Spec: RFC 3261 §12, §14; RFC 3262 §3; RFC 3311; RFC 7092 §3.2.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.facts import EndpointGone
from lyncpy.contracts.outbound import ICall
from lyncpy.contracts.refusal import EXPECTED_FAILURE, NO_DIALOG, Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.core.peers import PeerArrival, PeerTransactions
from lyncpy.core.platform import Platform, Signaling
from lyncpy.core.spawn import spawn
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.sip.trust import CHALLENGES
from lyncpy.workloads.voice.gateway_call import ANSWER_S, APPLICATION, NOT_ANSWERED, CallSides, GatewayCall
from lyncpy.workloads.voice.gateway_callers import CallersShown
from lyncpy.workloads.voice.gateway_dialing import CallTable, Dialing
from lyncpy.workloads.voice.gateway_inward import Inward, RingsSomebody
from lyncpy.workloads.voice.gateways import Gateways
from lyncpy.workloads.voice.model.gateway_messages import ALLOWED, passed
from lyncpy.workloads.voice.model.outbound import NumberRouting
from lyncpy.workloads.voice.numbers import Numbers

IN_DIALOG: Final = ("ACK", "BYE", "INFO", "INVITE", "PRACK", "UPDATE")
"""What either side may send in such a call."""

CHANGING: Final = Diagnostics(EXPECTED_FAILURE + 491, "The call is being changed already")
NOT_A_GATEWAY: Final = Diagnostics(EXPECTED_FAILURE + 403, "No gateway of the settings calls from this address")


class Ender(enum.Enum):
    """Who ends a call."""

    CLIENT = enum.auto()
    GATEWAY = enum.auto()
    SERVER = enum.auto()


class GatewayCalls:
    """All calls at gateways of this process.

    Args:
        platform: Records, devices, clocks.
        signaling: Sends to devices.
        peers: Sends to gateways.
        gateways: Which there are.
        ringing_s: How long a call may ring.
        domain: Of the addresses that clients are given.
        draw: Gives a number from 0 to below its argument.
    """

    log = Logger()

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        peers: PeerTransactions,
        gateways: Gateways,
        ringing_s: float,
        domain: str,
        draw: Callable[[float], float],
    ) -> None:
        self._platform, self._domain = platform, domain
        self._timers = platform.timers
        self._peers = peers
        self._ringing_s = ringing_s
        self._sides = CallSides(signaling.outbound, platform.locator, peers, gateways)
        self._table = CallTable(platform.recording)
        self._dialing = Dialing(platform, self._sides, self._table, ringing_s, domain, draw)
        self._inward: Inward | None = None
        peers.serve_with(self, gateways.is_known)

    def __len__(self) -> int:
        return len(self._table)

    def routes(self) -> Sequence[Route]:
        """Give the routes of what clients send in such calls."""
        return tuple(Route(method, self.within, app=APPLICATION) for method in IN_DIALOG)

    def has_any(self, decision: NumberRouting) -> bool:
        """Tell whether a way out of the house has a gateway that there is."""
        return any(self._sides.gateways.named(one.gateway) is not None for one in decision.attempts)

    def inward_with(self, numbers: Numbers, callers: CallersShown, ring: RingsSomebody) -> None:
        """Take calls from outside from now on: for whose number it is, shown so, rung so."""
        self._inward = Inward(self._platform, self._sides, self._table, numbers, callers, ring, self._domain)

    async def dial(self, arrival: Arrival, decision: NumberRouting) -> Response:
        """Call a number out of the house; see `Dialing`."""
        return await self._dialing.dial(arrival, decision)

    # --- what clients say in a call

    async def within(self, arrival: Arrival) -> Response | None:
        """Pass on what a client says in a call, and answer as the gateway does.

        Raises:
            Refused: 481, there is no such call; 491, it is being changed.
        """
        request = arrival.request
        call = self._table.of_key(request.target.opaque[len(APPLICATION) :])
        if call is None or call.aor != arrival.sender.aor:
            raise Refused(481, NO_DIALOG)
        call.near.receive(request)
        if request.method == "ACK":
            if call.is_answered:
                self._sides.send_ack(call, passed(request), request.body)
            return None
        if request.method == "BYE":
            self._end(call, Ender.CLIENT, "bye", passed(request))
            return response_to(request, 200)
        if call.far is None or call.place is None:
            raise Refused(481, NO_DIALOG)
        if request.method == "INVITE":
            return await self._change(call, arrival)
        fields = [*self._sides.contact(call), *passed(request)]
        onward = call.far.next_request(request.method, fields, request.body)
        return self._heard(call, request, await self._peers.ask(call.place, onward, answer_s=ANSWER_S).final)

    async def _change(self, call: GatewayCall, arrival: Arrival) -> Response:
        """Pass a re-INVITE on."""
        request, far, place = arrival.request, call.far, call.place
        if far is None or place is None or not call.is_answered:
            raise Refused(481, NO_DIALOG)
        if call.is_changing:
            raise Refused(491, CHANGING)
        arrival.provisional(response_to(request, 100))
        onward = far.next_request("INVITE", [*self._sides.contact(call), *passed(request)], request.body)
        call.invite, call.ack, call.is_changing = onward, None, True
        asking = self._peers.ask(
            place,
            onward,
            answer_s=ANSWER_S,
            ringing_s=self._ringing_s,
            on_late=lambda response: self._dialing.late(call, place, onward, response),
        )
        arrival.on_cancel(asking.cancel)
        try:
            response = await asking.final
        finally:
            call.is_changing = False
            arrival.forget(asking.cancel)
        return self._heard(call, request, response)

    def _heard(self, call: GatewayCall, request: Request, response: Response) -> Response:
        """Answer a client as the gateway has answered; 408 and 481 end the call (RFC 3261 §12.2.1.2)."""
        if call.is_answered and response.status in (408, 430, 481):
            self._sides.hang_up_client(call)
            self._end(call, Ender.SERVER, "timed out" if response.status == 408 else "connection lost")
        elif call.far is not None and response.status < 300:
            call.far.answered(response)
        if response.status in CHALLENGES:
            return Refused(480, NOT_ANSWERED).response(request)
        return self._sides.answer(call, request, response)

    # --- what gateways say

    async def serve(self, asked: PeerArrival) -> Response:
        """Answer a gateway.

        Raises:
            Refused: 481, there is no such call; 403, it is none of the settings; 405; 491; to a call from outside as of `Inward`.
        """
        request = asked.request
        if not request.to.tag and request.method == "OPTIONS":
            return response_to(request, 200, headers=[("Allow", ALLOWED), ("Accept", "application/sdp")])
        if not request.to.tag and request.method == "INVITE":
            gateway = self._sides.gateways.at(asked.origin.address)
            if gateway is None or self._inward is None:
                raise Refused(403, NOT_A_GATEWAY)
            return await self._inward.answer(asked, gateway)
        if request.method not in IN_DIALOG:
            raise Refused(405, headers=[("Allow", ALLOWED)])
        call = self._table.of_gateway(request)
        if call is None or call.far is None:
            raise Refused(481, NO_DIALOG)
        call.far.receive(request)
        if request.method == "BYE":
            self._sides.hang_up_client(call, passed(request))
            self._end(call, Ender.GATEWAY, "bye")
            return response_to(request, 200)
        return await self._to_client(call, asked)

    async def _to_client(self, call: GatewayCall, asked: PeerArrival) -> Response:
        """Pass on what a gateway says in a call, and answer as the client does."""
        request = asked.request
        invites = request.method == "INVITE"
        if invites and call.is_changing:
            raise Refused(491, CHANGING)
        device = await self._sides.device(call)
        if device is None:
            raise Refused(480, NOT_ANSWERED)
        fields = [("Contact", f"<{call.contact}>"), *passed(request)]
        onward = call.near.next_request(request.method, fields, request.body)
        call.is_changing = call.is_changing or invites
        try:
            asking: ICall = self._sides.outbound.send_request(device.flow, onward, timeout=ANSWER_S)
            if invites:
                call.near_invite = onward
                asked.on_cancel(asking.cancel)
            response = await asking.final
        finally:
            call.is_changing = call.is_changing and not invites
        if response.status in CHALLENGES:
            raise Refused(480, NOT_ANSWERED)
        call.near.answered(response)
        return self._sides.answer_gateway(call, request, response)

    def acknowledged(self, ack: Request) -> None:
        """Pass on the ACK of a gateway that has changed the call."""
        call = self._table.of_gateway(ack)
        if call is not None and call.near_invite is not None:
            invite, call.near_invite = call.near_invite, None
            spawn(self._sides.pass_ack(call, invite, ack), self.log, "acknowledging a change of a call")

    def unacknowledged(self, request: Request) -> None:
        """End a call whose change a gateway has not acknowledged: it is not there any more."""
        call = self._table.of_gateway(request)
        if call is not None:
            self._sides.hang_up_client(call)
            self._end(call, Ender.SERVER, "connection lost")

    # --- its end

    def endpoint_gone(self, fact: EndpointGone) -> None:
        """End the calls of a device that has signed out or vanished."""
        for call in self._table.of_device(fact.aor, fact.epid):
            self._end(call, Ender.CLIENT, "signed out")

    def end_all(self) -> None:
        """End all calls: the server ends."""
        for call in self._table.all_calls():
            if call.is_answered:
                self._sides.hang_up_client(call)
            self._end(call, Ender.SERVER, "restart")

    def _end(self, call: GatewayCall, by: Ender, reason: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        """End a call; by whom and why stands in its record. One that nobody has accepted is cancelled."""
        if not call.is_answered:
            self._dialing.cancel(call)
            return
        if by is not Ender.GATEWAY:
            self._sides.hang_up_gateway(call, fields)
        if self._table.forget(call):
            call.record = replace(call.record, ended_at=self._timers.wall(), ended_by=_who(call, by), end_reason=reason)
            self._table.write(call)


def _who(call: GatewayCall, by: Ender) -> str:
    """Say who has ended a call, as records do."""
    if by is Ender.SERVER:
        return "server"
    return "user1" if (by is Ender.CLIENT) is not call.is_inward else "user2"
