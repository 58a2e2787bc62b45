"""In which change each record was written."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Number the changes of records; those that are there count as older than all that come.

    A removed record says from now on when that was; of those that are there nobody waits for it any more.
    """
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for table in ("records", "volatile_records") if is_postgresql else ("records",):
        op.add_column(table, sa.Column("change", sa.BigInteger(), nullable=False, server_default="0"))
        op.create_index(f"{table}_change", table, ["kind", "change"])
        records = sa.table(table, sa.column("value"), sa.column("expires"))
        op.execute(sa.update(records).where(records.c.value.is_(None)).values(expires=0.0))


def downgrade() -> None:
    """Forget in which change each record was written, and when one was removed."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for table in ("records", "volatile_records") if is_postgresql else ("records",):
        records = sa.table(table, sa.column("value"), sa.column("expires"))
        op.execute(sa.update(records).where(records.c.value.is_(None)).values(expires=None))
        op.drop_index(f"{table}_change", table)
        op.drop_column(table, "change")
