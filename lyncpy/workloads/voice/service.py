"""The life of telephony."""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from zope.interface import implementer

from lyncpy.contracts.bus import IListening
from lyncpy.contracts.call_rules import ICallRules
from lyncpy.contracts.facts import EndpointGone
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import IMeanings
from lyncpy.contracts.peers import IPeerWire
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.forward import RingTimes
from lyncpy.core.peers import PeerTransactions
from lyncpy.core.platform import Platform, Signaling
from lyncpy.workloads.voice.call_decisions import CallDecisions
from lyncpy.workloads.voice.call_handling import CallsByRules
from lyncpy.workloads.voice.call_legs import CallLegs
from lyncpy.workloads.voice.commands import Commands
from lyncpy.workloads.voice.decisions import Decisions
from lyncpy.workloads.voice.dial_plans import DialPlans
from lyncpy.workloads.voice.gateway_callers import CallersShown
from lyncpy.workloads.voice.gateway_calls import GatewayCalls
from lyncpy.workloads.voice.gateway_commands import GatewayCommands
from lyncpy.workloads.voice.gateways import Gateways
from lyncpy.workloads.voice.numbers import Numbers
from lyncpy.workloads.voice.routes import Routes
from lyncpy.workloads.voice.rule_preview import RulePreview
from lyncpy.workloads.voice.scopes import Scopes
from lyncpy.workloads.voice.settings import Settings
from lyncpy.workloads.voice.trunks import NoTrunks


def dial_plans(platform: Platform, meanings: IMeanings, settings: Settings) -> DialPlans:
    """Give the dial plans, which the directory needs for the numbers that it lists."""
    return DialPlans(settings, _scopes(platform, meanings, "voice dial plans"))


def _scopes(platform: Platform, meanings: IMeanings, place: str) -> Scopes:
    return Scopes(platform.people, platform.groups, platform.policies, meanings, place)


@dataclass(frozen=True, slots=True)
class VoicePlaces:
    """Where telephony is, towards clients and towards gateways."""

    domains: Collection[str]
    """Whose numbers are ours; the first is that of addresses which we give."""

    host: str
    """By which others reach this server."""

    wire: IPeerWire
    """Sends to gateways."""

    path: Callable[[str], str]
    """Gives the file that a setting names."""


@implementer(IWorkload)
class Voice:
    """The workload: knows whose a number is, and what becomes of what people dial.

    Args:
        platform: The server's.
        signaling: Reaches devices.
        meanings: Whom addresses in the settings mean.
        plans: The dial plans.
        places: Where it is.
        settings: The section.
        rules: What users have published about calls to them.
        patience: How long devices may take that are called.

    Attributes:
        numbers: Finds the person behind a number; assembly passes it to whoever passes calls on.
        calls: Has calls ring by the rules of who is called; assembly passes it likewise.
    """

    name = "voice"

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        meanings: IMeanings,
        plans: DialPlans,
        places: VoicePlaces,
        settings: Settings,
        rules: ICallRules,
        patience: RingTimes,
    ) -> None:
        people = platform.people
        self._plans = plans
        self._decisions = Decisions(people, plans, settings, _scopes(platform, meanings, "voice policies"))
        self.numbers = Numbers(people, self._decisions, places.domains)
        calls = CallDecisions(people, rules, self._decisions, platform.timers, patience.ringing_s)
        forward = signaling.forward
        legs = CallLegs(platform, forward, calls, NoTrunks(), patience)
        peers = PeerTransactions(places.wire, platform.timers, platform.meter, lambda: self._gateways.sent_by)
        self._gateways = Gateways(peers, settings, platform.timers, platform.meter, (places.host, places.path))
        domain = next(iter(places.domains))
        self._gateway_calls = GatewayCalls(
            platform, signaling, peers, self._gateways, patience.ringing_s, domain, _draw
        )
        self.calls = CallsByRules(people, calls, self.numbers, legs, self._gateway_calls, platform.timers)
        callers = CallersShown(people, plans, (domain, places.host))
        self._gateway_calls.inward_with(self.numbers, callers, self.calls.ring)
        self._bus, self._known_of = platform.bus, platform.locator.known_of
        self._listening: list[IListening] = []
        routes = Routes(plans)
        self.offer = Offer(
            self.name,
            routes=(*routes.rows(), *self._gateway_calls.routes()),
            provisions=tuple(routes.provisions()),
            commands=(
                *Commands(people, self.numbers, platform.timers).words(),
                *RulePreview(people, platform.locator, calls).words(),
                *GatewayCommands(self._gateways).words(),
            ),
            conditions=(self._gateways.conditions,),
        )

    def settable(self, aor: Aor) -> Mapping[str, str]:
        """Give which rules for calls to them a user may set, by the names of the provisioning group ucPolicy."""
        allowed = self._decisions.allowed(aor)
        return {
            "AllowSimultaneousRinging": _truth(allowed.simultaneous_ring),
            "AllowCallForwarding": _truth(allowed.forwarding),
            "EnableTeamCall": _truth(allowed.team_call),
            "EnableDelegation": _truth(allowed.delegation),
        }

    def adopt(self, settings: Settings) -> bool:
        """Put other settings in force; tell whether they differ."""
        changed = self._plans.adopt(settings)
        changed = self._gateways.adopt(settings) or changed
        return self._decisions.adopt(settings) or changed

    async def open(self) -> None:
        """Note whom the settings mean; the directory is open already."""
        self._plans.note()
        self._decisions.note()
        self._listening = [self._bus.listen(EndpointGone, self._gateway_calls.endpoint_gone, self._known_of)]
        await self._gateways.open()

    async def close(self) -> None:
        """End the calls at gateways."""
        for listening in self._listening:
            listening.stop()
        self._gateway_calls.end_all()
        await self._gateways.close()


def _draw(below: float) -> float:
    """Draw by lot which gateway comes first."""
    return secrets.randbelow(1_000_000) / 1_000_000 * below


def _truth(truth: bool) -> str:
    return "true" if truth else "false"
