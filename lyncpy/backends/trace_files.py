"""The folder of traces: files that are appended to, readable by their owner alone."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zope.interface import implementer

from lyncpy.backends.threads import Threads
from lyncpy.contracts.tracing import ITraceFiles, TraceFile
from lyncpy.contracts.workload import IUnit

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_OWN: Final = ".trace"
_HEAD_BYTES: Final = 8192


@implementer(ITraceFiles, IUnit)
class TraceFiles:
    """Writes and reads files in a thread of its own.

    Args:
        folder: Made when it is first needed.
        threads: Where the files are written.
    """

    name = "traces"

    def __init__(self, folder: Path, threads: Threads) -> None:
        self._folder = folder
        self._threads = threads

    async def open(self) -> None:
        """Do nothing: the folder is made when it is needed."""

    async def close(self) -> None:
        """Stop the thread that writes."""
        await self._threads.stop()

    async def create(self, name: str, head: bytes) -> None:
        """Make a new file; raises OSError, also where there is one of this name."""
        path = self._path(name + _OWN)

        def make() -> None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path, head, os.O_CREAT | os.O_EXCL)

        await self._threads.call_in_thread(make)

    async def append(self, name: str, data: bytes) -> None:
        """Add to a file. Raises OSError."""
        path = self._path(name + _OWN)
        await self._threads.call_in_thread(lambda: _write(path, data, os.O_APPEND))

    async def read(self, name: str) -> bytes:
        """Give what a file has; raises OSError where there is none."""
        path = self._path(name + _OWN)
        return await self._threads.call_in_thread(path.read_bytes)

    async def files(self) -> Sequence[TraceFile]:
        """Give the files there are, the oldest first."""

        def look() -> Sequence[TraceFile]:
            found = []
            for path in self._folder.glob(f"*{_OWN}"):
                state = path.lstat()
                with path.open("rb") as lines:
                    head = lines.readline(_HEAD_BYTES)
                found.append(TraceFile(path.name.removesuffix(_OWN), state.st_size, state.st_mtime, head))
            return sorted(found, key=lambda one: one.written)

        return await self._threads.call_in_thread(look)

    async def remove(self, name: str) -> None:
        """Remove a file, and what was exported of it; one that is not there is none."""
        path = self._path(name + _OWN)

        def remove() -> None:
            for one in (path, *self._folder.glob(f"{path.stem}.export.*")):
                one.unlink(missing_ok=True)

        await self._threads.call_in_thread(remove)

    async def export(self, name: str, data: bytes) -> str:
        """Write a file for an operator, beside the traces, in place of one of this name; give where it is. Raises OSError."""
        path = self._path(name)

        def write() -> str:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            _write(path, data, os.O_CREAT | os.O_EXCL)
            return str(path)

        return await self._threads.call_in_thread(write)

    def _path(self, name: str) -> Path:
        """Give the place of a file, which is nowhere else: no slash, and no dot in front."""
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(f'there is no trace "{name[:80]}"')
        return self._folder / name


def _write(path: Path, data: bytes, flags: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | flags, 0o600), "wb") as out:
        out.write(data)
