"""What SQLite's errors mean for an operator, and what to do: who holds the file, what is left of a damaged one."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from lyncpy.backends.processes import lock_holders, process
from lyncpy.backends.sql.dialects import reason_of
from lyncpy.contracts.refusal import StoreUnavailable

SELF: Final = "this server"

_INDEX: Final = 65_536
"""Bytes that the index of the WAL takes when a database is opened, with some to spare."""

COPIED: Final = ".before-"
"""Stands between the name of a database and the version for which a copy was made of it."""

_WRITER_IN_WAL: Final = range(120, 121)
_WRITER: Final = range(0x40000000, 0x40000002)
"""The bytes that whoever writes has locked: in the index of the WAL, and in a file without one."""


def explained(error: BaseException | None, path: Path, busy_s: float) -> str:
    """Say what an error of SQLite means, and what to do.

    Args:
        error: What the driver raised.
        path: The database.
        busy_s: How long a write waits for another program.
    """
    said = reason_of(error)
    explain = _EXPLAINED.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return said if explain is None else explain(said, path, busy_s)


def is_busy(failure: StoreUnavailable) -> bool:
    """Tell whether somebody else has the database for the moment, and nothing is wrong with it."""
    cause = failure.__cause__
    origin = cause.orig if isinstance(cause, DBAPIError) else cause
    return getattr(origin, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _busy(said: str, path: Path, busy_s: float) -> str:
    holder = next(_holders(path), "another program")
    if holder == SELF:
        return f"{said}: {holder} is writing to it, and has not ended within {busy_s:g} s ([store] busy_s)"
    return f"{said}: {holder} is writing to it, and has not ended within {busy_s:g} s ([store] busy_s): wait until it has, or end it"


def _damaged(said: str, path: Path, busy_s: float) -> str:
    copy = last_copy(path)
    remedy = (
        f'put the last copy in its place, "{copy}"'
        if copy
        else "there is no copy beside it: bring one back from a backup"
    )
    return f'it is damaged ({said}): end whatever uses it, move it and its "-wal" away, and {remedy}'


def _full(said: str, path: Path, busy_s: float) -> str:
    return f'{said}: make room on the disk of "{path.parent}"'


def _readonly(said: str, path: Path, busy_s: float) -> str:
    return f'{said}: let user {os.geteuid()} write it and what is beside it: `chown {os.geteuid()} "{path}"*`'


def _disk(said: str, path: Path, busy_s: float) -> str:
    with suppress(OSError):
        # It needs room for an index beside the file before it has anything to write.
        if shutil.disk_usage(path.parent).free < _INDEX:
            return _full(said, path, busy_s)
    return f'{said}: the disk of "{path.parent}" does not do what it is asked; see the log of the system'


_EXPLAINED: Final[dict[int, Callable[[str, Path, float], str]]] = {
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_CORRUPT: _damaged,
    sqlite3.SQLITE_NOTADB: _damaged,
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_READONLY: _readonly,
    sqlite3.SQLITE_IOERR: _disk,
}


def last_copy(path: Path) -> str:
    """Name the newest copy of a database that stands beside it, with its time; "" where there is none."""
    found: list[tuple[float, Path]] = []
    with suppress(OSError):
        found = [
            (one.stat().st_mtime, one) for one in path.parent.glob(f"{path.name}{COPIED}*") if one.suffix != ".part"
        ]
    if not found:
        return ""
    at, newest = max(found)
    return f"{newest} ({datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC)"


def _holders(path: Path) -> Iterator[str]:
    """Name the processes that are writing to a database; who asks may be the server that does."""
    for file, of_writer in ((path, _WRITER), (path.with_name(path.name + "-shm"), _WRITER_IN_WAL)):
        yield from (SELF if pid == os.getpid() else process(pid) for pid in lock_holders(file, "POSIX", of_writer))
