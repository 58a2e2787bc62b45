"""What becomes of a number that somebody dials: whom it rings, or by which gateway it leaves the house. Pure.

The steps are those of Lync: the dial plan makes a number of it; a number of this house rings its person; for any other the
caller's voice policy has usages in order, and the first of them with a route that fits decides. Its routes are tried by priority,
each with its gateways in order, and a gateway's trunk says how it wants numbers written.

Spec: [MS-SIPRE]; spec notes, "voice" §4, §5.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.refusal import Diagnostics
from lyncpy.sip.telephone import TelephoneNumber
from lyncpy.workloads.voice.model.call_rules import AllowedRules
from lyncpy.workloads.voice.model.dialplan import DialPlan, NotDialable, Rule, normalise
from lyncpy.workloads.voice.model.patterns import Pattern


@dataclass(frozen=True, slots=True)
class VoicePolicy:
    """What a user may do with a telephone."""

    name: str
    usages: tuple[str, ...] = ()
    """In the order in which they are tried."""

    allowed: AllowedRules = field(default_factory=AllowedRules)
    """Which of the user's own rules for calls to them count."""

    voicemail_escape_s: float = 0.0
    """A telephone that answers a forwarded call sooner is taken for a carrier's mail box; 0: none is."""


@dataclass(frozen=True, slots=True)
class CallRoute:
    """A way out of the house."""

    name: str
    pattern: Pattern
    """Of the numbers, with +."""

    usages: frozenset[str]
    gateways: tuple[str, ...]
    """In the order in which they are tried."""

    priority: int = 0
    """The smallest comes first."""

    hides_caller: bool = False
    caller_id: str = ""
    """The number that is shown in place of the caller's; "" for theirs."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """How a gateway wants numbers written; the first rule that fits decides, and without one a number stays as it is."""

    called: tuple[Rule, ...] = ()
    calling: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """The ways out of the house."""

    routes: tuple[CallRoute, ...] = ()
    trunks: Mapping[str, Trunk] = field(default_factory=dict)

    def by_usage(self, usage: str) -> Sequence[CallRoute]:
        """Give the routes of a usage in the order in which they are tried."""
        return sorted((one for one in self.routes if usage in one.usages), key=lambda one: one.priority)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who dials."""

    aor: Aor
    line: str
    """Their tel URI, or ""."""

    plan: DialPlan
    plan_why: str
    policy: VoicePolicy
    policy_why: str


