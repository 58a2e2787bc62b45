"""Beside the schema's version: that of the oldest programs which go on with it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the place for it; `lyncpy.backends.sql.upgrades` writes it."""
    op.add_column("alembic_version", sa.Column("oldest", sa.Text()))


def downgrade() -> None:
    """Remove it: programs of before do not look there."""
    op.drop_column("alembic_version", "oldest")
