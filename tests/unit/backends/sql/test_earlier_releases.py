"""Databases of all earlier releases are upgraded, after it was tried on a copy; and go back to the release before."""

import ast
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from lyncpy.backends.sealing import Sealer
from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.files import SqliteFile, bring_down
from lyncpy.backends.sql.link import Link
from lyncpy.backends.sql.upgrades import BEFORE, MIGRATIONS, upgrade
from lyncpy.contracts.refusal import StoreUnavailable

CORPUS = Path(__file__).parents[3] / "corpus" / "stores"
RELEASES = sorted(one.stem for one in CORPUS.glob("*.sql"))
SETTINGS = Settings(url="sqlite:///lyncpy.db")

Rows = list[tuple[object, ...]]


def store_of(release: str, folder: Path) -> Path:
    """Put a release's database and its key into a folder."""
    path = folder / "lyncpy.db"
    with sqlite3.connect(path) as connection:
        connection.executescript((CORPUS / f"{release}.sql").read_text("utf-8"))
    connection.close()
    key = folder / "store.key"
    key.touch(0o600)
    key.write_bytes((CORPUS / f"{release}.key").read_bytes())
    return path


def upgraded(folder: Path) -> None:
    """Do what a start does."""
    place = SqliteFile(SETTINGS, folder)
    link = Link(place.engine, explain=place.explain)
    try:
        link.commit([place.prepare])
    finally:
        link.close()


def read(path: Path, query: str) -> Rows:
    """Ask the database."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def records(path: Path) -> Rows:
    """Give what people have, and who they are."""
    return read(path, "SELECT kind, key, version, value FROM records ORDER BY kind, key")


def shape(path: Path) -> dict[str, Rows]:
    """Give all tables with their columns, and all indexes."""
    tables = [str(name) for (name,) in read(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {
        table: read(path, f"SELECT name, type, pk FROM pragma_table_info('{table}') ORDER BY cid") for table in tables
    }
    found["indexes"] = read(path, "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' ORDER BY name")
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_a_database_of_an_earlier_release_is_upgraded(release: str, tmp_path: Path) -> None:
    """All that was in it is there, can be opened with its key, and stands in a copy beside it."""
    path = store_of(release, tmp_path)
    before, as_it_was = records(path), shape(path)
    upgraded(tmp_path)
    assert records(path) == before
    found = list(SqliteFile(SETTINGS, tmp_path).examined(Sealer(tmp_path / "store.key").unseal))
    assert found
    assert [one.sentence for one in found if not one.good] == []
    (copy,) = [one for one in tmp_path.iterdir() if ".before-" in one.name]
    assert (records(copy), shape(copy)) == (before, as_it_was)


@pytest.mark.parametrize("release", RELEASES)
def test_what_was_upgraded_goes_back_to_the_release_before(release: str, tmp_path: Path) -> None:
    """The tables are those that it made; what both know is as it was, and another upgrade is the same."""
    path = store_of(release, tmp_path)
    before = records(path)
    upgraded(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE records SET value = NULL, expires = 5.0 WHERE key = 'pull'")
    connection.close()
    now = shape(path)
    copy = bring_down(SETTINGS, tmp_path)
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    assert shape(path) == shape(store_of(BEFORE[0], wanted))
    assert [one for one in records(path) if one[1] != "pull"] == [one for one in before if one[1] != "pull"]
    assert read(path, "SELECT value, expires FROM records WHERE key = 'pull'") == [(None, None)]
    assert shape(copy) == now
    with pytest.raises(StoreUnavailable, match=r"its schema is 0002 already, which lyncpy 0\.2\.0 knows"):
        bring_down(SETTINGS, tmp_path)
    upgraded(tmp_path)
    assert shape(path) == now
    assert not [one for one in tmp_path.iterdir() if ".trial" in one.name]


def test_an_upgrade_that_fails_on_the_copy_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried there first."""
    path = store_of("0.2.0", tmp_path)
    before = shape(path)

    def failing(connection: Connection, copy: object) -> None:
        place = connection.exec_driver_sql("PRAGMA database_list").one()[2]
        if str(place).endswith(".trial.part"):
            connection.exec_driver_sql("CREATE TABLE half (x)")
            raise StoreUnavailable("the disk is odd")
        upgrade(connection, copy)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr("lyncpy.backends.sql.files.upgrade", failing)
    with pytest.raises(StoreUnavailable, match="it was tried on a copy before, and fails there: the disk is odd"):
        upgraded(tmp_path)
    assert shape(path) == before
    assert not [one for one in tmp_path.iterdir() if ".trial" in one.name]


def test_a_database_that_was_not_upgraded_is_not_brought_down(tmp_path: Path) -> None:
    """Nothing is done by halves."""
    store_of("0.1.0", tmp_path)
    with pytest.raises(StoreUnavailable, match="already, which lyncpy"):
        bring_down(SETTINGS, tmp_path)


def test_each_change_since_the_release_before_has_a_way_back() -> None:
    """A migration that is added has one, or `lyncpy downgrade` ends in its midst."""
    for file in sorted((MIGRATIONS / "versions").glob("r*.py")):
        if file.name[1:5] > BEFORE[1]:
            names = {one.name for one in ast.parse(file.read_text("utf-8")).body if isinstance(one, ast.FunctionDef)}
            assert "downgrade" in names, file.name
