"""The SQLite file: where it is, who may read it, and what is wrong with it in words."""

import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from twisted.logger import Logger

from lyncpy.contracts.refusal import StoreUnavailable

log = Logger()


def require_file(path: Path) -> None:
    """Make the file if it is not there, with mode 0600; SQLite gives its WAL files the same mode.

    Raises:
        StoreUnavailable: With a sentence for an operator.
    """
    named = f'the database "{path}" ([store] url)'
    folder = path.parent
    if not folder.is_dir():
        raise StoreUnavailable(f'{named} cannot be made: there is no folder "{folder}"; make it, or name another file')
    if not os.access(folder, os.W_OK | os.X_OK):
        # Also for a file that could be written: SQLite puts its WAL beside it.
        raise StoreUnavailable(
            f'{named}: {_me()} may not write in "{folder}"; run `chown {_me()} "{folder}"`, or name another file'
        )
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise StoreUnavailable(
            f'{named}: {_me()} may not write it; run `chown {_me()} "{path}"*`, or name another file'
        )
    try:
        # Before SQLite does, whose files anyone may read by default.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"{named} cannot be opened: {error.strerror}") from error
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    if mode & 0o007:
        log.warn('anyone on this machine can read "{path}"; run `chmod o-rwx "{path}"*`', path=str(path))


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


def _me() -> str:
    """Name the user that this process runs as, for a sentence."""
    return f"user {os.geteuid()}"
