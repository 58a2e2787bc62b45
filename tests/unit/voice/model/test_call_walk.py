"""A call on its way: who rings, who is told, and how it ends."""

from collections.abc import Sequence

import pytest

from lyncpy.workloads.voice.model.call_rules import DEVICES, VOICE_MAIL, CallPlan, Stage, Target, TargetKind
from lyncpy.workloads.voice.model.call_walk import (
    DIVERSIONS_MOST,
    Accept,
    CallEffect,
    CallWalk,
    CancelRinging,
    HangUp,
    Progress,
    Refuse,
    Ring,
    answered,
    begin,
    expire,
    given_up,
    in_words,
)

CAROL = Target(TargetKind.PERSON, "sip:carol@example.com")
MOBILE = Target(TargetKind.NUMBER, "tel:+15550199")
TEAM = CallPlan(
    (Stage((DEVICES,), 10), Stage((CAROL,), 10), Stage((MOBILE,), 20, is_diversion=True), Stage((VOICE_MAIL,), 20, is_diversion=True)),
    may_divert=True,
)  # fmt: skip


def test_nobody_answers() -> None:
    """Each stage in its time; what rings goes on until a diversion ends it, and at last the call is refused."""
    walk, done = begin(TEAM, 0.0)
    told: list[Sequence[CallEffect]] = [done]
    while not walk.is_over:
        assert walk.deadline is not None
        assert expire(walk, walk.deadline - 1)[1] == ()
        walk, done = expire(walk, walk.deadline)
        told.append(done)
    assert [list(one) for one in told] == [
        [Ring(DEVICES), Progress(13004)],
        [Ring(CAROL), Progress(13005)],
        [CancelRinging(DEVICES), CancelRinging(CAROL), Progress(13006), Ring(MOBILE), Progress(13005)],
        [CancelRinging(MOBILE), Progress(13006), Ring(VOICE_MAIL), Progress(13007)],
        [CancelRinging(VOICE_MAIL), Refuse(480, 13002)],
    ]
    assert expire(walk, 1000.0) == (walk, ())


def ringing() -> CallWalk:
    """Give a call in which Bob's devices and Carol ring."""
    return expire(begin(TEAM, 0.0)[0], 10.0)[0]


def test_the_first_who_answers_has_the_call() -> None:
    """The others ring no more; who accepts too late is hung up."""
    walk, done = answered(ringing(), CAROL, 200, 12.0)
    assert list(done) == [CancelRinging(DEVICES), Accept(CAROL)]
    assert walk.is_over
    assert answered(walk, DEVICES, 200, 12.1) == (walk, (HangUp(DEVICES),))
    assert answered(walk, DEVICES, 487, 12.1) == (walk, ())


def test_a_decline_is_of_one_place_alone() -> None:
    """603: the others go on; when nobody rings any more the next stage does not wait."""
    walk, done = answered(ringing(), CAROL, 603, 12.0)
    assert done == ()
    walk, done = answered(walk, DEVICES, 486, 13.0)
    assert list(done) == [Progress(13006), Ring(MOBILE), Progress(13005)]


@pytest.mark.parametrize("status", [600, 605])
def test_decline_everywhere_is_of_all(status: int) -> None:
    """Nobody else rings, and no voice mail answers."""
    walk, done = answered(ringing(), CAROL, status, 12.0)
    assert list(done) == [CancelRinging(DEVICES), Refuse(status)]
    assert walk.is_over


def test_an_endpoint_diverts_the_call() -> None:
    """303: what rings is cancelled, and the call goes where the endpoint says; to nobody twice, and not for ever."""
    walk, done = answered(ringing(), DEVICES, 303, 12.0, contact=MOBILE)
    assert list(done) == [CancelRinging(CAROL), Progress(13006), Ring(MOBILE), Progress(13005)]
    walk, done = answered(walk, MOBILE, 303, 13.0, contact=CAROL)
    assert list(done) == [Progress(13006), Ring(VOICE_MAIL), Progress(13007)]
    walk = begin(CallPlan((Stage((DEVICES,), 10),), may_divert=True), 0.0)[0]
    target = DEVICES
    for count in range(DIVERSIONS_MOST + 1):
        contact = Target(TargetKind.NUMBER, f"tel:+{count + 1}")
        walk, done = answered(walk, target, 303, 1.0, contact=contact)
        target = contact
    assert list(done) == [Refuse(480, 13002)]


