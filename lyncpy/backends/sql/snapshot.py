"""A copy of a database as it is at one moment, in an SQLite file, while servers work with it."""

import os
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.engine import Connection

from lyncpy.backends.settings import SQLITE, Settings
from lyncpy.backends.sql.copying import keep_rows, slices_of
from lyncpy.backends.sql.database import Place, place_of
from lyncpy.backends.sql.dialects import take_your_time
from lyncpy.backends.sql.files import SqliteFile, copy_file
from lyncpy.backends.sql.link import Link
from lyncpy.backends.sql.tables import metadata
from lyncpy.backends.sql.upgrades import schema_of
from lyncpy.contracts.refusal import StoreUnavailable

_AT_ONE_MOMENT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


def snapshot(settings: Settings, home: Path, target: Path) -> None:
    """Copy a database, and read the copy whole.

    Of a file SQLite copies the pages. Of a PostgreSQL server all rows are read in one transaction, which sees one moment; nobody
    has to wait meanwhile.

    Args:
        settings: Where it is.
        home: The folder that relative names start from.
        target: A new file, mode 0600.

    Raises:
        StoreUnavailable: It cannot be read or written, or the copy is damaged.
    """
    place = place_of(settings, home)
    if isinstance(place, SqliteFile):
        # A damaged one is told from a full disk before anything is written.
        place.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar())
        copy_file(home / settings.path, target, settings.busy_s)
    else:
        _copy_rows(place, target)
    SqliteFile(Settings(url=f"{SQLITE}{target}"), target.parent).read_whole()


def _copy_rows(source: Place, target: Path) -> None:
    copy = SqliteFile(Settings(url=f"{SQLITE}{target}"), target.parent)
    copy.require()
    reading, writing = Link(source.engine), Link(copy.engine, explain=copy.explain)
    try:
        writing.commit([copy.prepare])
        reading.commit([partial(_read, writing)])
        # All of it goes into the file itself: its WAL is not taken along.
        writing.look([lambda connection: connection.exec_driver_sql("PRAGMA journal_mode = DELETE").all()])
    finally:
        reading.close()
        writing.close()
    os.chmod(target, 0o600)


def _read(writing: Link, source: Connection) -> None:
    source.exec_driver_sql(_AT_ONE_MOMENT)
    found = schema_of(source)
    if found.current != found.newest:
        raise StoreUnavailable("its schema is that of an earlier lyncpy: start the server once, or use pg_dump")
    take_your_time(source)
    for table in metadata.sorted_tables:
        for rows in slices_of(lambda job: job(source), table):
            writing.commit([partial(keep_rows, table, rows)])
