"""Which gateways a call is tried at."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.workloads.voice.model.gateway_choice import GatewayState, in_order, rest_s
from lyncpy.workloads.voice.model.outbound import Attempt

NAMES = "abcdef"


def tries(*routes: str, called: str = "+1") -> list[Attempt]:
    """Attempts of routes, each written as the letters of its gateways."""
    return [Attempt(str(number), name, called, "") for number, route in enumerate(routes) for name in route]


def order(attempts: Sequence[Attempt], states: Mapping[str, GatewayState], lot: float = 0.0, now: float = 100.0) -> str:
    """The gateways, when each draw gives the same part of what it may."""
    return "".join(one.gateway for one in in_order(attempts, states, now, lambda below: lot * below))


def up(priority: int = 0, weight: int = 0) -> GatewayState:
    """A gateway that takes calls."""
    return GatewayState(priority, weight)


def test_routes_come_as_they_are_and_gateways_by_priority() -> None:
    """Within a priority in the order of the route; a gateway is not asked the same twice."""
    states = {"a": up(2), "b": up(1), "c": up(1), "d": up()}
    assert order(tries("abc", "da"), states) == "bcad"
    assert order([*tries("a"), *tries("", "a", called="+2")], states) == "aa"


@pytest.mark.parametrize(("lot", "expected"), [(0.0, "abc"), (0.3, "bac"), (0.9, "bac")])
def test_weights_are_drawn_for(lot: float, expected: str) -> None:
    """Who has none comes last."""
    assert order(tries("cab"), {"a": up(weight=1), "b": up(weight=3), "c": up()}, lot) == expected


@pytest.mark.parametrize(
    "state",
    [GatewayState(is_up=False), GatewayState(calls=3, calls_most=3), GatewayState(rests_until=100.5), None],
    ids=["down", "full", "rests", "unknown"],
)
def test_who_cannot_be_called_is_passed_over(state: GatewayState | None) -> None:
    """The next is tried."""
    states = {"b": up(), **({} if state is None else {"a": state})}
    assert order(tries("ab"), states) == "b"


def test_who_has_rested_is_called_again() -> None:
    """At the very moment."""
    assert order(tries("a"), {"a": GatewayState(rests_until=100.0)}) == "a"


@pytest.mark.parametrize(
    ("status", "after", "expected"), [(503, 20, 20.0), (503, None, 10.0), (503, 10**8, 3600.0), (486, 20, 0.0)]
)
def test_who_wants_no_calls_is_believed_for_an_hour_at_most(status: int, after: int | None, expected: float) -> None:
    """Retry-After of a 503."""
    assert rest_s(status, after) == expected


STATES = st.builds(
    GatewayState,
    priority=st.integers(0, 3),
    weight=st.integers(0, 5),
    is_up=st.booleans(),
    calls=st.integers(0, 2),
    calls_most=st.integers(1, 2),
    rests_until=st.sampled_from([0.0, 99.0, 101.0]),
)


@given(
    st.lists(st.text(NAMES, max_size=6), max_size=4),
    st.dictionaries(st.sampled_from(NAMES), STATES),
    st.floats(0.0, 0.999),
)
def test_everybody_who_can_be_called_is_tried_once(
    routes: list[str], states: Mapping[str, GatewayState], lot: float
) -> None:
    """And nobody else; no route before an earlier one, within a route no larger priority before a smaller."""
    attempts = tries(*routes)
    ordered = in_order(attempts, states, 100.0, lambda below: lot * below)
    usable = {one.gateway for one in attempts if one.gateway in states and states[one.gateway].is_usable(100.0)}
    assert sorted(one.gateway for one in ordered) == sorted(usable)
    ranks = [(int(one.route), states[one.gateway].priority) for one in ordered]
    assert ranks == sorted(ranks)
