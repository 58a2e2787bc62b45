"""`lyncpy backup` and `lyncpy restore`, and the shell's `backup`."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from lyncpy.app.arguments import add_config
from lyncpy.app.backup import CannotBackUp, Made, back_up, restore, verify
from lyncpy.app.backup_form import BackupUnusable
from lyncpy.app.config import Config, load
from lyncpy.app.findings import tell
from lyncpy.app.store_check import store_findings
from lyncpy.app.store_watch import note_backup
from lyncpy.backends.threads import Threads
from lyncpy.contracts.answers import form
from lyncpy.contracts.file_faults import fault_of
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.secret_file import ANYBODY, given_secret, open_secret
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandFailed, OperatorRole, ShellCommand, Table
from lyncpy.core.progress import told_while

PASSPHRASE_LONGEST: Final = 1024
LINE_BYTES: Final = 4 * PASSPHRASE_LONGEST + 8
"""Of a passphrase, with its mark and its line's end."""

Note = Callable[[Config, float], None]
"""Writes down in a server's store when its backup was made."""

UNSEALED: Final = (
    "it is not sealed: whoever has it has the server's keys and all that people's passwords are proved with;"
    " --passphrase-file seals it"
)


def declare(words: Any, note: Note, now: Callable[[], float]) -> None:  # Any: argparse has no public name for it
    """Add the commands to those of `lyncpy`.

    Args:
        words: Of the command line.
        note: As its own type says.
        now: The wall clock.
    """
    backup = words.add_parser(
        "backup", help="copy database, settings, keys and certificates into one file; the server may run"
    )
    backup.add_argument("target", type=Path, metavar="FILE", help="a new file")
    add_config(backup, "SETTINGS")
    _add_passphrase(backup)
    backup.set_defaults(run=lambda options: _back_up(options, note, now()))
    restoring = words.add_parser("restore", help="make a new folder of a backup, from which a server can start")
    restoring.add_argument("source", type=Path, metavar="FILE", help="the backup")
    restoring.add_argument("home", type=Path, nargs="?", metavar="DIR", help="empty, or not there")
    restoring.add_argument("--verify", action="store_true", help="only read it to its end, and compare all hashes")
    _add_passphrase(restoring)
    restoring.set_defaults(run=_restore)


def _add_passphrase(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="PASSPHRASE",
        help="the first line of this file seals the backup, and opens it; [store] backup_passphrase_file when left out",
    )


def _back_up(options: argparse.Namespace, note: Note, now: float) -> int:
    config = load(options.config)
    passphrase = _given(options.passphrase_file) or _set(config)
    made = back_up(config, options.target, passphrase, datetime.fromtimestamp(now, UTC), _to_terminal)
    note(config, now)
    sys.stdout.write(f"ok  {_told(made)}\n")
    if not made.sealed:
        sys.stderr.write(f"lyncpy: {UNSEALED}\n")
    return 0


