"""Token buckets and the patience with failed tries."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.core.limits import Bucket, Throttle


@dataclass
class Rules:
    """Settings small enough to count on fingers."""

    tries_window_s: float = 900.0
    tries_delay_s: float = 30.0
    tries_delay_maximum_s: float = 100.0
    tries_remembered: int = 3


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    """After the burst one waits for the next token, and hears how long."""
    bucket = Bucket(2.0, 0.0)
    assert [bucket.take_tokens(4.0, 2.0, 0.0) for _ in range(3)] == [0.0, 0.0, 0.25]
    assert bucket.take_tokens(4.0, 2.0, 0.25) == 0.0
    assert bucket.take_tokens(4.0, 2.0, 0.25) > 0.0


@given(st.lists(st.floats(0.0, 10.0), max_size=60))
def test_a_bucket_never_gives_more_than_burst_and_rate(gaps: list[float]) -> None:
    """Whatever the rhythm, no more is taken than the burst and what has flowed in since."""
    bucket, now, taken = Bucket(5.0, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        taken += bucket.take_tokens(0.5, 5.0, now) == 0.0
        assert taken <= 5.0 + 0.5 * now + 1e-6


def test_the_first_failures_cost_nothing_and_later_ones_ever_more() -> None:
    """The wait begins with the last free failure, doubles with each further one, and has a bound."""
    throttle = Throttle(Rules(), allowed=3, name="auth.tries_per_user")
    waits = []
    now = 0.0
    for _ in range(6):
        throttle.count_failure("alice", now)
        waits.append(throttle.wait("alice", now))
        now += waits[-1]
    assert waits == [0.0, 0.0, 30.0, 60.0, 100.0, 100.0]
    assert throttle.wait("alice", now) == 0.0
    assert throttle.wait("bob", now) == 0.0


def test_failures_are_forgotten_after_the_window() -> None:
    """Somebody who mistypes once a day is never refused."""
    throttle = Throttle(Rules(), allowed=2, name="auth.tries_per_user")
    throttle.count_failure("alice", 0.0)
    throttle.count_failure("alice", 900.0)
    assert throttle.failures("alice", 900.0) == 1
    assert throttle.wait("alice", 900.0) == 0.0


def test_success_forgives() -> None:
    """Who has proved himself begins with a clean slate."""
    throttle = Throttle(Rules(), allowed=1, name="auth.tries_per_user")
    throttle.count_failure("alice", 0.0)
    assert throttle.wait("alice", 10.0) == 20.0
    throttle.forgive("alice")
    throttle.forgive("nobody")
    assert throttle.wait("alice", 10.0) == 0.0


def test_a_refusal_outlasts_a_short_window() -> None:
    """A window shorter than the delay does not end the delay."""
    throttle = Throttle(Rules(tries_window_s=10.0), allowed=1, name="auth.tries_per_user")
    throttle.count_failure("alice", 0.0)
    assert throttle.wait("alice", 15.0) == 15.0


def test_the_oldest_name_is_forgotten_at_the_bound() -> None:
    """However many names fail, no more than the bound are remembered."""
    throttle = Throttle(Rules(), allowed=1, name="auth.tries_per_user")
    for name in "abc":
        throttle.count_failure(name, 0.0)
    throttle.count_failure("a", 1.0)
    throttle.count_failure("d", 1.0)
    assert len(throttle) == 3
    assert [throttle.failures(name, 1.0) for name in "abcd"] == [2, 0, 1, 1]


def test_countless_failures_do_no_harm() -> None:
    """The delay stays at its bound after thousands of failures."""
    throttle = Throttle(Rules(), allowed=1, name="auth.tries_per_user")
    for _ in range(3000):
        throttle.count_failure("alice", 0.0)
    assert throttle.wait("alice", 0.0) == 100.0
