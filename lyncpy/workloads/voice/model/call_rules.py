"""The decision table of call handling: what a user's rules make of a call to them. Pure.

A table gives stages: who rings, for how long, and whether that ends what rings already. `call_walk` goes through them.

Spec: [MS-SIPRE], the category `routing`; spec notes, "voice" §2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import Final

from lyncpy.contracts.names import Aor, named_by
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.telephone import number_in
from lyncpy.sip.uri import parse_uri

WAIT_LONGEST_S: Final = 1200
"""Seconds of a wait, as the schema has it."""

_USUAL_TOTAL_S: Final = 20
_USUAL_USER_S: Final = 10


class TargetKind(Enum):
    """What rings."""

    DEVICES = auto()
    """All devices of the user who is called."""

    PERSON = auto()
    """The devices of another user, whose own rules do not count."""

    NUMBER = auto()
    """A telephone."""

    VOICE_MAIL = auto()


@dataclass(frozen=True, slots=True)
class Target:
    """One that may ring."""

    kind: TargetKind
    address: str = ""
    """Of a person or a telephone, in its normal form."""


DEVICES: Final = Target(TargetKind.DEVICES)
VOICE_MAIL: Final = Target(TargetKind.VOICE_MAIL)


def target_of(text: str) -> Target | None:
    """Read a target as clients write it, blanks around it or not; None: nobody could call that."""
    try:
        uri = parse_uri(text.strip())
        number = number_in(uri)
    except RemoteProtocolError:
        return None
    if number is not None:
        return Target(TargetKind.NUMBER, number.uri)
    return Target(TargetKind.PERSON, named_by(uri)) if uri.user else None


class RetargetReason(StrEnum):
    """Why somebody rings in place of the user, or beside them, as History-Info says it ([MS-SIPRE] 2.2.17)."""

    NONE = ""
    FORWARDING = "forwarding"
    TEAM_CALL = "team-call"
    DELEGATION = "delegation"


class RuleFlag(StrEnum):
    """What `clientflags` may hold; others are ignored."""

    BLOCK = "block"
    DELEGATE_RING = "delegate_ring"
    ENABLE_FORWARD = "enablecf"
    FORWARD_IMMEDIATE = "forward_immediate"
    SKIP_PRIMARY = "skip_primary"
    TEAM_RING = "team_ring"
    SIMULTANEOUS_RING = "simultaneous_ring"
    WORK_HOURS = "work_hours"


@dataclass(frozen=True, slots=True)
class CallRules:
    """The rules of a user for some callers; as a user has them who published none."""

    flags: frozenset[RuleFlag] = frozenset()
    lists: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    """By name: "forwardto", "simultaneous_ring", "team", "delegates"."""

    waits: Mapping[str, int] = field(default_factory=dict)
    """Seconds, by name: "total", "user", "team2"."""

    def first(self, name: str) -> tuple[Target, ...]:
        """Give the first target of a list, the only one that counts of some."""
        return self.lists.get(name, ())[:1]

    def wait(self, name: str, usual: int) -> int:
        """Give the seconds of a wait."""
        return min(max(self.waits.get(name, usual), 0), WAIT_LONGEST_S)


class Sensitivity(StrEnum):
    """How discreet a call is to be (`Ms-Sensitivity`)."""

    NORMAL = "normal"
    NORMAL_NO_DIVERSION = "normal-no-diversion"
    PRIVATE = "private"
    PRIVATE_NO_DIVERSION = "private-no-diversion"

    @property
    def allows_diversion(self) -> bool:
        """Whether the call may be forwarded, and go to voice mail."""
        return self not in (Sensitivity.NORMAL_NO_DIVERSION, Sensitivity.PRIVATE_NO_DIVERSION)

    @property
    def allows_others(self) -> bool:
        """Whether a team and delegates may ring."""
        return self not in (Sensitivity.PRIVATE, Sensitivity.PRIVATE_NO_DIVERSION)


@dataclass(frozen=True, slots=True)
class AllowedRules:
    """Which rules a policy lets count."""

    forwarding: bool = True
    simultaneous_ring: bool = True
    team_call: bool = True
    delegation: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the rules see it."""

    callee: Aor
    callers: frozenset[Target]
    """Who calls, and who has referred them: as persons and as telephones."""

    is_disturbing: bool = False
    """Whether the callee does not want to be disturbed, as the caller's access level sees it."""

    is_in_work_hours: bool = True
    is_on_private_line: bool = False
    sensitivity: Sensitivity = Sensitivity.NORMAL
    has_voice_mail: bool = False
    visited: frozenset[Target] = frozenset()
    """Who has diverted the call so far, by its history."""

    rings_s: int = _USUAL_TOTAL_S
    """How long devices ring where the user has not said so, and nothing comes behind."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of ringing."""

    targets: tuple[Target, ...]
    wait_s: int
    """Until the next stage begins; what rings goes on to ring, unless that ends it."""

    is_diversion: bool = False
    """Whether all that rings is cancelled before."""

    reason: RetargetReason = RetargetReason.NONE
    """Why these ring, where they are not the user's own and it is no diversion."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What becomes of a call, as long as nobody answers."""

    stages: tuple[Stage, ...]
    status: int = 480
    """Of the refusal where no answer of anybody is better."""

    loops: bool = False
    """Whether somebody was left out because the call has been there (13000)."""

    barred: frozenset[Target] = frozenset()
    """Who never rings, whoever diverts the call to them."""

    may_divert: bool = False
    """Whether an endpoint may divert the call."""

    def reason_of(self, target: Target) -> RetargetReason:
        """Say why somebody rings; whom an endpoint has named rings because that forwards the call."""
        if target == DEVICES:
            return RetargetReason.NONE
        stage = next((one for one in self.stages if target in one.targets), None)
        return RetargetReason.FORWARDING if stage is None or stage.is_diversion else stage.reason


