"""Call handling: for any rules and any behaviour of endpoints the call ends, all who rang are told, and nobody rings who may not."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from lyncpy.contracts.names import Aor
from lyncpy.workloads.voice.model.call_rules import (
    DEVICES,
    VOICE_MAIL,
    AllowedRules,
    Call,
    CallPlan,
    CallRules,
    RuleFlag,
    Sensitivity,
    Target,
    TargetKind,
    plan,
)
from lyncpy.workloads.voice.model.call_walk import (
    Accept,
    CallEffect,
    CallWalk,
    CancelRinging,
    HangUp,
    Refuse,
    Ring,
    answered,
    begin,
    expire,
    given_up,
)
from tests.kit.soak import many

BOB = Aor("sip:bob@example.com")
PEOPLE = [Target(TargetKind.PERSON, f"sip:{name}@example.com") for name in ("alice", "bob", "carol", "dave")]
NUMBERS = [Target(TargetKind.NUMBER, f"tel:+{number}") for number in (1, 2, 3)]
_targets = st.sampled_from([*PEOPLE, *NUMBERS])
_lists = st.dictionaries(
    st.sampled_from(["forwardto", "simultaneous_ring", "team", "delegates", "odd"]),
    st.lists(_targets, max_size=3).map(tuple),
)
_waits = st.dictionaries(st.sampled_from(["total", "user", "team2"]), st.integers(-10, 2000))
_rules = st.builds(CallRules, st.frozensets(st.sampled_from(list(RuleFlag))), _lists, _waits)
_calls = st.builds(
    Call,
    st.just(BOB),
    st.frozensets(_targets, min_size=1, max_size=2),
    is_disturbing=st.booleans(),
    is_in_work_hours=st.booleans(),
    is_on_private_line=st.booleans(),
    sensitivity=st.sampled_from(list(Sensitivity)),
    has_voice_mail=st.booleans(),
    visited=st.frozensets(_targets, max_size=2),
)
_allowed = st.builds(AllowedRules, st.booleans(), st.booleans(), st.booleans(), st.booleans())
_STATUSES = [200, 303, 408, 480, 486, 487, 600, 603, 605]


@dataclass
class Played:
    """What was done in a call from its beginning to its end."""

    done: list[CallEffect] = field(default_factory=list)
    diverted: set[Target] = field(default_factory=set)
    """To whom endpoints wanted the call to go."""

    told: set[Target] = field(default_factory=set)
    """Who knows how it ended by their own answer."""

    @property
    def rung(self) -> list[Target]:
        """Who rang, in order."""
        return [one.target for one in self.done if isinstance(one, Ring)]


def answer(walk: CallWalk, played: Played, now: float, data: st.DataObject) -> CallWalk:
    """Have somebody who rings answer."""
    target = data.draw(st.sampled_from(sorted(walk.ringing, key=str)))
    status = data.draw(st.sampled_from(_STATUSES))
    contact = data.draw(_targets) if status == 303 else None
    played.diverted |= {contact} if contact is not None else set()
    played.told.add(target)
    walk, effects = answered(walk, target, status, now, contact=contact)
    played.done += effects
    return walk


def play(decided: CallPlan, data: st.DataObject) -> Played:
    """Play a call with endpoints and a caller who do anything; it has to end."""
    now, played = 0.0, Played()
    walk, effects = begin(decided, now, escape_s=data.draw(st.sampled_from([0.0, 1.5])))
    played.done += effects
    for _ in range(100):
        until = walk.deadline
        if until is None:
            break
        assert until <= 600.0
        move = data.draw(st.sampled_from(["wait", "answer", "answer", "late", "give up"]))
        if move == "answer" and walk.ringing:
            now = min(now + data.draw(st.sampled_from([0.0, 1.0, 5.0])), until)
            walk = answer(walk, played, now, data)
        elif move == "late" and (late := data.draw(_targets)) not in walk.ringing:
            assert answered(walk, late, 200, now) == (walk, (HangUp(late),))
        elif move == "give up":
            walk, effects = given_up(walk)
            played.done += effects
        else:
            now = until
            walk, effects = expire(walk, now)
            played.done += effects
    assert walk.is_over
    assert walk.ringing == {}
    return played


@settings(max_examples=many(200))
@given(_rules, _calls, _allowed, st.data())
def test_every_call_ends_once_and_all_who_rang_are_told(
    rules: CallRules, call: Call, allowed: AllowedRules, data: st.DataObject
) -> None:
    """Within ten minutes; nobody rings twice."""
    played = play(plan(rules, call, allowed), data)
    ended = {one.target for one in played.done if isinstance(one, CancelRinging)}
    assert len(played.rung) == len(set(played.rung))
    assert set(played.rung) <= ended | played.told
    assert sum(isinstance(one, Accept | Refuse) for one in played.done) <= 1


@settings(max_examples=many(200))
@given(_rules, _calls, _allowed, st.data())
def test_nobody_rings_who_may_not(rules: CallRules, call: Call, allowed: AllowedRules, data: st.DataObject) -> None:
    """But whom the rules name, or to whom an endpoint may divert: not the callers, nor who has had the call already."""
    decided = plan(rules, call, allowed)
    played = play(decided, data)
    rung = set(played.rung)
    named = {one for stage in decided.stages for one in stage.targets}
    assert rung <= named | (played.diverted if decided.may_divert else set())
    assert rung.isdisjoint(call.callers | call.visited | {Target(TargetKind.PERSON, BOB)})
    others = {*rules.lists.get("team", ()), *rules.lists.get("delegates", ())}
    if RuleFlag.BLOCK in rules.flags:
        assert not rung
    if not call.sensitivity.allows_diversion:
        assert rung <= {DEVICES} | others
    if not call.sensitivity.allows_others and not allowed.forwarding:
        assert rung <= {DEVICES, VOICE_MAIL, *rules.lists.get("simultaneous_ring", ())}
    if call.is_disturbing and not call.callers & others:
        assert DEVICES not in rung
    if call.is_on_private_line:
        assert rung <= {DEVICES, VOICE_MAIL}
