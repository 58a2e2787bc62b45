"""Secrets at rest."""

import hmac
import stat
from pathlib import Path

import pytest

from lyncpy.backends.sealing import Sealer, write_key
from lyncpy.contracts.refusal import StoreUnavailable

HASH = bytes(range(16))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A new key file."""
    path = tmp_path / "store.key"
    write_key(path)
    return path


def test_a_secret_comes_back(key: Path) -> None:
    """What was sealed is unsealed, also by the next start of the server."""
    assert Sealer(key).unseal(Sealer(key).seal(HASH, "sip:alice@example.com"), "sip:alice@example.com") == HASH


def test_a_seal_shows_nothing(key: Path) -> None:
    """The same secret looks different each time, and the key is in no repr."""
    sealer = Sealer(key)
    sealed = {sealer.seal(HASH) for _ in range(5)}
    assert len(sealed) == 5
    assert not any(HASH in text for text in sealed)
    assert key.read_text().strip() not in repr(vars(sealer))


def test_one_users_secret_is_not_anothers(key: Path) -> None:
    """Who can write to the database cannot give Alice's account his own password."""
    sealed = Sealer(key).seal(HASH, "sip:mallory@example.com")
    with pytest.raises(StoreUnavailable, match="set the password anew"):
        Sealer(key).unseal(sealed, "sip:alice@example.com")


def test_another_key_opens_nothing(key: Path, tmp_path: Path) -> None:
    """The operator is told which key is missing."""
    write_key(tmp_path / "other.key")
    with pytest.raises(StoreUnavailable, match=r"other\.key"):
        Sealer(tmp_path / "other.key").unseal(Sealer(key).seal(HASH))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(40), b"\x01" + bytes(11), b"\x01" + bytes(40)])
def test_what_was_never_sealed_is_refused(key: Path, sealed: bytes) -> None:
    """Broken, short and foreign bytes are all the same."""
    with pytest.raises(StoreUnavailable):
        Sealer(key).unseal(sealed)


def test_a_stamp_is_of_one_text_and_one_key(key: Path, tmp_path: Path) -> None:
    """The same at each start, and nobody without the key can make it."""
    stamp = Sealer(key).stamp(b"text")
    assert len(stamp) == 32
    assert Sealer(key).stamp(b"text") == stamp
    write_key(tmp_path / "other.key")
    assert len({stamp, Sealer(key).stamp(b"text2"), Sealer(tmp_path / "other.key").stamp(b"text")}) == 3


def test_a_stamp_is_made_as_the_documentation_says(tmp_path: Path) -> None:
    """HMAC-SHA256 with a key that is HMAC-SHA256 of "lyncpy stamp 1" under the key of the file."""
    path = tmp_path / "plain.key"
    path.write_text("00" * 32)
    path.chmod(0o600)
    derived = hmac.new(bytes(32), b"lyncpy stamp 1", "sha256").digest()
    assert Sealer(path).stamp(b"text") == hmac.new(derived, b"text", "sha256").digest()


def test_a_key_file_is_its_owners(key: Path) -> None:
    """Mode 0600, and a key that is there is never replaced."""
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_key(key)


def test_a_key_that_others_can_read_is_refused(key: Path) -> None:
    """As ssh does it; the sentence says what to run."""
    key.chmod(0o640)
    with pytest.raises(StoreUnavailable, match="chmod 600"):
        Sealer(key)


@pytest.mark.parametrize("text", ["", "aabb", "zz" * 32])
def test_a_file_without_a_key_is_refused(key: Path, text: str) -> None:
    """A key that was cut or overwritten opens nothing; it is said at the start."""
    key.write_text(text)
    with pytest.raises(StoreUnavailable, match="hexadecimal"):
        Sealer(key)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    """The sentence names the file and the setting."""
    with pytest.raises(StoreUnavailable, match=r"none\.key.*key_file.*missing"):
        Sealer(tmp_path / "none.key")


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in its place, for instance."""
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        Sealer(tmp_path)
