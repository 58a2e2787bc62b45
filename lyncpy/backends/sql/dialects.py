"""What one database says otherwise than another, and what it means by its errors: all that is not the same SQL in both."""

import re
from select import POLLIN, poll
from typing import Any, Final, cast

from sqlalchemy import BigInteger, ColumnElement, Double, Integer, LargeBinary, Table, Text, bindparam, func, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
"""The names that SQLAlchemy gives them."""

BEGIN: Final = {
    # IMMEDIATE: a transaction that first reads and then writes would fail when
    # another program wrote in between; this one waits for its turn instead.
    SQLITE: "BEGIN IMMEDIATE",
    # READ COMMITTED, PostgreSQL's own level: each decision is made in the statement that writes, on the row as it is
    # once whoever else writes it has ended.
    POSTGRESQL: "BEGIN",
}

SCHEMA_LOCK: Final = 0x6C796E63
SERVER_LOCK: Final = 0x6C796E64
"""The numbers of PostgreSQL's locks under which the schema is changed, and which servers share that work with a database."""

_TAKEN_BACK: Final = frozenset({"40001", "40P01"})
"""SQLSTATE of a transaction that was taken back for the sake of another, and may be done again: serialization failure, deadlock."""

_WORLDS: Final = frozenset({"42501", "42P01", "3F000"})
"""SQLSTATE of what looks like a wrong statement and is a wrong database: not allowed, no such table, no such schema."""


def takes_many(dialect: str) -> bool:
    """Whether it is said several statements at once, and asked for their results afterwards; a file has no way there and back."""
    return dialect == POSTGRESQL


def has_ended(driver: Any) -> bool:  # Any: a driver's connection; it has no type of all
    """Whether the server has ended the connection while nothing was said, as when it was restarted; a file never does."""
    protocol = getattr(driver, "pgconn", None)
    if protocol is None:
        return False
    look = poll()
    try:
        look.register(protocol.socket, POLLIN)
        # It may say something else, too, such as a new time zone.
        while look.poll(0):
            protocol.consume_input()
    except driver.Error:
        return True
    return False


def was_taken_back(error: BaseException | None) -> bool:
    """Whether nothing of the transaction was done, because of another one that was under way."""
    return getattr(error, "sqlstate", None) in _TAKEN_BACK


def was_fenced(error: BaseException | None) -> bool:
    """Whether a transaction failed for the node's lease, which is found to be over by dividing by the number of those held."""
    return getattr(error, "sqlstate", None) == "22012"


def pause(connection: Connection) -> None:
    """Wait up to 20 ms, in the database; only one that takes transactions back is asked for it."""
    connection.exec_driver_sql("SELECT pg_sleep(0.02 * random())").all()


def is_worlds(error: BaseException | None) -> bool:
    """Whether what looks like a wrong statement is a fault of the database that was found."""
    return getattr(error, "sqlstate", None) in _WORLDS


_SEVERAL: Final = "Multiple connection attempts failed. All failures were:"
_HOST: Final = re.compile(r"'([^']*)', port: '([^']*)', hostaddr: '[^']*': ")
_AT: Final = re.compile(r'connection failed: (?:connection to server at "[^"]*", port \d{1,5} failed: )?')
_IS_IT: Final = " Is the server running on that host and accepting TCP/IP connections?"


def reason_of(error: BaseException | None) -> str:
    """Give what a driver says of a failure, on one line and without values.

    PostgreSQL adds them as details, and SQLite at the end when they are no UTF-8.
    """
    told = getattr(getattr(error, "diag", None), "message_primary", None)
    return _of_hosts(" ".join(str(told or error).partition(" with text '")[0].split()))


def _of_hosts(reason: str) -> str:
    """Say once of each host why it cannot be used; psycopg says it of the last one twice, and with many words."""
    _, several, each = reason.partition(_SEVERAL)
    if not several or " - host: " not in each:
        return reason
    told = [_HOST.sub(r"\1:\2: ", one, count=1) for one in each.split(" - host: ")[1:]]
    return "; ".join(_AT.sub("", one).removesuffix(_IS_IT) for one in told)


