"""A backup of a server, made while it runs, and a home made of a backup.

In it is what a server is: its database as of one moment, its settings, and every file that these name and that cannot be made
anew: keys, certificates, people, passwords. Not in it are logs, what was exported from the archive, and what says who is signed in now.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from lyncpy import __version__
from lyncpy.app.backup_form import (
    PIECE,
    BackupFile,
    BackupUnusable,
    Manifest,
    Readable,
    is_sealed,
    packed,
    pieces,
    read_manifest,
    reading,
    some,
    total,
    writing,
)
from lyncpy.app.config import Config
from lyncpy.app.home import secret_files
from lyncpy.backends.sql.snapshot import snapshot

DATABASE: Final = "lyncpy.db"
"""The name of the database in a backup of a PostgreSQL server's."""

ELSEWHERE: Final = "from-elsewhere"
"""The folder for files that were in other folders."""

SPARE_BYTES: Final = 64 << 20


class CannotBackUp(Exception):
    """A backup was not made, or not restored; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made."""

    file: Path
    size: int
    files: int
    sealed: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """A home that was made of a backup."""

    home: Path
    settings: Path
    manifest: Manifest
    elsewhere: tuple[tuple[str, Path], ...]
    """Files of other folders: where each was, and where it is now."""


def named_files(config: Config) -> Iterator[Path]:
    """Give the files that belong to a server, its database aside, whether or not they are there."""
    sections, home = config.sections, config.home
    # What opens a backup does not lie in it.
    made = {config.path(sections.store.backup_passphrase_file or ".")}
    made |= {config.path(sections.store.path + suffix) for suffix in ("", "-wal", "-shm")}
    if sections.log.json_file:
        made.add(config.path(sections.log.json_file))
    public = [sections.sip.certificate, sections.sip.chain, sections.store.ca_file, sections.bus.ca_file]
    public += [one.ca_file for one in config.directories]
    yield from (path for path in secret_files(config) if path not in made)
    yield from (config.path(name) for name in public if name)
    yield from (home / name for name in ("ca.pem", "admin_key.pub"))
    keys = config.path(sections.admin.host_key_folder)
    yield from sorted(keys.glob("ssh_host_*"))


def back_up(
    config: Config, target: Path, passphrase: str, now: datetime, said: Callable[[str], None] = lambda _: None
) -> Made:
    """Make a backup; a server may work meanwhile.

    Args:
        config: The server's.
        target: The new file; it is whole, or not there.
        passphrase: Seals it; "": it is not sealed.
        now: The wall clock.
        said: Is told what is done, in the thread that does it.

    Raises:
        CannotBackUp: It is there already, or there is no such folder.
        StoreUnavailable: The database cannot be copied.
        OSError: The disk says no.
    """
    if target.exists():
        raise CannotBackUp(f'"{target}" is there already: name another file')
    folder = target.absolute().parent
    if not folder.is_dir():
        raise CannotBackUp(f'there is no folder "{folder}": make it, or name another file')
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as scratch:
        database = Path(scratch) / DATABASE
        said("the database is being copied")
        snapshot(config.sections.store, config.home, database)
        name = config.sections.store.path if config.sections.store.is_sqlite else DATABASE
        # A database in another folder is put into the home that is restored.
        inside = _inside(config, config.path(name))
        name = DATABASE if inside is None else inside
        said(f"{database.stat().st_size >> 10} KiB of the database are copied; all is being written into the backup")
        files = {name: database, **_held(_found(config), Path(scratch))}
        manifest = Manifest(
            version=__version__,
            made_at=now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            home=str(config.home),
            settings=config.file.name,
            database=name,
            store="sqlite" if config.sections.store.is_sqlite else "postgresql",
            entries=tuple(_entry(name, path) for name, path in files.items()),
        )
        part = Path(scratch) / "part"
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            _write(file, manifest, files, passphrase)
            file.flush()
            os.fsync(file.fileno())
        # What has come there meanwhile is not replaced.
        os.link(part, target)
    _sync(folder)
    return Made(target, target.stat().st_size, len(files), bool(passphrase))


def _found(config: Config) -> dict[str, Path]:
    """Give the files that are there, by their names in a backup."""
    found: dict[str, Path] = {}
    for path in named_files(config):
        if path.is_file():
            inside = _inside(config, path)
            found[str(path.absolute()) if inside is None else inside] = path
    return found


