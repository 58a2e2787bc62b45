"""A whole database copied into an empty one of either kind, and compared row by row.

The target is written slice by slice, each in a transaction of its own and compared there; the source is read in one, which lets
nobody write to it. When either is connected anew, all is passed over again: who had it meanwhile may have changed it, and a standby
that has taken over may lack what was acknowledged. Until a pass has come to its end without that, the target bears a mark, so that no
server works with half of the data; another copy of the same source goes on: what is there is compared, and written where it differs.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, delete, func, select, tuple_
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, StatementError

from lyncpy.backends.sql.database import Place
from lyncpy.backends.sql.dialects import (
    POSTGRESQL,
    exclude_writers,
    go_on_numbering,
    insert_into,
    take_schema,
    take_your_time,
)
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

Wait = Callable[[float], object]
"""Waits for so many seconds, and no longer once the copy is to end; true: it is to."""

Key = tuple[Any, ...]  # Any: text and numbers


class _Settled(StoreUnavailable):
    """It would be no different a moment later."""


class _Ended(StoreUnavailable):
    """The copy ends, or a pass over the tables; the sentence is whole.

    Args:
        sentence: For an operator.
        may_pass: Whether another pass may come further.
    """

    def __init__(self, sentence: str, *, may_pass: bool) -> None:
        super().__init__(sentence)
        self.may_pass = may_pass


class _Side:
    """One of the two databases; all that fails names it.

    Args:
        place: Where it is.
        wait: Says before each transaction whether the copy is to end.
    """

    def __init__(self, place: Place, wait: Wait) -> None:
        self._place = place
        self._link = Link(place.engine, place.hold, place.explain)
        self._wait = wait

    def prepare(self, judge: Callable[[Connection], None]) -> None:
        """Bring it up to this version's schema, if it is what is wanted."""
        self._commit([take_schema, self._place.prepare, judge])

    def do(self, job: Callable[[Connection], T]) -> T:
        """Do a job in a transaction that takes its time."""
        done: T = self._commit([take_your_time, job])[-1]
        return done

    def hold(self, job: Callable[[Connection], T]) -> T:
        """Do a job in a transaction in which nobody else writes here."""
        done: T = self._commit([_exclude_all_writers, take_your_time, job])[-1]
        return done

    def close(self) -> None:
        """Let go of it."""
        self._link.close()

    def _commit(self, jobs: Sequence[Callable[[Connection], Any]]) -> list[Any]:  # Any: each job has its own result
        if self._wait(0.0):
            raise _Ended("it was interrupted", may_pass=False)
        try:
            return self._link.commit(jobs)
        except _Ended:
            raise
        except StoreUnavailable as error:
            # A file that fails is no better a minute later.
            may_pass = self._place.engine.dialect.name == POSTGRESQL and not isinstance(error, _Settled)
            raise _Ended(f'the database "{self._place.shown}": {error}', may_pass=may_pass) from error


def copy_database(source: Place, target: Place, tell: Tell, wait: Wait) -> int:
    """Copy all tables, and compare what was written with what was read; give the number of rows.

    Both are brought up to this version's schema first. No server may work with either: each is held meanwhile.

    Args:
        source: What is copied.
        target: An empty one, or one that a copy of the same source has begun to fill.
        tell: Hears how far it is; what it raises ends the copy.
        wait: Waits for a server that comes back, and says when the copy is to end.

    Raises:
        StoreUnavailable: With a sentence for an operator.
    """
    reading, writing = _Side(source, wait), _Side(target, wait)
    try:
        reading.prepare(require_whole)
        target.require()
        writing.prepare(partial(_begin, source.shown))
        try:
            return _passed_over(reading, _Pass(writing, tell), wait)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error}; what was copied stays, and the same command goes on from there"
            ) from error
    finally:
        reading.close()
        writing.close()


