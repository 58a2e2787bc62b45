"""One thread's connection to the database: held for as long as it works, and how failures are told apart."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from twisted.python.failure import Failure

from lyncpy.contracts.refusal import StoreUnavailable

T = TypeVar("T")
Job: TypeAlias = Callable[[Connection], T | Failure]
"""What is done with the database: SQL and nothing else, for it is done again when its transaction was taken back.

It raises nothing on purpose: what was decided, such as a conflict, is a result, so that it spoils no transaction. A
result that is a Failure fails who asked."""

_OURS: Final = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
"""A wrong statement or value, as SQLAlchemy has it."""


class Link:
    """A connection that is opened when it is first needed, and anew after the world has failed.

    Only the connection that failed is closed. With its last connection SQLite closes the WAL and its
    index, which on a full disk it cannot make again: then nothing could be read either.

    Transactions are begun and ended here, in words: for SQLAlchemy there is one, which never ends.

    Args:
        engine: Opens connections; they begin no transaction by themselves.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
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

    def _done(self, do: Callable[[Connection, Sequence[Job[Any]]], list[Any]], jobs: Sequence[Job[Any]]) -> list[Any]:
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = self._engine.connect()
                connection.begin()
            return do(connection, jobs)
        except _OURS + self._ours:
            raise
        except (DBAPIError, self._world) as error:
            self._give_up()
            raise StoreUnavailable(str(error.orig if isinstance(error, DBAPIError) else error)) from error

    def _in_transaction(self, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        # IMMEDIATE: a transaction that first reads and then writes would fail when
        # another program wrote in between; this one waits for its turn instead.
        driver.cursor().execute("BEGIN IMMEDIATE")
        try:
            results = _one_by_one(connection, jobs)
        except BaseException:
            driver.rollback()
            raise
        driver.commit()
        return results

    def _give_up(self) -> None:
        """Close the connection that failed: what follows begins on a new one; the file may be back on its disk then."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _one_by_one(connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
    return [job(connection) for job in jobs]
