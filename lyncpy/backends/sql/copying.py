"""A whole database copied into an empty one of either kind, and compared row by row.

Slice by slice, each in a transaction of its own and compared there. Until the last one the target bears a mark, so that no server
works with half of the data; another copy of the same source goes on: what is there is compared, and written where it differs.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, delete, func, select, tuple_
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, StatementError

from lyncpy.backends.sql.database import Place
from lyncpy.backends.sql.dialects import POSTGRESQL, go_on_numbering, insert_into, take_your_time
from lyncpy.backends.sql.link import Link, T, is_jobs_fault
from lyncpy.backends.sql.tables import metadata
from lyncpy.backends.sql.unfinished import copied_from, mark, require_whole, unmark
from lyncpy.contracts.refusal import StoreUnavailable

SLICE: Final = 500
"""Rows that are in memory at once, and written in one transaction."""

PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds after each failure of a server in the midst: it may be restarted meanwhile, or a standby be promoted."""

_SPOILT: Final = (StatementError, ArithmeticError, TypeError, ValueError)
"""What is raised for a value that is not what its column promises, by the database, its driver or SQLAlchemy."""

Tell = Callable[[str, int, int], None]
"""Hears the name of a table, how many of its rows are copied, and of how many; after each slice."""

Key = tuple[Any, ...]  # Any: text and numbers


class _Settled(StoreUnavailable):
    """It would be no different a moment later."""


class _Side:
    """One of the two databases; all that fails names it.

    Args:
        place: Where it is.
        pause: Waits for so many seconds.
    """

    def __init__(self, place: Place, pause: Callable[[float], object]) -> None:
        self._place = place
        self._link = Link(place.engine, place.greet)
        self._pause = pause
        # A file that fails is no better a minute later.
        self._pauses_s = PAUSES_S if place.engine.dialect.name == POSTGRESQL else ()

    def prepare(self, judge: Callable[[Connection], None]) -> None:
        """Bring it up to this version's schema, if it is what is wanted."""
        self._once(self._place.prepare, judge)

    def do(self, job: Callable[[Connection], T]) -> T:
        """Do a job in a transaction that takes its time. When the answer was lost it is done again."""
        for pause_s in self._pauses_s:
            try:
                return self._once(take_your_time, job)
            except _Settled:
                raise
            except StoreUnavailable:
                self._pause(pause_s)
        return self._once(take_your_time, job)

    def close(self) -> None:
        """Let go of it."""
        self._link.close()

    def _once(self, before: Callable[[Connection], None], job: Callable[[Connection], T]) -> T:
        try:
            done: T = self._link.commit([before, job])[-1]
        except StoreUnavailable as error:
            kind = _Settled if isinstance(error, _Settled) else StoreUnavailable
            raise kind(f'the database "{self._place.shown}": {error}') from error
        return done


def copy_database(source: Place, target: Place, tell: Tell, pause: Callable[[float], object]) -> int:
    """Copy all tables, and compare what was written with what was read; give the number of rows.

    Both are brought up to this version's schema first. No server may work with either: each is held meanwhile.

    Args:
        source: What is copied.
        target: An empty one, or one that a copy of the same source has begun to fill.
        tell: Hears how far it is; what it raises ends the copy.
        pause: Waits for so many seconds.

    Raises:
        StoreUnavailable: With a sentence for an operator.
    """
    reading, writing = _Side(source, pause), _Side(target, pause)
    try:
        reading.prepare(require_whole)
        target.require()
        writing.prepare(partial(_begin, source.shown))
        try:
            total = sum([_copy(reading, writing, table, tell) for table in metadata.sorted_tables])
            writing.do(_end)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error}; what was copied stays, and the same command goes on from there"
            ) from error
    finally:
        reading.close()
        writing.close()
    return total


