"""How those wait who have to ask again and again: asking costs, most of all where it starts a program."""

import time
from collections.abc import Iterator
from typing import Final

SHORTEST_S: Final = 0.02
LONGEST_S: Final = 0.5
SHARE: Final = 10
"""A pause is a tenth of what has been waited before: it makes nobody wait much longer, however long that is."""


def pauses(patience_s: float) -> Iterator[None]:
    """Give a turn, and others after pauses, until the patience is at its end; the last one is behind that."""
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        yield
        if waited > patience_s:
            return
        time.sleep(pause(waited))


def pause(waited_s: float) -> float:
    """Give the seconds until it is asked again."""
    return min(LONGEST_S, max(SHORTEST_S, waited_s / SHARE))
