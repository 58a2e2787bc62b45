"""The SQLite file: where it is, who may read it, and what is wrong with it in words."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from twisted.logger import Logger

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.examination import Unseal, contents, schema
from lyncpy.backends.sql.link import Job, Link, T, look_once
from lyncpy.backends.sql.sqlite_trouble import COPIED, explained, is_busy
from lyncpy.backends.sql.tables import metadata
from lyncpy.backends.sql.upgrades import BEFORE, VERSIONS, downgrade, schema_of, upgrade
from lyncpy.contracts.file_faults import unwritable
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import StoreUnavailable

log = Logger()

CHECKED_WHOLE_BYTES: Final = 1 << 26
"""A larger file is read whole by `lyncpy doctor store` alone: it takes a second for each 200 MB."""

PAGES: Final = 256
"""Pages (1 MiB) that one transaction gives back to the disk: other writes go between two of them."""


class SqliteFile:
    """A database in a file.

    Args:
        settings: Its name.
        home: The folder that a relative name starts from.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        self._path = home / settings.path
        self._busy_s = settings.busy_s
        self.engine: Engine = create_engine(
            "sqlite://",
            creator=lambda: connect(self._path, settings.busy_s),
            poolclass=NullPool,
            hide_parameters=True,  # values are secrets: an error's text must not show them
        )

    @property
    def shown(self) -> str:
        """The database as a sentence names it."""
        return str(self._path.resolve())

    def require(self) -> None:
        """Make the file if it is not there; raises as `require_file` does."""
        require_file(self._path)

    def prepare(self, connection: Connection) -> None:
        """Upgrade the schema, after a copy of the file was made beside it.

        Raises:
            StoreUnavailable: With a sentence for an operator.
        """

        def copy(newest: str) -> None:
            target = self._path.with_name(f"{self._path.name}{COPIED}{newest}")
            try:
                copy_file(self._path, target, self._busy_s)
                tried(target, lambda connection: upgrade(connection, lambda version: None))
            except (OSError, sqlite3.Error) as error:
                raise StoreUnavailable(
                    f'it must be upgraded, and the copy "{target}" cannot be made before: {error}; make room for it'
                ) from error
            log.info("the store as it was is kept in {path}", path=str(target))

        upgrade(connection, copy)

    def greet(self, connection: Connection) -> None:
        """Nothing: the lock beside the file says which server works with it, see `app/database_lock.py`."""

    def hold(self, connection: Connection) -> None:
        """Nothing, as above."""

    def examined(
        self,
        unseal: Unseal | None,
        *,
        is_connected: bool = False,
        writes: bool = True,
    ) -> Iterator[Finding]:
        """Look at what a start needs; nothing is changed.

        Args:
            unseal: Opens what was sealed with this server's key; None: there is none.
            is_connected: Whether there may be other servers.
            writes: Whether to try whether it can be written; a server knows that of its own.
        """
        path = self._path.resolve()
        try:
            require_place(path)
            if not path.exists():
                yield Finding(good=True, sentence=f'"{path}" is made by the first start')
                return
            link = Link(_as_it_is(path, self._busy_s), explain=self.explain)
            try:
                yield from link.look([lambda connection: _looked_at(connection, path, unseal)])[0]
                if writes:
                    # A server that runs is not kept from writing any longer than that.
                    link.commit([lambda connection: None])
            finally:
                link.close()
        except StoreUnavailable as error:
            if is_busy(error):
                # It ends by itself; a start waits for it as well.
                yield Finding(good=False, sentence=f"{named_file(path)} is not free: {error}")
                return
            sentence = str(error) if str(error).startswith(named_file(path)) else unusable(self.shown, error)
            yield Finding(good=False, sentence=sentence, stops=True)

    def read(self, job: Job[T]) -> T:
        """Do a job that only reads, beside whoever works with it.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        return look_once(Link(_as_it_is(self._path, self._busy_s), explain=self.explain), job)

    def read_whole(self) -> None:
        """Read all of it; raises as `read`."""
        self.read(require_sound)

    def explain(self, error: BaseException | None) -> str:
        """Say what a failure means, and what to do."""
        return explained(error, self._path, self._busy_s)

    def settle(self, connection: Connection) -> None:
        """Rewrite a file of the first versions, once, for it could not shrink."""
        if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar():
            return
        log.info("rewriting {path}, once, so that it can shrink", path=str(self._path))
        try:
            connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
            connection.exec_driver_sql("VACUUM")
        except DBAPIError as error:  # no room for the copy, or another program is at work
            log.warn(
                "{path} keeps its size, whatever is purged from it: {reason}; it is tried again at the next start",
                path=str(self._path),
                reason=str(error.orig),
            )

    def free_slice(self, connection: Connection) -> int:
        """Give back up to PAGES pages; give their number."""
        free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        count = min(free, PAGES)
        for _ in range(count):
            # One by one: Python's sqlite3 takes the first step of a statement without columns, and no more.
            connection.exec_driver_sql("PRAGMA incremental_vacuum(1)").close()
        return count

    def try_write(self, connection: Connection) -> None:
        """Find out whether the file can be written, with a page that says what it said before."""
        version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        connection.exec_driver_sql(f"PRAGMA user_version = {version}").close()

    def size(self, connection: Connection) -> int:
        """Give the bytes of the file."""
        pages: int = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        page: int = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        return pages * page

    def end_shrinking(self, connection: Connection) -> None:
        """Cut the file itself: its WAL is emptied into it; readers and writers are not waited for."""
        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()


def unusable(shown: str, reason: object) -> str:
    """Say why a database cannot be used; a start refuses with the same words."""
    return f'the database "{shown}" ([store] url) cannot be used: {reason}'


def _as_it_is(path: Path, busy_s: float) -> Engine:
    """Give what opens a file without changing anything of it."""
    place = f"file:{quote(str(path))}?mode=rw"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(place, uri=True, timeout=busy_s, isolation_level=None),
        poolclass=NullPool,
        hide_parameters=True,  # as above
    )


def _looked_at(connection: Connection, path: Path, unseal: Unseal | None) -> list[Finding]:
    """Look at a file."""
    if path.stat().st_size <= CHECKED_WHOLE_BYTES:
        require_sound(connection)
    names = set(inspect(connection).get_table_names()) - {VERSIONS}
    if names and names.isdisjoint(metadata.tables):
        raise StoreUnavailable(
            f"{named_file(path)} is another program's: it has the table {min(names)}; name a file of this server's own"
        )
    found = [schema(connection, makes_copy=True)]
    if all(one.good for one in found):
        found += contents(connection, unseal)
    return found


def require_sound(connection: Connection) -> None:
    """Read all of it.

    Raises:
        StoreUnavailable: It is damaged.
    """
    said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if said != "ok":
        error = sqlite3.DatabaseError(said)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def require_file(path: Path) -> None:
    """Make the file if it is not there, with mode 0600; SQLite gives its WAL files the same mode.

    Raises:
        StoreUnavailable: With a sentence for an operator.
    """
    require_place(path)
    named = named_file(path)
    try:
        # Before SQLite does, whose files anyone may read by default.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"{named} cannot be opened: {error.strerror}") from error
    os.close(descriptor)


def named_file(path: Path) -> str:
    """Name the database for an operator, with its setting."""
    return f'the database "{path}" ([store] url)'


def require_place(path: Path) -> None:
    """Look whether the file can be made, or can be used as far as its rights go; nothing is made.

    Raises:
        StoreUnavailable: With a sentence for an operator.
    """
    try:
        _require_place(path)
    except OSError as error:
        raise StoreUnavailable(
            f'{named_file(path)} cannot be reached: {error.strerror}; let {_me()} reach "{path.parent}", or name another file'
        ) from error


def _require_place(path: Path) -> None:
    named = named_file(path)
    folder = path.parent
    if not folder.is_dir():
        raise StoreUnavailable(f'{named} cannot be made: there is no folder "{folder}"; make it, or name another file')
    if not os.access(folder, os.W_OK | os.X_OK):
        # Also for a file that could be written: SQLite puts its WAL beside it.
        raise StoreUnavailable(f"{named}: {unwritable(folder)}, or name another file")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise StoreUnavailable(f"{named}: {unwritable(path)}, with what is beside it, or name another file")
    if path.is_dir():
        raise StoreUnavailable(f"{named} cannot be opened: Is a directory")


def connect(path: Path, busy_s: float) -> sqlite3.Connection:
    """Open the file as this server wants it; a missing file is an error and is not made.

    What a commit has answered is on the disk (`synchronous` FULL): NORMAL may lose the last
    commits at a power cut. Transactions are begun by us (`isolation_level` None).
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=rw",
        uri=True,
        timeout=busy_s,
        isolation_level=None,
        check_same_thread=False,
    )
    if connection.execute("PRAGMA page_count").fetchone() == (0,):
        # A new file: the only moment at which this costs nothing, and it must come before the journal's mode.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "journal_size_limit = 67108864"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def copy_file(path: Path, target: Path, busy_s: float) -> None:
    """Copy a database, with what its WAL holds, to a file with mode 0600; an older copy is replaced.

    The copy is on the disk when this returns, and `target` is never half a copy.
    """
    half = target.with_name(target.name + ".part")
    half.unlink(missing_ok=True)
    os.close(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source, copy = connect(path, busy_s), sqlite3.connect(half, isolation_level=None)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(target)


def tried(copy: Path, change: Callable[[Connection], None]) -> None:
    """Try a change of the schema on a copy of a copy, and read the result whole; nothing is left of it.

    Raises:
        StoreUnavailable: It fails there.
        OSError, sqlite3.Error: There is no room for it.
    """
    trial = copy.with_name(f"{copy.name}.trial.part")
    try:
        copy_file(copy, trial, busy_s=1.0)
        link = Link(create_engine("sqlite://", creator=lambda: connect(trial, 1.0), poolclass=NullPool))
        try:
            link.commit([change])
            link.look([require_sound])
        finally:
            link.close()
    except (DBAPIError, StoreUnavailable) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(
            f"it was tried on a copy before, and fails there: {reason}; nothing was changed, go back to the version of before"
        ) from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            trial.with_name(trial.name + suffix).unlink(missing_ok=True)


def bring_down(settings: Settings, home: Path) -> Path:
    """Bring a file's schema down to that of the release before; give the copy that was made of it.

    Args:
        settings: Its name.
        home: The folder that a relative name starts from.

    Raises:
        StoreUnavailable: With a sentence for an operator; nothing was changed.
    """
    path = home / settings.path
    place = SqliteFile(settings, home)
    place.read(schema_of)
    target = path.with_name(f"{path.name}{COPIED}{BEFORE[0]}")
    try:
        copy_file(path, target, settings.busy_s)
        tried(target, downgrade)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f'the copy "{target}" cannot be made before: {error}; make room for it') from error
    link = Link(place.engine, explain=place.explain)
    try:
        link.commit([downgrade])
    finally:
        link.close()
    return target


def _me() -> str:
    """Name the user that this process runs as, for a sentence."""
    return f"user {os.geteuid()}"
