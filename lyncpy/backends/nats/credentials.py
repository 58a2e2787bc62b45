"""Who we are to a NATS server: a name with a password, or an nkey, whose secret never leaves this process.

Spec: docs.nats.io, "NKeys": base32 of a prefix, an Ed25519 key, and a CRC-16.
"""

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts.regular_file import regular_text

_SEED: Final = 18 << 3
_USER: Final = 20 << 3
_SEED_BYTES: Final = 32
_ENCODED_SEED: Final = 2 + _SEED_BYTES + 2
"""Bytes: a prefix of two, the seed, and its check sum."""


class SecretUnusable(Exception):
    """A file with what proves us cannot be used; the sentence names it and its setting, and repeats nothing of it."""


class NkeyUnusable(Exception):
    """A text is no seed of a user's nkey; the sentence says why and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Nkey:
    """A user's key pair."""

    public: str
    """What the server knows: `U` and 55 characters."""

    _key: Ed25519PrivateKey = field(repr=False)

    def sign(self, nonce: str) -> str:
        """Sign what a server wants signed; give the signature in base64url without padding."""
        return base64.urlsafe_b64encode(self._key.sign(nonce.encode())).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves us; all empty: nothing is asked."""

    user: str = ""
    password: str = field(default="", repr=False)
    nkey: Nkey | None = None

    def answer(self, nonce: str) -> dict[str, object]:
        """Give what CONNECT says of us, to a server that has given this nonce."""
        if self.nkey is not None:
            return {"nkey": self.nkey.public, "sig": self.nkey.sign(nonce)}
        return {"user": self.user, "pass": self.password} if self.user else {}


def read_credentials(user: str, settings: Settings, home: Path) -> Credentials:
    """Read the files that [bus] names.

    Raises:
        SecretUnusable: One of them cannot be read, or holds something else.
    """
    nkey, password = None, ""
    if settings.nkey_file:
        try:
            nkey = read_nkey(_text(home / settings.nkey_file, "nkey_file"))
        except NkeyUnusable as error:
            raise SecretUnusable(f"{home / settings.nkey_file} ([bus] nkey_file) cannot be used: {error}") from None
    if settings.password_file:
        password = _text(home / settings.password_file, "password_file").strip("\r\n")
    return Credentials(user, password, nkey)


def _text(file: Path, setting: str) -> str:
    try:
        return regular_text(file)
    except OSError as error:
        raise SecretUnusable(
            f"{file} ([bus] {setting}) cannot be read: {error.strerror}; write it, readable by the server alone, or correct {setting}"
        ) from None
    except UnicodeDecodeError:
        raise SecretUnusable(f"{file} ([bus] {setting}) cannot be used: it is no text in UTF-8") from None


def read_nkey(text: str) -> Nkey:
    """Read a seed, as `nk -gen user` writes it; lines that do not begin with S say nothing.

    Raises:
        NkeyUnusable: It is none.
    """
    seeds = [line.strip() for line in text.splitlines() if line.strip().startswith("S")]
    if len(seeds) != 1:
        raise NkeyUnusable("there must be one line with the seed of a user's nkey, which begins with SU")
    raw = _decoded(seeds[0])
    kind = (raw[0] & 7) << 5 | raw[1] >> 3
    if raw[0] & 0xF8 != _SEED or kind != _USER:
        raise NkeyUnusable("this is another kind of nkey than a user's seed, which begins with SU")
    key = Ed25519PrivateKey.from_private_bytes(raw[2:-2])
    return Nkey(_public(key.public_key().public_bytes_raw()), key)


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise NkeyUnusable("the seed is not base32") from None
    if len(raw) != _ENCODED_SEED:
        raise NkeyUnusable(f"the seed has {len(raw)} bytes where {_ENCODED_SEED} belong")
    if binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little"):
        raise NkeyUnusable("the check sum of the seed is wrong: a letter of it was changed")
    return raw


def _public(key: bytes) -> str:
    raw = bytes([_USER]) + key
    checked = raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(checked).decode().rstrip("=")
