"""The schema, for programs and people.

`sessions`, `audit`, `conferences` and what belongs to these are meant to be read with SQL. Their moments are UTC and sort and
compare as text in SQLite ("2026-07-20 08:15:30.250000"), so that this works as written:

    select user1, user2, invited_at, response_code, end_reason, user1_messages, user2_messages
    from sessions where invited_at >= '2026-07-20' order by invited_at;

    select c.uri, j.user, j.role, j.joined_at, j.left_at, m.messages
    from conferences c join focus_joins j using (instance)
    left join conference_messages m on m.instance = c.instance and m.user = j.user
    where c.started_at >= '2026-07-20' order by c.started_at, j.joined_at;

The archive's tables are read with `archive search`; `lyncpy archive verify` finds what was
changed in them.

The tables here are what the newest migration leaves; a test compares the two.
"""

import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

KEY: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its code points, as SQLite and Python have it."""

SERIAL: Final = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column of exactly this type; AUTOINCREMENT below: a purged number never comes back."""


class UtcTimestamp(TypeDecorator[float]):
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


def _records(name: str, metadata: MetaData, *prefixes: str) -> Table:
    """Make a table of records."""
    return Table(
        name,
        metadata,
        Column("kind", KEY, primary_key=True),
        Column("key", KEY, primary_key=True),
        Column("version", BigInteger, nullable=False),
        # NULL: removed, at `expires`. The row stays until a purge, so that its next version follows this one.
        Column("value", LargeBinary),
        Column("expires", Double),
        # In which change it was written, for whoever asks what was since another: see `next_change`.
        Column("change", BigInteger, nullable=False, server_default="0"),
        Index(f"{name}_expires", "expires"),
        Index(f"{name}_change", "kind", "change"),
        prefixes=list(prefixes),
    )


def _floors(name: str, metadata: MetaData, *prefixes: str) -> Table:
    """Make a table of the highest version among purged rows of each kind.

    A new key begins above it, so that no version of a key is ever given twice, though nothing is left of the key itself.
    """
    return Table(
        name,
        metadata,
        Column("kind", KEY, primary_key=True),
        Column("version", BigInteger, nullable=False),
        prefixes=list(prefixes),
    )


records: Final = _records("records", metadata)
floors: Final = _floors("floors", metadata)

volatile: Final = MetaData()
"""What only PostgreSQL has, and loses when it does not end in order: a single process keeps volatile records in its memory."""

volatile_records: Final = _records("volatile_records", volatile, "UNLOGGED")

volatile_floors: Final = _floors("volatile_floors", volatile, "UNLOGGED")
"""As `floors`; the one of kind "" is that of all kinds, and tells one loss from the next."""

