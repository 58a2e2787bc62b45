"""Coroutines go on when what they wait for is there, end once, and can be cancelled; nothing of them stays."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger, capturedLogs
from twisted.python.failure import Failure

from lyncpy.core.patience import SharedPatience
from lyncpy.core.spawn import spawn
from lyncpy.core.tasks import Future, Task
from tests.kit.gatehouse import timers_of
from tests.kit.results import started


class Ends:
    """What became of a coroutine."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.results: list[object] = []
        self.errors: list[type[BaseException] | None] = []
        self.task: Task[Any] = Task(coroutine, self.results.append, self._failed)
        self.task.go_on()

    def _failed(self, failure: Failure) -> None:
        self.errors.append(failure.type)


async def _sum(*parts: Any) -> int:  # Any: awaitables of numbers
    return sum([await part for part in parts])


async def _handled(awaited: Any) -> str:  # Any: an awaitable
    try:
        await awaited
    except CancelledError:
        return "cancelled"
    return "not cancelled"


def test_what_waits_for_nothing_ends_at_once() -> None:
    """A result, or an error, is there when the task has begun."""
    ready: Future[int] = Future()
    ready.set_result(2)
    fired: Deferred[int] = Deferred()
    fired.callback(3)
    ends = Ends(_sum(ready, fired))
    assert (ends.results, ends.errors, ends.task.is_over) == ([5], [], True)
    assert Ends(_sum("x")).errors == [TypeError]


def test_it_goes_on_when_what_it_waits_for_is_there() -> None:
    """Futures and Deferreds alike, each once."""
    future: Future[int] = Future()
    deferred: Deferred[int] = Deferred()
    last: Future[int] = Future()
    ends = Ends(_sum(future, deferred, last))
    future.set_result(1)
    deferred.callback(2)
    assert (ends.results, ends.task.is_over) == ([], False)
    last.set_result(4)
    assert ends.results == [7]


def test_what_fails_is_raised_where_it_is_awaited() -> None:
    """A Deferred's failure ends the coroutine that awaits it, or is handled there."""
    failing: Deferred[int] = Deferred()
    ends = Ends(_sum(failing))
    failing.errback(ZeroDivisionError())
    assert (ends.results, ends.errors) == ([], [ZeroDivisionError])


@pytest.mark.parametrize("kind", [Future, Deferred])
def test_a_cancelled_one_may_handle_that(kind: Callable[[], Future[int] | Deferred[int]]) -> None:
    """It ends, what it waits for is not awaited any more, and what comes later harms nobody."""
    awaited, other = kind(), kind()
    ends, handles = Ends(_sum(awaited)), Ends(_handled(other))
    ends.task.cancel()
    handles.task.cancel()
    assert (ends.errors, handles.results) == ([CancelledError], ["cancelled"])
    ends.task.cancel()
    for late in (awaited, other):
        late.set_result(1) if isinstance(late, Future) else late.callback(1)
    assert (ends.results, ends.errors, handles.results) == ([], [CancelledError], ["cancelled"])


def test_one_that_does_not_end_in_time_is_cancelled() -> None:
    """The last bound holds; one that ends in time leaves no timer behind."""
    clock = Clock()
    timers = timers_of(clock)
    future: Future[int] = Future()
    slow, quick = Ends(_sum(Deferred())), Ends(_sum(future))
    for task in (slow.task, quick.task):
        task.cancel_after(0.25, timers)
        task.cancel_after(0.5, timers)
    clock.advance(0.25)
    assert slow.errors == []
    future.set_result(1)
    clock.advance(0.25)
    assert (slow.errors, quick.results, len(timers)) == ([CancelledError], [1], 0)
    quick.task.cancel_after(0.5, timers)
    assert len(timers) == 0


def test_a_future_can_be_awaited_where_twisted_drives() -> None:
    """`Deferred.fromCoroutine` waits for it, too, and may be cancelled."""
    future: Future[int] = Future()
    heard: list[object] = []
    _ = started(_sum(future)).addCallback(heard.append)
    assert heard == []
    future.set_result(3)
    assert heard == [3]
    never: Future[int] = Future()
    waiting = started(_sum(never)).addErrback(lambda failure: heard.append(failure.type))
    waiting.cancel()
    never.set_result(1)
    assert heard == [3, CancelledError]


def test_a_failure_that_nobody_awaits_is_logged() -> None:
    """What was begun is named."""
    with capturedLogs() as events:
        spawn(_sum("x"), Logger(), "adding")  # type: ignore[arg-type]  # what it gives is not looked at
        spawn(_sum(), Logger(), "adding nothing")  # type: ignore[arg-type]  # as above
    assert [(event["what"], event["log_failure"].type) for event in events] == [("adding", TypeError)]


class Waiter:
    """Something that waits."""

    due = 0.0


def test_what_waits_equally_long_is_overdue_in_order() -> None:
    """One timer for all; those that end are forgotten at once, whichever they are."""
    clock = Clock()
    timers = timers_of(clock)
    overdue: list[Waiter] = []
    patience: SharedPatience[Waiter] = SharedPatience(timers, 0.5, overdue.append)
    first, second, third = waiters = Waiter(), Waiter(), Waiter()
    for waiter in waiters:
        patience.add(waiter, timers.now())
        clock.advance(0.125)
    assert len(timers) == 1
    patience.ended(second)
    clock.advance(0.125)
    assert overdue == [first]
    patience.ended(first)
    assert len(timers) == 1
    clock.advance(0.25)
    assert (overdue, len(timers)) == ([first, third], 0)
    # The timer of those that have ended stays for the next, which has all of its time, and comes in vain after the last.
    patience.add(second, timers.now())
    patience.ended(second)
    clock.advance(0.25)
    patience.add(first, timers.now())
    assert len(timers) == 1
    clock.advance(0.25)
    assert overdue == [first, third]
    clock.advance(0.25)
    assert (overdue, len(timers)) == ([first, third, first], 0)
    patience.add(second, timers.now())
    patience.ended(second)
    clock.advance(0.5)
    assert (len(overdue), len(timers)) == (3, 0)


def test_who_hears_of_one_that_is_overdue_may_add_another() -> None:
    """It is due later than those that wait, and holds none of them up."""
    clock = Clock()
    timers = timers_of(clock)
    overdue: list[Waiter] = []
    first, second, third = Waiter(), Waiter(), Waiter()

    def told(waiter: Waiter) -> None:
        overdue.append(waiter)
        if waiter is first:
            patience.add(third, timers.now())

    patience: SharedPatience[Waiter] = SharedPatience(timers, 1.0, told)
    patience.add(first, timers.now())
    clock.advance(0.25)
    patience.add(second, timers.now())
    clock.advance(0.75)
    assert overdue == [first]
    clock.advance(0.25)
    assert overdue == [first, second]
    clock.advance(0.75)
    assert overdue == [first, second, third]


def test_who_fails_when_told_of_an_end_does_not_stop_the_others() -> None:
    """Whoever gives a result has others to give theirs; the fault is in the log."""
    future: Future[int] = Future()

    def fails(result: int) -> None:
        raise ZeroDivisionError

    with capturedLogs() as logged:
        Task(_sum(future), fails, lambda failure: None).go_on()
        future.set_result(1)
    assert [event["log_failure"].type for event in logged] == [ZeroDivisionError]
