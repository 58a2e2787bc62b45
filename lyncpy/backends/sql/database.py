"""The life of one SQLite database: opened, brought up to date, read, written, closed."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.files import connect, copy_file, require_file
from lyncpy.backends.sql.lanes import Job, Lane, T
from lyncpy.backends.sql.upgrades import upgrade
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import IUnit

PAGES: Final = 256
"""Pages (1 MiB) that one transaction gives back to the disk: other writes go between two of them."""


@implementer(IUnit)
class Database:
    """A file, a thread that writes it and a thread that reads it.

    Readers see what was committed when they begin, and never wait for the writer (WAL).
    """

    log = Logger()
    name = "store"

    def __init__(self, settings: Settings, home: Path, meter: IMeter, reactor: IReactorFromThreads) -> None:
        """Take what `open` needs.

        Args:
            settings: Where the file is.
            home: The folder that a relative file name starts from.
            meter: Hears of trips, failures and queues.
            reactor: Hears from the threads.
        """
        self._path = home / settings.path
        self._busy_s = settings.busy_s
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: connect(self._path, settings.busy_s),
            poolclass=QueuePool,
            pool_size=2,
            hide_parameters=True,  # values are secrets: an error's text must not show them
        )
        self._writes = Lane("write", self._commit, settings.waiting_max, meter, reactor)
        self._reads = Lane("read", self._look, settings.waiting_max, meter, reactor)

    @property
    def dialect(self) -> str:
        """The SQL that statements are written in, "sqlite"."""
        return self._engine.dialect.name

    async def open(self) -> None:
        """Make or open the file and upgrade its schema.

        Raises:
            StoreUnavailable: With a sentence for an operator.
        """
        require_file(self._path)
        self._writes.open()
        self._reads.open()
        try:
            await self._writes.do(self._prepare)
        except StoreUnavailable as error:
            raise StoreUnavailable(f'the database "{self._path}" ([store] url) cannot be used: {error}') from error
        trouble = await self._reads.do(self._make_shrinkable)
        if trouble:
            self.log.warn(
                "{path} keeps its size, whatever is purged from it: {cause}; it is tried again at the next start",
                path=str(self._path),
                cause=trouble,
            )

    async def close(self) -> None:
        """Do what waits, then close the file; its WAL is emptied into it."""
        await self._writes.close()
        await self._reads.close()
        self._engine.dispose()

    def write(self, job: Job[T]) -> Deferred[T]:
        """Do a job in the next transaction, in calling order; its result is durable when it comes."""
        return self._writes.do(job)

    def read(self, job: Job[T]) -> Deferred[T]:
        """Do a job that only reads."""
        return self._reads.do(job)

    async def shrink(self) -> int:
        """Give the room of what was removed back to the disk, a slice at a time; give the number of pages."""
        total = 0
        while count := await self.write(_free_pages):
            total += count
        if total:
            # The file itself is cut when its WAL is emptied into it; readers and writers are not waited for.
            await self.read(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all())
        return total

    def _make_shrinkable(self, connection: Connection) -> str:
        """Rewrite a file of the first versions, which could not shrink; say what prevents it, or ""."""
        if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar():
            return ""
        self.log.info("rewriting {path}, once, so that it can shrink", path=str(self._path))
        try:
            connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
            connection.exec_driver_sql("VACUUM")
        except DBAPIError as error:  # no room for the copy, or another program is at work
            return str(error.orig)
        return ""

    def _prepare(self, connection: Connection) -> None:
        """Upgrade the schema, after a copy of the file was made beside it."""

        def copy(newest: str) -> None:
            target = self._path.with_name(f"{self._path.name}.before-{newest}")
            try:
                copy_file(self._path, target, self._busy_s)
            except (OSError, sqlite3.Error) as error:
                raise StoreUnavailable(
                    f'it must be upgraded, and the copy "{target}" cannot be made before: {error}; make room for it'
                ) from error
            self.log.info("the store as it was is kept in {path}", path=str(target))

        upgrade(connection, copy)

    def _commit(self, jobs: Sequence[Job[Any]]) -> list[Any]:  # Any: each job has its own result
        """Do jobs in one transaction, in the writing thread."""
        with self._trip(), self._engine.begin() as connection:
            # IMMEDIATE: a transaction that first reads and then writes would fail when
            # another program wrote in between; this one waits for its turn instead.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return [job(connection) for job in jobs]

    def _look(self, jobs: Sequence[Job[Any]]) -> list[Any]:  # Any: each job has its own result
        """Do jobs one after the other, in the reading thread; each sees what is committed then."""
        with self._trip(), self._engine.connect() as connection:
            return [job(connection) for job in jobs]

    @contextmanager
    def _trip(self) -> Iterator[None]:
        """Begin the next trip on a new connection when this one fails: the file may be back on its disk then."""
        try:
            yield
        except DBAPIError:
            self._engine.dispose()
            raise


def _free_pages(connection: Connection) -> int:
    """Give back up to PAGES pages; give their number."""
    free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    count = min(free, PAGES)
    for _ in range(count):
        # One by one: Python's sqlite3 takes the first step of a statement without columns, and no more.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)").close()
    return count
