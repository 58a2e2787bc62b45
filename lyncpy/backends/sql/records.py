"""IRecords on SQL: the tables that people query, row for row the records of the promise."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeVar

from sqlalchemy import ClauseElement, ColumnElement, Executable, Row, Table, delete, insert, or_, select, tuple_, update
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.dialects import insert_into
from lyncpy.backends.sql.tables import (
    ALIVE,
    audit,
    conference_messages,
    conference_sessions,
    conferences,
    focus_joins,
    mcu_joins,
    sessions,
)
from lyncpy.backends.text import storable
from lyncpy.contracts.records import (
    ALWAYS,
    AuditRecord,
    CallRecord,
    ConferenceRecord,
    ConferenceSessionRecord,
    FocusJoinRecord,
    IRecords,
    McuJoinRecord,
    MessageCountRecord,
    SessionRecord,
)

SLICE: Final = 1000
"""Rows that one transaction of a purge removes: other writes go between two of them."""

R = TypeVar("R")
Kept = CallRecord | AuditRecord


@dataclasses.dataclass(frozen=True, slots=True)
class _Shelf:
    """The table of one kind of record, and its columns with the times of beginning and end."""

    table: Table
    began: str
    ended: str


_SHELVES: Final[Mapping[type, _Shelf]] = {
    SessionRecord: _Shelf(sessions, "invited_at", "ended_at"),
    ConferenceRecord: _Shelf(conferences, "started_at", "ended_at"),
    ConferenceSessionRecord: _Shelf(conference_sessions, "invited_at", "ended_at"),
    FocusJoinRecord: _Shelf(focus_joins, "joined_at", "left_at"),
    McuJoinRecord: _Shelf(mcu_joins, "joined_at", "left_at"),
    MessageCountRecord: _Shelf(conference_messages, "counted_at", "counted_at"),
    AuditRecord: _Shelf(audit, "at", "at"),
}
_FIELDS: Final = {kind: tuple(field.name for field in dataclasses.fields(kind)) for kind in _SHELVES}
_VALUES: Final = {kind: attrgetter(*names) for kind, names in _FIELDS.items()}


@implementer(IRecords)
class SqlRecords:
    """Call detail and audit in a database that is opened and closed elsewhere; no state of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        prepare = database.prepare
        self._keep = {
            kind: prepare(_replacing(kind, database.dialect), *names)
            for kind, names in _FIELDS.items()
            if kind is not AuditRecord
        }
        self._audit = prepare(insert(audit), *_FIELDS[AuditRecord])

    def upsert(self, rows: Sequence[CallRecord]) -> Deferred[None]:
        """Insert or replace rows, all of them or none, in one transaction; durable when it returns."""

        def job(connection: Connection) -> None:
            # In the thread, as all that takes long for a thousand rows.
            last = {(type(row).__name__, row.key): row for row in rows}
            for kind, some in groupby((last[name] for name in sorted(last)), type):
                self._keep[kind].each(connection, [_values(row) for row in some])

        return self._database.run_write(job)

    def sessions(
        self,
        user: str = "",
        since: float = 0.0,
        limit: int = 100,
        *,
        open_only: bool = False,
        until: float = ALWAYS,
    ) -> Deferred[Sequence[SessionRecord]]:
        """Give sessions, newest first; `user` is an address-of-record on either side."""
        column, name = sessions.c, storable(user)
        wanted = [or_(column.user1 == name, column.user2 == name)] if user else []
        if open_only:
            wanted.append(column.ended_at.is_(None))
        return self._find(SessionRecord, wanted, since, limit, until)

    def close_open_sessions(self, at: float) -> Deferred[int]:
        """End every open session that a dead node left; give their number."""
        statement = (
            update(sessions)
            .where(sessions.c.ended_at.is_(None), sessions.c.node.not_in(ALIVE))
            .values(ended_at=at, ended_by="server", end_reason="restart")
        )
        return self._database.run_write(lambda connection: connection.execute(statement).rowcount)

    # --- conferences

    def conferences(
        self, user: str = "", uri: str = "", since: float = 0.0, limit: int = 100, *, open_only: bool = False
    ) -> Deferred[Sequence[ConferenceRecord]]:
        """Give conferences, newest first: those a user organised or took part in, or of one URI."""
        column, wanted = conferences.c, []
        if user:
            name = storable(user)
            joined = select(focus_joins.c.instance).where(focus_joins.c.user == name)
            wanted.append(or_(column.organizer == name, column.instance.in_(joined)))
        if uri:
            wanted.append(column.uri == storable(uri))
        if open_only:
            wanted.append(column.ended_at.is_(None))
        return self._find(ConferenceRecord, wanted, since, limit)

    def conference_sessions(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100, *, until: float = ALWAYS
    ) -> Deferred[Sequence[ConferenceSessionRecord]]:
        """Give dialogs with focus and MCUs, newest first."""
        wanted = _of(conference_sessions, user=user, instance=instance)
        return self._find(ConferenceSessionRecord, wanted, since, limit, until)

    def focus_joins(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100, *, until: float = ALWAYS
    ) -> Deferred[Sequence[FocusJoinRecord]]:
        """Give stays in conferences, newest first."""
        return self._find(FocusJoinRecord, _of(focus_joins, user=user, instance=instance), since, limit, until)

    def mcu_joins(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100
    ) -> Deferred[Sequence[McuJoinRecord]]:
        """Give stays in media, newest first."""
        return self._find(McuJoinRecord, _of(mcu_joins, user=user, instance=instance), since, limit)

    def message_counts(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100
    ) -> Deferred[Sequence[MessageCountRecord]]:
        """Give how many messages were sent by whom, the newest count first."""
        return self._find(MessageCountRecord, _of(conference_messages, user=user, instance=instance), since, limit)

    def close_open_conferences(self, at: float) -> Deferred[int]:
        """End conferences, dialogs and stays that a dead node left open; give their number."""
        restart: dict[str, object] = {"end_reason": "restart"}
        changes: tuple[tuple[Table, str, dict[str, object]], ...] = (
            (conferences, "ended_at", restart),
            (conference_sessions, "ended_at", {**restart, "ended_by_server": True}),
            (focus_joins, "left_at", {}),
            (mcu_joins, "left_at", {}),
        )
        statements = [
            update(table).where(table.c[ended].is_(None), table.c.node.not_in(ALIVE)).values({ended: at, **more})
            for table, ended, more in changes
        ]
        return self._database.run_write(
            lambda connection: sum(connection.execute(statement).rowcount for statement in statements)
        )

    # --- audit

    def audit(self, record: AuditRecord) -> Deferred[None]:
        """Append; durable when it returns."""
        return self._database.run_write(lambda connection: self._audit.each(connection, [_values(record)]))

    def audited(self, since: float = 0.0, limit: int = 100) -> Deferred[Sequence[AuditRecord]]:
        """Give audit rows, newest first."""
        statement = (
            select(audit).where(audit.c.at >= since).order_by(audit.c.at.desc(), audit.c.serial.desc()).limit(limit)
        )
        return self._read(AuditRecord, statement)

    # --- what is over

    async def purge(self, before: float) -> int:
        """Remove what ended before this time, a slice at a time; give the number of rows."""
        return sum([await self._purge(kind, before) for kind in _SHELVES if kind is not AuditRecord])

    async def purge_audit(self, before: float) -> int:
        """Remove audit rows that are older than this, a slice at a time; give their number."""
        return await self._purge(AuditRecord, before)

    async def _purge(self, kind: type, before: float) -> int:
        shelf = _SHELVES[kind]
        key = tuple_(*shelf.table.primary_key)
        old = select(*shelf.table.primary_key).where(shelf.table.c[shelf.ended] < before).limit(SLICE)
        statement = delete(shelf.table).where(key.in_(old))
        total = 0
        while count := await self._database.run_gathered(lambda connection: connection.execute(statement).rowcount):
            total += count
        return total

    def _find(
        self, kind: type[R], wanted: Sequence[ColumnElement[bool]], since: float, limit: int, until: float = ALWAYS
    ) -> Deferred[Sequence[R]]:
        """Give the newest records of a kind that began in this time and are wanted."""
        shelf = _SHELVES[kind]
        began = shelf.table.c[shelf.began]
        # A database has no moment for "always".
        ended = (began < until,) if until < ALWAYS else ()
        statement = (
            select(shelf.table)
            .where(began >= since, *ended, *wanted)
            .order_by(began.desc(), *shelf.table.primary_key)
            .limit(limit)
        )
        return self._read(kind, statement)

    def _read(self, kind: type[R], statement: Executable) -> Deferred[Sequence[R]]:
        def job(connection: Connection) -> Sequence[R]:
            return tuple(kind(*_fields(row, _FIELDS[kind])) for row in connection.execute(statement))

        return self._database.run_read(job)


def _replacing(kind: type, dialect: str) -> ClauseElement:
    """Give the statement that inserts a record, or replaces the one with its key."""
    table = _SHELVES[kind].table
    statement = insert_into(table, dialect)
    keys = tuple(table.primary_key)
    changed = {name: statement.excluded[name] for name in _FIELDS[kind] if not table.c[name].primary_key}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _of(table: Table, **wanted: str) -> list[ColumnElement[bool]]:
    """Give the conditions that are asked for; "" asks for nothing."""
    return [table.c[name] == storable(value) for name, value in wanted.items() if value]


def _values(record: Kept) -> tuple[Any, ...]:  # Any: what columns keep
    """Give a record's columns, in order; text from outside as a database can hold it."""
    return tuple(storable(value) if isinstance(value, str) else value for value in _VALUES[type(record)](record))


def _fields(row: Row[Any], names: Sequence[str]) -> tuple[Any, ...]:  # Any: a row's types are the table's
    """Give a row's values in the order of the record's fields; the tables have columns of the same names."""
    columns = row._mapping
    return tuple(columns[name] for name in names)
