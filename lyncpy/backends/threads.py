"""Threads of one backend's own, for calls that block.

The reactor's default pool also resolves names; a frozen server must not stop that.
"""

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import TypeVar

from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")


class Threads:
    """One thread, started when first needed; calls wait for each other."""

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, 1, name=name)
        # A process must end, also when a call never does, or nobody came to stop this.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]  # it is only called

    async def call_in_thread(self, call: Callable[[], T]) -> T:
        """Call a function in a thread, and give its result in the reactor."""
        if not self._pool.started:
            self._pool.start()
        result: T = await deferToThreadPool(self._reactor, self._pool, call)
        return result

    def stop(self) -> None:
        """End the threads; call when no call is under way, for this waits for it."""
        if self._pool.started:
            self._pool.stop()
