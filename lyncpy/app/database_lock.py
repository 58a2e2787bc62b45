"""One server for one database: a second one would not see what the first holds in memory.

Programs that only look in for a moment, such as `lyncpy user`, need no claim.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet import task
from zope.interface import implementer

from lyncpy.app.config import Config
from lyncpy.backends.processes import process
from lyncpy.contracts.refusal import StoreUnavailable, WorldUnavailable
from lyncpy.contracts.workload import IUnit
from lyncpy.core.unit import UnitFailed, UnitGroup

Result = TypeVar("Result")


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


def with_databases(configs: Sequence[Config], work: Callable[[], Result]) -> Result:
    """Give what `work` gives, while no server works with the databases of these settings.

    It runs the reactor: once in a process. A database that is a server of its own is not locked here; whoever works with it
    holds it in a way of its own.

    Raises:
        WorldUnavailable: As `DatabaseLock.open` and the work raise it.
        UnitFailed: A lock could not be had.
    """
    locks = [database_lock(config) for config in configs if config.sections.store.is_sqlite]
    results: list[Result] = []
    problems: list[Exception] = []

    async def held(reactor: Any) -> None:  # Any: a reactor is several interfaces at once
        group = UnitGroup(locks, reactor)
        try:
            await group.open()
            try:
                results.append(work())
            finally:
                await group.close()
        except (WorldUnavailable, UnitFailed) as error:
            problems.append(error)

    try:
        task.react(held)
    except SystemExit as end:
        if end.code:
            raise
    if problems:
        raise problems[0]
    return results[0]


def database_lock(config: Config) -> DatabaseLock:
    """Give the lock on the database file of these settings."""
    return DatabaseLock(config.path(config.sections.store.path))
