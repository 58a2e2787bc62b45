"""Secrets at rest: sealed with a key that is not in the database.

An NT hash is a password. Who gets hold of a copy of the database (a backup, a support
case) must not get the passwords with it.
"""

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from zope.interface import implementer

from lyncpy.contracts.archive import IStamps
from lyncpy.contracts.file_faults import fault_of
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.regular_file import LARGEST
from lyncpy.contracts.secret_file import SecretForOthers, open_secret

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
FORM: Final = b"\x01"
"""The first byte of what was sealed: AES-256-GCM with a random nonce. A later form gets another number."""

STAMPING: Final = b"lyncpy stamp 1"
"""What the key for stamps is derived with: HMAC-SHA256 of it under the key in the file."""

_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
"""What HMAC does to each byte of the key."""


def write_key(path: Path) -> None:
    """Make a new key file, readable by its owner alone.

    Raises:
        FileExistsError: A key is there; replacing it would lose all that it sealed.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())


@implementer(IStamps)
class Sealer:
    """Seals and unseals with the key of one file, read at once; its repr shows nothing of the key.

    Args:
        path: The file of the key.

    Raises:
        StoreUnavailable: With a sentence for an operator: no such file, others may read
            it, or it holds no key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        key = _read_key(path)
        self._cipher = AESGCM(key)
        # A key of its own: a code of one kind must never be good for another.
        # HMAC by hand (RFC 2104 §4): both of its hashes have taken the key already. Each archived message has its stamp, and the
        # library's is four calls of Python's, of which each is dear where nothing was done before for a while.
        block = hmac.digest(key, STAMPING, "sha256").ljust(64, b"\0")
        self._inner, self._outer = sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))

    def seal(self, plain: bytes, about: str = "") -> bytes:
        """Encrypt a value, each time to other bytes; sealed about one name, it is not unsealed about another."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORM + nonce + self._cipher.encrypt(nonce, plain, about.encode())

    def unseal(self, sealed: bytes, about: str = "") -> bytes:
        """Decrypt the text that `seal` gave.

        Raises:
            StoreUnavailable: It was sealed with another key, about another name, or changed.
        """
        nonce, text = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            if sealed[:1] != FORM or len(nonce) != NONCE_BYTES:
                raise InvalidTag
            return self._cipher.decrypt(nonce, text, about.encode())
        except InvalidTag:
            raise StoreUnavailable(
                f"a secret in the database was not sealed with {self.key_named()}: "
                "bring back the key that belongs to this database, or set the password anew"
            ) from None

    def stamp(self, text: bytes) -> bytes:
        """Give a code of 32 bytes over a text that nobody without the key can make (HMAC-SHA256)."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.digest()

    def key_named(self) -> str:
        """Give the words that tell an operator which key it is."""
        return f'the key in "{self._path}" ([store] key_file)'


def _read_key(path: Path) -> bytes:
    """Give the key's bytes, or say why not and what to do."""
    named = f'the key file "{path}" ([store] key_file)'
    try:
        with open_secret(path) as file:
            text = file.read(LARGEST).decode("utf-8-sig").strip()
    except FileNotFoundError:
        raise StoreUnavailable(
            f"{named} is missing: bring it back from a copy; `lyncpy init` makes one for a new server"
        ) from None
    except SecretForOthers as error:
        raise StoreUnavailable(f"{named} {error.words}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"{named} cannot be read: {fault_of(error)}") from error
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreUnavailable(f"{named} does not hold a key: {KEY_BYTES * 2} hexadecimal digits were expected")
    return key
