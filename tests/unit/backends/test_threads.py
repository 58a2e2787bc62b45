"""A thread of a backend's own: calls one after the other, each with its result or its error."""

import threading

import pytest

from lyncpy.backends.threads import Threads
from tests.kit.threads import PATIENCE_S, ThreadPump


def test_calls_wait_for_each_other_and_keep_their_order() -> None:
    """All are done in the one thread, which is not the reactor's."""
    pump = ThreadPump()
    threads = Threads(pump, "one")
    done: list[int] = []

    def call(number: int) -> str:
        done.append(number)
        return threading.current_thread().name

    calls = [threads.call_in_thread(lambda number=number: call(number)) for number in range(20)]  # type: ignore[misc]
    assert {pump.run(one) for one in calls} == {"one"}
    assert done == [*range(20)]
    pump.run(threads.stop())


def test_an_error_is_the_callers_and_the_thread_goes_on() -> None:
    """Also one that would end a program."""
    pump = ThreadPump()
    threads = Threads(pump, "one")

    def fails() -> None:
        raise SystemExit

    wrong, right = threads.call_in_thread(fails), threads.call_in_thread(lambda: 1)
    with pytest.raises(SystemExit):
        pump.run(wrong)
    assert pump.run(right) == 1
    pump.run(threads.stop())


def test_a_thread_that_was_stopped_is_gone_and_one_that_never_began_is_none() -> None:
    """It may be stopped twice, and begins anew when it is needed again."""
    pump = ThreadPump()
    threads = Threads(pump, "one")
    pump.run(threads.stop())
    mine = pump.run(threads.call_in_thread(threading.current_thread))
    for _ in range(2):
        pump.run(threads.stop())
    mine.join(PATIENCE_S)
    assert not mine.is_alive()
    assert pump.run(threads.call_in_thread(lambda: 2)) == 2
    pump.run(threads.stop())


def test_the_reactor_goes_on_while_a_thread_that_is_stopped_does_what_it_was_asked() -> None:
    """What is asked after that does not wait for it: it has a thread of its own."""
    pump = ThreadPump()
    threads = Threads(pump, "one")
    go_on = threading.Event()
    first = threads.call_in_thread(lambda: go_on.wait(PATIENCE_S))
    ended: list[None] = []
    stopping = threads.stop().addCallback(ended.append)
    assert pump.run(threads.call_in_thread(lambda: 2)) == 2
    assert not ended
    go_on.set()
    assert pump.run(first)
    pump.run(stopping)
    assert ended
    pump.run(threads.stop())
