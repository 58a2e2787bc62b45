"""Running the reactor for a load, and doing something with many, a few at a time."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

from twisted.internet import task
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

T = TypeVar("T")

AT_ONCE: Final = 8
"""Clients that sign in at the same time."""


async def run_all(things: Iterable[T], do: Callable[[T], Awaitable[object]], at_once: int = AT_ONCE) -> None:
    """Do something with each, a few at a time; fails as soon as one fails."""
    places = DeferredSemaphore(at_once)

    def begin(thing: T) -> "Deferred[None]":
        async def run() -> None:
            _ = await do(thing)

        return Deferred.fromCoroutine(run())

    await gatherResults([places.run(begin, thing) for thing in things], consumeErrors=True)


def react(run: Any) -> int:  # Any: what task.react calls
    """Run the reactor until a coroutine function has ended; give the status of the process."""
    try:
        task.react(run)
    except SystemExit as end:
        return int(end.code or 0)
    return 0