def test_an_endpoint_may_not_divert_what_may_not_be_diverted() -> None:
    """Nor to the caller; that is a loop, which is told where nobody rang besides."""
    strict = CallPlan((Stage((DEVICES,), 10),))
    assert list(answered(begin(strict, 0.0)[0], DEVICES, 303, 1.0, contact=MOBILE)[1]) == [Refuse(480, 13002)]
    barred = CallPlan((Stage((DEVICES,), 10),), may_divert=True, barred=frozenset({CAROL}))
    assert list(answered(begin(barred, 0.0)[0], DEVICES, 303, 1.0, contact=CAROL)[1]) == [Refuse(480, 13002)]
    assert list(answered(begin(strict, 0.0)[0], DEVICES, 303, 1.0)[1]) == [Refuse(303)]
    assert begin(CallPlan((), loops=True), 0.0)[1][-1] == Refuse(480, 13000)


def test_a_carrier_s_mail_box_that_answers_too_soon_is_nobody() -> None:
    """It is hung up, and the user's own voice mail gets the call; who answers later is a person."""
    both = CallPlan((Stage((DEVICES, MOBILE), 10), Stage((VOICE_MAIL,), 20, is_diversion=True)))
    walk = begin(both, 0.0, escape_s=1.5)[0]
    after, done = answered(walk, MOBILE, 200, 1.0)
    assert list(done) == [HangUp(MOBILE)]
    assert not after.is_over
    assert list(answered(walk, MOBILE, 200, 2.0)[1]) == [CancelRinging(DEVICES), Accept(MOBILE)]
    assert list(answered(walk, DEVICES, 200, 1.0)[1]) == [CancelRinging(MOBILE), Accept(DEVICES)]


def test_a_caller_gives_up() -> None:
    """Everybody who rings is told, once."""
    walk, done = given_up(ringing())
    assert list(done) == [CancelRinging(DEVICES), CancelRinging(CAROL)]
    assert given_up(walk) == (walk, ())


def test_the_best_refusal_is_the_caller_s_answer() -> None:
    """The one that says most; declines of one place say nothing about the others."""
    plan = CallPlan((Stage((DEVICES, CAROL), 10),))
    walk = answered(begin(plan, 0.0)[0], DEVICES, 486, 1.0)[0]
    assert list(answered(walk, CAROL, 408, 2.0)[1]) == [Refuse(486)]
    walk = answered(begin(plan, 0.0)[0], DEVICES, 603, 1.0)[0]
    assert list(answered(walk, CAROL, 480, 2.0)[1]) == [Refuse(480, 13002)]


def test_a_call_rings_ten_minutes_at_most() -> None:
    """Whatever the waits are."""
    walk = begin(CallPlan(tuple(Stage((Target(TargetKind.NUMBER, f"tel:+{n}"),), 1200) for n in range(9))), 0.0)[0]
    assert walk.deadline == 600.0
    assert expire(walk, 600.0)[0].is_over


def test_a_stage_in_which_nobody_new_rings_is_a_wait_or_nothing() -> None:
    """It lengthens what rings; where nothing rings it is passed over."""
    walk = begin(CallPlan((Stage((), 5), Stage((DEVICES,), 5), Stage((DEVICES,), 7))), 0.0)[0]
    walk, done = expire(walk, 5.0)
    assert (walk.deadline, done) == (12.0, [])


def test_an_operator_reads_what_is_done() -> None:
    """In words."""
    effects: list[CallEffect] = [
        Ring(DEVICES),
        CancelRinging(CAROL),
        HangUp(MOBILE),
        Progress(13004),
        Accept(VOICE_MAIL),
        Refuse(480, 13002),
        Refuse(603),
    ]
    assert list(map(in_words, effects)) == [
        ("rings", "their devices"),
        ("rings no more", "carol@example.com"),
        ("is hung up", "+15550199"),
        ("the caller hears", "101 (13004)"),
        ("answers", "voice mail"),
        ("refused", "480 (13002)"),
        ("refused", "603"),
    ]
