"""A meter of work: what grows faster than what it is given.

Nothing here says how fast something has to be. The same work is done on an input and on one
of several times its size, and the two times are compared: noise of a busy machine makes both
longer, and the best of several tries is taken.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

SIZES: Final = (20, 24, 28, 48, 512, 2048, 8192)
"""Small steps at first: what doubles with each letter would never come back from a large one."""

_FLOOR_S: Final = 0.003
"""Below it, a clock tells little."""

_TRIES: Final = 3

Prepared = Callable[[], object]


def cpu(work: Prepared, tries: int = _TRIES) -> float:
    """Give the seconds of CPU that some work takes at best."""
    best = float("inf")
    with uncollected():
        for _ in range(tries):
            begun = time.process_time()
            work()
            best = min(best, time.process_time() - begun)
    return best


@contextmanager
def uncollected() -> Iterator[None]:
    """Let nothing be collected meanwhile: the rubbish of other tests is no matter of this one."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def stays_small(prepare: Callable[[int], Prepared], sizes: Sequence[int] = SIZES, floor_s: float = _FLOOR_S) -> bool:
    """Tell whether work stays below the floor at every size; then each of its parts does."""
    return not any(_is_much(prepare(size), floor_s) for size in sizes)


def grows(prepare: Callable[[int], Prepared], sizes: Sequence[int] = SIZES, floor_s: float = _FLOOR_S) -> bool:
    """Tell whether work grows faster than its input.

    What stays below the floor at the largest size is fine; where the floor is reached, the
    size is doubled twice: in proportion that is four times the work, by a square sixteen.

    Args:
        prepare: Gives the work on an input of so many letters.
    """
    for size in sizes:
        if _is_much(prepare(size), floor_s):
            return ratio(prepare, size) > _ALLOWED
    return False


def _is_much(work: Prepared, floor_s: float) -> bool:
    return cpu(work, 1) > floor_s and cpu(work) > floor_s


def ratio(prepare: Callable[[int], Prepared], size: int) -> float:
    """Give how many times the work becomes when its input becomes four times as long."""
    small, large = cpu(prepare(max(1, size // 4))), cpu(prepare(size))
    return large / max(small, 1e-6)


_ALLOWED: Final = 8.0
"""Between four, which is in proportion, and sixteen."""
