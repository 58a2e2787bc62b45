"""Long work lets others have their turn."""

from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lyncpy.core.slices import FairQueue, Slices, next_turn
from lyncpy.core.timers import Timers
from tests.kit.holdings import held
from tests.kit.results import result_of


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


def test_whoever_asks_for_much_waits_behind_others() -> None:
    """Work is done a piece at a time, of one person after the other; who leaves is passed over."""
    clock = Clock()
    rota, done = FairQueue[str](Timers(clock, lambda: 0.0)), list[str]()
    under_way: list[Deferred[None]] = []

    async def piece(name: str) -> str:
        under_way.append(Deferred())
        await under_way[-1]
        done.append(name)
        return name

    asked = {
        name: Deferred.fromCoroutine(rota.run_in_turn(name[0], partial(piece, name)))
        for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    }
    _ = asked["a3"].addErrback(lambda failure: failure.trap(CancelledError) and None)
    asked["a3"].cancel()
    assert (len(under_way), len(rota)) == (1, 5)
    while under_way:
        under_way.pop().callback(None)
        clock.advance(0.0)
    assert done == ["a1", "a2", "b1", "c1", "a4", "b2"]
    assert all(each.called for each in asked.values())
    assert len(rota) == 0
    assert held(rota) == {}


def test_work_that_fails_does_not_stop_the_others() -> None:
    """Its error is its own."""
    rota, failures = FairQueue[str](Timers(Clock(), lambda: 0.0)), list[Failure]()

    async def fail() -> None:
        raise ValueError

    async def work() -> int:
        return 1

    _ = Deferred.fromCoroutine(rota.run_in_turn("a", fail)).addErrback(failures.append)
    assert [failure.type for failure in failures] == [ValueError]
    assert result_of(rota.run_in_turn("b", work)) == 1


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
