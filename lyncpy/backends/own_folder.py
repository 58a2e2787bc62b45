"""A folder of the server's own, which is worked with in a thread: files in it are readable by their owner alone."""

import os
from pathlib import Path

from lyncpy.backends.threads import Threads


class OwnFolder:
    """What opens and closes such a folder.

    Args:
        folder: Made when it is first needed.
        threads: Where files are written and read.
    """

    def __init__(self, folder: Path, threads: Threads) -> None:
        self._folder = folder
        self._threads = threads

    async def open(self) -> None:
        """Do nothing: the folder is made when it is needed."""

    async def close(self) -> None:
        """Stop the thread that writes."""
        await self._threads.stop()

    def ensure_folder(self) -> None:
        """Make the folder, unless it is there; called in the thread."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_own(path: Path, data: bytes, flags: int, *, is_durable: bool = False) -> None:
    """Write to a file that nobody else can read, and never through a link.

    Args:
        path: Of the file.
        data: What is written.
        flags: How it is opened, beside for writing: os.O_CREAT, os.O_APPEND …
        is_durable: Whether it is on the disk when this returns.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | flags, 0o600), "wb") as out:
        out.write(data)
        if is_durable:
            out.flush()
            os.fsync(out.fileno())
