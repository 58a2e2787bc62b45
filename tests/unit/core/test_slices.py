"""Long work lets others have their turn."""

from collections.abc import Generator

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lyncpy.core.slices import Slices, next_turn
from lyncpy.core.timers import Timers


def test_others_have_their_turn_when_a_slice_is_full() -> None:
    """Two who work for long take turns, and both come to their end."""
    clock = Clock()
    timers, done = Timers(clock, lambda: 0.0), list[str]()

    async def work(name: str) -> None:
        slices = Slices(timers, 3)
        for number in range(7):
            done.append(f"{name}{number}")
            await slices.spend()

    both = [Deferred.fromCoroutine(work(name)) for name in "ab"]
    assert done == ["a0", "a1", "a2", "b0", "b1", "b2"]
    clock.advance(0.0)
    assert "".join(done[6:]) == "a3a4a5b3b4b5a6b6"
    assert all(each.called for each in both)


def test_items_come_in_slices() -> None:
    """The first at once."""
    clock = Clock()
    slices, seen = Slices(Timers(clock, lambda: 0.0), 2), list[str]()

    async def work() -> None:
        async for part in slices.runs_of("abcde"):
            seen.append("".join(part))

    _ = Deferred.fromCoroutine(work())
    assert seen == ["ab"]
    clock.advance(0.0)
    assert seen == ["ab", "cd", "e"]


def test_work_can_be_stopped_between_two_slices() -> None:
    """And leaves no timer behind."""
    clock = Clock()
    timers, stopped = Timers(clock, lambda: 0.0), list[Failure]()
    waiting = Deferred.fromCoroutine(next_turn(timers))
    assert len(timers) == 1
    waiting.cancel()
    _ = waiting.addErrback(stopped.append)
    assert [failure.type for failure in stopped] == [CancelledError]
    assert len(timers) == 0


def test_work_in_pieces_gives_its_result_at_the_end() -> None:
    """What says how much each piece was is done a slice at a time."""
    clock = Clock()
    timers, pieces = Timers(clock, lambda: 0.0), list[int]()

    def work() -> Generator[int, None, str]:
        for number in range(4):
            pieces.append(number)
            yield 1
        return "done"

    results: list[str] = []
    _ = Deferred.fromCoroutine(Slices(timers, 2).carry_out(work())).addCallback(results.append)
    assert pieces == [0, 1]
    clock.advance(0.0)
    clock.advance(0.0)
    assert pieces == [0, 1, 2, 3]
    assert results == ["done"]


def test_a_slice_is_full_after_a_millisecond() -> None:
    """However little was counted: what is quick on one machine takes long on another."""
    clock = Clock()
    timers, turns = Timers(clock, lambda: 0.0), list[int]()

    async def work() -> None:
        slices = Slices(timers, 1000)
        for number in range(6):
            clock.rightNow += 0.0004
            before = len(timers)
            spending = Deferred.fromCoroutine(slices.spend())
            if len(timers) > before:
                turns.append(number)
            await spending

    _ = Deferred.fromCoroutine(work())
    clock.advance(0.0)
    assert turns == [2, 5]
