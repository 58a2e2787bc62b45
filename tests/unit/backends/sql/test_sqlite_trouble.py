"""What SQLite's errors mean for an operator: who holds the file, and which copy is there of a damaged one."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from lyncpy.backends import processes
from lyncpy.backends.sql.sqlite_trouble import explained

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[-1], isolation_level=None)
connection.execute("begin immediate")
print("held", flush=True)
sys.stdin.read()
"""


def failure(path: Path) -> sqlite3.Error:
    """Give how a write fails."""
    with closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.Error) as caught:
            connection.execute("begin immediate")
        return caught.value


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_who_holds_a_database_is_named(tmp_path: Path, journal: str) -> None:
    """By number and command, and nothing else of it: what follows may be secret."""
    path, program = tmp_path / "lyncpy.db", tmp_path / "lyncpy"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma journal_mode = {journal}")
        connection.execute("create table t (x)")
    program.write_text(HOLDER)
    with subprocess.Popen(
        [sys.executable, str(program), "store", "copy", "--secret", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        said = explained(failure(path), path, 5.0)
        assert said == (
            f"database is locked: process {holder.pid} (lyncpy store copy) is writing to it, and has not ended within 5 s"
            " ([store] busy_s): wait until it has, or end it"
        )


def test_where_the_system_does_not_tell_it_is_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""
    path, locks = tmp_path / "lyncpy.db", tmp_path / "locks"
    monkeypatch.setattr(processes, "LOCKS", locks)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        assert "another program is writing" in explained(failure(path), path, 5.0)
        inode = path.stat()
        device = f"{inode.st_dev >> 8:02x}:{inode.st_dev & 255:02x}"
        locks.write_text(f"1: POSIX  ADVISORY  WRITE -1 {device}:{inode.st_ino} 1073741825 1073741825\n2: what\n")
        assert "another program is writing" in explained(failure(path), path, 5.0)


def test_the_last_copy_of_a_damaged_database_is_named(tmp_path: Path) -> None:
    """Or that there is none."""
    path = tmp_path / "lyncpy.db"
    path.write_bytes(b"x" * 5000)
    said = explained(failure(path), path, 5.0)
    assert said.startswith("it is damaged (file is not a database): ")
    assert said.endswith("there is no copy beside it: bring one back from a backup")
    for name in ("lyncpy.db.before-0002", "lyncpy.db.before-0003", "lyncpy.db.before-0004.part"):
        (tmp_path / name).touch()
    assert 'put the last copy in its place, "' + str(tmp_path / "lyncpy.db.before-000") in explained(
        failure(path), path, 5.0
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "make room on the disk"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "chown"),
        (sqlite3.SQLITE_IOERR_FSYNC, "see the log of the system"),
        (sqlite3.SQLITE_ERROR, "it is so"),
    ],
)
def test_each_trouble_has_what_to_do(tmp_path: Path, code: int, words: str) -> None:
    """What is a fault of ours has none."""
    error = sqlite3.OperationalError("it is so")
    error.sqlite_errorcode = code
    said = explained(error, tmp_path / "lyncpy.db", 5.0)
    assert said.startswith("it is so") and words in said


def test_an_index_that_finds_no_room_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite calls that an error of the disk, and a disk with room has one that is."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    assert "log of the system" in explained(error, tmp_path / "lyncpy.db", 5.0)
    assert "log of the system" in explained(error, tmp_path / "nowhere" / "lyncpy.db", 5.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    assert f'make room on the disk of "{tmp_path}"' in explained(error, tmp_path / "lyncpy.db", 5.0)
