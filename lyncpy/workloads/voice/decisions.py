"""What becomes of a number that somebody dials, by the settings and the directory as they stand."""

from collections.abc import Mapping

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor
from lyncpy.sip.telephone import Dialled
from lyncpy.workloads.voice.dial_plans import DialPlans
from lyncpy.workloads.voice.model.call_rules import AllowedRules
from lyncpy.workloads.voice.model.dialplan import DialPlan
from lyncpy.workloads.voice.model.outbound import (
    NO_RULE,
    Caller,
    CallRoute,
    DecisionStep,
    NumberRouting,
    OutboundRules,
    Trunk,
    VoicePolicy,
    decide,
    refused_step,
)
from lyncpy.workloads.voice.model.patterns import read_pattern
from lyncpy.workloads.voice.scopes import DEFAULT, Scope, Scopes
from lyncpy.workloads.voice.settings import Settings, TrunkSettings, VoicePolicySettings

_NONE = VoicePolicy(DEFAULT)


class Decisions:
    """Decides by the section [voice]; pure but for what it is asked with.

    Args:
        people: Everybody.
        plans: Dial plans.
        settings: The section.
        scopes: Say whose a voice policy is.
    """

    def __init__(self, people: IPeople, plans: DialPlans, settings: Settings, scopes: Scopes) -> None:
        self._people = people
        self._plans = plans
        self._scopes_of = scopes
        self._take(settings)

    def _take(self, settings: Settings) -> None:
        self._settings = settings
        self._policies: Mapping[str, VoicePolicy] = {
            name: VoicePolicy(name, one.usages, _allowed(one), one.voicemail_escape_ms / 1000)
            for name, one in settings.policies.items()
        }
        self._scopes = {name: Scope(one.members, one.policies) for name, one in settings.policies.items()}
        routes = (
            CallRoute(
                name,
                read_pattern(one.pattern),
                frozenset(one.usages),
                one.gateways,
                one.priority,
                one.suppress_caller_id,
                one.caller_id,
            )
            for name, one in settings.routes.items()
        )
        self._rules = OutboundRules(tuple(routes), {name: _trunk(one) for name, one in settings.trunks.items()})

    def adopt(self, settings: Settings) -> bool:
        """Put other settings in force; tell whether they differ."""
        changed = any(
            getattr(settings, name) != getattr(self._settings, name) for name in ("policies", "routes", "trunks")
        )
        if changed:
            self._take(settings)
            self.note()
        return changed

    def note(self) -> None:
        """Note whom the members of policies mean."""
        self._scopes_of.note(self._scopes)

    def decide(self, dialled: Dialled, caller: Aor) -> NumberRouting:
        """Say what becomes of what somebody dials."""
        plan = self._plans.meant(dialled.context, caller)
        if plan is None:
            said = DecisionStep("dialled", dialled.text, f"by the dial plan {dialled.context}, which there is not")
            return NumberRouting((said, refused_step(NO_RULE, said.why)), refusal=NO_RULE)
        return decide(dialled.text, dialled.ext, self._caller(caller, plan), self._owners, self._rules)

    def policy(self, aor: Aor) -> VoicePolicy:
        """Give the voice policy of a user."""
        return self._policies.get(self._scopes_of.choose(self._scopes, aor).name, _NONE)

    def allowed(self, aor: Aor) -> AllowedRules:
        """Say which of a user's own rules count for calls to them."""
        return self.policy(aor).allowed

    def _caller(self, aor: Aor, plan: DialPlan) -> Caller:
        person = self._people.person(aor)
        own, policy = self._plans.chosen(aor), self._scopes_of.choose(self._scopes, aor)
        return Caller(
            aor,
            "" if person is None else person.line,
            plan,
            own.why if own.name == plan.name else "the number names it",
            self._policies.get(policy.name, _NONE),
            policy.why,
        )

    def _owners(self, uri: str) -> list[Aor]:
        """Give whose a number is. Who is switched off has it as they have an address: they are not reached, and make nobody else's doubtful."""
        return [person.aor for person in self._people.by_number(uri) if person.enabled]


def _allowed(one: VoicePolicySettings) -> AllowedRules:
    return AllowedRules(one.call_forwarding, one.simultaneous_ring, one.team_call, one.delegation)


def _trunk(one: TrunkSettings) -> Trunk:
    return Trunk(tuple(rule.rule() for rule in one.called), tuple(rule.rule() for rule in one.calling))
