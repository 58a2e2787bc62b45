"""From one version of the schema to the next, when the store is opened.

A new database walks the same migrations as an old one, so that there is one schema. All
of them are one transaction: an upgrade that fails leaves the database as it was.
"""

from collections.abc import Callable
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

log = Logger()


def upgrade(connection: Connection, copy: Callable[[str], None]) -> None:
    """Bring the schema up to the newest version this program knows.

    Args:
        connection: In a transaction, which the caller commits.
        copy: Called with the new version before an existing schema is changed.

    Raises:
        StoreUnavailable: The schema is newer than this program.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    newest = script.get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if newest is None or current == newest:
        return
    if current is not None:
        known = {revision.revision for revision in script.walk_revisions()}
        if current not in known:
            raise StoreUnavailable(
                f"the database was written by a newer lyncpy (schema {current}; this one knows up to {newest}): "
                "install that version again, or bring back the copy that was made before the upgrade"
            )
        copy(newest)
        log.info("upgrading the store from schema {current} to {newest}", current=current, newest=newest)
    command.upgrade(config, "head")
