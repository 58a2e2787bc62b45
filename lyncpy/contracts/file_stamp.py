"""What tells whether files are the ones that were read before."""

import os
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of each file its number, size and time of change; None: it cannot be seen."""


def stamp_of(files: Iterable[Path]) -> Stamp:
    """Look at files, without reading them."""
    return tuple(map(_stamp, files))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
