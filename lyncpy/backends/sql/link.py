"""One thread's connection to the database: held for as long as it works, and how failures are told apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Final, Generic, TypeAlias, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from twisted.python.failure import Failure

from lyncpy.backends.sql.dialects import (
    BEGIN,
    has_ended,
    is_worlds,
    pause,
    reason_of,
    takes_many,
    was_fenced,
    was_taken_back,
)
from lyncpy.backends.sql.prepared import StatementJob
from lyncpy.contracts.nodes import Fenced
from lyncpy.contracts.refusal import StoreUnavailable

T = TypeVar("T")
Job: TypeAlias = Callable[[Connection], T | Failure]
"""What is done with the database: SQL and nothing else, for it is done again when its transaction was taken back.

It raises nothing on purpose: what was decided, such as a conflict, is a result, so that it spoils no transaction. A
result that is a Failure fails who asked."""

Doing: TypeAlias = Callable[[Connection, Sequence[Job[Any]]], list[Any]]  # Any: each job has its own result


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """A job that only reads, in a queue of jobs that write."""

    job: Job[T]

    def __call__(self, connection: Connection) -> T | Failure:
        """Do it."""
        return self.job(connection)


def _job_of(job: Job[T]) -> Job[T]:
    return job.job if isinstance(job, Look) else job


AGAIN: Final = 6
"""How often a transaction is done again that was taken back for the sake of another one."""


_OURS: Final = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
"""A wrong statement or value, as SQLAlchemy has it."""


def is_jobs_fault(error: BaseException, ours: tuple[type[Exception], ...] = _OURS) -> bool:
    """Whether a wrong statement or value failed, and not the world."""
    return isinstance(error, ours) and not is_worlds(_origin(error))


def _origin(error: BaseException) -> BaseException | None:
    """Give what the driver raised."""
    return error.orig if isinstance(error, DBAPIError) else error


class Link:
    """A connection that is opened when it is first needed, and anew after the world has failed.

    Only the connection that failed is closed. With its last connection SQLite closes the WAL and its
    index, which on a full disk it cannot make again: then nothing could be read either.

    Transactions are begun and ended here, in words: for SQLAlchemy there is one, which never ends.

    Args:
        engine: Opens connections; they begin no transaction by themselves.
        greet: What each connection has to do first.
        explain: Says what a failure of the world means, for an operator.

    Attributes:
        fence: What each transaction begins with, and fails with when this node's lease is over; None: nothing.
    """

    fence: StatementJob[None] | None = None

    def __init__(
        self,
        engine: Engine,
        greet: Callable[[Connection], None] = lambda connection: None,
        explain: Callable[[BaseException | None], str] = reason_of,
    ) -> None:
        self._engine = engine
        self._greet = greet
        self._explain = explain
        self._connection: Connection | None = None
        self._begin = BEGIN[engine.dialect.name]
        self._takes_many = takes_many(engine.dialect.name)
        driver = engine.dialect.dbapi
        assert driver is not None
        self._world = driver.Error
        self._ours = (driver.IntegrityError, driver.DataError, driver.ProgrammingError, driver.NotSupportedError)

    def commit(self, jobs: Sequence[Job[Any]]) -> list[Any]:  # Any: each job has its own result
        """Do jobs in one transaction: all of them, or none; what only looks needs none, where nothing else is to be done.

        Raises:
            StoreUnavailable: The world failed (disk, lock, connection). Whatever else is raised, is a job's fault.
        """
        if all(isinstance(job, Look) for job in jobs):
            return self.look(jobs)
        return self._done(self._in_transaction, [_job_of(job) for job in jobs])

    def look(self, jobs: Sequence[Job[Any]]) -> list[Any]:  # Any: each job has its own result
        """Do jobs one after the other; each sees what is committed by then. Raises as `commit` does."""
        return self._done(self._one_by_one, [_job_of(job) for job in jobs])

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _done(
        self,
        do: Doing,
        jobs: Sequence[Job[Any]],
        again: int = AGAIN,
    ) -> list[Any]:
        connection = self._connection
        if self._takes_many and connection is not None and has_ended(connection.connection.dbapi_connection):
            self._give_up()
            connection = None
        try:
            if connection is None:
                opened = self._connection = self._engine.connect()
                opened.begin()
                self._greet(opened)
                return do(opened, jobs)
            return do(connection, jobs)
        except (DBAPIError, self._world) as error:
            if self.fence is not None and was_fenced(_origin(error)):
                raise Fenced("the lease of this node is over: nothing that it writes is taken any more") from error
            if is_jobs_fault(error, _OURS + self._ours):
                raise
            failure, origin = error, _origin(error)
        except StoreUnavailable:
            # A job's own, or that of a connection which may not be used.
            if connection is None:
                self._give_up()
            raise
        if again and was_taken_back(origin):
            return self._done(partial(_after_a_pause, do), jobs, again - 1)
        self._give_up()
        raise StoreUnavailable(self._explain(origin)) from failure

    def _in_transaction(self, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        driver: Any = connection.connection.dbapi_connection  # Any: SQLAlchemy names no type of all drivers
        try:
            fence = self.fence
            if self._takes_many and all(isinstance(job, StatementJob) for job in jobs):
                return _at_once(connection, jobs, self._begin, fence)
            if fence is not None:
                _at_once(connection, (fence,), self._begin, ends=False)
            else:
                driver.cursor().execute(self._begin)
            results = self._one_by_one(connection, jobs)
            driver.commit()
        except BaseException:
            try:
                driver.rollback()
            except self._world:
                self._give_up()
            raise
        return results

    def _one_by_one(self, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        """Do jobs in order; of those that are one statement, all that follow one another at once."""
        if not self._takes_many:
            return [job(connection) for job in jobs]
        results: list[Any] = []
        for is_statement, some in groupby(jobs, lambda job: isinstance(job, StatementJob)):
            row = tuple(some)
            results += _at_once(connection, row) if is_statement else [job(connection) for job in row]
        return results

    def _give_up(self) -> None:
        """Close the connection that failed: what follows begins on a new one; the file may be back on its disk then."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _after_a_pause(do: Doing, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
    """Do it a little later; each time that it is done again adds a pause. Two that begin anew at once would only meet again."""
    pause(connection)
    return do(connection, jobs)


