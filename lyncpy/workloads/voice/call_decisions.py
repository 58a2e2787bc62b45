"""What a user's rules make of a call, by what they have published and the policies as they stand."""

from dataclasses import dataclass, replace

from lyncpy.contracts.call_rules import ICallRules, PublishedRules
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.telephone import read_dialled
from lyncpy.workloads.voice.decisions import Decisions
from lyncpy.workloads.voice.model.call_rules import Call, CallPlan, Sensitivity, Target, TargetKind, plan
from lyncpy.workloads.voice.model.outbound import NumberRouting
from lyncpy.workloads.voice.model.work_hours import is_working
from lyncpy.workloads.voice.rule_documents import rules_of

_NO_LOOKUP = "ms-skip-rnl"
"""Of a number: it is a telephone, whoever has it here ([MS-SIPRE])."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What a call says of itself."""

    callers: frozenset[Target]
    sensitivity: Sensitivity = Sensitivity.NORMAL
    is_on_private_line: bool = False
    visited: frozenset[Target] = frozenset()


class CallDecisions:
    """Decides about calls.

    Args:
        people: Everybody.
        rules: What users have published.
        decisions: What becomes of numbers, and what voice policies allow.
        timers: The clock, for work hours.
        rings_s: How long devices ring of who has no rule about it.
    """

    def __init__(
        self, people: IPeople, rules: ICallRules, decisions: Decisions, timers: ITimers, rings_s: float
    ) -> None:
        self._people = people
        self.rules = rules
        self._decisions = decisions
        self._timers = timers
        self._rings_s = int(rings_s)

    def plan(self, callee: Aor, published: PublishedRules, facts: CallFacts) -> CallPlan:
        """Say who rings, where the caller is not blocked."""
        callers, visited = (self._known(targets, callee) for targets in (facts.callers, facts.visited))
        rules, reaches = rules_of(published, callers)
        lists = {name: tuple(self.resolved(one, callee) for one in targets) for name, targets in rules.lists.items()}
        call = Call(
            callee,
            callers,
            is_disturbing=published.is_disturbing and not reaches,
            is_in_work_hours=is_working(published.work_hours, self._timers.wall()),
            is_on_private_line=facts.is_on_private_line,
            sensitivity=facts.sensitivity,
            visited=visited,
            rings_s=self._rings_s,
        )
        return plan(replace(rules, lists=lists), call, self._decisions.allowed(callee))

    def callers(self, *people: Aor) -> frozenset[Target]:
        """Give people as the rules know them: by their address, and by their line."""
        lines = [person.line for aor in people if (person := self._people.person(aor)) is not None and person.line]
        return frozenset(
            {Target(TargetKind.PERSON, aor) for aor in people} | {Target(TargetKind.NUMBER, line) for line in lines}
        )

    def resolved(self, target: Target, callee: Aor) -> Target:
        """Give the person whose number a telephone has; whatever else is called stays as it is."""
        if target.kind is not TargetKind.NUMBER or _NO_LOOKUP in target.address:
            return target
        person = self.decision(target, callee).person
        return target if person is None else Target(TargetKind.PERSON, person)

    def decision(self, target: Target, callee: Aor) -> NumberRouting:
        """Say what becomes of a telephone that a user's rules name, as if they dialled it."""
        return self._decisions.decide(read_dialled(target.address.removeprefix("tel:")), callee)

    def escape_s(self, callee: Aor) -> float:
        """Give the time within which only a carrier's mail box answers; 0: it is not looked at."""
        return self._decisions.policy(callee).voicemail_escape_s

    def _known(self, targets: frozenset[Target], callee: Aor) -> frozenset[Target]:
        """Add the people behind telephones."""
        return targets | {self.resolved(one, callee) for one in targets}