def _to_terminal(progress: str) -> None:
    """Tell a person what is done; a program waits for the end."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{progress}\n")


def _told(made: Made) -> str:
    return f"{made.file} has the database and {made.files - 1} files, {made.size >> 10} KiB{', sealed' if made.sealed else ''}"


def _restore(options: argparse.Namespace) -> int:
    passphrase = _given(options.passphrase_file)
    try:
        if options.verify:
            manifest = verify(options.source, passphrase)
            count = len(manifest.entries)
            sys.stdout.write(
                f"ok  all {count} files of {options.source} are whole; it was made at {manifest.made_at}\n"
            )
            return 0
        if options.home is None:
            raise CannotBackUp("name the folder that the server shall have, or --verify")
        done = restore(options.source, options.home, passphrase)
    except BackupUnusable as error:
        raise CannotBackUp(f'"{options.source}": {error}') from None
    manifest = done.manifest
    sys.stdout.write(f"ok  {done.home} is what {manifest.home} was at {manifest.made_at}\n")
    for was, now in done.elsewhere:
        sys.stdout.write(f"    {was} is now {now}: put it where it was, or name it in {done.settings.name}\n")
    config = load(done.settings)
    database = done.home / manifest.database
    if manifest.store != "sqlite":
        sys.stdout.write(_to_postgresql(config, database))
        return 0
    if config.path(config.sections.store.path) != database:
        sys.stdout.write(
            f"    the database is {database}: move it to {config.sections.store.path}, or name it in [store] url\n"
        )
        return 0
    return tell(store_findings(config))


def _to_postgresql(config: Config, database: Path) -> str:
    settings = config.home / "restored.toml"
    return (
        f"    the data are in {database}: name an empty database in [store] url of {config.file}, and write\n"
        f'    a copy of it as {settings} with [store] url = "sqlite:///{database.name}"; then\n'
        f"    lyncpy store copy {settings} {config.file}\n"
    )


def _given(file: Path | None) -> str:
    """Read the passphrase that the command line names; "" where it names none. Raises as `_passphrase`."""
    return "" if file is None else _passphrase(file, given_secret)


def _set(config: Config) -> str:
    """Read the passphrase of [store] backup_passphrase_file; "" where there is none. Raises as `_passphrase`."""
    name = config.sections.store.backup_passphrase_file
    return _passphrase(config.path(name), open_secret) if name else ""


def _passphrase(file: Path, opened: Callable[[Path, int], BinaryIO]) -> str:
    """Read a passphrase.

    Raises:
        CannotBackUp: There is none in it, or everybody may read it.
    """
    try:
        with opened(file, ANYBODY) as lines:
            line = lines.readline(LINE_BYTES).decode("utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotBackUp(f'the passphrase file "{file}" cannot be used: {fault_of(error)}') from None
    if not line or len(line) > PASSPHRASE_LONGEST:
        raise CannotBackUp(f'the first line of "{file}" is no passphrase: 1 to {PASSPHRASE_LONGEST} characters are')
    return line


class Backups:
    """The shell's `backup`: into one folder, under a name that tells when.

    Args:
        config: The server's.
        store: Where it is noted.
        threads: Where what takes long is done.
        timers: The clock.
    """

    def __init__(self, config: Config, store: IStore, threads: Threads, timers: ITimers) -> None:
        self._config = config
        self._store = store
        self._threads = threads
        self._timers = timers
        self._is_busy = False
        self._doing = ""
        """What is being done, as the thread has said."""

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell's word."""
        text = "Copy database, settings, keys and certificates into one file of [store] backup_folder."
        return (
            ShellCommand(
                "backup",
                text,
                self.make,
                role=OperatorRole.OPERATOR,
                form=form("file bytes:number files:number sealed:truth"),
            ),
        )

    async def make(self, asked: CommandCall) -> Table:
        """Make a backup; one at a time."""
        if self._is_busy:
            raise CommandFailed("a backup is being made already")
        self._is_busy = True
        try:
            wall = self._timers.wall()
            making = self._threads.call_in_thread(lambda: self._made(datetime.fromtimestamp(wall, UTC)))
            made = await told_while(making, self._timers, lambda: self._doing, asked.tell)
            await note_backup(self._store, wall)
        except (CannotBackUp, StoreUnavailable) as error:
            raise CommandFailed(f"no backup was made: {error}") from None
        except OSError as error:
            raise CommandFailed(f"no backup was made: {error.filename or ''}: {error.strerror or error}") from None
        finally:
            self._is_busy = False
        note = "" if made.sealed else "it is not sealed: [store] backup_passphrase_file"
        return Table(
            ("file", "bytes", "files", "sealed"), [(str(made.file), made.size, made.files, made.sealed)], note=note
        )

    def _made(self, now: datetime) -> Made:
        store = self._config.sections.store
        folder = self._config.path(store.backup_folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = folder / f"lyncpy-{now:%Y%m%d-%H%M%S}.backup"
        return back_up(self._config, target, _set(self._config), now, self._says)

    def _says(self, progress: str) -> None:
        self._doing = progress