def insert_into(table: Table, dialect: str) -> sqlite.Insert:
    """Begin an INSERT that may go on with ON CONFLICT: one word in SQL, one class a dialect in SQLAlchemy."""
    if dialect == POSTGRESQL:
        return cast(sqlite.Insert, postgresql.insert(table))  # the same methods, no common ancestor that has them
    return sqlite.insert(table)


def next_change(table: Table, dialect: str) -> ColumnElement[int]:
    """Give the number of the change that a row of records is part of, for the order in which `ceiling` lets them be read.

    With several writers at once numbers that are counted would be given in another order than that in which their rows can be
    seen: PostgreSQL's own number of the transaction says which of them have ended. SQLite has one writer at a time.
    """
    if dialect == POSTGRESQL:
        return sql_cast(sql_cast(func.pg_current_xact_id(), Text), BigInteger)
    return _last_change(table) + 1


def ceiling(table: Table, dialect: str) -> ColumnElement[int]:
    """Give the change below which all have ended: what is written from now on has this one, or a greater."""
    if dialect == POSTGRESQL:
        return sql_cast(sql_cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
    return _last_change(table) + 1


def following(table: Table, dialect: str) -> ColumnElement[int]:
    """Give the change that whoever begins to write now has; above the ceiling where somebody has begun before, and not ended."""
    if dialect == POSTGRESQL:
        return sql_cast(sql_cast(func.pg_snapshot_xmax(func.pg_current_snapshot()), Text), BigInteger)
    return _last_change(table) + 1


def _last_change(table: Table) -> ColumnElement[int]:
    counted = table.alias()
    of_kind = select(func.max(counted.c.change)).where(counted.c.kind == bindparam("of_kind"))
    return func.coalesce(of_kind.scalar_subquery(), 0)


def as_bytes(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:  # Any: of every type
    """Read a column so that a value of any type, put there by hand, is read without an error: SQLite keeps any type anywhere."""
    if dialect != SQLITE:
        return column
    is_number = isinstance(column.type, Integer | Double)
    return sql_cast(column, column.type if is_number else LargeBinary)


def clock(dialect: str) -> ColumnElement[float]:
    """Give the time by the database's own clock, in seconds since 1970: of all who ask it, it is one."""
    if dialect == POSTGRESQL:
        return sql_cast(func.extract("epoch", func.clock_timestamp()), Double)
    return (func.julianday("now", type_=Double) - 2_440_587.5) * 86_400.0


def exclude_writers(connection: Connection, table: Table) -> None:
    """Let nobody else write a table until the transaction ends, and wait for whoever has begun to; SQLite has one writer at a time."""
    if connection.dialect.name == POSTGRESQL:
        connection.exec_driver_sql(f'LOCK TABLE "{table.name}" IN SHARE ROW EXCLUSIVE MODE')


def take_your_time(connection: Connection) -> None:
    """Let the transaction take as long as it takes; SQLite bounds none."""
    if connection.dialect.name == POSTGRESQL:
        for bound in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {bound} = 0")


def upgrade_alone(connection: Connection) -> None:
    """Let nobody else change the schema until the transaction ends, however long that takes; as above."""
    take_your_time(connection)
    take_schema(connection)


def take_schema(connection: Connection) -> None:
    """As `upgrade_alone`, but wait as long as the session waits for any lock."""
    if connection.dialect.name == POSTGRESQL:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})").all()


def go_on_numbering(connection: Connection, table: Table) -> None:
    """Give the next row a number behind those that were written with theirs; SQLite does it by itself."""
    column = table.autoincrement_column
    if column is not None and connection.dialect.name == POSTGRESQL:
        newest = connection.execute(select(func.max(column))).scalar()
        sequence = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
        if newest is not None:
            connection.exec_driver_sql(f"SELECT setval({sequence}, {newest:d})").all()
