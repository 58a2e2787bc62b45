"""The mark of a database that a copy began to fill: half of the data is no data to work with."""

from typing import Final

from sqlalchemy import Column, MetaData, Table, Text, insert, inspect, select
from sqlalchemy.engine import Connection

from lyncpy.contracts.refusal import StoreUnavailable

_MARK: Final = Table("unfinished_copy", MetaData(), Column("source", Text, nullable=False))
"""There only while the copy is under way: no part of the schema."""


def copied_from(connection: Connection) -> str | None:
    """Give the database that a copy into this one began with and has not ended; None: there is no such copy."""
    if not inspect(connection).has_table(_MARK.name):
        return None
    source: str = connection.execute(select(_MARK.c.source)).scalar_one()
    return source


def require_whole(connection: Connection) -> None:
    """Refuse half of a copy.

    Raises:
        StoreUnavailable: With a sentence for an operator.
    """
    source = copied_from(connection)
    if source is not None:
        raise StoreUnavailable(
            f'it holds an unfinished copy of "{source}": run `lyncpy store copy` again, which goes on, '
            "or begin with an empty database"
        )


def mark(connection: Connection, source: str) -> None:
    """Say that a copy of this database has begun."""
    _MARK.create(connection)
    connection.execute(insert(_MARK).values(source=source))


def unmark(connection: Connection) -> None:
    """Say that it has ended."""
    _MARK.drop(connection, checkfirst=True)
