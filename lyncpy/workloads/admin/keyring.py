"""Keys: whose are let in, and the shell's own.

Files are read where they are asked for: they are small, local, and read by one person at a
time.
"""

import base64
import hashlib
import os
import re
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from twisted.conch.ssh.keys import BadKeyError, EncryptedKeyError, Key
from twisted.logger import Logger

from lyncpy.contracts.file_faults import fault_of
from lyncpy.contracts.regular_file import read_regular, regular_text
from lyncpy.contracts.workload import OperatorRole

ROLE_NAMES: Final[Mapping[str, OperatorRole]] = {role.name.lower(): role for role in OperatorRole}
ROLE_VARIABLE: Final = "LYNCPY_ROLE"

SIGNATURES: Final[Mapping[str, tuple[bytes, ...]]] = {
    "ssh-ed25519": (b"ssh-ed25519",),
    "ecdsa-sha2-nistp256": (b"ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": (b"ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": (b"ecdsa-sha2-nistp521",),
    "ssh-rsa": (b"rsa-sha2-512", b"rsa-sha2-256"),
}
"""Kinds of keys, and the signatures that are taken from each: none with SHA-1."""

RSA_BITS: Final = 2048
"""The shortest RSA key that is let in."""

OWN_RSA_BITS: Final = 3072

_FILE_BYTES: Final = 1 << 20
_COMMENT_CHARS: Final = 80
_ALREADY_SO: Final = frozenset(
    {"no-port-forwarding", "no-agent-forwarding", "no-x11-forwarding", "no-user-rc", "restrict"}
)
"""Options that forbid what the shell does not do anyway."""

_BLOCK: Final = re.compile(r"-{4,5} ?BEGIN ")
_END: Final = re.compile(r"-{4,5} ?END ")
"""Around what is no line of a key: a private key, or a public one as others than OpenSSH write it."""

_KINDS: Final = ("ssh-", "ecdsa-", "sk-")
"""How the names of the kinds of keys begin."""

_OPTION: Final = re.compile(r'([A-Za-z0-9-]+)(?:="((?:[^"\\]|\\.)*)")?(,|\Z)')
_BROKEN_KEY: Final = (BadKeyError, ValueError, IndexError, struct.error)
"""What reading a public key may raise."""


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """A key that is let in."""

    name: str
    """The comment behind the key; may be empty."""

    fingerprint: str
    """As `ssh-keygen -l` shows it: `SHA256:…`."""

    role: OperatorRole
    kind: str
    blob: bytes

    @property
    def author(self) -> str:
        """Name the holder in records."""
        return f"{self.name} {self.fingerprint}".strip()


@dataclass(frozen=True, slots=True)
class ParsedKeys:
    """An authorized_keys file as it was understood."""

    admissions: Mapping[bytes, AuthorizedKey]
    """By the key's blob."""

    faults: tuple[str, ...] = ()
    """For each line that lets nobody in: a sentence that names it."""


_MARK: Final = "\ufeff"


class _Unusable(Exception):
    """Why a line lets nobody in."""


def fingerprint(blob: bytes) -> str:
    """Name a public key as OpenSSH does."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def read_ring(text: str, default_role: OperatorRole) -> ParsedKeys:
    """Read authorized keys, one a line.

    A line with an option that the shell does not carry out lets nobody in: ignoring
    `from=` or `command=` would give more than was meant.
    """
    admissions: dict[bytes, AuthorizedKey] = {}
    faults, is_inside = list[str](), False
    for number, line in enumerate(text.splitlines(), 1):
        # Where a file of Windows was appended to another, its mark stands before a later line.
        line = line.lstrip(_MARK).strip()
        is_inside, was_inside = is_inside and not _END.match(line), is_inside
        if was_inside or not line or line.startswith("#"):
            continue
        if _BLOCK.match(line):
            is_inside = True
            faults.append(f"line {number} lets nobody in: {_instead(line)}")
            continue
        try:
            one = _read_line(line, default_role)
            if one.blob in admissions:
                raise _Unusable("this key stands in an earlier line, which counts")
            admissions[one.blob] = one
        except _Unusable as error:
            faults.append(f"line {number} lets nobody in: {error}")
    return ParsedKeys(admissions, tuple(faults))


def _instead(line: str) -> str:
    """Say what begins with a line like "-----BEGIN": another form of keys, of several lines."""
    if "PRIVATE" in line:
        return "it is a private key, which belongs to its owner alone: write the line of the .pub file here"
    return "it is a key in another form than OpenSSH's: `ssh-keygen -i -f FILE` writes it as a line"


def _read_line(line: str, default_role: OperatorRole) -> AuthorizedKey:
    role = default_role
    if not line.startswith(_KINDS):
        options, line = _options_end(line)
        if not line.startswith(_KINDS):
            raise _Unusable("it is no key; copy the line of a .pub file here: the kind, the key and a comment")
        role = _role(options, default_role)
    kind, _, rest = line.partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    if kind not in SIGNATURES:
        raise _Unusable(f'keys of the kind "{kind[:80]}" are not taken; make one with: ssh-keygen -t ed25519')
    blob = _read_blob(kind, encoded)
    return AuthorizedKey(comment.strip()[:_COMMENT_CHARS], fingerprint(blob), role, kind, blob)


def _read_blob(kind: str, encoded: str) -> bytes:
    """Decode a key, and check that it is of the kind that is said, and strong enough."""
    try:
        blob = base64.b64decode(encoded, validate=True)
        key = Key.fromString(blob, "BLOB")
    except _BROKEN_KEY:
        raise _Unusable("the key is broken; copy the line of the .pub file again, whole") from None
    if key.sshType() != kind.encode():
        raise _Unusable(f'the key is not of the kind "{kind}"; copy the line of the .pub file again')
    if key.type() == "RSA" and key.size() < RSA_BITS:
        raise _Unusable(f"an RSA key has to have {RSA_BITS} bits or more; make one with: ssh-keygen -t ed25519")
    return blob


def _options_end(line: str) -> tuple[str, str]:
    """Cut a line behind its options: at the first blank that is not quoted."""
    quoted = False
    for index, one in enumerate(line):
        if one == '"' and line[index - 1 : index] != "\\":
            quoted = not quoted
        elif one in " \t" and not quoted:
            return line[:index], line[index:].strip()
    raise _Unusable("there is no key in it")


def _role(options: str, default_role: OperatorRole) -> OperatorRole:
    role = default_role
    for name, value in _options(options):
        if name == "environment" and value.startswith(f"{ROLE_VARIABLE}="):
            word = value.partition("=")[2]
            if word not in ROLE_NAMES:
                raise _Unusable(f'there is no role "{word[:80]}"; there are {", ".join(ROLE_NAMES)}')
            role = ROLE_NAMES[word]
        elif name not in _ALREADY_SO:
            raise _Unusable(
                f'the option "{name[:80]}" is not known here; the only one that means something is '
                f'environment="{ROLE_VARIABLE}=viewer"'
            )
    return role


def _options(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _OPTION.match(text, at)
        if found is None:
            raise _Unusable(f'"{text[at : at + 80]}" is neither an option nor a kind of key')
        yield found[1].lower(), (found[2] or "").replace('\\"', '"')
        at = found.end()


class AuthorizedKeys:
    """The file of authorized keys; read again when it has changed."""

    log = Logger()

    def __init__(self, file: Path, default_role: OperatorRole) -> None:
        self._file = file
        self._default_role = default_role
        self._seen: object = None
        self._ring = ParsedKeys({})

    def holder_of(self, blob: bytes) -> AuthorizedKey | None:
        """Find the holder of an authorized key, by the file as it is now."""
        return self.ring().admissions.get(blob)

    def ring(self) -> ParsedKeys:
        """Give the file as it is now; its faults are logged once."""
        seen: object
        try:
            now = self._file.stat()
            seen = (now.st_mtime_ns, now.st_size, now.st_ino, now.st_mode)
            if seen != self._seen:
                self._ring = self._read(now)
        except (OSError, UnicodeDecodeError) as error:
            seen = str(error)
            if seen != self._seen:
                self._ring = ParsedKeys({}, (self._missing(error),))
        if seen != self._seen:
            self._seen = seen
            for fault in self._ring.faults:
                self.log.warn("[admin] authorized_keys: {path}: {reason}", path=str(self._file), reason=fault)
        return self._ring

    def _read(self, now: os.stat_result) -> ParsedKeys:
        if now.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return ParsedKeys({}, ("lets nobody in, because others may write to it; take that away with: chmod go-w",))
        if now.st_size > _FILE_BYTES:
            return ParsedKeys({}, (f"lets nobody in, because it is longer than {_FILE_BYTES} bytes",))
        return read_ring(regular_text(self._file), self._default_role)

    def _missing(self, error: OSError | UnicodeDecodeError) -> str:
        if isinstance(error, FileNotFoundError):
            return "there is no such file, so nobody can sign in to the shell; put public keys into it, one a line"
        if isinstance(error, UnicodeDecodeError):
            return f"lets nobody in, because it is not UTF-8 text (byte {error.start}); save it as UTF-8"
        return f"lets nobody in, because it cannot be read: {fault_of(error)}"


class HostKeysUnusable(Exception):
    """The shell's own keys cannot be used; the sentence names the file and the remedy."""


def host_keys(folder: Path) -> Sequence[Key]:
    """Read the shell's host keys, Ed25519 and RSA; make the missing ones.

    Both, because what a client may sign with is told by the kinds of these keys, and clients
    older than that have no Ed25519.

    Raises:
        HostKeysUnusable: A file cannot be read or written, is no such key, or others may
            read it.
    """
    return [_host_key(folder / f"ssh_host_{kind}_key", kind) for kind in ("ed25519", "rsa")]


def require_host_keys(folder: Path) -> None:
    """Look at the keys that there are; those that are missing are made by the start. Raises as `host_keys`."""
    for kind in ("ed25519", "rsa"):
        file = folder / f"ssh_host_{kind}_key"
        if file.exists():
            _read_host_key(file, kind)


def _host_key(file: Path, kind: str) -> Key:
    try:
        if not file.exists():
            _make(file, kind)
    except OSError as error:
        raise HostKeysUnusable(f"[admin] host_key_folder: {error}") from None
    return _read_host_key(file, kind)


def _read_host_key(file: Path, kind: str) -> Key:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise HostKeysUnusable(
                f"[admin] host_key_folder: others may read {file} (its mode is {mode:04o}), so it is no secret any "
                f"more; delete it and its like, start again for new ones, or take that away with: chmod 600 {file}"
            )
        key = _parsed(read_regular(file))
    except OSError as error:
        raise HostKeysUnusable(f"[admin] host_key_folder: {error}") from None
    except (EncryptedKeyError, *_BROKEN_KEY):
        raise HostKeysUnusable(
            f"[admin] host_key_folder: {file} is not a private key without passphrase; move it away for a new one"
        ) from None
    if key.isPublic() or key.type().lower() != kind:
        raise HostKeysUnusable(f"[admin] host_key_folder: {file} is not a private {kind} key; move it away")
    return key


@lru_cache(maxsize=4)
def _parsed(text: bytes) -> Key:
    """Read a private key, once as long as its file has the same bytes.

    A server looks at its files all the time, and that the numbers of an RSA key are primes takes a tenth of a second to prove.
    """
    key: Key = Key.fromString(text)
    return key


def _make(file: Path, kind: str) -> None:
    """Write a new key: whole and under its name at once, and never readable by others."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    if kind == "rsa":
        made = rsa.generate_private_key(public_exponent=65537, key_size=OWN_RSA_BITS)
    else:
        made = ed25519.Ed25519PrivateKey.generate()
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(Key(made).toString("OPENSSH"))
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
