"""Two people write to each other first in the same moment: nothing of what they say is lost."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.actors import Actor
from tests.kit.stage import Stage
from tests.kit.texters import Loose, Strict, Texter

LATENCY_S = 0.05

Makes = Callable[[Stage, int], Texter]


def _loose(delay_s: float) -> Makes:
    def make(stage: Stage, number: int) -> Texter:
        actor, other = _pair(stage, number)
        return Loose(actor, other, stage.network.clock.callLater, delay_s)

    return make


def _strict(rule: str) -> Makes:
    def make(stage: Stage, number: int) -> Texter:
        actor, other = _pair(stage, number)
        return Strict(actor, other, stage.network.clock.callLater, rule)

    return make


def _pair(stage: Stage, number: int) -> tuple[Actor, str]:
    ours, theirs = ("alice", "bob")[:: 1 if number == 0 else -1]
    actor = stage.actor(ours)
    actor.signs_in()
    return actor, f"sip:{theirs}@example.com"


WORDS = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from([0.0, 0.4, 0.9, 1.0, 1.1, 2.0, 2.5, 4.0, 9.0])),
    min_size=2,
    max_size=10,
)
"""Who says something, and after how many latencies the next word comes."""


def _write(stage: Stage, makes: tuple[Makes, Makes], words: list[tuple[int, float]]) -> tuple[Texter, Texter]:
    both = makes[0](stage, 0), makes[1](stage, 1)
    stage.network.latency_s = LATENCY_S
    for count, (who, latencies) in enumerate(words):
        both[who].says(f"{'ab'[who]}{count}")
        stage.passes(latencies * LATENCY_S)
    stage.passes(40)
    return both


def _fate(one: Texter, other: Texter) -> dict[str, str]:
    """Say of each text of one what became of it; "lost" is neither shown nor told to be undelivered."""
    shown, reported = set(other.shown), set(one.reported)
    return {text: "shown" if text in shown else "reported" if text in reported else "lost" for text in one.said}


@settings(max_examples=60, deadline=None)
@given(words=WORDS, delays=st.tuples(st.sampled_from([0.0, 10.0]), st.sampled_from([0.0, 10.0])))
def test_clients_like_pidgin_lose_nothing_however_they_cross(
    words: list[tuple[int, float]], delays: tuple[float, float]
) -> None:
    """Each gives up its own invitation for the other's; all texts arrive, and none is said not to."""
    with Stage.opened() as stage:
        alice, bob = _write(stage, (_loose(delays[0]), _loose(delays[1])), words)
        fates = {**_fate(alice, bob), **_fate(bob, alice)}
        assert set(fates.values()) == {"shown"}
        assert alice.reported == bob.reported == []


@settings(max_examples=60, deadline=None)
@given(
    rule=st.sampled_from(["cancel", "486", "488", "both"]),
    words=WORDS,
    delay_s=st.sampled_from([0.0, 10.0]),
    is_first=st.booleans(),
)
def test_whatever_rule_the_other_client_has_nothing_is_lost_in_silence(
    rule: str, words: list[tuple[int, float]], delay_s: float, is_first: bool
) -> None:
    """A text is shown to the other, or its writer is told that it was not delivered."""
    makes = (_loose(delay_s), _strict(rule))
    with Stage.opened() as stage:
        alice, bob = _write(stage, makes if is_first else makes[::-1], words)
        fates = {**_fate(alice, bob), **_fate(bob, alice)}
        assert "lost" not in fates.values(), fates


@settings(max_examples=40, deadline=None)
@given(one=st.sampled_from(["cancel", "486", "both"]), other=st.sampled_from(["cancel", "486", "both"]), words=WORDS)
def test_clients_by_the_book_lose_nothing_in_silence(one: str, other: str, words: list[tuple[int, float]]) -> None:
    """Whatever rules meet."""
    with Stage.opened() as stage:
        alice, bob = _write(stage, (_strict(one), _strict(other)), words)
        fates = {**_fate(alice, bob), **_fate(bob, alice)}
        assert "lost" not in fates.values(), fates


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0, 1.9])
def test_after_a_crossing_both_write_on(stage: Stage, gap: float) -> None:
    """Many more texts in both directions, and at last each closes the window: no session is left behind."""
    alice, bob = _write(stage, (_loose(0.0), _loose(0.0)), [(0, gap), (1, 5.0), *[(0, 1.0), (1, 1.0)] * 10])
    assert set(_fate(alice, bob).values()) == set(_fate(bob, alice).values()) == {"shown"}
    assert sum(one.messages_failed for one in stage.sessions()) == 0
    for texter in (alice, bob):
        texter.actor.is_cut_off()
    stage.passes(1)
    assert stage.tables()["sessions"] == 0
