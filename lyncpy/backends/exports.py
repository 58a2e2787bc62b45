"""The folder for what leaves the archive: new folders with new files, readable by their owner alone."""

import os
import re
from pathlib import Path
from typing import Final

from zope.interface import implementer

from lyncpy.backends.threads import Threads
from lyncpy.contracts.archive import IExports
from lyncpy.contracts.workload import IUnit

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@implementer(IExports, IUnit)
class Exports:
    """Writes files in a thread of its own, in new folders below one folder.

    Args:
        folder: Made when it is first needed.
        threads: Where the files are written.
    """

    name = "exports"

    def __init__(self, folder: Path, threads: Threads) -> None:
        self._folder = folder
        self._threads = threads

    async def open(self) -> None:
        """Do nothing: folders are made when they are needed."""

    async def close(self) -> None:
        """Stop the thread that writes."""
        await self._threads.stop()

    async def make_folder(self, name: str) -> str:
        """Make a new, empty folder of this name; give where it is, for people.

        Raises:
            ValueError: The name is none that a folder may have here, or is taken.
            OSError: The disk says no.
        """
        target = self._folder / _checked(name)

        def make() -> str:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                target.mkdir(mode=0o700)
            except FileExistsError:
                raise ValueError(f'there is a "{name}" in "{self._folder}" already; choose another name') from None
            return str(target)

        return await self._threads.call_in_thread(make)

    async def write_file(self, name: str, file: str, content: bytes) -> None:
        """Write a file in the folder, or add to it; only its owner can read it. Raises as `make_folder`."""
        target = self._folder / _checked(name) / _checked(file)

        def write() -> None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            with os.fdopen(os.open(target, flags, 0o600), "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())

        await self._threads.call_in_thread(write)


def _checked(name: str) -> str:
    """Give a name that leads nowhere else: no slash, and no dot in front."""
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{name[:80]}" is no name for a folder: up to 100 letters, digits, ".", "_" and "-" are')
    return name
