"""From one version of the schema to the next, when the store is opened.

A new database walks the same migrations as an old one, so that there is one schema. All
of them are one transaction: an upgrade that fails leaves the database as it was.

While several servers of one database are upgraded one by one, the first new one migrates, and those of the version before go on, also
when they are started again: the database says which programs may. So a migration only adds (tables, indexes, columns that may be
left out), which a test holds. One that has to do more says `breaks = True`: programs of before are refused from then on, and have to be
stopped before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import column, inspect, select, table, update
from sqlalchemy.engine import Connection
from twisted.logger import Logger

from lyncpy.contracts.refusal import StoreUnavailable

MIGRATIONS: Final = Path(__file__).with_name("migrations")

VERSIONS: Final = "alembic_version"
"""The table in which Alembic keeps which version the others have."""

FIRST_NOTED: Final = "0006"
"""The schema from which on the oldest program that goes on with it is noted."""

_VERSIONS: Final = table(VERSIONS, column("oldest"))

log = Logger()


@dataclass(frozen=True, slots=True)
class Schema:
    """Which version a database's tables have, None where there are none, and the newest that this program knows."""

    current: str | None
    newest: str | None
    is_newer: bool = False
    """Whether a later program has made it what it is, with which this one goes on."""


def schema_of(connection: Connection) -> Schema:
    """Look which version the tables have.

    Raises:
        StoreUnavailable: One of a later program, with which this one cannot go on.
    """
    script = ScriptDirectory.from_config(_config(connection))
    newest = script.get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        if _oldest_reader(connection) in known:
            return Schema(current, newest, is_newer=True)
        raise StoreUnavailable(
            f"the database was written by a newer lyncpy (schema {current}; this one knows up to {newest}): "
            "install that version again, or bring back the copy that was made before the upgrade"
        )
    return Schema(current, newest)


def upgrade(connection: Connection, copy: Callable[[str], None]) -> None:
    """Bring the schema up to the newest version this program knows.

    Args:
        connection: In a transaction, which the caller commits.
        copy: Called with the new version before an existing schema is changed.

    Raises:
        StoreUnavailable: The schema is of a later program, with which this one cannot go on.
    """
    found = schema_of(connection)
    if found.is_newer:
        log.warn(
            "the database has schema {current}, and this lyncpy knows up to {newest}: it goes on with it; upgrade this server, too",
            current=found.current,
            newest=found.newest,
        )
        return
    if found.newest is None or found.current == found.newest:
        return
    if found.current is not None:
        copy(found.newest)
        log.info("upgrading the store from schema {current} to {newest}", current=found.current, newest=found.newest)
    command.upgrade(_config(connection), "head")
    script = ScriptDirectory.from_config(_config(connection))
    oldest = _oldest_of(script)
    if oldest is not None:
        connection.execute(update(_VERSIONS).values(oldest=oldest))


def _oldest_of(script: ScriptDirectory) -> str | None:
    """Give the oldest schema whose programs go on with the newest; None: this one has no place yet to note it."""
    found = None
    for revision in script.walk_revisions():
        if revision.revision == FIRST_NOTED or getattr(revision.module, "breaks", False):
            found = found or revision.revision
    return found if any(one.revision == FIRST_NOTED for one in script.walk_revisions()) else None


def _oldest_reader(connection: Connection) -> str | None:
    """Give what a later program has noted: the oldest schema whose programs go on with its own."""
    if "oldest" not in {column["name"] for column in inspect(connection).get_columns(VERSIONS)}:
        return None
    found: str | None = connection.execute(select(_VERSIONS.c.oldest)).scalar()
    return found


BEFORE: Final = ("0.2.0", "0002")
"""The release before this one, and the schema that it knows: as far as `downgrade` goes."""


def downgrade(connection: Connection) -> None:
    """Bring the schema down to what the release before this one knows; what both know stays as it is.

    Args:
        connection: In a transaction, which the caller commits.

    Raises:
        StoreUnavailable: The schema is another than this program's, or that of the release already.
    """
    found = schema_of(connection)
    release, wanted = BEFORE
    if found.current is not None and found.current <= wanted:
        raise StoreUnavailable(f"its schema is {found.current} already, which lyncpy {release} knows")
    if found.current != found.newest:
        raise StoreUnavailable(
            f"its schema is {found.current}, and only {found.newest} is brought down: start the server once"
        )
    command.downgrade(_config(connection), wanted)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
