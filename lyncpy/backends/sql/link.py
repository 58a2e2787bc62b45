"""One thread's connection to the database: held for as long as it works, and how failures are told apart."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from twisted.python.failure import Failure

from lyncpy.backends.sql.dialects import BEGIN, is_worlds, pause, reason_of, was_taken_back
from lyncpy.contracts.refusal import StoreUnavailable

T = TypeVar("T")
Job: TypeAlias = Callable[[Connection], T | Failure]
"""What is done with the database: SQL and nothing else, for it is done again when its transaction was taken back.

It raises nothing on purpose: what was decided, such as a conflict, is a result, so that it spoils no transaction. A
result that is a Failure fails who asked."""

Doing: TypeAlias = Callable[[Connection, Sequence[Job[Any]]], list[Any]]  # Any: each job has its own result

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
    """

    def __init__(self, engine: Engine, greet: Callable[[Connection], None] = lambda connection: None) -> None:
        self._engine = engine
        self._greet = greet
        self._connection: Connection | None = None
        self._begin = BEGIN[engine.dialect.name]
        self._has_begun = False
        """Whether the database may have heard of the transaction."""
        driver = engine.dialect.dbapi
        assert driver is not None
        self._world = driver.Error
        self._ours = (driver.IntegrityError, driver.DataError, driver.ProgrammingError, driver.NotSupportedError)

    def commit(self, jobs: Sequence[Job[Any]]) -> list[Any]:  # Any: each job has its own result
        """Do jobs in one transaction: all of them, or none.

        Raises:
            StoreUnavailable: The world failed (disk, lock, connection). Whatever else is raised, is a job's fault.
        """
        return self._done(self._in_transaction, jobs)

    def look(self, jobs: Sequence[Job[Any]]) -> list[Any]:  # Any: each job has its own result
        """Do jobs one after the other; each sees what is committed by then. Raises as `commit` does."""
        return self._done(_one_by_one, jobs)

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
        try:
            if connection is None:
                opened = self._connection = self._engine.connect()
                opened.begin()
                self._has_begun = False
                self._greet(opened)
                return do(opened, jobs)
            return do(connection, jobs)
        except (DBAPIError, self._world) as error:
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
        # It had ended before a transaction was begun on it, as when the server was restarted: nothing is in doubt.
        is_idle_loss = again and not self._has_begun and connection is not None and _is_closed(connection)
        self._give_up()
        if is_idle_loss:
            return self._done(do, jobs, 0)
        raise StoreUnavailable(reason_of(origin)) from failure

    def _in_transaction(self, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        self._has_begun = False
        driver.cursor().execute(self._begin)
        self._has_begun = True
        try:
            results = _one_by_one(connection, jobs)
        except BaseException:
            try:
                driver.rollback()
            except self._world:
                self._give_up()
            raise
        driver.commit()
        return results

    def _give_up(self) -> None:
        """Close the connection that failed: what follows begins on a new one; the file may be back on its disk then."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _is_closed(connection: Connection) -> bool:
    """Whether the driver knows that its connection is no more; that of SQLite, whose database is in the process, never does."""
    return connection.invalidated or getattr(connection.connection.dbapi_connection, "closed", False)


def _after_a_pause(do: Doing, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
    """Do it a little later; each time that it is done again adds a pause. Two that begin anew at once would only meet again."""
    pause(connection)
    return do(connection, jobs)


def _one_by_one(connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
    return [job(connection) for job in jobs]
