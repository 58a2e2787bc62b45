"""Bounds with shares: over one's own share nothing more is had, and others lose nothing by it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.app.tables import walk
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.shares import TOTAL, Shares
from tests.kit.holdings import held


def test_a_share_ends_before_the_whole() -> None:
    """The greedy one is told which share is used up; another one still has room."""
    shares = Shares(10, {"user": 4, "device": 3}, {})
    assert shares.reserve({"user": "a", "device": 1}, 3) == ""
    assert shares.reserve({"user": "a", "device": 1}) == "device"
    assert shares.reserve({"user": "a", "device": 2}) == ""
    assert shares.reserve({"user": "a", "device": 3}) == "user"
    assert shares.reserve({"user": "b", "device": 4}, 3) == ""
    assert shares.reserve({"user": "c", "device": 5}, 3) == ""
    assert shares.reserve({"user": "d", "device": 6}) == TOTAL
    shares.release({"user": "a", "device": 1}, 3)
    assert shares.reserve({"user": "d", "device": 6}) == ""


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.integers(1, 5))))
def test_no_bound_is_ever_passed(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is taken and given back: no share and no total is exceeded, and nothing is left at the end."""
    shares, taken = Shares(12, {"user": 7, "device": 5}, {}), []
    untaken = held(shares)
    for user, device, amount in steps:
        owners = {"user": user, "device": (user, device)}
        if not shares.reserve(owners, amount):
            taken.append((owners, amount))
        assert len(shares) == sum(amount for _, amount in taken) <= 12
        for name in "abc":
            left = 7 - sum(n for one, n in taken if one["user"] == name)
            assert left >= 0
            assert shares.excess({"user": name}, left) != "user"
            assert shares.excess({"user": name}, left + 1) == "user"
    for owners, amount in taken:
        shares.release(owners, amount)
    assert len(shares) == 0
    assert held(shares) == untaken


def test_who_came_to_a_bound_is_counted_by_the_bound() -> None:
    """And what the fullest owner has; a bound without a name is shown to nobody."""
    shares = Shares(5, {"user": 3, "device": 9}, {TOTAL: "x.y_total", "user": "x.y_per_user"})
    for user in ("alice", "alice", "bob", "alice", "alice", "bob", "carol"):
        shares.reserve({"user": user, "device": "d"})
    limits = {one.name: one for one in _found(shares) if isinstance(one, Limit)}
    assert {name: (one.used(), one.most, one.reached) for name, one in limits.items()} == {
        "x.y_total": (5, 5, 1),
        "x.y_per_user": (3, 3, 1),
    }


def _found(thing: object) -> Sequence[object]:
    """Give what the meters find in a thing."""
    walking = walk([thing])
    try:
        while True:
            next(walking)
    except StopIteration as end:
        found: Sequence[object] = end.value
        return found
