"""What a flood used goes back to the system."""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from twisted.logger import Logger

MANY: Final = 2_000
"""Connections below which their memory is not worth the walk through all of it."""

CALM_S: Final = 5.0
"""After so long, most of them are gone."""


class MemoryTrimmer:
    """Returns freed memory to the system when most connections are gone.

    The C library keeps what is freed for the next who asks; after ten thousand TLS handshakes that are
    hundreds of megabytes. glibc gives whole pages back when it is told to, which takes some milliseconds
    for each gigabyte; other libraries are left alone.

    Args:
        later: Calls a function after so many seconds.
    """

    log = Logger()

    def __init__(self, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._later = later
        self._peak = 0
        self._comes = False

    def counted(self, connections: int) -> None:
        """Note how many connections there are, after each that ended."""
        if connections > self._peak:
            self._peak = connections
        elif self._peak >= MANY and connections < self._peak // 2 and not self._comes:
            self._comes = True
            self._later(CALM_S, self._give_back)

    def _give_back(self) -> None:
        self._comes = False
        self._peak = 0
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)
            self.log.debug("what connections used was given back to the system")
