"""A call on its way through the stages of a plan, until it is answered, refused or given up. Pure.

Whatever the rules are and whatever those do who ring: the call ends, everybody who rang is told how, and nobody rings
but whom the plan names, or an endpoint that may divert.

Spec: [MS-SIPRE], routing; RFC 3261 §16.7; [MS-OCER] 13000 to 13007.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from lyncpy.workloads.voice.model.call_rules import CallPlan, Stage, Target, TargetKind

WHOLE_S: Final = 600.0
"""Seconds that a call may ring altogether, whoever is called."""

DIVERSIONS_MOST: Final = 5
"""Diversions by endpoints; one more is not followed."""

REDIRECT: Final = 303
EVERYWHERE: Final = frozenset({600, 605})
"""Refusals that are those of the user, wherever else it rings ([MS-OCER])."""

_LEAST_HELPFUL: Final = (430, 408, 487, 480)
"""Failures that say the least about why, worst first."""

LOOP: Final = 13000
NO_RESPONSE: Final = 13002
PROGRESS: Final[Mapping[TargetKind, int]] = {
    TargetKind.DEVICES: 13004,
    TargetKind.PERSON: 13005,
    TargetKind.NUMBER: 13005,
    TargetKind.VOICE_MAIL: 13007,
}
"""What the caller is told when one of them rings."""

FORWARDED: Final = 13006


@dataclass(frozen=True, slots=True)
class Ring:
    """Call somebody."""

    target: Target


@dataclass(frozen=True, slots=True)
class CancelRinging:
    """Tell somebody who rings that it is over for them."""

    target: Target


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a call that was accepted and is not wanted: a carrier's mail box, or who was too late."""

    target: Target


@dataclass(frozen=True, slots=True)
class Progress:
    """Tell the caller what goes on (101, with this number)."""

    error_id: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Connect the caller with somebody; the call is over for this table."""

    target: Target


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse the call."""

    status: int
    error_id: int = 0
    """0: whoever has refused says why."""


CallEffect = Ring | CancelRinging | HangUp | Progress | Accept | Refuse