def _passed_over(source: _Side, over: "_Pass", wait: Wait) -> int:
    """Pass over the tables until it was done in one go; each failure that came no further than the one before is waited for longer."""
    furthest, pauses_s = 0, iter(PAUSES_S)
    while True:
        try:
            return source.hold(over.run)
        except _Ended as ended:
            if over.rows > furthest:
                furthest, pauses_s = over.rows, iter(PAUSES_S)
            pause_s = next(pauses_s, None)
            if pause_s is None or not ended.may_pass:
                raise
        _ = wait(pause_s)


class _Pass:
    """One way through all tables.

    Args:
        target: Where they are written.
        tell: Hears how far it is.
    """

    def __init__(self, target: _Side, tell: Tell) -> None:
        self._target = target
        self._tell = tell
        self._may_write = True
        self.rows = 0
        """How many are known to be the same."""

    def run(self, source: Connection) -> int:
        """Copy what differs, and give the number of rows; the mark is gone then.

        Args:
            source: In a transaction in which nobody else writes.
        """
        self.rows = 0
        held, self._may_write = self._target.do(_look_at_mark)
        for table in metadata.sorted_tables:
            self._copy(source, table)
        self._target.do(partial(_end, held))
        return self.rows

    def _copy(self, source: Connection, table: Table) -> None:
        target, total, done = self._target, _count(table, source), 0
        is_begun = target.do(partial(_count, table)) > 0
        for rows in slices_of(partial(_at, source), table):
            if not (is_begun and target.do(partial(_is_kept, table, rows))):
                self._change(partial(keep_rows, table, rows))
            done += len(rows)
            self.rows += len(rows)
            self._tell(table.name, done, total)
        if target.do(partial(_count, table)) != done:
            # The source was worked with since a copy began that did not end.
            for rows in slices_of(target.do, table):
                keys = _keys(table, rows)
                self._change(partial(_remove, table, keys - _known(table, keys, source)))
            target.do(partial(_require_count, table, done))

    def _change(self, job: Callable[[Connection], None]) -> None:
        self._target.do(job if self._may_write else _refuse)


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


def _look_at_mark(connection: Connection) -> tuple[Connection, bool]:
    """Give what the pass begins with: the connection, and whether the copy is still under way.

    It is not when the answer to the end of it was lost: then a server may have worked with the target, and nothing is written.
    """
    return connection, copied_from(connection) is not None


def _refuse(connection: Connection) -> None:
    raise _Settled("it was worked with since the copy ended")


def _end(held: Connection, connection: Connection) -> None:
    if connection is not held:
        raise StoreUnavailable("its connection was lost")
    for table in metadata.sorted_tables:
        go_on_numbering(connection, table)
    unmark(connection)


def _exclude_all_writers(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        exclude_writers(connection, table)


def _at(connection: Connection, job: Callable[[Connection], T]) -> T:
    return job(connection)


def slices_of(
    do: Callable[[Callable[[Connection], Sequence[Row[Any]]]], Sequence[Row[Any]]], table: Table
) -> Iterator[Sequence[Row[Any]]]:  # Any: what the columns keep
    """Give all rows of a table in the order of its key, so many at a time; `do` does what reads them."""
    after: Key | None = None
    while rows := do(partial(_slice, table, after)):
        yield rows
        after = tuple(rows[-1]._mapping[column] for column in table.primary_key)


def _slice(table: Table, after: Key | None, connection: Connection) -> Sequence[Row[Any]]:  # Any: as above
    key = tuple(table.primary_key)
    statement = select(table).order_by(*key).limit(SLICE)
    with _no_value_is_told(f'cannot read what is in a row of "{table.name}"'):
        return connection.execute(statement if after is None else statement.where(tuple_(*key) > after)).all()


def keep_rows(table: Table, rows: Sequence[Row[Any]], connection: Connection) -> None:  # Any: as above
    """Write rows, in the place of those with the same keys, and compare what was written."""
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


def _require_count(table: Table, count: int, connection: Connection) -> None:
    if (there := _count(table, connection)) != count:
        raise StoreUnavailable(f'{there} rows are in "{table.name}" of the copy, and {count} were read')


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
