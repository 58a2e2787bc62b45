"""Bounds with shares: over one's own share nothing more is had, and others lose nothing by it."""

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.shares import TOTAL, Shares
from tests.kit.holdings import held


def test_a_share_ends_before_the_whole() -> None:
    """The greedy one is told which share is used up; another one still has room."""
    shares = Shares(10, {"user": 4, "device": 3})
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
    shares, taken = Shares(12, {"user": 7, "device": 5}), []
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
