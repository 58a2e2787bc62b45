"""What Alembic runs around the migrations: on a connection that it is given, in its transaction."""

from alembic import context

from lyncpy.backends.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite takes back CREATE and ALTER like anything else, when the transaction was begun by hand, as ours is.
    transactional_ddl=True,
    # SQLite cannot alter a column; Alembic then copies the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
