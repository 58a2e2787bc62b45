"""Driving coroutines without a reactor."""

from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


def started(coro: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Start a coroutine; it runs until it first has to wait."""
    return Deferred.fromCoroutine(coro)


def result_of(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that must end without waiting, and give its result or raise its error."""
    results: list[Any] = []
    _ = started(coro).addBoth(results.append)
    if not results:
        raise AssertionError("the coroutine is still waiting")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    value: T = results[0]
    return value


def answer_of(waiting: Awaitable[T]) -> T:
    """Give the result of an awaitable that is ready, or raise its error."""

    async def waited() -> T:
        return await waiting

    return result_of(waited())


def begun(coro: Coroutine[Any, Any, Any], *swallowed: type[BaseException]) -> None:
    """Start a coroutine that nobody awaits; only these errors may end it, and cancelling is not meant."""
    _ = started(coro).addErrback(lambda failure: failure.trap(*swallowed))