@dataclass(frozen=True, slots=True)
class DecisionStep:
    """One step of a decision, for an operator."""

    what: str
    value: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to leave the house."""

    route: str
    gateway: str
    called: str
    """The number as the gateway wants it."""

    caller: str
    """What the callee is shown; "" for nothing."""


@dataclass(frozen=True, slots=True)
class CallRefusal:
    """Why a number reaches nobody."""

    status: int
    diagnostics: Diagnostics


@dataclass(frozen=True, slots=True)
class NumberRouting:
    """What becomes of a number: exactly one of a person, attempts and a refusal."""

    steps: tuple[DecisionStep, ...]
    person: Aor | None = None
    attempts: tuple[Attempt, ...] = ()
    refusal: CallRefusal | None = None
    number: str = ""
    """The tel URI that was found; "" where no rule makes a number of what was dialled."""


NO_RULE: Final = CallRefusal(404, Diagnostics(14010, "Unable to find an exact match in the rules set"))
SHARED: Final = CallRefusal(485, Diagnostics(4009, "Multiple users associated with the destination phone number"))
NOBODYS: Final = CallRefusal(404, Diagnostics(4005, "Destination URI either not enabled for SIP or does not exist"))
NO_ROUTE: Final = CallRefusal(
    403,
    Diagnostics(
        12004,
        "The user is not authorized to call the specified number or none of the routes have a valid gateway configured.",
    ),
)

Owners = Callable[[str], Sequence[Aor]]
"""Gives whose number a tel URI is, of those who may be called."""


def decide(dialled: str, ext: str, caller: Caller, owners: Owners, rules: OutboundRules) -> NumberRouting:
    """Say what becomes of a number.

    Args:
        dialled: As the caller dialled it.
        ext: An extension that came beside it.
        caller: Who dials; the plan is the one by which they dial.
        owners: Whose numbers are whose.
        rules: The ways out.
    """
    steps = [
        DecisionStep("dialled", dialled + (f";ext={ext}" if ext else "")),
        DecisionStep("dial plan", caller.plan.name, caller.plan_why),
    ]
    try:
        found = normalise(caller.plan, dialled, ext)
    except NotDialable as error:
        return _refused(steps, NO_RULE, str(error))
    if found.rule is None:
        steps.append(DecisionStep("rule", "none", "it is dialled as the number that it is"))
    else:
        rule = found.rule
        steps.append(DecisionStep("rule", rule.name, f"{rule.pattern.text} becomes {rule.translation}"))
    steps.append(DecisionStep("number", str(found.number)))
    people = owners(found.number.uri)
    if len(people) > 1:
        return _refused(steps, SHARED, f"it is the number of {', '.join(map(bare, people))}")
    if people:
        steps.append(DecisionStep("rings", bare(people[0]), "it is their number"))
        return NumberRouting(tuple(steps), person=people[0], number=found.number.uri)
    if not rules.routes:
        return _refused(steps, NOBODYS, "nobody here has it, and there is no route out of the house")
    return _outward(steps, found.number, caller, rules)


def _outward(steps: list[DecisionStep], number: TelephoneNumber, caller: Caller, rules: OutboundRules) -> NumberRouting:
    policy = caller.policy
    steps.append(DecisionStep("voice policy", policy.name, caller.policy_why))
    for usage in policy.usages:
        routes = [one for one in rules.by_usage(usage) if one.pattern.find(number.digits) is not None]
        steps.append(DecisionStep("usage", usage, "" if routes else "no route of it fits"))
        attempts = tuple(
            _attempt(route, gateway, number, caller, rules) for route in routes for gateway in route.gateways
        )
        for route in routes:
            steps.append(DecisionStep("route", route.name, f"{route.pattern.text} fits, priority {route.priority}"))
            steps += (
                DecisionStep(
                    "gateway", one.gateway, f"calls {one.called}, the callee is shown {one.caller or 'nobody'}"
                )
                for one in attempts
                if one.route == route.name
            )
        if routes:
            return (
                NumberRouting(tuple(steps), attempts=attempts, number=number.uri)
                if attempts
                else _refused(steps, NO_ROUTE, "no gateway is named")
            )
    return _refused(steps, NO_ROUTE, "no usage of the policy has a route that fits")


def _attempt(route: CallRoute, gateway: str, number: TelephoneNumber, caller: Caller, rules: OutboundRules) -> Attempt:
    trunk = rules.trunks.get(gateway, Trunk())
    shown = route.caller_id or ("" if route.hides_caller else caller.line)
    # An extension is the affair of the house.
    plain = shown.removeprefix("tel:").partition(";")[0]
    return Attempt(
        route.name, gateway, _written(trunk.called, number.digits), _written(trunk.calling, plain) if plain else ""
    )


def _written(rules: Sequence[Rule], digits: str) -> str:
    return next((made for rule in rules if (made := rule.translated(digits)) is not None), digits)


def _refused(steps: Sequence[DecisionStep], refusal: CallRefusal, why: str) -> NumberRouting:
    return NumberRouting((*steps, refused_step(refusal, why)), refusal=refusal)


def refused_step(refusal: CallRefusal, why: str) -> DecisionStep:
    """Give the last step of a number that reaches nobody."""
    return DecisionStep("refused", f"{refusal.status} ({refusal.diagnostics.error_id})", why)
