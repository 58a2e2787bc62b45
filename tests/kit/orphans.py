"""What a test has started ends with the tests, however they end: also where nobody can end it any more.

Servers have sessions of their own, so that an interruption of the tests is not one of theirs; kill -9 of the tests would
leave them, with their ports and their share of the processor, to whatever is tested next.
"""

import ctypes
import shutil
import threading
from collections.abc import Sequence
from signal import SIGTERM
from typing import Final

_SET_PDEATHSIG: Final = 1
"""`PR_SET_PDEATHSIG` of prctl(2)."""

_SET_THP_DISABLE: Final = 41
"""`PR_SET_THP_DISABLE`."""

_SETPRIV: Final = shutil.which("setpriv")
_prctl: Final = ctypes.CDLL(None).prctl


def end_with_parent() -> None:
    """Have this process end, as by `kill`, when the thread that has forked it has ended."""
    _prctl(_SET_PDEATHSIG, SIGTERM)


def keep_small_pages() -> None:
    """Have the kernel give this process no large pages, also where it asks for them."""
    _prctl(_SET_THP_DISABLE, 1, 0, 0, 0)


def tied(words: Sequence[str]) -> Sequence[str]:
    """Give a command that ends with the tests: the same process, started by setpriv(1), which says so to the kernel.

    What a thread of its own starts is not tied: the kernel would end it with the thread.
    """
    if _SETPRIV is None or threading.current_thread() is not threading.main_thread():
        return words
    return (_SETPRIV, "--pdeathsig", "TERM", "--", *words)
