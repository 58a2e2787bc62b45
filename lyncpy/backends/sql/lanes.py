"""Jobs of the reactor, done by one thread in calling order, many at a trip.

While a trip is under way new jobs queue; the next trip takes them all. For writes a trip
is one transaction, so that a disk that syncs 200 times a second keeps thousands of
writes: the longer a commit takes, the more share the next one. Nobody waits for company.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.refusal import StoreUnavailable

T = TypeVar("T")
Job: TypeAlias = Callable[[Connection], T]
"""What is done with the database: SQL and nothing else, for it is done again when its first trip was taken back.
It raises nothing on purpose: a conflict is a result, so that it spoils no trip."""

Trip: TypeAlias = Callable[[Sequence[Job[Any]]], list[Any]]  # Any: each job has its own result
"""Does jobs in a thread and gives their results in order; all or, raising, none."""

Waiting: TypeAlias = tuple[Job[Any], Deferred[Any]]  # Any: as above
"""A job, and who waits for its result."""

GROUP: Final = 500
"""Jobs of one trip at most: bounds how long the first of them waits for the last."""


class Lane:
    """A thread and its queue. Every method is called in the reactor's thread."""

    log = Logger()

    def __init__(self, name: str, trip: Trip, waiting_max: int, meter: IMeter, reactor: IReactorFromThreads) -> None:
        """Be ready for `open`; `name` is the thread's and the meters'."""
        self._trip = trip
        self._waiting_max = waiting_max
        self._reactor = reactor
        self._pool = ThreadPool(1, 1, f"lyncpy-store-{name}")
        # A process that fails to start must end, also when nobody came to close this lane.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]  # it is only called
        self._queue: deque[Waiting] = deque()
        self._single: deque[Waiting] = deque()
        self._idle: Deferred[None] | None = None
        self._open = self._busy = self._failing = False
        meter.gauge(f"lyncpy_store_{name}_waiting", f"Jobs that wait to {name}", lambda: float(len(self)))
        self._trips = meter.counter(f"lyncpy_store_{name}_trips", f"Groups of jobs sent to {name}")
        self._failures = meter.counter(f"lyncpy_store_{name}_failures", f"Groups of jobs that failed to {name}")

    def __len__(self) -> int:
        return len(self._queue) + len(self._single)

    def open(self) -> None:
        """Start the thread."""
        self._pool.start()
        self._open = True

    def do(self, job: Job[T]) -> Deferred[T]:
        """Queue a job; its result comes when its trip has ended.

        A caller that is cancelled does not take its job back: it may be done or not.
        Fails with StoreUnavailable when the lane is closed or full, or the database fails.
        """
        if not self._open:
            return fail(StoreUnavailable("the store is closed"))
        if len(self) >= self._waiting_max:
            return fail(StoreUnavailable("too many requests wait for the store"))
        answer: Deferred[T] = Deferred()
        self._queue.append((job, answer))
        if not self._busy:
            self._go()
        return answer

    def close(self) -> Deferred[None]:
        """Take no more jobs, do those that wait, and end the thread. May be called twice."""
        if not self._open:
            return succeed(None)
        self._open = False
        self._idle = Deferred()
        idle = self._idle.addCallback(lambda _: self._pool.stop())
        if not self._busy:
            idle.callback(None)
        return idle

    def _go(self) -> None:
        """Send the thread on its next trip, if there is one."""
        if self._single:
            group = [self._single.popleft()]
        else:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP))]
        self._busy = bool(group)
        if group:
            self._trips.add()
            done = deferToThreadPool(self._reactor, self._pool, self._trip, [job for job, _ in group])
            heard = done.addCallbacks(self._answered, self._failed, callbackArgs=(group,), errbackArgs=(group,))
            _ = heard.addErrback(lambda failure: self.log.failure("the answers of the store were lost", failure))
        elif self._idle is not None:
            self._idle.callback(None)

    def _answered(self, results: list[Any], group: Sequence[Waiting]) -> None:
        if self._failing:
            self._failing = False
            self.log.info("the store works again")
        # First the thread, then the callers: they run while it works.
        self._go()
        for (_, answer), result in zip(group, results, strict=True):
            answer.callback(result)

    def _failed(self, failure: Failure, group: Sequence[Waiting]) -> None:
        unavailable = _unavailable(failure.value)
        if unavailable is None and len(group) > 1:
            # One job is at fault, and nothing was done: each gets a trip of its own, in order.
            self._single.extend(group)
            self._go()
            return
        if unavailable is not None:
            self._world_failed(failure)
        self._go()
        for _, answer in group:
            answer.errback(StoreUnavailable(*unavailable.args) if unavailable else failure)

    def _world_failed(self, failure: Failure) -> None:
        """Log the first failure of a row of failures: a full disk must not be filled by its own log."""
        self._failures.add()
        if not self._failing:
            self._failing = True
            cause = failure.value.orig if isinstance(failure.value, DBAPIError) else failure.value
            self.log.error("the store failed: {cause}; requests that need it are refused until it works", cause=cause)


def _unavailable(error: BaseException | None) -> StoreUnavailable | None:
    """Tell the world's failures (disk, lock, connection) from ours (a wrong statement or value)."""
    ours = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
    if isinstance(error, StoreUnavailable):
        return error
    if isinstance(error, DBAPIError) and not isinstance(error, ours):
        return StoreUnavailable(str(error.orig))
    return None