@dataclass(frozen=True, slots=True)
class CallWalk:
    """Where a call is."""

    stages: tuple[Stage, ...]
    """Those that are to come."""

    status: int
    loops: bool
    barred: frozenset[Target]
    may_divert: bool
    escape_s: float
    """A telephone that answers sooner is a carrier's mail box; 0: it never is."""

    began: float
    deadline: float | None
    """When the next stage begins; None: the call is over."""

    ringing: Mapping[Target, float] = field(default_factory=dict)
    """Who rings, and since when."""

    called: frozenset[Target] = frozenset()
    """All who ever rang."""

    failures: tuple[int, ...] = ()
    diversions: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the call was answered, refused or given up."""
        return self.deadline is None


Moved = tuple[CallWalk, Sequence[CallEffect]]


def begin(plan: CallPlan, now: float, *, escape_s: float = 0.0) -> Moved:
    """Begin with the first stage of a plan."""
    walk = CallWalk(plan.stages, plan.status, plan.loops, plan.barred, plan.may_divert, escape_s, now, now)
    return _next_stage(walk, now)


def expire(walk: CallWalk, now: float) -> Moved:
    """Go on where a stage has lasted long enough; a call that is over stays so."""
    if walk.deadline is None or now < walk.deadline:
        return walk, ()
    return _next_stage(walk, now)


def answered(walk: CallWalk, target: Target, status: int, now: float, *, contact: Target | None = None) -> Moved:
    """Take the final answer of somebody who was called.

    Args:
        target: Who answers.
        status: What they answer; of who was cancelled it changes nothing.
        now: Monotonic seconds.
        contact: To whom they divert the call, of REDIRECT.
    """
    since = walk.ringing.get(target)
    if since is None:
        # They were cancelled, and have accepted all the same.
        return walk, (HangUp(target),) if 200 <= status < 300 else ()
    walk = replace(walk, ringing={one: at for one, at in walk.ringing.items() if one != target})
    if 200 <= status < 300:
        if target.kind is TargetKind.NUMBER and now - since < walk.escape_s:
            return _after((HangUp(target),), _failed(walk, 480, now))
        return _over(walk), (*_cancelled(walk), Accept(target))
    if status in EVERYWHERE:
        return _over(walk), (*_cancelled(walk), Refuse(status))
    if status == REDIRECT and contact is not None:
        return _diverted(walk, contact, now)
    return _failed(walk, status, now)


def given_up(walk: CallWalk) -> Moved:
    """End a call that the caller gives up; everybody who rings is told."""
    return (walk, ()) if walk.is_over else (_over(walk), tuple(_cancelled(walk)))


def _diverted(walk: CallWalk, contact: Target, now: float) -> Moved:
    """Follow an endpoint that wants the call to go elsewhere; whoever was called is called no more."""
    is_known = contact in walk.called or contact in walk.barred
    if is_known or not walk.may_divert or walk.diversions >= DIVERSIONS_MOST:
        return _failed(replace(walk, loops=walk.loops or is_known), 480, now)
    stage = Stage((contact,), 20, is_diversion=True)
    return _next_stage(replace(walk, stages=(stage, *walk.stages), diversions=walk.diversions + 1), now)


def _failed(walk: CallWalk, status: int, now: float) -> Moved:
    """Note a refusal; where nobody rings any more the next stage begins."""
    walk = replace(walk, failures=(*walk.failures, status))
    return (walk, ()) if walk.ringing else _next_stage(walk, now)


def _next_stage(walk: CallWalk, now: float) -> Moved:
    """Begin the next stage in which anybody rings; behind the last one the call is refused."""
    stages = walk.stages
    while stages and now - walk.began < WHOLE_S:
        stage, *rest = stages
        stages = tuple(rest)
        new = tuple(one for one in stage.targets if one not in walk.called)
        if not new and not (walk.ringing and not stage.is_diversion):
            continue
        effects: list[CallEffect] = []
        if stage.is_diversion:
            effects += [*_cancelled(walk), Progress(FORWARDED)]
            walk = replace(walk, ringing={})
        effects += [Ring(one) for one in new]
        effects += [Progress(number) for number in dict.fromkeys(PROGRESS[one.kind] for one in new)]
        return (
            replace(
                walk,
                stages=stages,
                deadline=min(now + stage.wait_s, walk.began + WHOLE_S),
                ringing={**walk.ringing, **dict.fromkeys(new, now)},
                called=walk.called | set(new),
            ),
            effects,
        )
    return _over(walk), (*_cancelled(walk), _refusal(walk))


def _refusal(walk: CallWalk) -> Refuse:
    """Choose what the caller hears: the best of the refusals, else that of the plan."""
    told = [one for one in walk.failures if one < 600 and one not in _LEAST_HELPFUL]
    if told:
        return Refuse(min(told, key=lambda status: (status // 100, status)))
    return Refuse(walk.status, LOOP if walk.loops and not walk.called else NO_RESPONSE)


def _over(walk: CallWalk) -> CallWalk:
    return replace(walk, stages=(), deadline=None, ringing={})


def _cancelled(walk: CallWalk) -> Iterator[CallEffect]:
    return (CancelRinging(one) for one in walk.ringing)


def _after(first: Sequence[CallEffect], moved: Moved) -> Moved:
    return moved[0], (*first, *moved[1])


def in_words(effect: CallEffect) -> tuple[str, str]:
    """Say what is done and with whom, for an operator."""
    match effect:
        case Ring(target):
            return "rings", _named(target)
        case CancelRinging(target):
            return "rings no more", _named(target)
        case HangUp(target):
            return "is hung up", _named(target)
        case Progress(error_id):
            return "the caller hears", f"101 ({error_id})"
        case Accept(target):
            return "answers", _named(target)
        case Refuse(status, error_id):
            return "refused", f"{status} ({error_id})" if error_id else str(status)
        case _:
            assert_never(effect)


def _named(target: Target) -> str:
    if target.kind is TargetKind.DEVICES:
        return "their devices"
    return "voice mail" if target.kind is TargetKind.VOICE_MAIL else target.address.partition(":")[2]
