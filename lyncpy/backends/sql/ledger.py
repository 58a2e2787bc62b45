"""ILedger on SQL: the tables `archive`, `archive_people` and `archive_marks`."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Update,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Connection
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.dialects import POSTGRESQL, as_bytes, insert_into
from lyncpy.backends.sql.prepared import PreparedStatement, StatementJob, Values
from lyncpy.backends.sql.tables import archive, archive_marks, archive_people
from lyncpy.contracts.archive import Addition, ChainEnds, ChainPosition, EntryFilter, ILedger, LedgerLine, Place
from lyncpy.contracts.store import Conflict

START: Final = "start"
END: Final = "end"

NEVER: Final = 2**62
"""A serial behind all that are ever given."""

_PLACE: Final = select(archive_people.c.person).where(
    archive_people.c.person == bindparam("person"), archive_people.c.conversation == bindparam("conversation")
)

_HOLD_END: Final = select(archive_marks.c.name).where(archive_marks.c.name == END).with_for_update()

_END_AS_IT_IS: Final = (
    select(archive_marks.c.serial, archive_marks.c.digest, archive_marks.c.stamp)
    .where(archive_marks.c.name == END)
    .with_for_update()
)

ANOTHER_END: Final = "22P02"
"""SQLSTATE of a text that is no number: what a statement fails with that finds another end than was expected."""


@implementer(ILedger)
class SqlLedger:
    """The archive's lines in a database that is opened and closed elsewhere; no state of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lines = select(*(as_bytes(column, database.dialect) for column in archive.c))
        self._marks = [as_bytes(column, database.dialect) for column in archive_marks.c]
        # What each message needs is prepared; its values have the order of these names.
        prepare = database.prepare
        mark = ("new_serial", "new_digest", "new_stamp", "old_serial", "old_digest", "first")
        self._move_end, self._move_start = prepare(_move(END), *mark), prepare(_move(START), *mark)
        self._move_end_or_fail: PreparedStatement | None = None
        if database.dialect == POSTGRESQL:
            # It is not asked what came of it before what follows is said: so it has to fail itself, and all of it with it.
            moved = _move(END).returning(archive_marks.c.name).cte("moved")
            verdict = case((func.count(moved.c.name) == 1, "1"), else_="the end is another")
            self._move_end_or_fail = prepare(select(cast(verdict, Integer)), *mark)
        self._line = prepare(insert(archive), "serial", "at", "kind", "conversation", "head", "body", "digest")
        self._place = prepare(
            insert_into(archive_people, database.dialect).on_conflict_do_nothing(), "person", "conversation"
        )

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
        rows = [{"name": name, **_values(mark)} for name, mark in ((START, start), (END, end))]
        marks = (
            insert_into(archive_marks, self._database.dialect)
            .values(rows)
            .on_conflict_do_nothing()
            .returning(archive_marks.c.name)
        )

        def job(connection: Connection) -> Failure | None:
            has_begun = connection.execute(select(archive_marks.c.name)).first() is not None
            # Who begins at the same time waits in this statement for the first, and has then written nothing.
            if has_begun or len(connection.execute(marks).all()) != len(rows):
                return Failure(Conflict("the archive has begun already"))
            return None

        return self._database.run_write(job)

    def append(
        self, lines: Sequence[LedgerLine], places: Collection[Place], end: ChainPosition, expected: ChainPosition
    ) -> Deferred[None]:
        """Add lines and their places in the index, and move the end; who asks gathers them."""
        first = lines[0].serial if lines else NEVER
        move = (end.serial, end.digest, end.stamp, expected.serial, expected.digest, first)
        if self._move_end_or_fail is not None:
            jobs = [
                StatementJob(self._move_end_or_fail, move, _done),
                *(StatementJob(self._line, line, _done) for line in lines),
                *(StatementJob(self._place, place, _done) for place in places),
            ]
            return self._database.run_gathered(*jobs).addErrback(_conflict)

        def job(connection: Connection) -> Failure | None:
            return None if self._add(connection, lines, list(places), move) else _another_end()

        return self._database.run_gathered(job)

    def append_behind(
        self, build: Callable[[ChainPosition], Addition | None], places: Collection[Place]
    ) -> Deferred[ChainPosition]:
        """Add lines behind the end, wherever that is; give the new end."""
        index = list(places)

        def job(connection: Connection) -> ChainPosition | Failure:
            # Locked until this has ended, by whoever asks first; what it says then is what the one before has left.
            serial, digest, stamp = connection.execute(_END_AS_IT_IS).one()
            added = build(ChainPosition(serial, digest, stamp))
            if added is None:
                return Failure(Conflict("nothing was to be written"))
            end = added.end
            move = (end.serial, end.digest, end.stamp, serial, digest, added.lines[0].serial)
            return end if self._add(connection, added.lines, index, move) else _another_end()

        return self._database.run_gathered(job)

    def _add(self, connection: Connection, lines: Sequence[LedgerLine], places: Sequence[Place], move: Values) -> bool:
        """Add what is to be added, if the end is the one that was expected; tell whether it was."""
        if self._move_end.touched(connection, move) != 1:
            return False
        if lines:
            self._line.each(connection, lines)
        if places:
            self._place.each(connection, places)
        return True

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
        move = (start.serial, start.digest, start.stamp, expected.serial, expected.digest, NEVER)

        def job(connection: Connection) -> Failure | None:
            # Who adds lines holds the end: none may come to a conversation while its places are forgotten.
            connection.execute(_HOLD_END)
            if self._move_start.touched(connection, move) != 1:
                return Failure(Conflict("the start of the archive is another"))
            conversations = connection.execute(touched).scalars().all()
            connection.execute(delete(archive).where(old))
            if conversations:
                forget = delete(archive_people).where(archive_people.c.conversation == bindparam("one"), ~left)
                connection.execute(forget, [{"one": one} for one in conversations])
            return None

        return self._database.run_write(job)

    def _find(
        self, where: Sequence[ColumnElement[bool]], limit: int, *, newest: bool
    ) -> Deferred[Sequence[LedgerLine]]:
        serial = archive.c.serial
        statement = self._lines.where(*where).order_by(serial.desc() if newest else serial).limit(limit)
        return self._database.run_read(lambda connection: tuple(_line(row) for row in connection.execute(statement)))


def _done(cursor: Any) -> None:  # Any: a driver's cursor
    """What is not as it has to be has failed by now."""


def _another_end() -> Failure:
    return Failure(Conflict("the end of the archive is another"))


def _conflict(failure: Failure) -> Failure:
    """Make a conflict of the failure that means one."""
    return _another_end() if getattr(failure.value, "sqlstate", None) == ANOTHER_END else failure


def _move(name: str) -> Update:
    """Move a mark that is where it was expected, unless a line from "first" on is there."""
    column = archive_marks.c
    behind = select(archive.c.serial).where(archive.c.serial >= bindparam("first")).exists()
    return (
        update(archive_marks)
        .where(
            column.name == name,
            column.serial == bindparam("old_serial"),
            column.digest == bindparam("old_digest"),
            ~behind,
        )
        .values(serial=bindparam("new_serial"), digest=bindparam("new_digest"), stamp=bindparam("new_stamp"))
    )


def _values(mark: ChainPosition) -> dict[str, Any]:  # Any: numbers and bytes
    return {"serial": mark.serial, "digest": mark.digest, "stamp": mark.stamp}


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _line(row: Sequence[Any]) -> LedgerLine:  # Any: the columns of the archive
    serial, at, kind, conversation, head, body, digest = row
    return LedgerLine(serial, at, _text(kind), _text(conversation), _text(head), body, digest)
