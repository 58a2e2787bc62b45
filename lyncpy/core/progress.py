"""How far long work is, told to whoever asked for it."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline

T = TypeVar("T")

EACH_S: Final = 1.0


async def told_while(work: Awaitable[T], timers: ITimers, words: Callable[[], str], tell: Callable[[str], None]) -> T:
    """Await work, and tell each second how far it is.

    Args:
        work: What is awaited; its error is raised.
        timers: The clock.
        words: Say how far it is; "" where there is nothing to say.
        tell: Is given them.
    """

    def look() -> None:
        said = words()
        if said:
            tell(said)
        next_look.set(EACH_S)

    next_look = Deadline(timers, look)
    next_look.set(EACH_S)
    try:
        return await work
    finally:
        next_look.clear()
