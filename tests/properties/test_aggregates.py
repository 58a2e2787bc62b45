"""The aggregate states of both containers are those of each by itself, whatever was published in which order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.names import Epid
from lyncpy.workloads.presence.model.aggregate import aggregate, aggregates
from lyncpy.workloads.presence.model.states import Activity, Input, StateDocument, StateKind

NUMBERS = st.sampled_from([0, 3000, 3500, 4500, 5000, 6500, 6900, 7500, 9000, 9500, 12000, 12500, 15500, 18500])
TIMES = st.sampled_from([None, 50.0, 100.0, 150.0])
ACTIVITIES = st.none() | st.builds(Activity, st.sampled_from(["", "in-a-meeting", "on-the-phone"]), NUMBERS, NUMBERS)
STATES = st.builds(
    StateDocument,
    kind=st.sampled_from(StateKind),
    availability=NUMBERS,
    manual=st.booleans(),
    activity=ACTIVITIES,
    starts=TIMES,
    ends=TIMES,
    location=st.sampled_from(["", "Office"]),
    meeting_subject=st.sampled_from(["", "Plans"]),
)
INPUTS = st.lists(
    st.builds(Input, STATES, st.sampled_from([Epid("a"), Epid("b")]), st.sampled_from([1.0, 2.0, 3.0])), max_size=6
)


@given(INPUTS, INPUTS, st.none() | st.just(7.0), st.booleans())
def test_both_at_once_are_each_by_itself(
    plain: list[Input], lowered: list[Input], last_active: float | None, same: bool
) -> None:
    """What is said for one of them, or for both in the same words."""
    lowered = list(plain) if same else lowered
    one, other = aggregate(plain, last_active, 100.0), aggregate(lowered, last_active, 100.0, lower_dnd=True)
    assert aggregates(plain, lowered, last_active, 100.0) == (one, other)


@given(INPUTS, st.randoms(use_true_random=False), st.booleans())
def test_the_order_says_nothing(inputs: list[Input], chance: random.Random, lower: bool) -> None:
    """A client lists its states as it likes."""
    turned = chance.sample(inputs, len(inputs))
    assert aggregate(turned, 7.0, 100.0, lower_dnd=lower) == aggregate(inputs, 7.0, 100.0, lower_dnd=lower)
