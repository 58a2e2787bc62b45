"""A small file that can be written when the disk is full: its room was taken when it was made.

It has two places that are written in turn, each with a number and a check sum: a write that is
cut off leaves the other. On a file system that never writes in place (btrfs, ZFS) the room is
taken again at each write, and a full disk may refuse it.
"""

import hashlib
import os
import struct
from pathlib import Path
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.backends.threads import Threads
from lyncpy.contracts.archive import GAP_BYTES, IGapFile
from lyncpy.contracts.workload import IUnit

PLACE: Final = 4096
"""Bytes of a place: a page, so that the two are never in one."""

HEAD: Final = struct.Struct(">QI16s")
"""Number of the write, length of the content, and the first half of the SHA-256 of both and the content."""


@implementer(IGapFile, IUnit)
class GapFile:
    """The file of the archive's gap, written in a thread of its own.

    Args:
        path: Where the file is; it is made when it does not exist.
        threads: Where it is written.
    """

    name = "gap file"
    log = Logger()

    def __init__(self, path: Path, threads: Threads) -> None:
        self._path = path
        self._threads = threads
        self._descriptor: int | None = None
        self._number = 0

    async def open(self) -> None:
        """Reserve the room of the file on the disk. An error shows again, and counts, at the first write."""
        try:
            await self._threads.call_in_thread(self._prepared)
        except OSError as error:
            self.log.error(
                '"{path}" cannot be made: {reason}; while the archive cannot be written, messages that have to be'
                " archived are refused",
                path=str(self._path),
                reason=error.strerror or str(error),
            )

    async def close(self) -> None:
        """Stop the thread that writes."""
        await self._threads.stop()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def read(self) -> bytes:
        """Read the content that was written last, whole; b"" when nothing was."""
        return await self._threads.call_in_thread(self._read)

    async def write(self, content: bytes) -> None:
        """Replace the content; durable when this returns."""
        await self._threads.call_in_thread(lambda: self._write(content))

    # --- in the thread

    def _prepared(self) -> int:
        if self._descriptor is None:
            is_new = not self._path.exists()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(descriptor).st_size < 2 * PLACE:
                    os.pwrite(descriptor, bytes(2 * PLACE), 0)
                    os.posix_fallocate(descriptor, 0, 2 * PLACE)
                    os.fsync(descriptor)
                if is_new:
                    _sync_folder(self._path.parent)
            except OSError:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
        return self._descriptor

    def _read(self) -> bytes:
        descriptor = self._prepared()
        found = [_content(os.pread(descriptor, PLACE, start)) for start in (0, PLACE)]
        self._number, content = max((one for one in found if one is not None), default=(0, b""))
        return content

    def _write(self, content: bytes) -> None:
        if len(content) > GAP_BYTES:
            raise ValueError(f"{len(content)} bytes are too many")
        descriptor = self._prepared()
        number = self._number + 1
        place = HEAD.pack(number, len(content), _sum(number, content)) + content
        os.pwrite(descriptor, place.ljust(PLACE, b"\0"), number % 2 * PLACE)
        os.fdatasync(descriptor)
        self._number = number


def content_of(path: Path) -> bytes:
    """Read what was written last to a file that nobody has open; b"" when nothing was. Raises OSError."""
    data = path.read_bytes()
    return max((one for start in (0, PLACE) if (one := _content(data[start : start + PLACE]))), default=(0, b""))[1]


def _content(place: bytes) -> tuple[int, bytes] | None:
    """Give number and content of a place; None when it was never written whole."""
    if len(place) < HEAD.size:
        return None
    number, length, check = HEAD.unpack_from(place)
    content = place[HEAD.size : HEAD.size + length]
    return (number, content) if number and check == _sum(number, content) else None


def _sum(number: int, content: bytes) -> bytes:
    return hashlib.sha256(b"%d %b" % (number, content)).digest()[:16]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
