"""The wheel: deadlines come in time, cheaply, and a failing one harms nobody."""

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.timers import SLICE, Timers
from tests.kit.turns import turn


@pytest.fixture
def clock() -> Clock:
    """Time that a test moves."""
    return Clock()


@pytest.fixture
def timers(clock: Clock) -> Timers:
    """A wheel on that time."""
    return Timers(clock, wall=lambda: 1_700_000_000.0 + clock.seconds())


def nothing() -> None:
    """Be called."""


def test_keeps_its_promises(timers: Timers) -> None:
    """The wheel and its deadlines are what the contracts say."""
    assert verifyObject(ITimers, timers)
    assert verifyObject(ITimer, timers.later(1, nothing))


def test_tells_both_times(clock: Clock, timers: Timers) -> None:
    """Monotonic time orders events; wall-clock time is for people."""
    clock.advance(5)
    assert (timers.now(), timers.wall()) == (5.0, 1_700_000_005.0)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.7, 1.0, 1.3, 32.0, 59.99, 61.5, 3599.0, 3601.0, 28_800.0])
def test_calls_never_early_and_soon_after(clock: Clock, timers: Timers, delay: float) -> None:
    """A deadline is met at the earliest after its delay, and late by at most an eighth of it."""
    clock.advance(0.3)
    called: list[float] = []
    timers.later(delay, lambda: called.append(clock.seconds()))
    assert not called
    clock.pump([0.05] * 40)
    clock.pump([0.25] * int(delay * 4.5))
    assert len(called) == 1
    assert 0.3 + delay - 1e-6 <= called[0] <= 0.3 + delay * 1.125 + 0.3


def test_a_cancelled_deadline_is_not_met(clock: Clock, timers: Timers) -> None:
    """Cancelling works before the call, after it, and twice."""
    called: list[str] = []
    kept = timers.later(5, lambda: called.append("kept"))
    timers.later(5, lambda: called.append("cancelled")).cancel()
    clock.advance(6)
    kept.cancel()
    kept.cancel()
    assert called == ["kept"]
    assert len(timers) == 0


def test_one_deadline_may_cancel_another_that_is_due(clock: Clock, timers: Timers) -> None:
    """Whoever is called first has the last word on the others."""
    called: list[str] = []
    others: list[Callable[[], None]] = []
    timers.later(5, lambda: others[0]())
    others.append(timers.later(5, lambda: called.append("too late")).cancel)
    clock.advance(6)
    assert called == []


def test_deadlines_come_in_order(clock: Clock, timers: Timers) -> None:
    """An earlier deadline is met first, also when it was set last."""
    called: list[int] = []
    for delay in (30, 3, 20, 10):
        timers.later(delay, lambda delay=delay: called.append(delay))  # type: ignore[misc]  # a default binds it
    clock.advance(60)
    assert called == [3, 10, 20, 30]


@pytest.mark.untraced
def test_many_long_deadlines_cost_the_reactor_one_timer(clock: Clock, timers: Timers) -> None:
    """A hundred thousand subscriptions do not burden the reactor."""
    for i in range(100_000):
        timers.later(20_000 + i / 10, nothing)
    assert len(clock.getDelayedCalls()) == 1
    assert len(timers) == 100_000
    clock.advance(40_000)
    while clock.getDelayedCalls():
        clock.advance(0)
    assert len(timers) == 0


def test_a_crowd_is_met_in_slices(clock: Clock, timers: Timers) -> None:
    """Thousands of deadlines at one moment do not hold up the reading of messages."""
    called: list[int] = []
    for i in range(SLICE + 1):
        timers.later(10, lambda i=i: called.append(i))  # type: ignore[misc]  # a default binds it
    turns: list[int] = []
    clock.callLater(10, lambda: turns.append(len(called)))
    clock.advance(10)
    assert turns == [SLICE]
    assert called == list(range(SLICE + 1))


def test_a_failing_deadline_is_logged_and_harms_no_other(clock: Clock, timers: Timers) -> None:
    """A bug in one place is heard of, and everything else goes on."""
    called: list[str] = []
    with capturedLogs() as events:
        timers.later(1, lambda: [][1])
        timers.later(1, lambda: called.append("next"))
        clock.advance(2)
    assert called == ["next"]
    assert [event["log_failure"].type for event in events] == [IndexError]


def test_a_deadline_may_set_the_next(clock: Clock, timers: Timers) -> None:
    """Something that recurs sets its next deadline from the last."""
    called: list[float] = []

    def again() -> None:
        called.append(clock.seconds())
        timers.later(2, again)

    again()
    clock.pump([1.0] * 6)
    assert called == [0.0, 2.0, 4.0, 6.0]


class Busy:
    """Work that takes time: the clock goes on while it is done, and calls nobody."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock that goes on."""
        self.clock = clock
        self.done: list[str] = []

    def work(self, name: str, seconds: float) -> Callable[[], None]:
        """Give a piece of work."""

        def do() -> None:
            self.clock.rightNow += seconds
            self.done.append(name)

        return do

    def turn(self) -> str:
        """Have one turn of the reactor pass; give what was done in it."""
        before = len(self.done)
        turn(self.clock)
        return "".join(self.done[before:])


def test_pieces_of_long_work_share_a_few_milliseconds_of_each_turn(clock: Clock, timers: Timers) -> None:
    """In order; one that takes longer than all may is alone in its turn, and what comes meanwhile waits for the next."""
    busy = Busy(clock)
    for name in "abcde":
        timers.soon(busy.work(name, 0.001))
    timers.soon(busy.work("f", 0.05))

    def again() -> None:
        timers.soon(busy.work("h", 0.0))
        busy.done.append("g")

    timers.soon(again)
    assert len(timers) == 7
    assert [busy.turn() for _ in range(6)] == ["ab", "cd", "ef", "g", "h", ""]
    assert len(timers) == 0


def test_a_piece_may_be_cancelled(clock: Clock, timers: Timers) -> None:
    """Before its turn, by another one too; later it changes nothing."""
    busy = Busy(clock)
    first = timers.soon(busy.work("first", 0.0))
    first.cancel()
    others: list[Callable[[], None]] = []

    def cancel() -> None:
        others[0]()
        busy.done.append("second")

    second = timers.soon(cancel)
    others.append(timers.soon(busy.work("third", 0.0)).cancel)
    assert busy.turn() == "second"
    second.cancel()
    assert len(timers) == 0


def test_deadlines_that_take_long_let_others_have_their_turn(clock: Clock, timers: Timers) -> None:
    """After a few milliseconds the rest waits for the next turn, in order, and pieces of long work have a share."""
    busy = Busy(clock)
    for name in "abcd":
        timers.later(0.0, busy.work(name, 0.003))
    timers.soon(busy.work("+", 0.0))
    timers.soon(busy.work("-", 0.0))
    assert [busy.turn() for _ in range(3)] == ["ab+-", "cd", ""]


def test_the_delay_of_the_loop_is_told(clock: Clock, timers: Timers) -> None:
    """The longest of the last minute or two; a turn that comes in time does not hide it."""
    busy = Busy(clock)
    assert timers.delay() == 0.0
    timers.later(0.0, busy.work("long", 0.3))
    timers.soon(nothing)
    busy.turn()
    timers.later(0.0, nothing)
    clock.rightNow += 0.2
    busy.turn()
    clock.advance(1.0)
    assert timers.delay() == pytest.approx(0.2)
    clock.advance(70.0)
    assert timers.delay() == pytest.approx(0.2)
    clock.advance(120.0)
    assert timers.delay() == 0.0