def plan(rules: CallRules, call: Call, allowed: AllowedRules = AllowedRules()) -> CallPlan:
    """Say who rings, in which order, and for how long.

    Nobody rings twice; nor the callers themselves, nor who has diverted the call already.
    """
    if RuleFlag.BLOCK in rules.flags:
        return CallPlan(())
    stages = [*_ringing(rules, call, allowed), *_unanswered(rules, call, allowed)]
    left_out = call.visited | call.callers | {Target(TargetKind.PERSON, call.callee)}
    seen: set[Target] = set()
    kept, loops = [], False
    for stage in stages:
        loops = loops or any(one in call.visited or one.address == call.callee for one in stage.targets)
        targets = tuple(dict.fromkeys(one for one in stage.targets if one not in left_out | seen))
        seen |= set(targets)
        if targets or not stage.is_diversion:
            kept.append(replace(stage, targets=targets))
    if len(kept) == 1 and DEVICES in kept[0].targets and "total" not in rules.waits:
        kept = [replace(kept[0], wait_s=call.rings_s)]
    may_divert = allowed.forwarding and call.sensitivity.allows_diversion and not call.is_on_private_line
    return CallPlan(tuple(kept), loops=loops, barred=left_out, may_divert=may_divert)


def _ringing(rules: CallRules, call: Call, allowed: AllowedRules) -> Sequence[Stage]:
    """Give the stages before the call counts as unanswered."""
    flags, total = rules.flags, rules.wait("total", _USUAL_TOTAL_S)
    own = () if call.is_disturbing else (DEVICES,)
    if call.is_on_private_line or _is_off_hours(rules, call):
        return [Stage(own, total)]
    if RuleFlag.FORWARD_IMMEDIATE in flags and allowed.forwarding:
        return _forwarded_at_once(rules, call, total)
    for flag, name, is_allowed, reason in (
        # Counts before the team: both cannot be.
        (RuleFlag.DELEGATE_RING, "delegates", allowed.delegation, RetargetReason.DELEGATION),
        (RuleFlag.TEAM_RING, "team", allowed.team_call, RetargetReason.TEAM_CALL),
    ):
        if flag in flags and is_allowed and call.sensitivity.allows_others:
            skips = flag is RuleFlag.DELEGATE_RING and RuleFlag.SKIP_PRIMARY in flags
            others = Stage(rules.lists.get(name, ()), rules.wait("team2", _USUAL_USER_S), reason=reason)
            return _together(others, () if skips else own, rules, call)
    also = rules.first("simultaneous_ring") if own and _rings_besides(rules, call, allowed) else ()
    return [Stage((*own, *also), total)]


def _rings_besides(rules: CallRules, call: Call, allowed: AllowedRules) -> bool:
    """Tell whether somebody rings at the same time as the user."""
    is_chosen = RuleFlag.SIMULTANEOUS_RING in rules.flags and allowed.simultaneous_ring
    return is_chosen and call.sensitivity.allows_diversion


def _is_off_hours(rules: CallRules, call: Call) -> bool:
    """Tell whether the rules are for the work hours only, and these are over."""
    return RuleFlag.WORK_HOURS in rules.flags and not call.is_in_work_hours


def _forwarded_at_once(rules: CallRules, call: Call, total: int) -> Sequence[Stage]:
    if not call.sensitivity.allows_diversion:
        return []
    if RuleFlag.ENABLE_FORWARD not in rules.flags:
        return []  # to voice mail, which comes behind all else
    return [Stage(rules.first("forwardto"), total, is_diversion=True)]


def _together(others: Stage, own: tuple[Target, ...], rules: CallRules, call: Call) -> Sequence[Stage]:
    """Ring the user, and after a while others with them; a call of one of these is for the user alone."""
    if call.callers & set(others.targets):
        return [Stage((DEVICES,), rules.wait("total", _USUAL_TOTAL_S))]
    return [Stage(own, rules.wait("user", _USUAL_USER_S)), others] if own else [others]


def _unanswered(rules: CallRules, call: Call, allowed: AllowedRules) -> Sequence[Stage]:
    """Give the stages from then on: forwarding when unanswered, and voice mail."""
    if not call.sensitivity.allows_diversion:
        return []
    total, stages = rules.wait("total", _USUAL_TOTAL_S), []
    is_plain = call.is_on_private_line or _is_off_hours(rules, call)
    at_once = RuleFlag.FORWARD_IMMEDIATE in rules.flags
    if RuleFlag.ENABLE_FORWARD in rules.flags and allowed.forwarding and not is_plain and not at_once:
        stages.append(Stage(rules.first("forwardto"), total, is_diversion=True))
    if call.has_voice_mail:
        stages.append(Stage((VOICE_MAIL,), total, is_diversion=True))
    return stages