nodes: Final = Table(
    "nodes",
    metadata,
    Column("name", KEY, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("place", Text, nullable=False),
    Column("is_connected", Boolean, nullable=False),
    # Both by the clock of the database, in seconds since 1970.
    Column("until", Double, nullable=False),
    Column("ended", Double),
)

ALIVE: Final = select(nodes.c.name).where(nodes.c.ended.is_(None))
"""The names of nodes that are not known dead."""

homes: Final = Table(
    "homes",
    metadata,
    Column("key", KEY, primary_key=True),
    # NULL: nobody's. The row stays, so that its next epoch follows this one.
    Column("node", KEY),
    Column("epoch", BigInteger, nullable=False),
    Index("homes_node", "node"),
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
    Column("invited_at", UtcTimestamp, nullable=False),
    Column("answered_at", UtcTimestamp),
    Column("ended_at", UtcTimestamp),
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
    Column("at", UtcTimestamp, nullable=False),
    Column("author", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Index("audit_at", "at"),
    sqlite_autoincrement=True,
)

conferences: Final = Table(
    "conferences",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("uri", Text, nullable=False),
    Column("organizer", Text, nullable=False),
    Column("started_at", UtcTimestamp, nullable=False),
    Column("ended_at", UtcTimestamp),
    Column("end_reason", Text, nullable=False),
    Column("node", Text, nullable=False),
    Index("conferences_started", "started_at"),
    Index("conferences_ended", "ended_at"),
    Index("conferences_organizer", "organizer", "started_at"),
    Index("conferences_uri", "uri", "started_at"),
)

conference_sessions: Final = Table(
    "conference_sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("instance", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("mcu_uri", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("from_tag", Text, nullable=False),
    Column("to_tag", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("user_endpoint", Text, nullable=False),
    Column("user_client", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("invited_at", UtcTimestamp, nullable=False),
    Column("answered_at", UtcTimestamp),
    Column("ended_at", UtcTimestamp),
    Column("internal", Boolean, nullable=False),
    Column("started_by_server", Boolean, nullable=False),
    Column("ended_by_server", Boolean, nullable=False),
    Column("response_code", Integer),
    Column("diagnostic_id", Integer),
    Column("replaced_session", Text, nullable=False),
    Column("referred_by", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    Column("end_reason", Text, nullable=False),
    Column("node", Text, nullable=False),
    Index("conference_sessions_user", "user", "invited_at"),
    Index("conference_sessions_instance", "instance", "invited_at"),
    Index("conference_sessions_invited", "invited_at"),
    Index("conference_sessions_ended", "ended_at"),
)

focus_joins: Final = Table(
    "focus_joins",
    metadata,
    Column("join_id", Text, primary_key=True),
    Column("instance", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("user_instance", Text, nullable=False),
    Column("user_endpoint", Text, nullable=False),
    Column("user_client", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("joined_at", UtcTimestamp, nullable=False),
    Column("left_at", UtcTimestamp),
    Column("internal", Boolean, nullable=False),
    Column("node", Text, nullable=False),
    Index("focus_joins_user", "user", "joined_at"),
    Index("focus_joins_instance", "instance", "joined_at"),
    Index("focus_joins_joined", "joined_at"),
    Index("focus_joins_left", "left_at"),
)

mcu_joins: Final = Table(
    "mcu_joins",
    metadata,
    Column("join_id", Text, primary_key=True),
    Column("instance", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("mcu", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("user_instance", Text, nullable=False),
    Column("user_client", Text, nullable=False),
    Column("joined_at", UtcTimestamp, nullable=False),
    Column("left_at", UtcTimestamp),
    Column("from_pstn", Boolean, nullable=False),
    Column("node", Text, nullable=False),
    Index("mcu_joins_user", "user", "joined_at"),
    Index("mcu_joins_instance", "instance", "joined_at"),
    Index("mcu_joins_joined", "joined_at"),
    Index("mcu_joins_left", "left_at"),
)

conference_messages: Final = Table(
    "conference_messages",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("messages", Integer, nullable=False),
    Column("counted_at", UtcTimestamp, nullable=False),
    Index("conference_messages_user", "user", "counted_at"),
    Index("conference_messages_counted", "counted_at"),
)

archive: Final = Table(
    "archive",
    metadata,
    # Numbers are given by the chain, not by the database.
    Column("serial", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("conversation", KEY, nullable=False),
    # What the digest is of: the head, a line feed, the body. The columns before only find it.
    Column("head", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("archive_conversation", "conversation", "serial"),
)

archive_people: Final = Table(
    "archive_people",
    metadata,
    # One row for each person and conversation, not for each message: a meeting of 250 must not cost 250 rows a message.
    Column("person", KEY, primary_key=True),
    Column("conversation", KEY, primary_key=True),
    Index("archive_people_conversation", "conversation"),
    sqlite_with_rowid=False,
)

archive_marks: Final = Table(
    "archive_marks",
    metadata,
    # "start": after which entry the chain begins, once others were purged; "end": its last entry.
    Column("name", Text, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("stamp", LargeBinary, nullable=False),
)
