"""IRecordStore and IStore on SQL. Every decision is made by the database, in the statement that writes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.sql.database import Database, RunJob
from lyncpy.backends.sql.dialects import exclude_writers
from lyncpy.backends.sql.prepared import StatementJob, Values
from lyncpy.backends.sql.statements import RecordStatements, of_durable
from lyncpy.backends.sql.tables import journals
from lyncpy.backends.text import is_storable, require_key
from lyncpy.contracts.names import Version
from lyncpy.contracts.store import Conflict, IRecordStore, IStore, JournalEntry, Mark, Record, Written

SLICE: Final = 1000
"""Lines that one transaction of a purge removes: other writes go between two of them."""


@implementer(IRecordStore)
class SqlRecordStore:
    """Records in one table of a database that is opened and closed elsewhere; no state of its own.

    Methods queue their job when they are called, not when they are awaited: that is what
    keeps the calling order.

    Args:
        database: Where they are.
        statements: About the table.
        run_read: Does jobs that only read.
        run_write: Does jobs that write.
        wall: The clock of `expires`, in seconds since 1970; one that does not step.
    """

    def __init__(
        self,
        database: Database,
        statements: RecordStatements,
        run_read: RunJob,
        run_write: RunJob,
        wall: Callable[[], float],
    ) -> None:
        self._statements = statements
        self._run_read = run_read
        self._run_write = run_write
        self._run_alone: RunJob = database.run_gathered
        self._wall = wall
        prepare = database.prepare
        # What is done all the time is prepared; its values have the order of these names.
        self._read = prepare(statements.read, "of_kind", "of_key", "now")
        self._scan = prepare(statements.scan, "of_kind", "start", "now")
        self._scan_to = prepare(statements.scan_to, "of_kind", "start", "now", "stop")
        new = "of_kind", "of_key", "now", "new_value", "new_expires"
        self._replace = prepare(statements.replace, *new, "expected", fenced=statements.replace_fenced)
        self._create = prepare(statements.create(), *new, fenced=statements.create(fenced=True))
        self._remove = prepare(
            statements.remove, "of_kind", "of_key", "now", "expected", fenced=statements.remove_fenced
        )
        self._raise_floor = statements.raise_floor()

    def read(self, kind: str, key: str) -> Deferred[Record | None]:
        """Give one record, or None; an expired one is none."""
        if not is_storable(key):
            return succeed(None)
        return self._run_read(StatementJob(self._read, (kind, key, self._wall()), _found))

    def scan(self, kind: str, prefix: str = "") -> Deferred[Sequence[Record]]:
        """Give all records of a kind whose key begins so, by key."""
        if not is_storable(prefix):
            return succeed(())
        end = _end_of(prefix)
        statement = self._scan if end is None else self._scan_to
        values: Values = (kind, prefix, self._wall()) if end is None else (kind, prefix, self._wall(), end)
        return self._run_read(StatementJob(statement, values, _all_found))

    def write(
        self, kind: str, key: str, value: bytes, expected: Version, expires: float | None = None
    ) -> Deferred[Version]:
        """Replace the record if its version is still `expected`; give the new version, or fail with Conflict."""
        require_key(kind, key)
        values: Values = (kind, key, self._wall(), value, expires)
        if expected:
            replaced = partial(_replaced, kind, key, expected)
            return self._run_write(StatementJob(self._replace, (*values, expected), replaced))
        return self._run_write(StatementJob(self._create, values, partial(_created, kind, key)))

    def remove(self, kind: str, key: str, expected: Version) -> Deferred[None]:
        """Remove the record if its version is still `expected`; else fail with Conflict."""
        require_key(kind, key)
        values: Values = (kind, key, self._wall())
        if expected:
            removed = partial(_removed, kind, key, expected)
            return self._run_write(StatementJob(self._remove, (*values, expected), removed))
        return self._run_write(StatementJob(self._read, values, partial(_absent, kind, key)))

    def written(self, kind: str, since: Mark | None, limit: int) -> Deferred[Written]:
        """Give which records of a kind were written or removed since a mark; None: give the mark of now."""
        statements, now = self._statements, self._wall()

        def job(connection: Connection) -> Written:
            # First: whatever is below it can be seen by who looks afterwards.
            ceiling, following = connection.execute(statements.ceiling, {"of_kind": kind}).one()
            if since is None or since.change > ceiling:
                return Written(Mark(ceiling), is_known=since is None)
            values = {
                "of_kind": kind,
                "from_change": since.change,
                "from_key": since.key,
                "to_change": ceiling,
                "now": now,
                "most": limit,
            }
            rows = connection.execute(statements.written, values).all()
            is_all = len(rows) < limit
            mark = Mark(ceiling) if is_all else Mark(rows[-1][2], rows[-1][0])
            versions = tuple((key, Version(version)) for key, version, _ in rows)
            return Written(mark, versions, is_all=is_all, following=following)

        return self._run_read(job)

    async def purge(self, before: float) -> int:
        """Delete the rows of records that were removed or have expired by then, a slice at a time; give the number of rows.

        Their versions are remembered.
        """
        values, statements = {"now": before, "most": SLICE}, self._statements

        def job(connection: Connection) -> int:
            # A key that comes back meanwhile would begin above the floor that was, and get a version again that it had.
            exclude_writers(connection, statements.table)
            gone = connection.execute(statements.forget, values).all()
            newest: dict[str, int] = {}
            for kind, version in gone:
                newest[kind] = max(version, newest.get(kind, 0))
            for kind in sorted(newest):
                connection.execute(self._raise_floor, {"of_kind": kind, "floor": newest[kind]})
            return len(gone)

        total = 0
        while count := await self._run_alone(job):
            total += count
        return total


@implementer(IStore)
class SqlStore(SqlRecordStore):
    """Durable records and journals.

    Args:
        database: Where they are.
        wall: As above.
    """

    def __init__(self, database: Database, wall: Callable[[], float]) -> None:
        statements = of_durable(database.dialect)
        super().__init__(database, statements, database.run_read, database.run_write, wall)
        self._append = database.prepare(insert(journals), "journal", "entry", "at")

    def append(self, journal: str, entry: bytes, at: float) -> Deferred[None]:
        """Add a line to a journal."""
        require_key("journal", journal)
        return self._run_write(StatementJob(self._append, (journal, entry, at), _appended))

    def replay(self, journal: str, since: float, until: float, limit: int) -> Deferred[Sequence[JournalEntry]]:
        """Give the newest `limit` lines with `since` <= at < `until`, oldest first."""
        column = journals.c
        statement = (
            select(column.serial, column.at, column.entry)
            .where(column.journal == journal, column.at >= since, column.at < until)
            .order_by(column.at.desc(), column.serial.desc())
            .limit(limit)
        )

        def job(connection: Connection) -> Sequence[JournalEntry]:
            rows = connection.execute(statement).all()
            return tuple(JournalEntry(row.serial, row.at, row.entry) for row in reversed(rows))

        return self._run_read(job)

    async def purge_journals(self, before: float) -> int:
        """Forget journal lines that are older than this, a slice at a time; give their number."""
        old = select(journals.c.serial).where(journals.c.at < before).limit(SLICE)
        statement = delete(journals).where(journals.c.serial.in_(old))
        total = 0
        while count := await self._run_alone(lambda connection: connection.execute(statement).rowcount):
            total += count
        return total


def _found(cursor: Any) -> Record | None:  # Any: a driver's cursor, here and below
    rows = cursor.fetchall()
    return Record(*rows[0]) if rows else None


def _all_found(cursor: Any) -> Sequence[Record]:
    return tuple(Record(*row) for row in cursor.fetchall())


def _replaced(kind: str, key: str, expected: Version, cursor: Any) -> Version | Failure:
    return Version(expected + 1) if cursor.rowcount else _conflict(kind, key, expected)


def _created(kind: str, key: str, cursor: Any) -> Version | Failure:
    """Give the version of a record that was made, which follows that of its former self."""
    rows = cursor.fetchall()
    return rows[0][0] if rows else _conflict(kind, key, Version(0))


def _removed(kind: str, key: str, expected: Version, cursor: Any) -> Failure | None:
    return None if cursor.fetchall() else _conflict(kind, key, expected)


def _absent(kind: str, key: str, cursor: Any) -> Failure | None:
    return _conflict(kind, key, Version(0)) if cursor.fetchall() else None


def _appended(cursor: Any) -> None:
    """Nothing can be otherwise."""


def _conflict(kind: str, key: str, expected: Version) -> Failure:
    return Failure(Conflict(f"{kind[:80]} {key[:80]!r} is not at version {expected}"))


def _end_of(prefix: str) -> str | None:
    """Give the first text after all that begin with `prefix`; None when there is no such text."""
    while prefix:
        following = ord(prefix[-1]) + 1
        if following <= 0x10FFFF:
            # Surrogates are no characters: after U+D7FF comes U+E000.
            return prefix[:-1] + chr(0xE000 if following == 0xD800 else following)
        prefix = prefix[:-1]
    return None
