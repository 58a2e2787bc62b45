"""Who rings in a call: the devices of a user, those of another in their place, or a telephone; and what they are told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.privacy import OFFLINE
from lyncpy.contracts.refusal import Diagnostics, Refused, WorldUnavailable
from lyncpy.core.forward import ENDS_ALL, Forward, OnEarly, Retargeting, RingTimes
from lyncpy.core.platform import Platform
from lyncpy.sip.call_history import HistoryEntry, write_diversion, write_history
from lyncpy.sip.message import response_to
from lyncpy.workloads.voice.call_decisions import CallDecisions
from lyncpy.workloads.voice.call_run import Way
from lyncpy.workloads.voice.model.call_rules import DEVICES, CallPlan, RetargetReason, Target, TargetKind
from lyncpy.workloads.voice.model.call_walk import REDIRECT
from lyncpy.workloads.voice.trunks import Leg, Trunks

UNKNOWN: Final = Diagnostics(1003, "User does not exist")


@dataclass(frozen=True, slots=True)
class Calling:
    """A call that rings."""

    arrival: Arrival
    called: Aor
    plan: CallPlan
    is_private: bool
    """Whether the private line was dialled."""

    on_behalf: tuple[tuple[str, str], ...]
    """The field that names in whose name it is made, or none."""

    on_early: OnEarly | None


class CallLegs:
    """Prepares to ring.

    Args:
        platform: Who there is, and where they are signed in.
        forward: Rings devices.
        decisions: Says what becomes of numbers, and who does not want to be disturbed.
        trunks: Rings telephones.
        patience: How long devices may take.
    """

    def __init__(
        self,
        platform: Platform,
        forward: Forward,
        decisions: CallDecisions,
        trunks: Trunks,
        patience: RingTimes,
    ) -> None:
        self._people = platform.people
        self._locator = platform.locator
        self._forward = forward
        self._decisions = decisions
        self._trunks = trunks
        self._patience = patience

    def referrer(self, arrival: Arrival) -> Aor | None:
        """Give who has referred a caller, where they say so and that is true."""
        return self._forward.referrer(arrival)

    async def leg(self, call: Calling, way: Way) -> Leg:
        """Prepare to ring somebody, and tell the caller where their call goes.

        Raises:
            Refused: They cannot be rung: 480, not signed in or not to be reached by the caller; 404, nobody; what `Trunks`
                says of a telephone; 483, the call has been passed on too often.
        """
        kind = way.target.kind
        if kind is TargetKind.VOICE_MAIL:
            raise Refused(480, OFFLINE)
        retargeting = self._retargeting(call, way)
        leg: Leg
        if kind is TargetKind.NUMBER:
            decision = self._decisions.decision(way.target, call.called)
            if decision.refusal is not None:
                raise Refused(decision.refusal.status, decision.refusal.diagnostics)
            leg = self._trunks.leg(call.arrival, decision, retargeting, call.on_early)
        else:
            endpoints = await self._endpoints(call, way.target)
            leg = self._forward.branch(call.arrival, endpoints, self._patience, call.on_early, retargeting)
        self._tell(call, way, retargeting)
        return leg

    async def _endpoints(self, call: Calling, target: Target) -> Sequence[Endpoint]:
        """Give the devices that ring; all but that of the caller."""
        if target == DEVICES:
            aor = call.called
        else:
            aor = aor_of(target.address)
            person = self._people.person(aor)
            if person is None or not person.enabled:
                raise Refused(404, UNKNOWN)
        endpoints = [one for one in await self._locator.endpoints(aor) if one.flow != call.arrival.flow]
        if not endpoints or (target != DEVICES and not await self._wants(aor, call.arrival.sender.aor)):
            raise Refused(480, OFFLINE)
        return endpoints

    async def _wants(self, aor: Aor, caller: Aor) -> bool:
        """Tell whether somebody else than who is called may be rung by this caller: their own rules do not count, their peace does."""
        try:
            published = await self._decisions.rules.rules_for(aor, caller)
        except (Refused, WorldUnavailable):
            return False
        return not (published.is_blocked or published.is_disturbing)

    def _retargeting(self, call: Calling, way: Way) -> Retargeting:
        target, reason = way.target, call.plan.reason_of(way.target)
        ends_all = ENDS_ALL | {REDIRECT} if call.plan.may_divert else ENDS_ALL
        uri = call.arrival.request.uri
        if target == DEVICES:
            history = write_history([HistoryEntry(uri, is_private=True)]) if call.is_private else ""
            return Retargeting(history, call.on_behalf, ends_all=ends_all)
        via = [one.address for one in way.via if one != DEVICES]
        before = [HistoryEntry(one, reason) for one in (uri, *via)]
        fields = list(call.on_behalf)
        if reason is RetargetReason.FORWARDING and way.diversion:
            fields.append(("Diversion", write_diversion([call.called, *via], way.diversion)))
        history = write_history([*before, HistoryEntry(target.address)])
        return Retargeting(history, fields, for_another=True, ends_all=ends_all)

    def _tell(self, call: Calling, way: Way, retargeting: Retargeting) -> None:
        """Tell the caller that somebody else is rung, and who, but for a telephone: its number is the user's affair.

        Spec: RFC 3261 §21.1.3; [MS-SIPRE] 2.2.17: the reason stands in History-Info.
        """
        reason = call.plan.reason_of(way.target)
        if not reason:
            return
        history = retargeting.history
        if way.target.kind is TargetKind.NUMBER:
            history = write_history([HistoryEntry(call.arrival.request.uri, reason)])
        fields = [("History-Info", history)]
        call.arrival.provisional(response_to(call.arrival.request, 181, headers=fields))
