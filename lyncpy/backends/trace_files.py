"""The folder of traces: files that are appended to, readable by their owner alone."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zope.interface import implementer

from lyncpy.backends.own_folder import OwnFolder, write_own
from lyncpy.contracts.tracing import ITraceFiles, TraceFile
from lyncpy.contracts.workload import IUnit

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_OWN: Final = ".trace"
_HEAD_BYTES: Final = 8192


@implementer(ITraceFiles, IUnit)
class TraceFiles(OwnFolder):
    """Writes and reads files by their names."""

    name = "traces"

    async def create(self, name: str, head: bytes) -> None:
        """Make a new file; raises OSError, also where there is one of this name."""
        path = self._path(name + _OWN)

        def make() -> None:
            self.ensure_folder()
            write_own(path, head, os.O_CREAT | os.O_EXCL)

        await self._threads.call_in_thread(make)

    async def append(self, name: str, data: bytes) -> None:
        """Add to a file. Raises OSError."""
        path = self._path(name + _OWN)
        await self._threads.call_in_thread(lambda: write_own(path, data, os.O_APPEND))

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
            self.ensure_folder()
            path.unlink(missing_ok=True)
            write_own(path, data, os.O_CREAT | os.O_EXCL)
            return str(path)

        return await self._threads.call_in_thread(write)

    def _path(self, name: str) -> Path:
        """Give the place of a file, which is nowhere else: no slash, and no dot in front."""
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(f'there is no trace "{name[:80]}"')
        return self._folder / name
