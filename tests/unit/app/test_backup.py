"""A backup is whole, tells when it is not, and becomes a home again."""

import argparse
import io
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lyncpy.app.backup import CannotBackUp, back_up, restore, verify
from lyncpy.app.backup_command import declare
from lyncpy.app.backup_form import (
    FILES_MOST,
    MANIFEST_BYTES,
    PIECE,
    BackupFile,
    BackupUnusable,
    Manifest,
    is_sealed,
    packed,
    read_manifest,
    reading,
    writing,
)
from lyncpy.app.cli import main
from lyncpy.app.config import load
from lyncpy.backends.sql.database import place_of
from lyncpy.backends.sql.link import Link

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
WORDS = ("", "a passphrase")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with all that `lyncpy init` makes, and a database."""
    home = tmp_path_factory.mktemp("backup") / "home"
    assert main(["init", str(home)]) == 0
    place = place_of(load(home / "lyncpy.toml").sections.store, home)
    place.require()
    link = Link(place.engine)
    link.commit([place.prepare])
    link.close()
    with sqlite3.connect(home / "lyncpy.db") as connection:
        rows = [("board", f"sip:{n}@example.test", n, os.urandom(500), n) for n in range(200)]
        connection.executemany("INSERT INTO records (kind, key, version, value, change) VALUES (?, ?, ?, ?, ?)", rows)
    return home


@pytest.fixture(scope="module")
def backups(home: Path) -> dict[str, Path]:
    """A backup of it without and with a passphrase."""
    made = {}
    for passphrase in WORDS:
        made[passphrase] = home.parent / f"backup{passphrase}"
        found = back_up(load(home / "lyncpy.toml"), made[passphrase], passphrase, NOW)
        assert found.sealed is bool(passphrase)
    return made


def content(home: Path) -> dict[str, tuple[int, bytes]]:
    """Give all files but the database, with their modes."""
    return {
        one.relative_to(home).as_posix(): (stat.S_IMODE(one.stat().st_mode), one.read_bytes())
        for one in home.rglob("*")
        if one.is_file() and not one.name.startswith("lyncpy.db")
    }


def records(home: Path) -> list[tuple[object, ...]]:
    """Give all records of the database."""
    with sqlite3.connect(home / "lyncpy.db") as connection:
        return connection.execute("SELECT kind, key, version, value FROM records ORDER BY kind, key").fetchall()


@pytest.mark.parametrize("passphrase", WORDS)
def test_a_home_is_restored_as_it_was(home: Path, backups: dict[str, Path], tmp_path: Path, passphrase: str) -> None:
    """Every file with its mode, and every record; only its owner can read the backup."""
    done = restore(backups[passphrase], tmp_path / "there" / "home", passphrase)
    assert content(done.home) == content(home)
    assert records(done.home) == records(home)
    assert (done.settings, done.elsewhere) == (done.home / "lyncpy.toml", ())
    assert done.manifest.made_at == "2026-07-01T12:00:00Z"
    assert stat.S_IMODE(backups[passphrase].stat().st_mode) == 0o600
    assert verify(backups[passphrase], passphrase) == done.manifest


def test_what_is_sealed_shows_nothing(backups: dict[str, Path]) -> None:
    """Not even which files there are; and the key is not in the other one in clear either, but packed."""
    data = backups["a passphrase"].read_bytes()
    assert b"lyncpy.toml" not in data
    assert b"server.key" not in data


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: data[:-1], ""),
        (lambda data: data[: len(data) // 2], ""),
        (lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :], ""),
        (lambda data: data + b"more", ""),
        (lambda data: b"", "it is no backup of lyncpy"),
        (lambda data: b"PK" + data, "it is no backup of lyncpy"),
        (lambda data: data.replace(b"backup 1", b"backup 2", 1), "it was made by a newer lyncpy"),
    ],
)
@pytest.mark.parametrize("passphrase", WORDS)
def test_what_is_damaged_is_not_restored(
    backups: dict[str, Path], tmp_path: Path, passphrase: str, spoil: Callable[[bytes], bytes], says: str
) -> None:
    """And nothing is left of it: the folder is as it was."""
    bad, target = tmp_path / "bad", tmp_path / "home"
    bad.write_bytes(spoil(backups[passphrase].read_bytes()))
    with pytest.raises(BackupUnusable, match=says or "damaged|ends too early|cannot be unsealed"):
        verify(bad, passphrase)
    with pytest.raises(BackupUnusable):
        restore(bad, target, passphrase)
    assert os.listdir(tmp_path) == ["bad"]


def test_another_passphrase_opens_nothing(backups: dict[str, Path], tmp_path: Path) -> None:
    """Nor does none."""
    for passphrase, says in (("another", "the passphrase is another one"), ("", "it is sealed: name the file")):
        with pytest.raises(BackupUnusable, match=says):
            restore(backups["a passphrase"], tmp_path / "home", passphrase)


def test_nothing_is_replaced(home: Path, backups: dict[str, Path]) -> None:
    """Neither a backup nor a home."""
    with pytest.raises(CannotBackUp, match="is there already"):
        back_up(load(home / "lyncpy.toml"), backups[""], "", NOW)
    with pytest.raises(CannotBackUp, match="there is no folder"):
        back_up(load(home / "lyncpy.toml"), home / "nowhere" / "b", "", NOW)
    with pytest.raises(CannotBackUp, match="is not empty"):
        restore(backups[""], home, "")


def test_files_of_other_folders_are_taken_along(home: Path, tmp_path: Path) -> None:
    """They are put into the new folder, and whoever restores is told where they were: a backup writes nowhere else."""
    outside = tmp_path / "letsencrypt"
    outside.mkdir()
    for name in ("server.pem", "server.key"):
        (outside / name).write_bytes((home / name).read_bytes())
    config = load(
        home / "lyncpy.toml", [f"sip.certificate={outside}/server.pem", f"sip.private_key={outside}/server.key"]
    )
    back_up(config, tmp_path / "b", "", NOW)
    done = restore(tmp_path / "b", tmp_path / "new", "")
    assert sorted(was for was, _ in done.elsewhere) == [f"{outside}/server.key", f"{outside}/server.pem"]
    for was, now in done.elsewhere:
        assert now.read_bytes() == Path(was).read_bytes()
        assert now.is_relative_to(done.home)


def _manifest(**changes: object) -> dict[str, object]:
    entry = {"name": "a", "size": 1, "mode": 0o600, "sha256": ""}
    head = {"version": "1", "made_at": "", "home": "", "settings": "s", "database": "d", "store": "sqlite"}
    return {**head, "entries": [entry], **changes}


@pytest.mark.parametrize(
    "found",
    [
        [],
        _manifest(entries=[{"name": "../a", "size": 1, "mode": 0o600, "sha256": ""}]),
        _manifest(entries=[{"name": "", "size": 1, "mode": 0o600, "sha256": ""}]),
        _manifest(entries=[{"name": "a\0", "size": 1, "mode": 0o600, "sha256": ""}]),
        _manifest(entries=[{"name": "a", "size": -1, "mode": 0o600, "sha256": ""}]),
        _manifest(entries=[{"name": "a", "size": "1", "mode": 0o600, "sha256": ""}]),
        _manifest(entries=[{"name": "a", "size": 1, "mode": 0o4755, "sha256": ""}]),
        _manifest(entries=[{"name": "a", "size": 1, "mode": 0o600, "sha256": 5}]),
        _manifest(entries=[{"name": 7, "size": 1, "mode": 0o600, "sha256": ""}]),
        _manifest(entries=[{"name": "a", "size": 1, "mode": 0o600}]),
        _manifest(entries=[{"name": "a", "size": 1, "mode": 0o600, "sha256": ""}] * 2),
        _manifest(entries=[{"name": str(n), "size": 1, "mode": 0, "sha256": ""} for n in range(FILES_MOST + 1)]),
        _manifest(settings="/etc/passwd"),
        _manifest(database="../d"),
        _manifest(version=1),
    ],
)
def test_what_a_hostile_backup_names_is_refused(found: object) -> None:
    """Whoever made it must not choose what is written where."""
    text = json.dumps(found).encode()
    with pytest.raises(BackupUnusable):
        read_manifest(io.BytesIO(len(text).to_bytes(4, "big") + text))


def test_a_manifest_is_bounded() -> None:
    """No gigabyte is read of what says that it has one."""
    with pytest.raises(BackupUnusable, match="too long"):
        read_manifest(io.BytesIO((MANIFEST_BYTES + 1).to_bytes(4, "big")))
    with pytest.raises(BackupUnusable, match="ends too early"):
        read_manifest(io.BytesIO(b"\0\0\0\5{}"))
    with pytest.raises(BackupUnusable, match="cannot be read"):
        read_manifest(io.BytesIO(b"\0\0\0\2{]"))


@pytest.mark.parametrize("passphrase", WORDS)
@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_any_number_of_pieces_comes_back(passphrase: str, size: int) -> None:
    """What cannot be packed fills them to the brim."""
    data = os.urandom(size)
    file = io.BytesIO()
    manifest = Manifest("1", "", "", "s", "d", "sqlite", (BackupFile("a", size, 0o600, ""),))
    out = writing(file, passphrase)
    out.write(packed(manifest))
    out.write(data)
    out.finish()
    file.seek(0)
    stream = reading(file, passphrase, sealed=is_sealed(file))
    assert read_manifest(stream) == manifest
    assert stream.read(size + 1) == data


def test_the_commands_say_what_they_did(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a passphrase that the settings name, or without."""
    (tmp_path / "words").write_text("secret\n")
    (tmp_path / "words").chmod(0o600)
    noted: list[float] = []

    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        declare(parser.add_subparsers(), lambda config, at: noted.append(at), NOW.timestamp)
        options = parser.parse_args(words)
        status: int = options.run(options)
        return status

    for_all = tmp_path / "for all"
    for_all.write_text("secret\n")
    for_all.chmod(0o644)
    with pytest.raises(CannotBackUp, match="can be read by others: run `chmod 600"):
        run("backup", str(tmp_path / "b"), "-c", str(home / "lyncpy.toml"), "--passphrase-file", str(for_all))
    settings, seal = ["-c", str(home / "lyncpy.toml")], ["--passphrase-file", str(tmp_path / "words")]
    assert run("backup", str(tmp_path / "b"), *settings) == 0
    said = capsys.readouterr()
    assert "has the database and" in said.out
    assert "it is not sealed" in said.err
    assert run("backup", str(tmp_path / "s"), *settings, *seal) == 0
    assert noted == [NOW.timestamp()] * 2
    assert "sealed" in capsys.readouterr().out
    assert main(["restore", "--verify", str(tmp_path / "s"), *seal]) == 0
    assert "are whole; it was made at" in capsys.readouterr().out
    assert main(["restore", str(tmp_path / "s"), str(tmp_path / "new")]) == 1
    assert "it is sealed: name the file" in capsys.readouterr().err
    assert main(["restore", str(tmp_path / "b"), str(tmp_path / "new")]) == 0
    said = capsys.readouterr()
    assert "its schema is" in said.out
    assert main(["restore", str(tmp_path / "b")]) == 1
    (tmp_path / "words").write_text("\nsecret")
    assert main(["restore", "--verify", str(tmp_path / "s"), *seal]) == 1
    assert "is no passphrase" in capsys.readouterr().err
    (tmp_path / "words").unlink()
    assert main(["restore", "--verify", str(tmp_path / "s"), *seal]) == 1
    assert "cannot be used" in capsys.readouterr().err
