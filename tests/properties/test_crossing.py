"""Two people write to each other first in the same moment, in any order: nothing of what they say is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.soak import many
from tests.kit.stage import Stage
from tests.kit.texters import fates, loose, strict, write

WORDS = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from([0.0, 0.4, 0.9, 1.0, 1.1, 2.0, 2.5, 4.0, 9.0])),
    min_size=2,
    max_size=10,
)
"""Who says something, and after how many latencies the next word comes."""

DELAYS = st.sampled_from([0.0, 10.0])
RULES = st.sampled_from(["cancel", "486", "488", "both"])


@settings(max_examples=many(60))
@given(words=WORDS, hers=DELAYS, his=DELAYS)
def test_clients_like_pidgin_lose_nothing_however_they_cross(
    words: list[tuple[int, float]], hers: float, his: float
) -> None:
    """Each gives up its own invitation for the other's; all texts arrive, and none is said not to."""
    with Stage.opened() as stage:
        alice, bob = write(stage, (loose(hers), loose(his)), words)
        assert set(fates(alice, bob).values()) == {"shown"}
        assert alice.reported == bob.reported == []


@settings(max_examples=many(60))
@given(rule=RULES, words=WORDS, delay_s=DELAYS, is_first=st.booleans())
def test_whatever_rule_the_other_client_has_nothing_is_lost_in_silence(
    rule: str, words: list[tuple[int, float]], delay_s: float, is_first: bool
) -> None:
    """A text is shown to the other, or its writer is told that it was not delivered."""
    kinds = (loose(delay_s), strict(rule))
    with Stage.opened() as stage:
        alice, bob = write(stage, kinds if is_first else kinds[::-1], words)
        assert "lost" not in fates(alice, bob).values(), fates(alice, bob)


@settings(max_examples=many(40))
@given(one=RULES, other=RULES, words=WORDS)
def test_clients_by_the_book_lose_nothing_in_silence(one: str, other: str, words: list[tuple[int, float]]) -> None:
    """Whatever rules meet."""
    with Stage.opened() as stage:
        alice, bob = write(stage, (strict(one), strict(other)), words)
        assert "lost" not in fates(alice, bob).values(), fates(alice, bob)
