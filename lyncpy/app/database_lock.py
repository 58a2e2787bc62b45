"""One server for one database: a second one would not see what the first holds in memory.

Programs that only look in for a moment, such as `lyncpy user`, need no claim.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from zope.interface import implementer

from lyncpy.backends.processes import process
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import IUnit


def lock_file(database: Path) -> Path:
    """Give the file that is locked by whoever works with a database."""
    return database.with_name(database.name + ".lock")


@implementer(IUnit)
class DatabaseLock:
    """A lock on a file beside the database. The system releases it when the process ends, in whatever way.

    Args:
        database: The database file; it need not exist yet.
    """

    name = "claim"

    def __init__(self, database: Path) -> None:
        self._path = lock_file(database)
        self._held: int | None = None

    async def open(self) -> None:
        """Lock the file, and write the number of this process into it.

        Raises:
            StoreUnavailable: Another server has it, or the file cannot be made.
        """
        try:
            held = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnavailable(f'"{self._path}" cannot be made: {error.strerror}') from error
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(held, 20, 0).decode("ascii", "replace").strip()
            os.close(held)
            raise StoreUnavailable(
                f'{process(int(holder) if holder.isdecimal() else 0)} works with the database beside "{self._path}"; stop it, '
                "or give this server its own [store] url"
            ) from None
        os.truncate(held, 0)
        os.pwrite(held, b"%d\n" % os.getpid(), 0)
        self._held = held

    async def close(self) -> None:
        """Release the lock; the file stays, because another process may be waiting for it."""
        if self._held is not None:
            with suppress(OSError):
                os.close(self._held)
            self._held = None
