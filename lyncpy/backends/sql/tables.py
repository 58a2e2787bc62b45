"""The schema: four tables for programs and people.

`sessions` and `audit` are meant to be read with SQL. Their moments are UTC and sort and
compare as text in SQLite ("2026-07-20 08:15:30.250000"), so that this works as written:

    select user1, user2, invited_at, response_code, end_reason, user1_messages, user2_messages
    from sessions where invited_at >= '2026-07-20' order by invited_at;

The tables here are what the newest migration leaves; a test compares the two.
"""

import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, DateTime, Double, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

KEY: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its code points, as SQLite and Python have it."""

SERIAL: Final = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column of exactly this type; AUTOINCREMENT below: a purged number never comes back."""


class Moment(TypeDecorator[float]):
    """Seconds since the epoch in Python, a UTC timestamp in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> datetime.datetime | None:
        """Turn seconds into what the database keeps."""
        return None if value is None else datetime.datetime.fromtimestamp(value, datetime.UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> float | None:  # Any: as the base has it
        """Turn back; SQLite keeps no zone, and all is UTC."""
        if value is None:
            return None
        moment: datetime.datetime = value
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


metadata: Final = MetaData()

records: Final = Table(
    "records",
    metadata,
    Column("kind", KEY, primary_key=True),
    Column("key", KEY, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # NULL: removed. The row stays until the next purge, so that its next version follows this one.
    Column("value", LargeBinary),
    Column("expires", Double),
    Index("records_expires", "expires"),
)

floors: Final = Table(
    "floors",
    metadata,
    # The highest version among purged rows of a kind: a new key begins above it, so that no
    # version of a key is ever given twice, though nothing is left of the key itself.
    Column("kind", KEY, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

journals: Final = Table(
    "journals",
    metadata,
    Column("serial", SERIAL, primary_key=True, autoincrement=True),
    Column("journal", KEY, nullable=False),
    Column("at", Double, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Index("journals_at", "journal", "at"),
    sqlite_autoincrement=True,
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("from_tag", Text, nullable=False),
    Column("to_tag", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("user1", Text, nullable=False),
    Column("user2", Text, nullable=False),
    Column("user1_endpoint", Text, nullable=False),
    Column("user2_endpoint", Text, nullable=False),
    Column("user1_client", Text, nullable=False),
    Column("user2_client", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column("invited_at", Moment, nullable=False),
    Column("answered_at", Moment),
    Column("ended_at", Moment),
    Column("response_code", Integer),
    Column("diagnostic_id", Integer),
    Column("ended_by", Text, nullable=False),
    Column("end_reason", Text, nullable=False),
    Column("user1_messages", Integer, nullable=False),
    Column("user2_messages", Integer, nullable=False),
    Column("messages_failed", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Index("sessions_invited", "invited_at"),
    Index("sessions_ended", "ended_at"),
    Index("sessions_user1", "user1", "invited_at"),
    Index("sessions_user2", "user2", "invited_at"),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("serial", SERIAL, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("author", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Index("audit_at", "at"),
    sqlite_autoincrement=True,
)
