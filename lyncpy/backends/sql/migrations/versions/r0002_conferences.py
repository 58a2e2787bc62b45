"""Conferences and the archive."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of conferences and of the archive; those that are there stay as they are."""
    _keep_conferences()
    _keep_conference_sessions()
    _keep_joins()
    _keep_archive()


def _keep_conferences() -> None:
    op.create_table(
        "conferences",
        sa.Column("instance", sa.Text(), primary_key=True),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("organizer", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("end_reason", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
    )
    op.create_index("conferences_started", "conferences", ["started_at"])
    op.create_index("conferences_ended", "conferences", ["ended_at"])
    op.create_index("conferences_organizer", "conferences", ["organizer", "started_at"])
    op.create_index("conferences_uri", "conferences", ["uri", "started_at"])
    op.create_table(
        "conference_messages",
        sa.Column("instance", sa.Text(), primary_key=True),
        sa.Column("user", sa.Text(), primary_key=True),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("counted_at", MOMENT, nullable=False),
    )
    op.create_index("conference_messages_user", "conference_messages", ["user", "counted_at"])
    op.create_index("conference_messages_counted", "conference_messages", ["counted_at"])


def _keep_conference_sessions() -> None:
    op.create_table(
        "conference_sessions",
        sa.Column("session_id", sa.Text(), primary_key=True),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("mcu_uri", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("from_tag", sa.Text(), nullable=False),
        sa.Column("to_tag", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("user_endpoint", sa.Text(), nullable=False),
        sa.Column("user_client", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("invited_at", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("started_by_server", sa.Boolean(), nullable=False),
        sa.Column("ended_by_server", sa.Boolean(), nullable=False),
        sa.Column("response_code", sa.Integer()),
        sa.Column("diagnostic_id", sa.Integer()),
        sa.Column("replaced_session", sa.Text(), nullable=False),
        sa.Column("referred_by", sa.Text(), nullable=False),
        sa.Column("on_behalf_of", sa.Text(), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
    )
    op.create_index("conference_sessions_user", "conference_sessions", ["user", "invited_at"])
    op.create_index("conference_sessions_instance", "conference_sessions", ["instance", "invited_at"])
    op.create_index("conference_sessions_invited", "conference_sessions", ["invited_at"])
    op.create_index("conference_sessions_ended", "conference_sessions", ["ended_at"])


def _keep_joins() -> None:
    op.create_table(
        "focus_joins",
        sa.Column("join_id", sa.Text(), primary_key=True),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("user_instance", sa.Text(), nullable=False),
        sa.Column("user_endpoint", sa.Text(), nullable=False),
        sa.Column("user_client", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("joined_at", MOMENT, nullable=False),
        sa.Column("left_at", MOMENT),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
    )
    op.create_index("focus_joins_user", "focus_joins", ["user", "joined_at"])
    op.create_index("focus_joins_instance", "focus_joins", ["instance", "joined_at"])
    op.create_index("focus_joins_joined", "focus_joins", ["joined_at"])
    op.create_index("focus_joins_left", "focus_joins", ["left_at"])
    op.create_table(
        "mcu_joins",
        sa.Column("join_id", sa.Text(), primary_key=True),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("mcu", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("user_instance", sa.Text(), nullable=False),
        sa.Column("user_client", sa.Text(), nullable=False),
        sa.Column("joined_at", MOMENT, nullable=False),
        sa.Column("left_at", MOMENT),
        sa.Column("from_pstn", sa.Boolean(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
    )
    op.create_index("mcu_joins_user", "mcu_joins", ["user", "joined_at"])
    op.create_index("mcu_joins_instance", "mcu_joins", ["instance", "joined_at"])
    op.create_index("mcu_joins_joined", "mcu_joins", ["joined_at"])
    op.create_index("mcu_joins_left", "mcu_joins", ["left_at"])


def _keep_archive() -> None:
    op.create_table(
        "archive",
        sa.Column("serial", SERIAL, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("conversation", KEY, nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
    )
    op.create_index("archive_conversation", "archive", ["conversation", "serial"])
    op.create_table(
        "archive_people",
        sa.Column("person", KEY, primary_key=True),
        sa.Column("conversation", KEY, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("archive_people_conversation", "archive_people", ["conversation"])
    op.create_table(
        "archive_marks",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("stamp", sa.LargeBinary(), nullable=False),
    )
