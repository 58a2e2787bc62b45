"""One writer of a name at a time."""

import inspect

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from lyncpy.contracts.refusal import Refused
from lyncpy.core import keyed_lock
from lyncpy.core.keyed_lock import KeyedLock
from tests.kit.gatehouse import timers_of
from tests.kit.results import begun, result_of, started
from tests.kit.turns import turn


def test_writers_of_one_name_take_turns() -> None:
    """Two changes of one board never overlap, and come in the order in which they were asked for."""
    table, order, gate = KeyedLock(timers_of(Clock())), [], Deferred[None]()

    async def write(name: str, wait: bool) -> None:
        async with table.hold("board", "alice"):
            order.append(f"{name} begins")
            if wait:
                await gate
            order.append(f"{name} ends")

    begun(write("first", wait=True))
    begun(write("second", wait=False))
    assert order == ["first begins"]
    gate.callback(None)
    assert order == ["first begins", "first ends", "second begins", "second ends"]
    assert len(table) == 0


def depth() -> int:
    """Count the calls that are under way."""
    frame, count = inspect.currentframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


@pytest.mark.untraced
def test_hundreds_may_wait_and_none_is_too_deep() -> None:
    """Writers who wait for nothing but each other come one after the other, each as deep as the first."""
    table, gate, depths = KeyedLock(timers_of(Clock())), Deferred[None](), []

    async def write(first: bool) -> None:
        async with table.hold("board", "alice"):
            if first:
                await gate
            depths.append(depth())

    begun(write(first=True))
    for _ in range(keyed_lock.WAITING_BOUND):
        begun(write(first=False))
    gate.callback(None)
    assert len(depths) == keyed_lock.WAITING_BOUND + 1
    assert max(depths) - min(depths) < 20
    assert len(table) == 0


def test_other_names_do_not_wait() -> None:
    """A slow change of one list delays nobody else's."""
    table, gate, done = KeyedLock(timers_of(Clock())), Deferred[None](), []

    async def write(key: str) -> None:
        async with table.hold("contacts", key):
            if key == "alice":
                await gate
            done.append(key)

    begun(write("alice"))
    begun(write("bob"))
    assert done == ["bob"]
    gate.callback(None)


def test_the_next_writer_comes_after_a_failure() -> None:
    """A change that fails does not lock its board."""
    table, done = KeyedLock(timers_of(Clock())), []

    async def fail() -> None:
        async with table.hold("board", "alice"):
            raise ValueError

    async def write() -> None:
        async with table.hold("board", "alice"):
            done.append(1)

    begun(fail(), ValueError)
    begun(write())
    assert done == [1]


def test_a_writer_that_gives_up_is_passed_over() -> None:
    """A request that is cancelled while it waits does not stop those behind it."""
    table, gate, done = KeyedLock(timers_of(Clock())), Deferred[None](), []

    async def write(name: str, wait: bool = False) -> None:
        async with table.hold("board", "alice"):
            if wait:
                await gate
            done.append(name)

    begun(write("first", wait=True))
    given_up = started(write("second"))
    begun(write("third"))
    _ = given_up.addErrback(lambda failure: failure.trap(CancelledError))
    given_up.cancel()
    gate.callback(None)
    assert done == ["first", "third"]
    assert len(table) == 0


def test_a_flood_of_writers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever floods one name hears 503, and nothing piles up."""
    monkeypatch.setattr(keyed_lock, "WAITING_BOUND", 1)
    table, gate = KeyedLock(timers_of(Clock())), Deferred[None]()

    async def write() -> None:
        async with table.hold("board", "alice"):
            await gate

    begun(write())
    begun(write())
    with pytest.raises(Refused) as refused:
        result_of(write())
    assert refused.value.status == 503
    gate.callback(None)


def test_many_who_wait_are_woken_in_several_turns() -> None:
    """In order; whoever comes meanwhile waits behind them, and others' names do not wait at all."""
    clock = Clock()
    table, gate, done = KeyedLock(timers_of(clock)), Deferred[None](), list[str]()

    async def write(key: str, name: str) -> None:
        async with table.hold("board", key):
            if name == "first":
                await gate
            clock.rightNow += 0.0005
            done.append(name)

    begun(write("alice", "first"))
    for name in "abcdef":
        begun(write("alice", name))
    gate.callback(None)
    assert done == ["first", "a", "b"]
    begun(write("alice", "late"))
    begun(write("bob", "other"))
    assert done[3:] == ["other"]
    turn(clock)
    assert done[4:] == ["c", "d"]
    clock.advance(0.0)
    assert done[6:] == ["e", "f", "late"]
    assert len(table) == 0
