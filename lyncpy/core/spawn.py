"""Starting a coroutine that nobody awaits, and several that somebody awaits together."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.core.tasks import Task

T = TypeVar("T")


async def together(*works: Coroutine[Any, Any, T]) -> list[T]:
    """Run coroutines at the same time; give what they give, in order, or raise what the first of them in order raises.

    Whoever stops waiting stops all of them.
    """
    running = [Deferred.fromCoroutine(one) for one in works]
    try:
        return [await one for one in running]
    finally:
        for one in running:
            _ = one.addErrback(lambda _: None)
            one.cancel()


def spawn(work: Coroutine[Any, Any, None], log: Logger, what: str) -> None:
    """Run a coroutine; if it fails, log what failed, so that no error is lost."""

    def failed(failure: Failure) -> None:
        log.failure("{what} failed", failure=failure, what=what)

    Task(work, _ended, failed).go_on()


def _ended(result: None) -> None:
    """Nobody awaits it."""
