"""IVolatileStore on PostgreSQL: tables that it keeps no log of, and empties after it has not ended in order.

No version is given again after that, because those of the emptied table begin above a base that grows with each
loss; the base is durable, and is ahead of the clock by more versions than can be given in the meantime. So it is
not repeated either by a standby that takes over without having heard of the last one.

A table is emptied only while nobody is connected. So each new connection looks at the base, and whoever finds
another one than before has lost all.
"""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.ledger import ANOTHER_END
from lyncpy.backends.sql.link import Job, Look, T
from lyncpy.backends.sql.prepared import StatementJob
from lyncpy.backends.sql.statements import ANY_KIND, both_read, both_replaced, of_durable, of_volatile
from lyncpy.backends.sql.store import SqlRecordStore
from lyncpy.backends.sql.tables import volatile_floors
from lyncpy.backends.text import is_storable, require_key
from lyncpy.contracts.names import Version
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import Conflict, IBothRecords, IVolatileStore, Record

VOLATILE: Final = "store_volatile"
"""The name of the queue, and of the durable floor that is the base."""

AHEAD: Final = 2**40
"""Versions between one base and the next: of a thousand a second, those of 35 years."""

# Microseconds of the clock, so that a base which was forgotten is below the next one all the same: nobody gives a million
# versions of a kind in a second.
_BEGIN: Final = """
WITH base AS (
    INSERT INTO floors AS known (kind, version)
    VALUES (%s, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + %s)
    ON CONFLICT (kind) DO UPDATE SET version = greatest(known.version + %s, excluded.version)
    RETURNING version
)
INSERT INTO volatile_floors (kind, version) SELECT %s, version FROM base ON CONFLICT DO NOTHING
"""

_BASE: Final = select(volatile_floors.c.version).where(volatile_floors.c.kind == ANY_KIND)


@implementer(IVolatileStore, IBothRecords)
class SqlVolatileStore(SqlRecordStore):
    """Volatile records that all processes share; they wait for no disk.

    Args:
        database: A PostgreSQL server's.
        wall: The clock of `expires`, in seconds since 1970; one that does not step.
        reactor: Hears from the thread.
    """

    log = Logger()

    def __init__(self, database: Database, wall: Callable[[], float], reactor: IReactorFromThreads) -> None:
        run = database.own_queue(VOLATILE, self._greet)

        def look(job: Job[T]) -> Deferred[T]:
            # In the same queue, so that it waits for what was written before it, and no transaction for it.
            found: Deferred[T] = run(Look(job))
            return found

        volatile, durable = of_volatile(database.dialect), of_durable(database.dialect)
        super().__init__(database, volatile, look, run, wall)
        self._run_durably = database.run_write
        self._read_both = database.prepare(both_read(durable, volatile), "of_kind", "of_key", "now")
        self._both = database.prepare(
            both_replaced(durable, volatile, fenced=False),
            *("of_kind", "of_key", "now", "new_value", "expected", "volatile_value", "volatile_expected"),
            fenced=both_replaced(durable, volatile, fenced=True),
        )
        self._reactor = reactor
        self._base: int | None = None
        """Above which versions began when the last connection was made; None: there was none yet."""

        self._hear: Callable[[], None] = lambda: None

    def write(
        self,
        kind: str,
        key: str,
        value: bytes | Callable[[], bytes],
        expected: Version,
        expires: float | None = None,
    ) -> Deferred[Version]:
        """Replace the record if its version is still `expected`; give the new version, or fail with Conflict."""
        return super().write(kind, key, value if isinstance(value, bytes) else value(), expected, expires)

    def read_both(self, kind: str, key: str) -> Deferred[tuple[Record | None, Record | None]]:
        """Read the durable record of a kind and key, and the volatile one."""
        if not is_storable(key):
            return succeed((None, None))
        return self._run_read(StatementJob(self._read_both, (kind, key, self._wall()), _both_found))

    def write_both(
        self,
        kind: str,
        key: str,
        value: bytes | Callable[[], bytes],
        expected: Version,
        durable: bytes,
        durable_expected: Version,
    ) -> Deferred[tuple[Version, Version]]:
        """Replace a record and the durable one of the same kind and key, both or none; give the new versions of both."""
        require_key(kind, key)
        data = value if isinstance(value, bytes) else value()
        values = (kind, key, self._wall(), durable, durable_expected, data, expected)
        versions = Version(expected + 1), Version(durable_expected + 1)

        def judged(cursor: Any) -> tuple[Version, Version] | Failure:  # Any: a driver's cursor
            (count,) = cursor.fetchone()
            return versions if count else Failure(other)

        def conflict(failure: Failure) -> Failure:
            return Failure(other) if getattr(failure.value, "sqlstate", None) == ANOTHER_END else failure

        other = Conflict(f"{kind[:80]} {key[:80]!r} is not at versions {expected} and {durable_expected}")
        return self._run_durably(StatementJob(self._both, values, judged)).addErrback(conflict)

    def on_loss(self, hear: Callable[[], None]) -> None:
        """Call `hear` each time that all records were lost, before any answer of what has lost them."""
        before = self._hear

        def both() -> None:
            before()
            hear()

        self._hear = both

    def look_again(self) -> None:
        """Find out whether all records were lost, though nobody asks for any; may be called in any thread."""
        self._reactor.callFromThread(self._look)

    def _look(self) -> None:
        looked: Deferred[None] = self._run_read(_nothing)
        _ = looked.addErrback(lambda failure: failure.trap(StoreUnavailable) and None)

    def _greet(self, connection: Connection) -> None:
        """Look whether the records are still those of before; in the thread."""
        base = connection.execute(_BASE).scalar()
        if base is None:
            # Durable: a base that is not kept would be given again.
            connection.exec_driver_sql(_BEGIN, (VOLATILE, AHEAD, AHEAD, ANY_KIND))
            base = connection.execute(_BASE).scalar_one()
        connection.exec_driver_sql("SET synchronous_commit = off")
        if self._base not in (None, base):
            # Comes to the reactor before the results of what is done on this connection.
            self._reactor.callFromThread(self._lost)
        self._base = base

    def _lost(self) -> None:
        self.log.warn("PostgreSQL did not end in order: who is signed in, and what devices say, is written to it again")
        self._hear()


def _both_found(cursor: Any) -> tuple[Record | None, Record | None]:  # Any: a driver's cursor
    found = {part: Record(*record) for *record, part in cursor.fetchall()}
    return found.get(0), found.get(1)


def _nothing(connection: Connection) -> None:
    """Has used the connection, or a new one."""
