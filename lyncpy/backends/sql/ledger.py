"""ILedger on SQL: the tables `archive`, `archive_people` and `archive_marks`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Double,
    Integer,
    LargeBinary,
    Update,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.statements import insert_into
from lyncpy.backends.sql.tables import archive, archive_marks, archive_people
from lyncpy.contracts.archive import ChainEnds, ChainPosition, EntryFilter, ILedger, LedgerLine, Place
from lyncpy.contracts.store import Conflict

START: Final = "start"
END: Final = "end"

_PLACE: Final = select(archive_people.c.person).where(
    archive_people.c.person == bindparam("person"), archive_people.c.conversation == bindparam("conversation")
)


@implementer(ILedger)
class SqlLedger:
    """The archive's lines in a database that is opened and closed elsewhere; no state of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lines = select(*(_as_bytes(column, database.dialect) for column in archive.c))
        self._marks = [_as_bytes(column, database.dialect) for column in archive_marks.c]
        self._place = insert_into(archive_people, database.dialect).on_conflict_do_nothing()

    def ends(self) -> Deferred[ChainEnds | None]:
        """Read the marks of both ends and the last serial, as they are at one moment."""
        # One statement: a purge or a write between two would look like a tear.
        last = select(func.coalesce(func.max(archive.c.serial), 0)).scalar_subquery()
        statement = select(*self._marks, last)

        def job(connection: Connection) -> ChainEnds | None:
            rows = connection.execute(statement).all()
            found = {_text(name): ChainPosition(*mark) for name, *mark, _ in rows}
            return ChainEnds(found[START], found[END], rows[0][-1]) if START in found and END in found else None

        return self._database.run_read(job)

    def begin_chain(self, start: ChainPosition, end: ChainPosition) -> Deferred[None]:
        """Begin an empty chain with these ends."""
        marks = insert_into(archive_marks, self._database.dialect).on_conflict_do_nothing()
        rows = [{"name": name, **_values(mark)} for name, mark in ((START, start), (END, end))]

        def job(connection: Connection) -> bool:
            if connection.execute(select(archive_marks.c.name)).first() is not None:
                return False
            connection.execute(marks, rows)
            return True

        return self._decided(job, "the archive has begun already")

    def append(
        self, lines: Sequence[LedgerLine], places: Collection[Place], end: ChainPosition, expected: ChainPosition
    ) -> Deferred[None]:
        """Add lines and their places in the index, and move the end."""
        rows = [
            {
                "serial": line.serial,
                "at": line.at,
                "kind": line.kind,
                "conversation": line.conversation,
                "head": line.head,
                "body": line.body,
                "digest": line.digest,
            }
            for line in lines
        ]
        index = [{"person": person, "conversation": conversation} for person, conversation in places]
        move = _move(END, end, expected)
        there = select(archive.c.serial).where(archive.c.serial >= lines[0].serial).limit(1) if lines else None

        def job(connection: Connection) -> bool:
            if there is not None and connection.execute(there).first():
                return False
            if connection.execute(move).rowcount != 1:
                return False
            if rows:
                connection.execute(insert(archive), rows)
            if index:
                connection.execute(self._place, index)
            return True

        return self._decided(job, "the end of the archive is another")

    def read_after(self, after: int, limit: int) -> Deferred[Sequence[LedgerLine]]:
        """Give the first lines behind this serial, in order."""
        return self._find([archive.c.serial > after], limit, newest=False)

    def search(self, wanted: EntryFilter, limit: int, *, newest: bool = False) -> Deferred[Sequence[LedgerLine]]:
        """Give the first lines that are wanted, in order; with `newest` the last ones, the last first."""
        column = archive.c
        where = [
            column.serial > wanted.after,
            column.serial < wanted.before,
            column.at >= wanted.since,
            column.at < wanted.until,
        ]
        if wanted.people:
            theirs = select(archive_people.c.conversation).where(archive_people.c.person.in_(wanted.people))
            where.append(column.conversation.in_(theirs))
        if wanted.conversation:
            where.append(column.conversation == wanted.conversation)
        return self._find(where, limit, newest=newest)

    def conversations(self, people: Collection[str], after: str, limit: int) -> Deferred[Sequence[str]]:
        """Give the index names behind this one of conversations that one of these people took part in, each once, in order."""
        column = archive_people.c
        statement = (
            select(column.conversation)
            .distinct()
            .where(column.person.in_(people), column.conversation > after)
            .order_by(column.conversation)
            .limit(limit)
        )
        return self._database.run_read(lambda connection: tuple(connection.execute(statement).scalars()))

    def misplaced(self, places: Collection[Place]) -> Deferred[Collection[Place]]:
        """Give the places of these that the index lacks."""

        def job(connection: Connection) -> Collection[Place]:
            return frozenset(
                (person, conversation)
                for person, conversation in places
                if connection.execute(_PLACE, {"person": person, "conversation": conversation}).first() is None
            )

        return self._database.run_read(job)

    def remove_until(self, start: ChainPosition, expected: ChainPosition) -> Deferred[None]:
        """Remove lines up to this mark, and the places of conversations that have none left, and move the start."""
        old = archive.c.serial <= start.serial
        touched = select(archive.c.conversation).where(old).distinct()
        left = select(archive.c.serial).where(archive.c.conversation == archive_people.c.conversation).exists()
        move = _move(START, start, expected)

        def job(connection: Connection) -> bool:
            if connection.execute(move).rowcount != 1:
                return False
            conversations = connection.execute(touched).scalars().all()
            connection.execute(delete(archive).where(old))
            if conversations:
                forget = delete(archive_people).where(archive_people.c.conversation == bindparam("one"), ~left)
                connection.execute(forget, [{"one": one} for one in conversations])
            return True

        return self._decided(job, "the start of the archive is another")

    def _find(
        self, where: Sequence[ColumnElement[bool]], limit: int, *, newest: bool
    ) -> Deferred[Sequence[LedgerLine]]:
        serial = archive.c.serial
        statement = self._lines.where(*where).order_by(serial.desc() if newest else serial).limit(limit)
        return self._database.run_read(lambda connection: tuple(_line(row) for row in connection.execute(statement)))

    def _decided(self, job: Any, otherwise: str) -> Deferred[None]:  # Any: a Job, whose result is a truth
        """Do a job; fail with Conflict when it says no."""

        def decided(is_done: bool) -> None:
            if not is_done:
                raise Conflict(otherwise)

        return self._database.run_write(job).addCallback(decided)


def _move(name: str, mark: ChainPosition, expected: ChainPosition) -> Update:
    column = archive_marks.c
    return (
        update(archive_marks)
        .where(column.name == name, column.serial == expected.serial, column.digest == expected.digest)
        .values(**_values(mark))
    )


def _values(mark: ChainPosition) -> Mapping[str, Any]:  # Any: numbers and bytes
    return {"serial": mark.serial, "digest": mark.digest, "stamp": mark.stamp}


def _as_bytes(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:  # Any: of every type
    """Read a column so that a value of any type, put there by hand, is read without an error: SQLite keeps any type anywhere."""
    if dialect != "sqlite":
        return column
    is_number = isinstance(column.type, Integer | Double)
    return cast(column, column.type if is_number else LargeBinary)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _line(row: Sequence[Any]) -> LedgerLine:  # Any: the columns of the archive
    serial, at, kind, conversation, head, body, digest = row
    return LedgerLine(serial, at, _text(kind), _text(conversation), _text(head), body, digest)
