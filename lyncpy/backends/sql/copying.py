"""A whole database copied into an empty one of either kind, and compared row by row; all of it in one transaction, or nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from sqlalchemy import Row, Table, func, insert, select, tuple_
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, StatementError

from lyncpy.backends.sql.database import Place
from lyncpy.backends.sql.dialects import go_on_numbering, take_your_time
from lyncpy.backends.sql.link import Link, is_jobs_fault
from lyncpy.backends.sql.tables import metadata
from lyncpy.contracts.refusal import StoreUnavailable

SLICE: Final = 500
"""Rows that are in memory at once."""

_SPOILT: Final = (StatementError, ArithmeticError, TypeError, ValueError)
"""What is raised for a value that is not what its column promises, by the database, its driver or SQLAlchemy."""

Tell = Callable[[str, int], None]
"""Hears the name of a table, and how many of its rows are copied, after each slice."""


class _Named(StoreUnavailable):
    """Says already which of the two databases it was."""


class _SourceFailed(Exception):
    """The source failed in the midst of the target's transaction, whose connection has nothing to do with it."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def copy_database(source: Place, target: Place, tell: Tell) -> int:
    """Copy all tables, and compare what was written with what was read; give the number of rows.

    Both are brought up to this version's schema first. No server may work with either: each is held meanwhile.

    Raises:
        StoreUnavailable: With a sentence for an operator; the target is as empty as it was.
    """
    reading, writing = Link(source.engine, source.greet), Link(target.engine, target.greet)

    def copy(connection: Connection) -> int:
        take_your_time(connection)
        try:
            return _named(target, partial(writing.commit, [partial(_fill, connection, tell)]))
        except _SourceFailed as failed:
            raise failed.error from None

    try:
        _named(source, partial(reading.commit, [source.prepare]))
        target.require()
        _named(target, partial(writing.commit, [target.prepare]))
        return _named(source, partial(reading.commit, [copy]))
    finally:
        reading.close()
        writing.close()


def _named(place: Place, do: Callable[[], list[int]]) -> int:
    """Do something with one of the two, and say which it was that failed."""
    try:
        return do()[0]
    except _Named:
        raise
    except StoreUnavailable as error:
        raise _Named(f'the database "{place.shown}": {error}') from error


def _fill(source: Connection, tell: Tell, target: Connection) -> int:
    take_your_time(target)
    tables = metadata.sorted_tables
    for table in tables:
        if target.execute(select(table).limit(1)).first() is not None:
            raise StoreUnavailable(f'it has rows in "{table.name}", and only an empty one is filled')
    return sum([_copy(source, target, table, tell) for table in tables])


def _copy(source: Connection, target: Connection, table: Table, tell: Tell) -> int:
    total = 0
    for rows in _slices(source, table):
        with _no_value_is_told(f'cannot take what is in a row of "{table.name}"; nothing is kept of what was copied'):
            target.execute(insert(table), [dict(row._mapping) for row in rows])
        total += len(rows)
        tell(table.name, total)
    go_on_numbering(target, table)
    if total != target.execute(select(func.count()).select_from(table)).scalar_one() or any(
        _differs(target, table, rows) for rows in _slices(source, table)
    ):
        raise StoreUnavailable(f'what was written to "{table.name}" is not what was read; nothing is kept of it')
    return total


def _slices(source: Connection, table: Table) -> Iterator[Sequence[Row[tuple[object, ...]]]]:
    try:
        with (
            _no_value_is_told(f'cannot read what is in a row of "{table.name}"'),
            source.execute(select(table), execution_options={"yield_per": SLICE}) as found,
        ):
            yield from found.partitions()
    except (DBAPIError, StoreUnavailable) as error:
        raise _SourceFailed(error) from error


@contextmanager
def _no_value_is_told(sentence: str) -> Iterator[None]:
    """Say of a value at fault where it stands: in what is raised it may be repeated, whole."""
    try:
        yield
    except _SPOILT as error:
        if isinstance(error, DBAPIError) and not is_jobs_fault(error):
            raise
        kind = type(getattr(error, "orig", error)).__name__
        raise StoreUnavailable(f"it {sentence} ({kind})") from None


def _differs(target: Connection, table: Table, rows: Sequence[Row[tuple[object, ...]]]) -> bool:
    """Whether not all of these rows are there as they are."""
    key = tuple(table.primary_key)
    keys = [tuple(row._mapping[column] for column in key) for row in rows]
    found = {tuple(row) for row in target.execute(select(table).where(tuple_(*key).in_(keys)))}
    return found != {tuple(row) for row in rows}
