"""Records, journals, sessions and audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the first tables. There is no way down: the copy that is made before an upgrade is the way back."""
    _keep_records()
    _keep_sessions()
    _keep_audit()


def _keep_records() -> None:
    op.create_table(
        "records",
        sa.Column("kind", KEY, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("expires", sa.Double()),
    )
    op.create_index("records_expires", "records", ["expires"])
    op.create_table(
        "floors",
        sa.Column("kind", KEY, primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "journals",
        sa.Column("serial", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("journal", KEY, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("journals_at", "journals", ["journal", "at"])


def _keep_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text(), primary_key=True),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("from_tag", sa.Text(), nullable=False),
        sa.Column("to_tag", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user1", sa.Text(), nullable=False),
        sa.Column("user2", sa.Text(), nullable=False),
        sa.Column("user1_endpoint", sa.Text(), nullable=False),
        sa.Column("user2_endpoint", sa.Text(), nullable=False),
        sa.Column("user1_client", sa.Text(), nullable=False),
        sa.Column("user2_client", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("invited_at", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("response_code", sa.Integer()),
        sa.Column("diagnostic_id", sa.Integer()),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=False),
        sa.Column("user1_messages", sa.Integer(), nullable=False),
        sa.Column("user2_messages", sa.Integer(), nullable=False),
        sa.Column("messages_failed", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
    )
    op.create_index("sessions_invited", "sessions", ["invited_at"])
    op.create_index("sessions_ended", "sessions", ["ended_at"])
    op.create_index("sessions_user1", "sessions", ["user1", "invited_at"])
    op.create_index("sessions_user2", "sessions", ["user2", "invited_at"])


def _keep_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("serial", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_at", "audit", ["at"])
