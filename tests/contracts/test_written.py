"""The promise IRecordStore of what was written since: in both its lives and on every implementation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.contracts.names import Version
from lyncpy.contracts.store import Mark, Written
from tests.contracts.test_record_store import LIVES, Shelf, shelf_of
from tests.kit.memory import MemoryStore

NONE = Version(0)


@pytest.fixture(params=LIVES)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    """One implementation, open and empty."""
    with shelf_of(request.param, tmp_path) as shelf:
        yield shelf


def now(shelf: Shelf) -> Mark:
    """Give the mark of now."""
    found: Written = shelf.wait(shelf.store.written("board", None, 9))
    assert (found.versions, found.is_all, found.is_known) == ((), True, True)
    return found.mark


def write(shelf: Shelf, key: str, kind: str = "board", expires: float | None = None) -> Version:
    """Write the next version of a record."""
    record = shelf.wait(shelf.store.read(kind, key))
    version: Version = shelf.wait(
        shelf.store.write(kind, key, b"x", NONE if record is None else record.version, expires)
    )
    return version


def since(shelf: Shelf, mark: Mark, limit: int = 99) -> tuple[dict[str, Version], Mark]:
    """Look through all that was written, with so many at a time; each key is told once."""
    found: dict[str, Version] = {}
    while True:
        written: Written = shelf.wait(shelf.store.written("board", mark, limit))
        assert written.is_known and len(written.versions) <= limit
        assert not found.keys() & dict(written.versions).keys()
        found |= dict(written.versions)
        mark = written.mark
        if written.is_all:
            return found, mark


def test_what_was_written_since_is_told_once(shelf: Shelf) -> None:
    """Its newest version, of this kind; nothing that was there before, and nothing again."""
    old = write(shelf, "old")
    mark = now(shelf)
    assert since(shelf, mark)[0] == {}
    write(shelf, "other", kind="contacts")
    write(shelf, "a")
    latest = {"b": write(shelf, "b"), "a": write(shelf, "a")}
    found, mark = since(shelf, mark)
    assert found == latest
    assert since(shelf, mark)[0] == {}
    assert since(shelf, mark)[0] | {"old": write(shelf, "old")} == since(shelf, mark)[0] == {"old": old + 1}


def test_what_was_removed_is_told_too(shelf: Shelf) -> None:
    """As version 0, and also when it has expired since; one that comes back has its new version."""
    for key in ("gone", "back", "over"):
        write(shelf, key, expires=shelf.wall.now + 5 if key == "over" else None)
    mark = now(shelf)
    for key in ("gone", "back"):
        shelf.wait(shelf.store.remove("board", key, shelf.wait(shelf.store.read("board", key)).version))
    back = write(shelf, "back")
    write(shelf, "over", expires=shelf.wall.now + 5)
    shelf.wall.now += 6
    assert since(shelf, mark)[0] == {"gone": 0, "back": back, "over": 0}


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
def test_much_is_told_in_slices(shelf: Shelf, limit: int) -> None:
    """Whatever is written in between: all of it, in the end."""
    mark = now(shelf)
    latest = {key: write(shelf, key) for key in "gfedcba"}
    assert since(shelf, mark, limit)[0] == latest
    first: Written = shelf.wait(shelf.store.written("board", mark, limit))
    latest["h"], latest["g"] = write(shelf, "h"), write(shelf, "g")
    found, mark = since(shelf, first.mark, limit)
    assert dict(first.versions) | found == latest
    assert since(shelf, mark, limit)[0] == {}


def test_a_mark_of_another_store_is_known_as_such(shelf: Shelf) -> None:
    """As after the database was restored from a copy: anything may be new, and from then on it is known again."""
    ahead = Mark(now(shelf).change + 1_000_000)
    found: Written = shelf.wait(shelf.store.written("board", ahead, 9))
    assert (found.is_known, found.versions) == (False, ())
    version = write(shelf, "a")
    assert since(shelf, found.mark)[0] == {"a": version}


def test_numbers_of_changes_are_not_given_again_after_a_purge(shelf: Shelf) -> None:
    """What is purged was known for a while; what is written after it is told all the same."""
    write(shelf, "a")
    mark = now(shelf)
    shelf.wait(shelf.store.remove("board", "a", shelf.wait(shelf.store.read("board", "a")).version))
    found, mark = since(shelf, mark)
    assert found == {"a": 0}
    if not isinstance(shelf.store, MemoryStore):
        shelf.wait(shelf.store.purge(shelf.wall.now + 1))  # type: ignore[attr-defined]  # all others have it
    version = write(shelf, "b")
    assert since(shelf, mark)[0] == {"b": version}
