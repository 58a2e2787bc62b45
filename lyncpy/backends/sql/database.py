"""The life of one SQLite database: opened, brought up to date, read, written, closed."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ClauseElement, create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.files import connect, copy_file, require_file
from lyncpy.backends.sql.link import Job, Link, T
from lyncpy.backends.sql.prepared import PreparedStatement
from lyncpy.backends.sql.upgrades import upgrade
from lyncpy.backends.threads import Threads
from lyncpy.contracts.group_commit import IGroupCommit, Queues
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import IUnit, Unfinished

PAGES: Final = 256
"""Pages (1 MiB) that one transaction gives back to the disk: other writes go between two of them."""


WRITES: Final = "store_write"
READS: Final = "store_read"
"""The names of the queues in front of its threads."""


@implementer(IUnit)
class Database:
    """A file, a thread that writes it and a thread that reads it.

    Readers see what was committed when they begin, and never wait for the writer (WAL). Jobs are
    done in calling order. All that wait when a transaction ends share the next one, so that one
    sync of the disk makes many of them durable.

    Args:
        settings: Where the file is.
        home: The folder that a relative file name starts from.
        queues: Gives the queues in front of the two threads, each with a bound of `waiting_max`.
        reactor: Hears from the threads.
    """

    log = Logger()
    name = "store"

    def __init__(self, settings: Settings, home: Path, queues: Queues, reactor: IReactorFromThreads) -> None:
        self._path = home / settings.path
        self._busy_s = settings.busy_s
        self._close_s = settings.close_s
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: connect(self._path, settings.busy_s),
            poolclass=NullPool,
            hide_parameters=True,  # values are secrets: an error's text must not show them
        )
        # One for each thread: who writes may need a new connection, and must not close the other's.
        self._writer, self._reader = Link(self._engine), Link(self._engine)
        self._threads: list[Threads] = []
        self._failing: set[str] = set()
        self._writes = self._queue(WRITES, queues, self._writer.commit, reactor)
        self._reads = self._queue(READS, queues, self._reader.look, reactor)

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
        try:
            await self.run_write(self._prepare)
        except StoreUnavailable as error:
            raise StoreUnavailable(f'the database "{self._path}" ([store] url) cannot be used: {error}') from error
        trouble = await self.run_read(self._make_shrinkable)
        if trouble:
            self.log.warn(
                "{path} keeps its size, whatever is purged from it: {reason}; it is tried again at the next start",
                path=str(self._path),
                reason=trouble,
            )

    async def close(self) -> None:
        """Run the waiting jobs, then close the file; its WAL is emptied into it.

        Raises:
            Unfinished: Some of it could not be done within `close_s`.
        """
        left = await self._writes.close(self._close_s)
        reads_left = await self._reads.close(self._close_s)
        if left or reads_left:
            # A thread that hangs in the disk is left behind, and the connection that it uses.
            raise Unfinished(f"{left} writes are not known to be done: the disk did not take them in time")
        for threads in self._threads:
            await threads.stop()
        self._reader.close()
        self._writer.close()

    def prepare(self, statement: ClauseElement, *names: str) -> PreparedStatement:
        """Write a statement down for this database; its values are given in the order of `names`."""
        return PreparedStatement(statement, self._engine.dialect, names)

    def run_write(self, job: Job[T]) -> Deferred[T]:
        """Do a job in the next transaction, in calling order; its result is durable when it comes."""
        answer: Deferred[T] = self._writes.add(job)
        return answer

    def run_read(self, job: Job[T]) -> Deferred[T]:
        """Do a job that only reads."""
        answer: Deferred[T] = self._reads.add(job)
        return answer

    async def shrink(self) -> int:
        """Give the pages of what was removed back to the disk, a slice at a time; give the number of pages."""
        total = 0
        while count := await self.run_write(_free_pages):
            total += count
        if total:
            # The file itself is cut when its WAL is emptied into it; readers and writers are not waited for.
            await self.run_read(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all())
        return total

    def _queue(
        self,
        name: str,
        queues: Queues,
        do: Callable[[Sequence[Job[Any]]], Sequence[Any]],  # Any: each job has its own result
        reactor: IReactorFromThreads,
    ) -> IGroupCommit:
        """Build a thread and the queue in front of it."""
        threads = Threads(reactor, f"lyncpy-{name.replace('_', '-')}")
        self._threads.append(threads)
        return queues(name, lambda jobs: threads.call_in_thread(partial(do, jobs)), partial(self._troubled, name))

    def _troubled(self, name: str, reason: str) -> None:
        """Log the first failure of a row of failures: a full disk must not be filled by its own log."""
        if not reason:
            self._failing.discard(name)
            self.log.info("the store works again")
        elif name not in self._failing:
            self._failing.add(name)
            self.log.error(
                "the store failed: {reason}; requests that need it are refused until it works", reason=reason
            )

    def _make_shrinkable(self, connection: Connection) -> str:
        """Rewrite a file of the first versions, which could not shrink; give the error that prevents it, or ""."""
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


def _free_pages(connection: Connection) -> int:
    """Give back up to PAGES pages; give their number."""
    free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    count = min(free, PAGES)
    for _ in range(count):
        # One by one: Python's sqlite3 takes the first step of a statement without columns, and no more.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)").close()
    return count
