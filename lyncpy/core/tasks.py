"""Coroutines under way, and results that are still to come.

A `Task` drives one coroutine: it goes on until it waits for something, and when that has its result; at the end it calls whoever
has begun it. `Deferred.fromCoroutine` does the same with a Deferred of its own around each, a list of callbacks and a copied
context; for a request that waits once, or not at all, that costs more than what the request asks for.
"""

from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any, Final, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline

T = TypeVar("T")

_SUBJECT: Final[ContextVar[object]] = ContextVar("subject", default=None)


def subject() -> object:
    """Give what the task under way is about, as it was given to it; None: nothing is known of that.

    What is spawned by a task is about the same.
    """
    return _SUBJECT.get()


class Future(Generic[T]):
    """A result that one coroutine awaits, or will; set once."""

    __slots__ = ("_hear", "_result", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._hear: Callable[[Any], None] | None = None  # Any: the result, or nothing that is looked at

    def set_result(self, result: T) -> None:
        """Give the result to whoever awaits it, at once."""
        self.is_set = True
        self._result = result
        hear, self._hear = self._hear, None
        if hear is not None:
            hear(None)

    def tell(self, hear: Callable[[Any], None] | None) -> None:
        """Call a function once there is a result; None: nobody waits any more."""
        self._hear = hear

    def __await__(self) -> Generator[Any, Any, T]:  # Any: itself or a Deferred, and what it is sent
        if not self.is_set:
            yield self
            if (
                not self.is_set
            ):  # Twisted drives this coroutine: it waits for Deferreds, and sends all else back at once
                waiting: Deferred[None] = Deferred(lambda _: self.tell(None))
                self._hear = waiting.callback
                yield waiting
        return self._result


class Task(Generic[T]):
    """A coroutine under way.

    Args:
        coroutine: It awaits Deferreds and Futures.
        done: Called once with what it returns.
        failed: Called once with what it raises.
        subject: What it is about, for the log; None: the same as whoever begins it.
    """

    log = Logger()

    __slots__ = ("_coroutine", "_done", "_end", "_failed", "_subject", "_waits_for", "is_over")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, T],
        done: Callable[[T], None],
        failed: Callable[[Failure], None],
        subject: object = None,
    ) -> None:
        self._coroutine = coroutine
        self._done = done
        self._failed = failed
        self._subject = _SUBJECT.get() if subject is None else subject
        self._end: Deadline | None = None
        self._waits_for: Future[Any] | Deferred[Any] | None = None
        self.is_over = False

    def go_on(self, result: Any = None) -> None:
        """Begin, or go on with the result of what was awaited, until it awaits the next or ends."""
        self._advance(self._coroutine.send, result)

    def cancel(self) -> None:
        """End what it waits for with a CancelledError, which it may handle."""
        waits_for = self._waits_for
        if isinstance(waits_for, Future):
            waits_for.tell(None)
            self._throw(Failure(CancelledError()))
        elif waits_for is not None:
            waits_for.cancel()

    def cancel_after(self, seconds: float, timers: ITimers) -> None:
        """Cancel it if it does not end by itself in time."""
        if not self.is_over:
            self._end = self._end or Deadline(timers, self.cancel)
            self._end.set(seconds)

    def _throw(self, failure: Failure) -> None:
        self._advance(failure.throwExceptionIntoGenerator, self._coroutine)

    def _advance(
        self, resume: Callable[[Any], Any], given: Any
    ) -> None:  # Any: what it awaits, and what it gets for that
        self._waits_for = awaited = None
        before = _SUBJECT.set(self._subject)
        try:
            awaited = resume(given)
        except StopIteration as end:
            finish: Callable[[Any], None] = self._done
            outcome = end.value
        except BaseException:  # noqa: BLE001 - whoever has begun it decides what it means, as with a Deferred
            finish, outcome = self._failed, Failure()
        finally:
            _SUBJECT.reset(before)
        if awaited is not None:
            self._waits_for = awaited
            if isinstance(awaited, Future):
                awaited.tell(self.go_on)
            else:
                awaited.addCallbacks(self.go_on, self._throw)
            return
        self.is_over = True
        if self._end is not None:
            self._end.clear()
            self._end = None
        # Not within the handler: what this raises would seem to have come of that. Whoever has set the result that this
        # coroutine waited for has others to tell, and is not to be stopped by it.
        try:
            finish(outcome)
        except Exception:  # noqa: BLE001 - logged, as a Deferred would
            self.log.failure("the end of {task} was told in vain", task=self._coroutine)
