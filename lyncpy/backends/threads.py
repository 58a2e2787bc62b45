"""Threads of one backend's own, for calls that block.

The reactor's default pool also resolves names; a frozen server must not stop that.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

T = TypeVar("T")

Call: TypeAlias = tuple[Callable[[], Any], Deferred[Any]]  # Any: each call has its own result


class Threads:
    """One thread, started when first needed; calls wait for each other.

    A call costs one hand-over to the thread and one back; that is all that this does, for a message that has to
    be durable pays for it.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        self._reactor = reactor
        self._name = name
        self._calls: SimpleQueue[Call | None] | None = None
        """What the thread has to do; None: there is no thread."""

        self._ended: Deferred[None] = succeed(None)

    def call_in_thread(self, call: Callable[[], T]) -> Deferred[T]:
        """Call a function in the thread, and give its result in the reactor."""
        if self._calls is None:
            self._calls = SimpleQueue()
            self._ended = Deferred()
            # A process must end, also when a call never does, or nobody came to stop this.
            Thread(target=self._work, args=(self._calls, self._ended), name=self._name, daemon=True).start()
        answer: Deferred[T] = Deferred()
        self._calls.put((call, answer))
        return answer

    def stop(self) -> Deferred[None]:
        """End the thread when it has done what it was asked; the reactor goes on until then. What is asked later has another thread."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None
        return self._ended

    def _work(self, calls: SimpleQueue[Call | None], ended: Deferred[None]) -> None:
        """Do one call after the other, in the thread."""
        hear = self._reactor.callFromThread
        while (waiting := calls.get()) is not None:
            call, answer = waiting
            try:
                result = call()
            except BaseException:  # noqa: BLE001 - whatever it was, who called hears it
                hear(answer.errback, Failure())
            else:
                hear(answer.callback, result)
        hear(ended.callback, None)
