"""From one version of the schema to the next, when the store is opened.

A new database walks the same migrations as an old one, so that there is one schema. All
of them are one transaction: an upgrade that fails leaves the database as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from twisted.logger import Logger

from lyncpy.contracts.refusal import StoreUnavailable

MIGRATIONS: Final = Path(__file__).with_name("migrations")

VERSIONS: Final = "alembic_version"
"""The table in which Alembic keeps which version the others have."""

log = Logger()


@dataclass(frozen=True, slots=True)
class Schema:
    """Which version a database's tables have, None where there are none, and the newest that this program knows."""

    current: str | None
    newest: str | None


def schema_of(connection: Connection) -> Schema:
    """Look which version the tables have.

    Raises:
        StoreUnavailable: One that is newer than this program.
    """
    script = ScriptDirectory.from_config(_config(connection))
    newest = script.get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current not in {None, *(revision.revision for revision in script.walk_revisions())}:
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
        StoreUnavailable: The schema is newer than this program.
    """
    found = schema_of(connection)
    if found.newest is None or found.current == found.newest:
        return
    if found.current is not None:
        copy(found.newest)
        log.info("upgrading the store from schema {current} to {newest}", current=found.current, newest=found.newest)
    command.upgrade(_config(connection), "head")


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
