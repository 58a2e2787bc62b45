"""The life of one database: opened, brought up to date, read, written, closed."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import ClauseElement
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.dialects import takes_many
from lyncpy.backends.sql.fence import FENCED
from lyncpy.backends.sql.files import SqliteFile, unusable
from lyncpy.backends.sql.link import Job, Link, T
from lyncpy.backends.sql.prepared import PreparedStatement, StatementJob
from lyncpy.backends.sql.server import PostgresServer
from lyncpy.backends.sql.unfinished import require_whole
from lyncpy.backends.threads import Threads
from lyncpy.contracts.group_commit import IGroupCommit, Queues
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import IUnit, Reason, Unfinished

WRITES: Final = "store_write"
READS: Final = "store_read"
"""The names of the queues in front of its threads."""

PROBE: Final = "probe"
"""The key of what finds out that the database works again."""

Place: TypeAlias = SqliteFile | PostgresServer


class RunJob(Protocol):
    """Does jobs, in calling order."""

    def __call__(self, job: Job[T], /) -> Deferred[T]:
        """Do a job; its result comes when its transaction has ended."""


def place_of(settings: Settings, home: Path) -> Place:
    """Give where a database is; raises as `PostgresServer` does.

    Args:
        settings: Name it.
        home: The folder that relative file names start from.
    """
    return SqliteFile(settings, home) if settings.is_sqlite else PostgresServer(settings, home)


@implementer(IUnit)
class Database:
    """A file or a PostgreSQL server's database, a thread that writes it and a thread that reads it.

    Readers see what was committed when they begin, and never wait for the writer. Jobs are
    done in calling order. All that wait when a transaction ends share the next one, so that one
    sync of the disk makes many of them durable.

    Args:
        settings: Where it is.
        home: The folder that a relative file name starts from.
        queues: Gives the queues in front of the two threads, each with a bound of `waiting_max`.
        reactor: Hears from the threads.
    """

    log = Logger()
    name = "store"

    def __init__(self, settings: Settings, home: Path, queues: Queues, reactor: IReactorFromThreads) -> None:
        self._close_s = settings.close_s
        self._place = place_of(settings, home)
        self._engine = self._place.engine
        self._queues = queues
        self._reactor = reactor
        # One for each thread: who writes may need a new connection, and must not close the other's.
        explain = self._place.explain
        self._writer = Link(self._engine, self._place.greet, explain)
        self._reader = Link(self._engine, explain=explain)
        self._failing: dict[str, str] = {}
        """Why each queue fails now."""
        self._is_open = True
        self._gathered: Deferred[Any] | None = None  # Any: each job has its own result
        """The last that came without waiting in a queue here."""
        self._writing, self._reading = self._threads(WRITES), self._threads(READS)
        self._writes = self._queue(WRITES, self._writer.commit, self._writing)
        self._reads = self._queue(READS, self._reader.look, self._reading)
        self._probes: dict[str, tuple[IGroupCommit, Job[None]]] = {
            WRITES: (self._writes, self._place.try_write),
            READS: (self._reads, _try_read),
        }
        """What finds out that a queue works again: it is tried until it is done."""

        self._others: list[tuple[IGroupCommit, Threads, Link]] = []
        """Further queues, each with its thread and connection."""

        self._fenced = [self._writer]

    @property
    def dialect(self) -> str:
        """The SQL that statements are written in, "sqlite" or "postgresql"."""
        return self._engine.dialect.name

    async def open(self) -> None:
        """Make or open the database and upgrade its schema.

        Raises:
            StoreUnavailable: With a sentence for an operator.
        """
        self._place.require()
        try:
            # Not by way of the queue, which gives up what takes long: an upgrade, or another server's, takes its time.
            await self._writing.call_in_thread(partial(self._writer.commit, [self._place.prepare, require_whole]))
        except StoreUnavailable as error:
            raise StoreUnavailable(unusable(self._place.shown, error)) from error
        await self.run_read(self._place.settle)

    async def close(self) -> None:
        """Run the waiting jobs, then close the file; its WAL is emptied into it.

        Raises:
            Unfinished: Some of it could not be done within `close_s`.
        """
        self._is_open = False
        if self._gathered is not None and not self._gathered.called:
            # Comes behind it: a thread that hangs in it is not waited for any longer than in another write.
            _ = self._writes.add(_nothing).addErrback(lambda failure: failure.trap(StoreUnavailable) and None)
        left = await self._writes.close(self._close_s)
        left -= self._writes.items().count(self._place.try_write)
        hangs = [await queue.close(self._close_s) for queue in (self._reads, *(queue for queue, _, _ in self._others))]
        if left or any(hangs):
            # A thread that hangs in the disk is left behind, and the connection that it uses.
            raise Unfinished(f"{left} writes are not known to be done: the disk did not take them in time")
        for threads in (self._writing, self._reading, *(threads for _, threads, _ in self._others)):
            await threads.stop()
        for link in (self._reader, self._writer, *(link for _, _, link in self._others)):
            link.close()

    def own_queue(self, name: str, greet: Callable[[Connection], None], *, is_fenced: bool = True) -> RunJob:
        """Give a queue of its own, with a thread and a connection: its transactions wait for no other's.

        Args:
            name: Of the queue.
            greet: What each of its connections has to do first, in the thread.
            is_fenced: Whether `fence` is for its transactions, too.
        """
        link, threads = Link(self._engine, greet), self._threads(name)
        queue = self._queue(name, link.commit, threads)
        self._others.append((queue, threads, link))
        self._probes[name] = queue, self._place.try_write
        if is_fenced:
            self._fenced.append(link)
        return queue.add

    def fence(self, held: StatementJob[None]) -> None:
        """Have each transaction that writes for all begin with a statement that fails once this node is known dead.

        It is said in one breath with what follows, and costs no way there and back.
        """
        for link in self._fenced:
            link.fence = held

    def size(self) -> Deferred[int]:
        """Give the bytes of the database."""
        return self.run_read(self._place.size)

    def conditions(self) -> Sequence[Reason]:
        """Say whether it can be written and read."""
        remedy = "requests that need it are refused until it works; mend what the sentence names"
        return [
            Reason("store", f"it fails: {reason}", good=False, remedy=remedy, grave=True)
            for reason in dict.fromkeys(self._failing.values())
        ]

    def prepare(self, statement: ClauseElement, *names: str, fenced: ClauseElement | None = None) -> PreparedStatement:
        """Write a statement down for this database; its values are given in the order of `names`.

        Args:
            statement: What is said.
            names: Of its values.
            fenced: The same with the lease looked at within it, see `fence.HELD`; None: that is said before it.
        """
        dialect = self._engine.dialect
        held = None
        if fenced is not None and takes_many(dialect.name):
            held = PreparedStatement(fenced, dialect, (*names, FENCED))
        return PreparedStatement(statement, dialect, names, held)

    def run_write(self, job: Job[T]) -> Deferred[T]:
        """Do a job in the next transaction, in calling order; its result is durable when it comes."""
        answer: Deferred[T] = self._writes.add(job)
        return answer

    def run_gathered(self, *jobs: Job[T]) -> Deferred[T]:
        """Do jobs in a transaction of their own, in calling order: what a queue has gathered, or a purge; give the first result.

        Who asks says how long it may take.

        To wait in the queue of `run_write` as well would cost an item that comes alone as much as the transaction.
        """
        if not self._is_open:
            return fail(StoreUnavailable("the store is closed"))
        done: Deferred[T] = self._writing.call_in_thread(lambda: self._writer.commit(jobs)[0])
        self._gathered = done
        return done

    def run_read(self, job: Job[T]) -> Deferred[T]:
        """Do a job that only reads."""
        answer: Deferred[T] = self._reads.add(job)
        return answer

    async def shrink(self) -> int:
        """Give the pages of what was removed back to the disk, a slice at a time; give the number of pages."""
        total = 0
        while count := await self.run_write(self._place.free_slice):
            total += count
        if total:
            await self.run_read(self._place.end_shrinking)
        return total

    def _threads(self, name: str) -> Threads:
        return Threads(self._reactor, f"lyncpy-{name.replace('_', '-')}")

    def _queue(
        self,
        name: str,
        do: Callable[[Sequence[Job[Any]]], Sequence[Any]],  # Any: each job has its own result
        threads: Threads,
    ) -> IGroupCommit:
        """Build the queue in front of a thread."""
        return self._queues(name, lambda jobs: threads.call_in_thread(partial(do, jobs)), partial(self._troubled, name))

    def _troubled(self, name: str, reason: str) -> None:
        """Log the first failure of a row of failures: a full disk must not be filled by its own log."""
        if not reason:
            self._failing.pop(name, None)
            self.log.info("the store works again")
        elif name not in self._failing:
            self._failing[name] = reason
            # Nobody may ask for a long time, least of all where clients are sent elsewhere because of this.
            queue, probe = self._probes[name]
            queue.add_unawaited(probe, PROBE)
            self.log.error(
                "the store failed: {reason}; requests that need it are refused until it works", reason=reason
            )


def _try_read(connection: Connection) -> None:
    """Find out whether the database can be read."""
    connection.exec_driver_sql("SELECT 1").close()


def _nothing(connection: Connection) -> None:
    """Has waited for whatever the thread was asked before."""
