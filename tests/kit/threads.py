"""What blocks by nature: a reactor that only hears from threads, pumped by the test, and a thread that a test holds."""

import queue
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure
from zope.interface import implementer

T = TypeVar("T")

PATIENCE_S = 20.0
"""A test that waits this long has failed; nothing sleeps."""


@implementer(IReactorFromThreads)
class ThreadPump:
    """Keeps what threads want done, and does it while a test waits for a result."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: A002
        """Queue a call (in any thread)."""
        self._calls.put(lambda: callable(*args, **kwargs))

    def run(self, work: Coroutine[Any, Any, T] | Deferred[T]) -> T:
        """Do what threads ask for until `work` ends; give its result or raise its error."""
        results: list[Any] = []
        deferred = Deferred.fromCoroutine(work) if isinstance(work, Coroutine) else work
        _ = deferred.addBoth(results.append)
        while not results:
            self._calls.get(timeout=PATIENCE_S)()
        if isinstance(results[0], Failure):
            results[0].raiseException()
        value: T = results[0]
        return value


class HeldThread:
    """A thread in which nothing happens until it is told to go on."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[[], Any], Deferred[Any]]] = []  # Any: what is called, and what it gives
        self.stopped = False

    def call_in_thread(self, call: Callable[[], T]) -> Deferred[T]:
        """Keep a call."""
        answer: Deferred[T] = Deferred()
        self.calls.append((call, answer))
        return answer

    def go_on(self) -> None:
        """Make the calls that wait."""
        while self.calls:
            call, answer = self.calls.pop(0)
            try:
                result = call()
            except Exception:  # as a thread does: who asked gets it
                answer.errback()
            else:
                answer.callback(result)

    async def stop(self) -> None:
        """Note it."""
        self.stopped = True
