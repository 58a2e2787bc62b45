"""What is in a keytab, but for the keys: which services, with which versions of their keys, of which encryption.

Spec: the file format of MIT Kerberos, version 2 (0x0502), which Heimdal, Samba and ktpass write too.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lyncpy.contracts.secret_file import SecretForOthers, open_secret

_MAGIC: Final = b"\x05\x02"
_FILE_BYTES: Final = 1 << 20


class KeytabUnusable(Exception):
    """A keytab cannot be used; the sentence says why and how to mend it."""


@dataclass(frozen=True, slots=True)
class KeytabEntry:
    """One key of a service, without the key."""

    service: str
    """`sip/fe1.example.test`."""

    realm: str
    version: int
    encryption: int
    at: int
    """When it was written, seconds since the epoch."""

    @property
    def principal(self) -> str:
        """Give its whole name."""
        return f"{self.service}@{self.realm}"


def read_keytab(path: Path) -> tuple[KeytabEntry, ...]:
    """Read a keytab that its owner alone can read.

    Raises:
        KeytabUnusable: With a sentence for an operator.
    """
    named = f'the keytab "{path}" ([auth] keytab)'
    try:
        with open_secret(path) as file:
            content = file.read(_FILE_BYTES)
    except FileNotFoundError:
        raise KeytabUnusable(
            f"{named} is missing: write one with ktadd of kadmin, net ads keytab or ktpass, and bring it there"
        ) from None
    except SecretForOthers as error:
        raise KeytabUnusable(f"{named} {error.words}") from None
    except OSError as error:
        raise KeytabUnusable(
            f"{named} cannot be read: {error.strerror}; it has to belong to the server's user"
        ) from None
    try:
        return _entries(content)
    except (struct.error, ValueError):
        raise KeytabUnusable(f"{named} is no keytab, or a broken one: write it anew") from None


def _entries(content: bytes) -> tuple[KeytabEntry, ...]:
    if content[:2] != _MAGIC:
        raise ValueError(content[:2])
    found, at = [], len(_MAGIC)
    while at + 4 <= len(content):
        (size,) = struct.unpack_from(">i", content, at)
        at += 4
        # What was removed leaves a hole, with its size below zero.
        if size > 0:
            if at + size > len(content):
                raise ValueError(size)
            found.append(_entry(content[at : at + size]))
        elif size == 0:
            break
        at += abs(size)
    return tuple(found)


def _entry(record: bytes) -> KeytabEntry:
    (count,) = struct.unpack_from(">H", record)
    at, texts = 2, []
    for _ in range(count + 1):
        (length,) = struct.unpack_from(">H", record, at)
        if at + 2 + length > len(record):
            raise ValueError(length)
        texts.append(record[at + 2 : at + 2 + length].decode("utf-8", "replace"))
        at += 2 + length
    _, when, version, encryption, length = struct.unpack_from(">IIBHH", record, at)
    at += 13 + length
    # Where there is room for it the whole version follows: of eight bits alone 256 is 0.
    if at + 4 <= len(record):
        (whole,) = struct.unpack_from(">I", record, at)
        version = whole or version
    return KeytabEntry("/".join(texts[1:]), texts[0], version, encryption, when)