def _begin(source: str, connection: Connection) -> None:
    begun = copied_from(connection)
    if begun == source:
        return
    if begun is not None:
        raise StoreUnavailable(f'it holds an unfinished copy of "{begun}": go on with that, or name an empty one')
    for table in metadata.sorted_tables:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise StoreUnavailable(f'it has rows in "{table.name}", and only an empty one is filled')
    mark(connection, source)


def _end(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        go_on_numbering(connection, table)
    unmark(connection)


def _copy(source: _Side, target: _Side, table: Table, tell: Tell) -> int:
    total, done = source.do(partial(_count, table)), 0
    is_begun = target.do(partial(_count, table)) > 0
    for rows in _slices(source, table):
        if not (is_begun and target.do(partial(_is_kept, table, rows))):
            target.do(partial(_keep, table, rows))
        done += len(rows)
        tell(table.name, done, total)
    if target.do(partial(_count, table)) != done:
        # The source was worked with since a copy began that did not end.
        for rows in _slices(target, table):
            keys = _keys(table, rows)
            target.do(partial(_remove, table, keys - source.do(partial(_known, table, keys))))
        if (there := target.do(partial(_count, table))) != done:
            raise StoreUnavailable(f'{there} rows are in "{table.name}" of the copy, and {done} were read')
    return done


def _slices(side: _Side, table: Table) -> Iterator[Sequence[Row[Any]]]:  # Any: what the columns keep
    after: Key | None = None
    while rows := side.do(partial(_slice, table, after)):
        yield rows
        after = tuple(rows[-1]._mapping[column] for column in table.primary_key)


def _slice(table: Table, after: Key | None, connection: Connection) -> Sequence[Row[Any]]:  # Any: as above
    key = tuple(table.primary_key)
    statement = select(table).order_by(*key).limit(SLICE)
    with _no_value_is_told(f'cannot read what is in a row of "{table.name}"'):
        return connection.execute(statement if after is None else statement.where(tuple_(*key) > after)).all()


def _keep(table: Table, rows: Sequence[Row[Any]], connection: Connection) -> None:  # Any: as above
    values = [dict(row._mapping) for row in rows]
    statement = insert_into(table, connection.dialect.name).on_conflict_do_nothing()
    with _no_value_is_told(f'cannot take what is in a row of "{table.name}"'):
        connection.execute(statement, values)
        if _is_kept(table, rows, connection):
            return
        _remove(table, _keys(table, rows), connection)
        connection.execute(statement, values)
    if not _is_kept(table, rows, connection):
        raise _Settled(f'what was written to "{table.name}" is not what was read')


def _is_kept(table: Table, rows: Sequence[Row[Any]], connection: Connection) -> bool:  # Any: as above
    """Whether all of these rows are there as they are."""
    found = connection.execute(select(table).where(_is_among(table, _keys(table, rows))))
    return {tuple(row) for row in found} == {tuple(row) for row in rows}


def _remove(table: Table, keys: Collection[Key], connection: Connection) -> None:
    connection.execute(delete(table).where(_is_among(table, keys)))


def _known(table: Table, keys: Collection[Key], connection: Connection) -> set[Key]:
    found = connection.execute(select(*table.primary_key).where(_is_among(table, keys)))
    return {tuple(row) for row in found}


def _count(table: Table, connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _is_among(table: Table, keys: Collection[Key]) -> ColumnElement[bool]:
    return tuple_(*table.primary_key).in_(list(keys))


def _keys(table: Table, rows: Sequence[Row[Any]]) -> set[Key]:  # Any: as above
    return {tuple(row._mapping[column] for column in table.primary_key) for row in rows}


@contextmanager
def _no_value_is_told(sentence: str) -> Iterator[None]:
    """Say of a value at fault where it stands: in what is raised it may be repeated, whole."""
    try:
        yield
    except _SPOILT as error:
        if isinstance(error, DBAPIError) and not is_jobs_fault(error):
            raise
        kind = type(getattr(error, "orig", error)).__name__
        raise _Settled(f"it {sentence} ({kind})") from None
