"""Starting this process anew, in its place: what is in memory is as old as whatever made it fall behind."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from twisted.logger import Logger

_log: Final = Logger()


def starter(
    command: Sequence[str] = sys.orig_argv,
    replace: Callable[[str, list[str]], object] = os.execv,
) -> Callable[[], None]:
    """Give what ends all that this process is and starts it again with the same words, number and files to print to.

    Nothing is closed in order: whoever does so is known dead to the others, which have ended its sessions, and the
    store takes nothing of it. Its connections end, and clients come back to whichever server they find.

    Args:
        command: That of this process, with the interpreter.
        replace: Replaces the process.
    """

    def begin_anew() -> None:
        _flush()
        try:
            replace(sys.executable, [sys.executable, *command[1:]])
        except OSError as error:
            # Whoever keeps this process running, systemd or another, starts it.
            _log.critical("it cannot begin anew: {reason}", reason=str(error))
            _flush()
            os._exit(1)

    return begin_anew


def _flush() -> None:
    """Print what waits to be, if anybody is there to read it: whoever is known dead may not stay for that."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
