"""IRecords on SQL: the tables `sessions` and `audit`."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Executable, Row, delete, insert, or_, select, update
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.statements import insert_into
from lyncpy.backends.sql.tables import audit, sessions
from lyncpy.backends.text import storable
from lyncpy.contracts.records import AuditRecord, IRecords, SessionRecord

SLICE: Final = 1000
"""Rows that one transaction of a purge removes: other writes go between two of them."""

SESSION_FIELDS: Final = tuple(field.name for field in dataclasses.fields(SessionRecord))
AUDIT_FIELDS: Final = tuple(field.name for field in dataclasses.fields(AuditRecord))


@implementer(IRecords)
class SqlRecords:
    """Call detail and audit in one database. Holds nothing itself."""

    def __init__(self, database: Database) -> None:
        """Take the database, which is opened and closed elsewhere."""
        self._database = database
        self._keep = _keep_session(database.dialect)

    def keep_session(self, record: SessionRecord) -> Deferred[None]:
        """Insert or replace the row of this session; durable when it returns."""
        return self._do(self._keep, _values(record, SESSION_FIELDS))

    def sessions(
        self, user: str = "", since: float = 0.0, limit: int = 100, *, open_only: bool = False
    ) -> Deferred[Sequence[SessionRecord]]:
        """Give sessions, newest first; `user` is an address-of-record on either side."""
        column = sessions.c
        statement = select(sessions).where(column.invited_at >= since)
        if user:
            name = storable(user)
            statement = statement.where(or_(column.user1 == name, column.user2 == name))
        if open_only:
            statement = statement.where(column.ended_at.is_(None))
        statement = statement.order_by(column.invited_at.desc(), column.session_id).limit(limit)

        def job(connection: Connection) -> Sequence[SessionRecord]:
            return tuple(SessionRecord(*_fields(row, SESSION_FIELDS)) for row in connection.execute(statement))

        return self._database.read(job)

    def close_open_sessions(self, node: str, at: float) -> Deferred[int]:
        """End every open session that another start of this server left; give their number."""
        statement = (
            update(sessions)
            .where(sessions.c.ended_at.is_(None), sessions.c.node != node)
            .values(ended_at=at, ended_by="server", end_reason="restart")
        )
        return self._database.write(lambda connection: connection.execute(statement).rowcount)

    def audit(self, record: AuditRecord) -> Deferred[None]:
        """Append; durable when it returns."""
        return self._do(insert(audit), _values(record, AUDIT_FIELDS))

    def audited(self, since: float = 0.0, limit: int = 100) -> Deferred[Sequence[AuditRecord]]:
        """Give audit rows, newest first."""
        statement = (
            select(audit).where(audit.c.at >= since).order_by(audit.c.at.desc(), audit.c.serial.desc()).limit(limit)
        )

        def job(connection: Connection) -> Sequence[AuditRecord]:
            return tuple(AuditRecord(*_fields(row, AUDIT_FIELDS)) for row in connection.execute(statement))

        return self._database.read(job)

    async def purge(self, before: float) -> int:
        """Remove sessions that ended before this time, a slice at a time; give their number."""
        old = select(sessions.c.session_id).where(sessions.c.ended_at < before).limit(SLICE)
        statement = delete(sessions).where(sessions.c.session_id.in_(old))
        return await self._in_slices(lambda connection: connection.execute(statement).rowcount)

    async def purge_audit(self, before: float) -> int:
        """Remove audit rows that are older than this, a slice at a time; give their number."""
        old = select(audit.c.serial).where(audit.c.at < before).limit(SLICE)
        statement = delete(audit).where(audit.c.serial.in_(old))
        return await self._in_slices(lambda connection: connection.execute(statement).rowcount)

    async def _in_slices(self, job: Callable[[Connection], int]) -> int:
        total = 0
        while count := await self._database.write(job):
            total += count
        return total

    def _do(self, statement: Executable, values: Mapping[str, object]) -> Deferred[None]:
        def job(connection: Connection) -> None:
            connection.execute(statement, values)

        return self._database.write(job)


def _keep_session(dialect: str) -> Executable:
    statement = insert_into(sessions, dialect)
    changed = {name: statement.excluded[name] for name in SESSION_FIELDS if name != "session_id"}
    return statement.on_conflict_do_update(index_elements=[sessions.c.session_id], set_=changed)


def _values(record: SessionRecord | AuditRecord, names: Sequence[str]) -> dict[str, object]:
    """Give a record's columns; text from outside as a database can hold it."""
    values = {name: getattr(record, name) for name in names}
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}


def _fields(row: Row[Any], names: Sequence[str]) -> tuple[Any, ...]:  # Any: a row's types are the table's
    """Give a row's values in the order of the record's fields; the tables have columns of the same names."""
    columns = row._mapping
    return tuple(columns[name] for name in names)
