"""Statements that are written down once, when the server starts, and then said to the database as they stand.

SQLAlchemy writes them, in the words of whichever database there is. Having it execute them, too, costs
ten times what SQLite needs: so what is done for each message or publication is prepared here. What is
done seldom goes to SQLAlchemy as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ClauseElement, LargeBinary
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from twisted.python.failure import Failure

from lyncpy.backends.sql.dialects import takes_many

T = TypeVar("T")

Values = tuple[Any, ...]  # Any: what a column keeps


class PreparedStatement:
    """One statement in the words of one database, with the order of its values.

    Its callers give values in the order of `names`; it executes in the thread, and the transaction, of the
    connection that it is given.

    Args:
        statement: Its parameters are `names`, or have a value in it.
        dialect: The database's, with the positional parameters of its driver.
        names: Of the values that callers give.
        fenced: The same where this node's lease is looked at within it; its last value is the node.
    """

    def __init__(
        self,
        statement: ClauseElement,
        dialect: Dialect,
        names: Sequence[str],
        fenced: "PreparedStatement | None" = None,
    ) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        assert isinstance(compiled, SQLCompiler)
        assert compiled.positiontup is not None, "a driver whose parameters have an order"
        known = {name: value for name, value in compiled.params.items() if name not in names}
        places = {name: place for place, name in enumerate((*names, *known))}
        self.fenced: Final = fenced
        # In text a value of bytes has twice their number, in both processes.
        self._terms: Final[Mapping[str, bool]] = {"binary": True} if takes_many(dialect.name) else {}
        self._text: Final = str(compiled)
        self._constants: Final[Values] = tuple(known.values())
        self._order: Final = _picking([places[name] for name in compiled.positiontup])
        converted = {name: _converter(compiled, dialect, name) for name in names}
        self._convert: Final[Sequence[tuple[int, Callable[[Any], Any]]]] = tuple(
            (place, convert) for place, convert in enumerate(converted.values()) if convert is not None
        )

    def execute(self, connection: Connection, values: Values) -> Any:  # Any: a driver's cursor
        """Execute; what came of it is in the cursor, once the database has answered."""
        raw: Any = connection.connection.dbapi_connection  # Any: SQLAlchemy names no type of all drivers
        cursor = raw.cursor(**self._terms)
        cursor.execute(self._text, self._ordered(values))
        return cursor

    def rows(self, connection: Connection, values: Values) -> list[Any]:
        """Execute, and give all rows of the result."""
        # All of them, so that the statement has ended: while one has not, nothing can be committed.
        found: list[Any] = self.execute(connection, values).fetchall()
        return found

    def touched(self, connection: Connection, values: Values) -> int:
        """Execute, and give the number of rows that were changed."""
        count: int = self.execute(connection, values).rowcount
        return count

    def each(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Execute once with each row of values."""
        raw: Any = connection.connection.dbapi_connection  # Any: as above
        raw.cursor().executemany(self._text, [self._ordered(values) for values in rows])

    def _ordered(self, values: Values) -> Values:
        if self._convert:
            changed = list(values)
            for place, convert in self._convert:
                changed[place] = convert(changed[place])
            values = tuple(changed)
        return self._order(values + self._constants)


class StatementJob(Generic[T]):
    """A job that is one statement. Several in a row are said to a server at once, and cost the way there and back of one.

    Args:
        statement: Is executed.
        values: Of it.
        judge: Gives the result of the job, or a Failure, from the cursor; takes all rows that there are.
    """

    __slots__ = ("judge", "statement", "values")

    def __init__(self, statement: PreparedStatement, values: Values, judge: Callable[[Any], T | Failure]) -> None:
        self.statement = statement
        self.values = values
        self.judge = judge

    def fenced(self, fence: "StatementJob[None]") -> "StatementJob[T] | None":
        """Give the same with this node's lease looked at within it; None: that can only be done before it."""
        held = self.statement.fenced
        return None if held is None else StatementJob(held, self.values + fence.values, self.judge)

    def __call__(self, connection: Connection) -> T | Failure:
        """Do it by itself."""
        return self.judge(self.statement.execute(connection, self.values))


def _picking(places: Sequence[int]) -> Callable[[Values], Values]:
    """Give what puts values into the order of the statement."""
    if places == [*range(len(places))]:
        return tuple
    # Of one value `itemgetter` would give no tuple.
    return itemgetter(*places) if len(places) > 1 else lambda values: (values[places[0]],)


def _converter(compiled: SQLCompiler, dialect: Dialect, name: str) -> Callable[[Any], Any] | None:
    """Give what makes of a value what the driver takes; None: it takes the value itself, as it does bytes."""
    kind = compiled.binds[name].type
    if isinstance(kind, LargeBinary):
        return None
    return kind.dialect_impl(dialect).bind_processor(dialect)
