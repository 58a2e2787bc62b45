"""The file of a backup: what is in it, checked, and sealed if that is wanted.

One line says which form it has; then comes a gzip stream, or one that is sealed with a passphrase. In the stream: the number of
bytes of the manifest (four bytes, the highest first), the manifest in JSON, which names each file with its size, mode and SHA-256,
and then the files' bytes, one after the other, in the manifest's order. Whoever has no lyncpy unpacks it with a few lines of any language.

A sealed stream begins with a salt of 16 bytes. The key is of scrypt (N = 2^15, r = 8, p = 1) over the passphrase. What follows are
pieces of 256 KiB and of what is left, each encrypted with AES-256-GCM: the nonce is the number of the piece, and what is
authenticated besides is whether it is the last one, so that nothing can be cut off, changed in order, or be of another file.
"""

import gzip
import hashlib
import json
import secrets
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import IO, Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PLAIN: Final = b"lyncpy backup 1\n"
SEALED: Final = b"lyncpy sealed backup 1\n"

MANIFEST_BYTES: Final = 4 << 20
FILES_MOST: Final = 10_000
PIECE: Final = 1 << 18
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
LEVEL: Final = 3
"""Of gzip: a database is half as large for a tenth of the time that the best takes."""


class BackupUnusable(Exception):
    """A backup cannot be read; the sentence says why."""


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int = -1, /) -> bytes:
        """Give up to so many bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file in a backup."""

    name: str
    """Where it belongs: below the home with "/" between folders, or an absolute path."""

    size: int
    mode: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup."""

    version: str
    """Of the lyncpy that made it."""

    made_at: str
    """RFC 3339, UTC."""

    home: str
    """The folder of the settings file."""

    settings: str
    """The name of the settings file."""

    database: str
    """The name of the database in it, an SQLite file whatever the server works with."""

    store: str
    """What the server works with: "sqlite" or "postgresql"."""

    entries: tuple[BackupFile, ...]


def packed(manifest: Manifest) -> bytes:
    """Write a manifest."""
    text = json.dumps(asdict(manifest), indent=1).encode()
    return len(text).to_bytes(4, "big") + text


def read_manifest(stream: Readable) -> Manifest:
    """Read and check what a backup says that it has.

    Raises:
        BackupUnusable: It is none, or names what no backup has.
    """
    length = int.from_bytes(exactly(stream, 4), "big")
    if length > MANIFEST_BYTES:
        raise BackupUnusable("what it says that is in it is too long")
    try:
        found = json.loads(exactly(stream, length))
        entries = tuple(BackupFile(**{name: one[name] for name in _ENTRY}) for one in found["entries"])
        manifest = Manifest(**{name: found[name] for name in _MANIFEST}, entries=entries)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BackupUnusable("what it says that is in it cannot be read") from error
    if len(entries) > FILES_MOST or len({one.name for one in entries}) < len(entries):
        raise BackupUnusable("it names too many files, or one twice")
    for text in (*(getattr(manifest, name) for name in _MANIFEST), *(one.sha256 for one in entries)):
        if not isinstance(text, str):
            raise BackupUnusable("what it says that is in it cannot be read")
    if not is_within(manifest.settings) or not is_within(manifest.database):
        raise BackupUnusable("its settings or its database are outside of its folder")
    for one in entries:
        _check(one)
    return manifest


_ENTRY: Final = ("name", "size", "mode", "sha256")
_MANIFEST: Final = ("version", "made_at", "home", "settings", "database", "store")


def is_within(name: str) -> bool:
    """Tell whether a name leads into the folder and nowhere else."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _check(one: BackupFile) -> None:
    is_name = isinstance(one.name, str) and len(one.name) < 4096 and "\0" not in one.name
    if not is_name or ".." in PurePosixPath(one.name).parts or not PurePosixPath(one.name).parts:
        raise BackupUnusable("it names a file that leads elsewhere")
    if not isinstance(one.size, int) or not isinstance(one.mode, int) or one.size < 0 or one.mode & ~0o777:
        raise BackupUnusable("a size or a mode in it is none")


def exactly(stream: Readable, size: int) -> bytes:
    """Read so many bytes.

    Raises:
        BackupUnusable: There are fewer, or what is there is damaged.
    """
    data = b""
    while len(data) < size:
        piece = some(stream, size - len(data))
        if not piece:
            raise BackupUnusable("it ends too early: it was not written or copied to its end")
        data += piece
    return data


