"""CallHandling: a call rings whom the rules of the user want it to ring who is called.

Spec: [MS-SIPRE], the category `routing`, 2.2.17; [MS-OCER] 13000 to 13008; spec notes, "voice" §2 and §3.
"""

from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.privacy import OFFLINE
from lyncpy.contracts.refusal import Diagnostics, Refused, WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.forward import ForkResult, OnEarly
from lyncpy.sip.call_history import read_diverters
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import split_list
from lyncpy.sip.headers import parse_name_addr
from lyncpy.sip.message import Request, Response
from lyncpy.sip.sdp import media_of
from lyncpy.sip.telephone import dialled_in
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.voice.call_decisions import CallDecisions, CallFacts
from lyncpy.workloads.voice.call_legs import Calling, CallLegs
from lyncpy.workloads.voice.call_run import CallRun
from lyncpy.workloads.voice.gateway_calls import GatewayCalls
from lyncpy.workloads.voice.model.call_rules import Sensitivity, target_of
from lyncpy.workloads.voice.model.call_walk import begin
from lyncpy.workloads.voice.model.outbound import NumberRouting
from lyncpy.workloads.voice.numbers import Numbers

NOT_THEIRS: Final = Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI")
MALFORMED: Final = Diagnostics(13003, "A header is not formatted as expected")

_ON_BEHALF: Final = "P-Session-On-Behalf-Of"
_NAMES_IN_WHOSE_NAME: Final = (_ON_BEHALF, "P-Preferred-Identity")


class CallsByRules:
    """Passes calls on.

    Args:
        people: Everybody.
        decisions: Says what becomes of a call.
        numbers: Says what becomes of a number.
        legs: Rings.
        gateways: Calls out of the house.
        timers: The clock.
    """

    def __init__(
        self,
        people: IPeople,
        decisions: CallDecisions,
        numbers: Numbers,
        legs: CallLegs,
        gateways: GatewayCalls,
        timers: ITimers,
    ) -> None:
        self._people = people
        self._gateways = gateways
        self._decisions = decisions
        self._numbers = numbers
        self._legs = legs
        self._timers = timers

    async def ring(self, arrival: Arrival, called: Aor, on_early: OnEarly | None) -> ForkResult:
        """Ring by the rules of the user who is called; see the promise."""
        principal = await self._principal(arrival)
        facts = self._facts(arrival, called, principal)
        try:
            published = await self._decisions.rules.rules_for(called, arrival.sender.aor)
        except (Refused, WorldUnavailable):
            raise Refused(480, OFFLINE) from None
        # Who is blocked must not be able to tell that they are: they hear what they would hear of somebody offline.
        if published.is_blocked:
            raise Refused(480, OFFLINE)
        decided = self._decisions.plan(called, published, facts)
        behalf = () if principal is None else ((_ON_BEHALF, f"<{principal}>"),)
        call = Calling(arrival, called, decided, facts.is_on_private_line, behalf, on_early)
        moved = begin(decided, self._timers.now(), escape_s=self._decisions.escape_s(called))
        resolved = partial(self._decisions.resolved, callee=called)
        return await CallRun(arrival, self._timers, partial(self._legs.leg, call), resolved, moved).run()

    def outward(self, arrival: Arrival) -> Coroutine[Any, Any, Response] | None:
        """Call a telephone out of the house; see the promise."""
        request = arrival.request
        if media_of(request.body).isdisjoint(("audio", "video")):
            return None
        decision = self._numbers.outward(request.target, arrival.sender.aor)
        return None if decision is None or not self._gateways.has_any(decision) else self._dial(arrival, decision)

    async def _dial(self, arrival: Arrival, decision: NumberRouting) -> Response:
        _ = await self._principal(arrival)
        return await self._gateways.dial(arrival, decision)

    def _facts(self, arrival: Arrival, called: Aor, principal: Aor | None) -> CallFacts:
        """Read what a call says of itself.

        Raises:
            Refused: 400 (13003).
        """
        request = arrival.request
        others = (one for one in (self._legs.referrer(arrival), principal) if one is not None)
        said = request.headers.get("Ms-Sensitivity") or Sensitivity.NORMAL.value
        try:
            sensitivity = Sensitivity(said.partition(";")[0].strip().lower())
            visited = frozenset(one for uri in read_diverters(request.headers) if (one := target_of(uri)) is not None)
        except (RemoteProtocolError, ValueError):
            raise Refused(400, MALFORMED) from None
        callers = self._decisions.callers(arrival.sender.aor, *others)
        return CallFacts(callers, sensitivity, self._is_private(arrival, called), visited)

    def _is_private(self, arrival: Arrival, called: Aor) -> bool:
        """Tell whether the private line of who is called was dialled."""
        person = self._people.person(called)
        if person is None or not person.private_line:
            return False
        dialled = dialled_in(arrival.request.target)
        return dialled is not None and self._numbers.decide(dialled, arrival.sender.aor).number == person.private_line

    async def _principal(self, arrival: Arrival) -> Aor | None:
        """Give in whose name a call is made; None: in the caller's own.

        Raises:
            Refused: 403 (4004), who is named has not made the caller a delegate; 400 (13003), it cannot be read.
        """
        caller = arrival.sender.aor
        principal = self._named(arrival.request, caller)
        if principal is None:
            return None
        try:
            may = await self._decisions.rules.may_act_for(caller, principal)
        except (Refused, WorldUnavailable):
            may = False
        if not may:
            raise Refused(403, NOT_THEIRS)
        return principal

    def _named(self, request: Request, caller: Aor) -> Aor | None:
        """Give another user in whose name a request says that it is made."""
        for name in _NAMES_IN_WHOSE_NAME:
            for value in request.headers.get_all(name):
                try:
                    uris = [parse_name_addr(one).uri for one in split_list(value)]
                    named = [aor_of(uri) for uri in uris if parse_uri(uri).scheme != "tel"]
                except RemoteProtocolError:
                    raise Refused(400, MALFORMED) from None
                other = next((one for one in named if one != caller), None)
                if other is not None:
                    return other
        return None
