"""IStore on SQL. Every decision is made by the database, in the statement that writes."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.statements import (
    DEAD_VERSIONS,
    FORGET,
    LEASES,
    READ,
    REMOVE,
    REPLACE,
    SCAN,
    SCAN_TO,
    create,
    lease,
    raise_floor,
)
from lyncpy.backends.sql.tables import journals
from lyncpy.backends.text import is_storable, require_key
from lyncpy.contracts.names import NodeName, Version
from lyncpy.contracts.store import Conflict, IStore, JournalEntry, Lease, Record

SLICE: Final = 1000
"""Lines that one transaction of a purge removes: other writes go between two of them."""


@implementer(IStore)
class SqlStore:
    """Records, journals and leases in a database that is opened and closed elsewhere; no state of its own.

    Methods queue their job when they are called, not when they are awaited: that is what
    keeps the calling order.

    Args:
        database: Where they are.
        wall: The clock of `expires`, in seconds since 1970; one that does not step.
    """

    def __init__(self, database: Database, wall: Callable[[], float]) -> None:
        self._database = database
        self._wall = wall
        self._create = create(database.dialect)
        self._lease = lease(database.dialect)
        self._raise_floor = raise_floor(database.dialect)

    def read(self, kind: str, key: str) -> Deferred[Record | None]:
        """Give one record, or None; an expired one is none."""
        if not is_storable(key):
            return succeed(None)
        values = {"of_kind": kind, "of_key": key, "now": self._wall()}

        def job(connection: Connection) -> Record | None:
            row = connection.execute(READ, values).one_or_none()
            return None if row is None else _record(row)

        return self._database.run_read(job)

    def scan(self, kind: str, prefix: str = "") -> Deferred[Sequence[Record]]:
        """Give all records of a kind whose key begins so, by key."""
        if not is_storable(prefix):
            return succeed(())
        values: dict[str, object] = {"of_kind": kind, "start": prefix, "now": self._wall()}
        statement, end = SCAN, _end_of(prefix)
        if end is not None:
            statement, values["stop"] = SCAN_TO, end

        def job(connection: Connection) -> Sequence[Record]:
            return tuple(_record(row) for row in connection.execute(statement, values))

        return self._database.run_read(job)

    def write(
        self, kind: str, key: str, value: bytes, expected: Version, expires: float | None = None
    ) -> Deferred[Version]:
        """Replace the record if its version is still `expected`; give the new version, or fail with Conflict."""
        require_key(kind, key)
        statement = REPLACE if expected else self._create
        values = {
            "of_kind": kind,
            "of_key": key,
            "expected": expected,
            "new_value": value,
            "new_expires": expires,
            "now": self._wall(),
        }

        def job(connection: Connection) -> int | None:
            version: int | None = connection.execute(statement, values).scalar()
            return version

        def versioned(version: int | None) -> Version:
            if version is None:
                raise _conflict(kind, key, expected)
            return Version(version)

        return self._database.run_write(job).addCallback(versioned)

    def remove(self, kind: str, key: str, expected: Version) -> Deferred[None]:
        """Remove the record if its version is still `expected`; else fail with Conflict."""
        require_key(kind, key)
        values = {"of_kind": kind, "of_key": key, "expected": expected, "now": self._wall()}

        def job(connection: Connection) -> bool:
            if expected == 0:
                return connection.execute(READ, values).first() is None
            return connection.execute(REMOVE, values).first() is not None

        def removed(is_removed: bool) -> None:
            if not is_removed:
                raise _conflict(kind, key, expected)

        return self._database.run_write(job).addCallback(removed)

    def append(self, journal: str, entry: bytes, at: float) -> Deferred[None]:
        """Add a line to a journal."""
        require_key("journal", journal)

        def job(connection: Connection) -> None:
            connection.execute(insert(journals), {"journal": journal, "entry": entry, "at": at})

        return self._database.run_write(job)

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

        return self._database.run_read(job)

    def lease(self, key: str, holder: NodeName, seconds: float) -> Deferred[Lease | None]:
        """Acquire or renew a lease of a name; None when another process holds it."""
        require_key(LEASES, key)
        now = self._wall()
        values = {
            "of_kind": LEASES,
            "of_key": key,
            "new_value": holder.encode(),
            "new_expires": now + seconds,
            "now": now,
        }

        def job(connection: Connection) -> Lease | None:
            epoch = connection.execute(self._lease, values).scalar()
            return None if epoch is None else Lease(key, holder, epoch, now + seconds)

        return self._database.run_write(job)

    def purge(self, before: float) -> Deferred[int]:
        """Delete the rows of removed and expired records, but remember their versions; give the number of rows."""
        values = {"now": before}

        def job(connection: Connection) -> int:
            for kind, version in connection.execute(DEAD_VERSIONS, values).all():
                connection.execute(self._raise_floor, {"of_kind": kind, "floor": version})
            return connection.execute(FORGET, values).rowcount

        return self._database.run_write(job)

    async def purge_journals(self, before: float) -> int:
        """Forget journal lines that are older than this, a slice at a time; give their number."""
        old = select(journals.c.serial).where(journals.c.at < before).limit(SLICE)
        statement = delete(journals).where(journals.c.serial.in_(old))
        total = 0
        while count := await self._database.run_write(lambda connection: connection.execute(statement).rowcount):
            total += count
        return total


def _record(row: Sequence[Any]) -> Record:  # Any: the columns of READ and SCAN
    key, value, version, expires = row
    return Record(key, value, version, expires)


def _conflict(kind: str, key: str, expected: Version) -> Conflict:
    return Conflict(f"{kind[:80]} {key[:80]!r} is not at version {expected}")


def _end_of(prefix: str) -> str | None:
    """Give the first text after all that begin with `prefix`; None when there is no such text."""
    while prefix:
        following = ord(prefix[-1]) + 1
        if following <= 0x10FFFF:
            # Surrogates are no characters: after U+D7FF comes U+E000.
            return prefix[:-1] + chr(0xE000 if following == 0xD800 else following)
        prefix = prefix[:-1]
    return None