def _held(found: dict[str, Path], scratch: Path) -> dict[str, Path]:
    """Copy files, all small, as they are now: a server that runs changes some."""
    held: dict[str, Path] = {}
    for number, (name, path) in enumerate(found.items()):
        held[name] = scratch / f"file-{number}"
        held[name].touch(0o600)
        shutil.copyfile(path, held[name])
        shutil.copymode(path, held[name])
    return held


def _inside(config: Config, path: Path) -> str | None:
    """Give a name below the home, or None."""
    place = Path(os.path.normpath(path.absolute()))
    home = Path(os.path.normpath(config.home.absolute()))
    return place.relative_to(home).as_posix() if place.is_relative_to(home) else None


def _entry(name: str, path: Path) -> BackupFile:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o777
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
    return BackupFile(name, size, mode, digest.hexdigest())


def _write(file: IO[bytes], manifest: Manifest, files: dict[str, Path], passphrase: str) -> None:
    out = writing(file, passphrase)
    out.write(packed(manifest))
    for one in manifest.entries:
        with files[one.name].open("rb") as source:
            while piece := source.read(PIECE):
                out.write(piece)
    out.finish()


# --- and back


@contextmanager
def opened(source: Path, passphrase: str) -> Iterator[tuple[Manifest, Readable]]:
    """Open a backup, and read what is in it.

    Raises:
        BackupUnusable, OSError.
    """
    with source.open("rb") as file:
        sealed = is_sealed(file)
        if sealed and not passphrase:
            raise BackupUnusable("it is sealed: name the file with its passphrase, --passphrase-file")
        stream = reading(file, passphrase, sealed=sealed)
        yield read_manifest(stream), stream


def verify(source: Path, passphrase: str) -> Manifest:
    """Read a backup from one end to the other, and compare all hashes; raises as `opened`."""
    with opened(source, passphrase) as (manifest, stream):
        for one in manifest.entries:
            _copied(stream, one, None)
        _require_end(stream)
    return manifest


def restore(source: Path, home: Path, passphrase: str) -> Restored:
    """Make a home of a backup.

    Args:
        source: The backup.
        home: A folder that is empty, or not there; when anything goes wrong it stays so.
        passphrase: With which it was sealed; "": it was not.

    Raises:
        BackupUnusable: It is damaged, of a newer lyncpy, or sealed with another passphrase.
        CannotBackUp: The folder has something in it, or the disk no room.
        OSError: The disk says no.
    """
    home = home.absolute()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise CannotBackUp(f'"{home}" is not empty: name a new folder')
    home.parent.mkdir(parents=True, exist_ok=True)
    with opened(source, passphrase) as (manifest, stream):
        room, needed = shutil.disk_usage(home.parent).free, total(manifest.entries) + SPARE_BYTES
        if room < needed:
            raise CannotBackUp(f'it takes {needed >> 20} MiB, and "{home.parent}" has room for {room >> 20}')
        scratch = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
        try:
            placed = _unpack(manifest, stream, scratch)
            with suppress(FileNotFoundError):
                home.rmdir()
            scratch.rename(home)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    _sync(home.parent)
    # Nothing is written outside of the new folder: whoever has made the backup must not choose where.
    elsewhere = tuple((was, home / name) for was, name in placed.items())
    return Restored(home, home / manifest.settings, manifest, elsewhere)


def _unpack(manifest: Manifest, stream: Readable, folder: Path) -> dict[str, str]:
    """Write all files; give where those of other folders are now, by where they were."""
    elsewhere: dict[str, str] = {}
    for number, one in enumerate(manifest.entries):
        name = one.name
        if name.startswith("/"):
            name = f"{ELSEWHERE}/{number}-{Path(name).name}"
            elsewhere[one.name] = name
        place = folder / name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            _copied(stream, one, out)
            out.flush()
            os.fsync(out.fileno())
        place.chmod(one.mode & 0o755)
    _require_end(stream)
    return elsewhere


def _copied(stream: Readable, one: BackupFile, out: IO[bytes] | None) -> None:
    digest = hashlib.sha256()
    for piece in pieces(stream, one.size):
        digest.update(piece)
        if out is not None:
            out.write(piece)
    if digest.hexdigest() != one.sha256:
        raise BackupUnusable(f'it is damaged: "{one.name}" is not what was put into it')


def _require_end(stream: Readable) -> None:
    # Reading on, the stream compares its own checksum, and what was sealed is known to be all.
    if some(stream, 1):
        raise BackupUnusable("it is damaged: something follows its last file")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
