"""The servers that work with the database, and what is whose."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables of nodes and homes; no node of before is known, so all that is open in call records is a dead one's."""
    op.create_table(
        "nodes",
        sa.Column("name", KEY, primary_key=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("is_connected", sa.Boolean(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double()),
    )
    op.create_table(
        "homes",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("node", KEY),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
    )
    op.create_index("homes_node", "homes", ["node"])


def downgrade() -> None:
    """Remove the tables of nodes and homes: an earlier server is the only one."""
    op.drop_index("homes_node", "homes")
    op.drop_table("homes")
    op.drop_table("nodes")
