"""The decision table of call handling, row by row."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.workloads.voice.model.call_rules import (
    DEVICES,
    VOICE_MAIL,
    AllowedRules,
    Call,
    CallRules,
    RetargetReason,
    RuleFlag,
    Sensitivity,
    Stage,
    Target,
    TargetKind,
    plan,
    target_of,
)

BOB = Aor("sip:bob@example.com")
ALICE, CAROL, DAVE = (Target(TargetKind.PERSON, f"sip:{name}@example.com") for name in ("alice", "carol", "dave"))
MOBILE = Target(TargetKind.NUMBER, "tel:+15550199")
CALL = Call(BOB, frozenset({ALICE}), has_voice_mail=True)
LISTS = {
    "forwardto": (MOBILE, DAVE),
    "simultaneous_ring": (MOBILE, DAVE),
    "team": (CAROL, DAVE),
    "delegates": (CAROL,),
}
MAIL = Stage((VOICE_MAIL,), 20, is_diversion=True)
TO_MOBILE = Stage((MOBILE,), 20, is_diversion=True)
OWN = Stage((DEVICES,), 20)
FIRST = Stage((DEVICES,), 10)


def team(*targets: Target, wait_s: int = 10) -> Stage:
    """Give the stage of a team."""
    return Stage(targets, wait_s, reason=RetargetReason.TEAM_CALL)


DELEGATES = Stage((CAROL,), 10, reason=RetargetReason.DELEGATION)


def rules(*flags: str, **waits: int) -> CallRules:
    """Give rules with these flags, and all lists."""
    return CallRules(frozenset(map(RuleFlag, flags)), LISTS, waits)


def call(**more: object) -> Call:
    """Give a call of Alice to Bob."""
    return replace(CALL, **more)  # type: ignore[arg-type]  # its fields


def from_(target: Target) -> Call:
    """Give a call of another one."""
    return call(callers=frozenset({target}))


@pytest.mark.parametrize(
    ("mine", "to", "stages"),
    [
        # Nothing said: all devices, then voice mail.
        (rules(), call(), [OWN, MAIL]),
        (rules(total=5), call(has_voice_mail=False), [Stage((DEVICES,), 5)]),
        (rules("block", "forward_immediate"), call(), []),
        # Forwarding.
        (rules("forward_immediate", "enablecf", "simultaneous_ring"), call(), [TO_MOBILE, MAIL]),
        (rules("forward_immediate"), call(), [MAIL]),
        (rules("enablecf"), call(), [OWN, TO_MOBILE, MAIL]),
        # Ringing with others.
        (rules("simultaneous_ring"), call(), [Stage((DEVICES, MOBILE), 20), MAIL]),
        (rules("team_ring", user=7, team2=9), call(), [Stage((DEVICES,), 7), team(CAROL, DAVE, wait_s=9), MAIL]),
        (rules("team_ring"), from_(CAROL), [OWN, MAIL]),
        (rules("team_ring"), call(is_disturbing=True), [team(CAROL, DAVE), MAIL]),
        (rules("delegate_ring", user=0), call(), [Stage((DEVICES,), 0), DELEGATES, MAIL]),
        (rules("delegate_ring", "skip_primary"), call(), [DELEGATES, MAIL]),
        (rules("delegate_ring", "skip_primary"), from_(CAROL), [OWN, MAIL]),
        (rules("delegate_ring", "team_ring"), call(), [FIRST, DELEGATES, MAIL]),
        # Who does not want to be disturbed.
        (rules("simultaneous_ring", "enablecf"), call(is_disturbing=True), [Stage((), 20), TO_MOBILE, MAIL]),
        # Work hours.
        (rules("work_hours", "forward_immediate", "enablecf"), call(is_in_work_hours=False), [OWN, MAIL]),
        (rules("work_hours", "forward_immediate", "enablecf"), call(), [TO_MOBILE, MAIL]),
        # The private line.
        (rules("team_ring", "enablecf"), call(is_on_private_line=True), [OWN, MAIL]),
        # How discreet the call is.
        (rules("enablecf", "simultaneous_ring"), call(sensitivity=Sensitivity.NORMAL_NO_DIVERSION), [OWN]),
        (rules("forward_immediate"), call(sensitivity=Sensitivity.PRIVATE_NO_DIVERSION), []),
        (rules("team_ring", "enablecf"), call(sensitivity=Sensitivity.PRIVATE), [OWN, TO_MOBILE, MAIL]),
        (rules("delegate_ring"), call(sensitivity=Sensitivity.PRIVATE_NO_DIVERSION), [OWN]),
        # What comes round again.
        (rules("enablecf"), call(visited=frozenset({MOBILE})), [OWN, MAIL]),
        (rules("simultaneous_ring"), from_(MOBILE), [OWN, MAIL]),
        (rules("team_ring", wait=5000), call(visited=frozenset({CAROL})), [FIRST, team(DAVE), MAIL]),
    ],
)
def test_the_table(mine: CallRules, to: Call, stages: list[Stage]) -> None:
    """For each of a user's settings, who rings and for how long."""
    assert list(plan(mine, to).stages) == stages


