"""What is looked at before a start, of a database in a file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.files import SqliteFile, require_file, require_place
from lyncpy.contracts.refusal import StoreUnavailable


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """Give a database to which this process writes."""
    path = tmp_path / "lyncpy.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table alembic_version (version_num)")
        connection.execute("begin immediate")
        yield path


def test_a_database_that_somebody_writes_to_is_not_unusable(busy: Path) -> None:
    """It stops no start: that waits, too. Who writes is named, this server as well."""
    file = SqliteFile(Settings(url=f"sqlite:///{busy.name}", busy_s=0.1), busy.parent)
    bad = [one for one in file.examined(None) if not one.good]
    assert [one.stops for one in bad] == [False]
    assert bad[0].sentence == (
        f'the database "{busy}" ([store] url) is not free: database is locked: this server is writing to it, and has not'
        " ended within 0.1 s ([store] busy_s)"
    )


def test_a_server_does_not_try_to_write_to_its_own_database(busy: Path) -> None:
    """It does that all the time."""
    file = SqliteFile(Settings(url=f"sqlite:///{busy.name}", busy_s=0.1), busy.parent)
    assert all(one.good for one in file.examined(None, writes=False))


def test_a_folder_that_cannot_be_reached_is_told_in_a_sentence(tmp_path: Path) -> None:
    """As one that this user may not enter is."""
    path = tmp_path / ("long" * 100) / "lyncpy.db"
    with pytest.raises(StoreUnavailable, match=r"\(\[store\] url\) cannot be reached: File name too long; let user"):
        require_place(path)
    file = SqliteFile(Settings(url=f"sqlite:///{'long' * 100}/lyncpy.db"), tmp_path)
    assert [one.stops for one in file.examined(None)] == [True]


def test_a_file_that_others_can_read_is_told_by_the_examination_alone(tmp_path: Path) -> None:
    """With all other files; the log has it once."""
    path = tmp_path / "lyncpy.db"
    path.touch()
    path.chmod(0o644)
    with capturedLogs() as heard:
        require_file(path)
    assert heard == []