def _at_once(
    connection: Connection,
    jobs: Sequence[Any],  # Any: jobs of one statement
    begin: str = "",
    fence: StatementJob[None] | None = None,
    *,
    ends: bool = True,
) -> list[Any]:  # Any: each job has its own result
    """Say statements to the database without waiting for each, and judge what it has answered.

    Args:
        connection: To a database that takes many at once.
        jobs: Theirs.
        begin: Begins a transaction, if they are to be one.
        fence: What has to hold for them.
        ends: Whether that ends with them.
    """
    if fence is not None:
        first = jobs[0].fenced(fence)
        if first is None:
            return _at_once(connection, (fence, *jobs), begin)[1:]
        jobs = (first, *jobs[1:])
    if len(jobs) == 1 and ends:
        # One statement is a transaction by itself.
        return [jobs[0](connection)]
    driver: Any = connection.connection.dbapi_connection  # Any: as above
    with driver.pipeline():
        if begin:
            driver.cursor().execute(begin)
        cursors = [job.statement.execute(connection, job.values) for job in jobs]
        if begin and ends:
            driver.cursor().execute("COMMIT")
    return [job.judge(cursor) for job, cursor in zip(jobs, cursors, strict=True)]


def look_once(link: Link, job: Job[T]) -> T:
    """Do a job that only reads, and close the connection; raises as `look`."""
    try:
        done: T = link.look([job])[0]
        return done
    finally:
        link.close()
