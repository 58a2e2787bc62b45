"""What is read of a keytab: every entry, none of its keys, and why it cannot be used."""

import struct
from pathlib import Path

import pytest

from lyncpy.backends.keytab import KeytabEntry, KeytabUnusable, read_keytab


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def entry(*parts: str, realm: str = "EXAMPLE.TEST", version: int = 2, whole: int | None = None) -> bytes:
    """Write an entry as MIT Kerberos does."""
    body = struct.pack(">H", len(parts)) + _text(realm) + b"".join(_text(part) for part in parts)
    body += struct.pack(">IIBHH", 1, 1_700_000_000, version & 0xFF, 18, 32) + b"k" * 32
    body += struct.pack(">I", whole) if whole is not None else b""
    return struct.pack(">i", len(body)) + body


def written(tmp_path: Path, *entries: bytes, mode: int = 0o600) -> Path:
    """Write a keytab."""
    path = tmp_path / "krb5.keytab"
    path.write_bytes(b"\x05\x02" + b"".join(entries))
    path.chmod(mode)
    return path


def test_reads_every_entry(tmp_path: Path) -> None:
    """Holes are left out; a version above 255 is read where it stands whole."""
    hole = struct.pack(">i", -5) + b"gone!"
    path = written(tmp_path, entry("sip", "fe1.x"), hole, entry("alice", version=300, whole=300), struct.pack(">i", 0))
    assert read_keytab(path) == (
        KeytabEntry("sip/fe1.x", "EXAMPLE.TEST", 2, 18, 1_700_000_000),
        KeytabEntry("alice", "EXAMPLE.TEST", 300, 18, 1_700_000_000),
    )
    assert read_keytab(path)[0].principal == "sip/fe1.x@EXAMPLE.TEST"


def test_a_keytab_of_others_is_not_used(tmp_path: Path) -> None:
    """The sentence has the command that mends it."""
    with pytest.raises(KeytabUnusable, match="chmod 600"):
        read_keytab(written(tmp_path, entry("sip", "fe1"), mode=0o640))


def test_a_missing_keytab_is_told(tmp_path: Path) -> None:
    """And one that is a folder."""
    with pytest.raises(KeytabUnusable, match="is missing"):
        read_keytab(tmp_path / "none")
    with pytest.raises(KeytabUnusable, match="cannot be read"):
        read_keytab(tmp_path)


@pytest.mark.parametrize("cut", [1, 8, 12, 20, 30, 40, 60])
def test_a_broken_keytab_is_told(tmp_path: Path, cut: int) -> None:
    """Wherever it ends."""
    path = written(tmp_path, entry("sip", "fe1.x"))
    path.write_bytes(path.read_bytes()[:cut] or b"?")
    with pytest.raises(KeytabUnusable, match="broken"):
        read_keytab(path)


@pytest.mark.parametrize("body", [b"\x00\x01", b"\x00\x02\xff\xff", b"\xff\xff" + b"\0" * 40])
def test_a_broken_entry_is_told(tmp_path: Path, body: bytes) -> None:
    """Whatever it says of its lengths."""
    with pytest.raises(KeytabUnusable, match="broken"):
        read_keytab(written(tmp_path, struct.pack(">i", len(body)) + body))