def test_what_a_policy_does_not_allow_is_ignored() -> None:
    """As if the user had not chosen it."""
    nothing = AllowedRules(forwarding=False, simultaneous_ring=False, team_call=False, delegation=False)
    for flags in (["forward_immediate", "enablecf"], ["simultaneous_ring"], ["team_ring"], ["delegate_ring"]):
        assert list(plan(rules(*flags), CALL, nothing).stages) == [OWN, MAIL]
    assert not plan(rules(), CALL, nothing).may_divert


def test_a_user_does_not_call_themselves() -> None:
    """A list that names its owner, or who has diverted the call, is told as a loop."""
    self_ = Target(TargetKind.PERSON, BOB)
    mine = CallRules(frozenset({RuleFlag.ENABLE_FORWARD}), {"forwardto": (self_,)})
    found = plan(mine, call(has_voice_mail=False))
    assert (list(found.stages), found.loops) == ([OWN], True)
    assert self_ in found.barred


def test_waits_are_bounded() -> None:
    """Whatever a client writes."""
    assert [plan(rules(total=wait), CALL).stages[0].wait_s for wait in (-5, 0, 5000)] == [0, 0, 1200]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (" sip:Carol@example.com ", CAROL),
        ("tel:+1-555-0199", MOBILE),
        ("sip:+15550199@example.com;user=phone", MOBILE),
        ("sip:example.com", None),
        ("mailto:x", None),
        ("sip:x@example.com;user=phone", None),
    ],
)
def test_targets_are_read_as_clients_write_them(text: str, target: Target | None) -> None:
    """With blanks, as persons and as telephones."""
    assert target_of(text) == target


def test_a_call_that_has_nowhere_else_to_go_rings_as_long_as_it_may() -> None:
    """Where the user has not said how long, and only then."""
    alone = call(has_voice_mail=False, rings_s=180)
    assert plan(rules(), alone).stages == (Stage((DEVICES,), 180),)
    assert plan(rules(total=5), alone).stages == (Stage((DEVICES,), 5),)
    assert plan(rules("enablecf"), alone).stages == (OWN, TO_MOBILE)


def test_history_says_why_somebody_rings() -> None:
    """The user themselves for no reason; who is named by an endpoint because it has forwarded the call."""
    for flags, target, reason in (
        (["enablecf"], MOBILE, RetargetReason.FORWARDING),
        (["team_ring"], DAVE, RetargetReason.TEAM_CALL),
        (["delegate_ring"], CAROL, RetargetReason.DELEGATION),
        (["simultaneous_ring"], MOBILE, RetargetReason.NONE),
        ([], DAVE, RetargetReason.FORWARDING),
        (["enablecf"], DEVICES, RetargetReason.NONE),
    ):
        assert plan(rules(*flags), CALL).reason_of(target) is reason
