"""Volatile records, where several processes share them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

KEY = sa.Text(collation="C")


def upgrade() -> None:
    """Make the tables of volatile records; SQLite has none, for its one process keeps them in memory."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "volatile_records",
        sa.Column("kind", KEY, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("expires", sa.Double()),
        prefixes=["UNLOGGED"],
    )
    op.create_index("volatile_records_expires", "volatile_records", ["expires"])
    op.create_table(
        "volatile_floors",
        sa.Column("kind", KEY, primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    """Remove the tables of volatile records: an earlier server keeps them in its memory."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.drop_table("volatile_floors")
    op.drop_table("volatile_records")
