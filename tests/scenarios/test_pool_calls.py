"""Calls that follow rules, with people at several servers."""

from collections.abc import Iterator

import pytest

from tests.kit.call_rules import has_rules, named, rules, waits
from tests.kit.phones import OFFER, Callee, Caller
from tests.kit.pool import Pool


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers that run."""
    with Pool.opened() as pool:
        yield pool


def test_who_rings_for_another_may_be_at_another_server(pool: Pool) -> None:
    """Alice is at the first, Bob at both and Carol at the second, which proves there that she has taken Bob's call."""
    first, second = pool
    (alice,) = first.sign_in("alice")
    bob, carol = second.sign_in("bob", "carol")
    (mobile,) = first.sign_in("bob")
    has_rules(bob, rules("team_ring", named("team", carol.aor), waits=waits(user=5, team2=30)))
    pool.passes(2)
    caller, other, *own = Caller(alice), Callee(carol), Callee(bob), Callee(mobile)
    exchange = caller.calls(bob)
    pool.passes(1)
    assert [one.invite is not None for one in (*own, other)] == [True, True, False]
    pool.passes(5)
    assert other.invite is not None
    other.says(200, body=OFFER)
    pool.passes(1)
    assert exchange.status == 200
    assert [one.cancels for one in own] == [1, 1]
    assert caller.sends("INFO").status == 200
    assert other.sends("UPDATE", body=OFFER).status == 200
    assert other.sends("BYE").status == 200
    assert caller.methods == ["UPDATE", "BYE"]
    assert [server.tables()["sessions"] for server in pool] == [0, 0]