def some(stream: Readable, size: int) -> bytes:
    """Read up to so many bytes; raises as `exactly`."""
    try:
        return stream.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BackupUnusable(f"it is damaged: {error}") from error


def pieces(stream: Readable, size: int) -> Iterator[bytes]:
    """Read so many bytes, a piece at a time; raises as `exactly`."""
    while size:
        piece = exactly(stream, min(size, PIECE))
        size -= len(piece)
        yield piece


def writing(file: IO[bytes], passphrase: str) -> "Writer":
    """Begin a backup.

    Args:
        file: Where it goes.
        passphrase: Seals it; "": it is not sealed.
    """
    file.write(SEALED if passphrase else PLAIN)
    sealing = _Sealing(file, passphrase) if passphrase else None
    return Writer(gzip.GzipFile(fileobj=sealing or file, mode="wb", compresslevel=LEVEL, mtime=0, filename=""), sealing)


def is_sealed(file: IO[bytes]) -> bool:
    """Tell whether a file is a sealed backup, and go on behind the line that says so.

    Raises:
        BackupUnusable: It is no backup, or of a later form.
    """
    line = file.readline(64)
    if line not in (PLAIN, SEALED):
        later = line.startswith((b"lyncpy backup ", b"lyncpy sealed backup "))
        raise BackupUnusable(
            "it was made by a newer lyncpy: restore it with that" if later else "it is no backup of lyncpy"
        )
    return line == SEALED


def reading(file: IO[bytes], passphrase: str, *, sealed: bool) -> Readable:
    """Give the stream of a backup, behind its first line; raises as `exactly`."""
    # mypy's stubs want more of a file than is read of it.
    source: Any = _Unsealing(file, passphrase) if sealed else file
    return gzip.GzipFile(fileobj=source, mode="rb")


class Writer:
    """The stream of a backup that is being written."""

    def __init__(self, stream: gzip.GzipFile, sealing: "_Sealing | None") -> None:
        self._stream = stream
        self._sealing = sealing

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._stream.write(data)

    def finish(self) -> None:
        """Write what is left."""
        self._stream.close()
        if self._sealing is not None:
            self._sealing.finish()


class _Sealing:
    """Encrypts what is written to a file."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        salt = secrets.token_bytes(SALT_BYTES)
        file.write(salt)
        self._file = file
        self._cipher = AESGCM(_key(passphrase, salt))
        self._waiting = bytearray()
        self._number = 0

    def write(self, data: bytes) -> int:
        """Add bytes; give how many."""
        self._waiting += data
        while len(self._waiting) > PIECE:
            self._put(bytes(self._waiting[:PIECE]), is_last=False)
            del self._waiting[:PIECE]
        return len(data)

    def flush(self) -> None:
        """Nothing goes out before a piece is full."""

    def finish(self) -> None:
        """Write the last piece."""
        self._put(bytes(self._waiting), is_last=True)

    def _put(self, piece: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number), piece, _about(is_last=is_last)))
        self._number += 1


class _Unsealing:
    """Decrypts what is read from a file."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        self._file = file
        self._cipher = AESGCM(_key(passphrase, file.read(SALT_BYTES)))
        self._ahead = file.read(PIECE + TAG_BYTES)
        self._ready = b""
        self._number = 0

    def read(self, size: int = -1) -> bytes:
        """Give up to so many bytes; none at the end."""
        while not self._ready and self._ahead:
            sealed, self._ahead = self._ahead, self._file.read(PIECE + TAG_BYTES)
            try:
                self._ready = self._cipher.decrypt(_nonce(self._number), sealed, _about(is_last=not self._ahead))
            except InvalidTag:
                raise BackupUnusable(
                    "it cannot be unsealed: the passphrase is another one, or the file is damaged or not whole"
                    if self._number == 0
                    else "it is damaged, or was not written or copied to its end"
                ) from None
            self._number += 1
        end = len(self._ready) if size < 0 else size
        data, self._ready = self._ready[:end], self._ready[end:]
        return data


def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=32)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _about(*, is_last: bool) -> bytes:
    return SEALED + (b"\1" if is_last else b"\0")


def total(entries: Sequence[BackupFile]) -> int:
    """Give the bytes of all files."""
    return sum(one.size for one in entries)
