"""Deadlines that are set, moved and cleared."""

import pytest
from twisted.internet.task import Clock

from lyncpy.core.deadline import Deadline, Deadlines, Runner
from tests.kit.gatehouse import timers_of


def test_a_deadline_that_is_set_again_comes_once_at_the_later_set_time() -> None:
    """Whether that is earlier or later; and it may set itself again."""
    clock, calls = Clock(), []

    def call() -> None:
        calls.append(clock.seconds())
        if len(calls) == 1:
            deadline.set(10)

    deadline = Deadline(timers_of(clock), call)
    deadline.set(5)
    deadline.set(2)
    assert deadline.is_set
    clock.pump([1, 1, 1, 1, 1])
    assert calls == [2]
    assert deadline.is_set
    clock.pump([10] * 3)
    assert len(calls) == 2
    assert not deadline.is_set


def test_the_first_to_set_a_deadline_may_be_the_one_that_counts() -> None:
    """For what is gathered: the first thing in a gathering says when it ends."""
    clock, calls = Clock(), []
    deadline = Deadline(timers_of(clock), lambda: calls.append(clock.seconds()))
    deadline.set_first(2)
    deadline.set_first(4)
    clock.pump([1] * 6)
    assert calls == [2]


def test_a_cleared_deadline_does_not_come() -> None:
    """It may be cleared at any time."""
    clock, calls = Clock(), []
    deadline = Deadline(timers_of(clock), lambda: calls.append(clock.seconds()))
    deadline.clear()
    deadline.set(1)
    deadline.clear()
    clock.advance(5)
    assert not calls


def test_each_of_many_has_its_own() -> None:
    """None: it has none any more."""
    clock, calls = Clock(), []
    deadlines = Deadlines[str](timers_of(clock), lambda key: calls.append((key, clock.seconds())))
    for key, delay_s in (("a", 1), ("b", 2), ("c", 3), ("a", 4)):
        deadlines.set(key, delay_s)
    deadlines.set("b", None)
    deadlines.clear("nobody")
    assert (len(deadlines), "a" in deadlines, "b" in deadlines) == (2, True, False)
    clock.pump([1] * 3)
    assert calls == [("c", 3)]
    deadlines.clear_all()
    clock.pump([1] * 3)
    assert len(calls) == 1
    assert len(deadlines) == 0


def test_the_first_of_many_times_for_one_thing_counts() -> None:
    """What waits already is not put off by asking again."""
    clock, calls = Clock(), []
    deadlines = Deadlines[str](timers_of(clock), lambda key: calls.append((key, clock.seconds())))
    for key, delay_s in (("a", 1), ("a", 3), ("b", 2)):
        deadlines.set_first(key, delay_s)
    clock.pump([1] * 4)
    assert calls == [("a", 1), ("b", 2)]


class Egg:
    """Hatches when its time has come, and lives for a while."""

    def __init__(self) -> None:
        self.ends: list[float] = [4.0, 2.0]

    def deadline(self) -> float | None:
        """Give the end of this state."""
        return self.ends[-1] if self.ends else None

    def expire(self, now: float) -> tuple[str, ...]:
        """Go on."""
        assert now >= self.ends[-1]
        self.ends.pop()
        return ("hatch" if self.ends else "die",)


class Nest(Runner):
    """Runs an egg."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(Egg(), timers_of(clock))
        self.clock = clock
        self.done: list[tuple[str, float]] = []

    def perform(self, effects: tuple[str, ...]) -> None:
        """Note them."""
        self.done += [(effect, self.clock.seconds()) for effect in effects]
        self.watch()


def test_a_machines_deadlines_are_met_one_after_the_other() -> None:
    """With one timer at a time, which stays while the deadline does."""
    clock = Clock()
    nest = Nest(clock)
    nest.watch()
    nest.watch()
    assert len(clock.getDelayedCalls()) == 1
    clock.pump([1] * 6)
    assert nest.done == [("hatch", 2), ("die", 4)]


def test_a_runner_has_to_say_what_it_performs() -> None:
    """There is nothing that all machines do."""
    with pytest.raises(NotImplementedError):
        Runner(Egg(), timers_of(Clock())).perform(())
