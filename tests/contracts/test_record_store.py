"""The promise IRecordStore, in both its lives and on every implementation."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, gatherResults

from lyncpy.contracts.names import Version
from lyncpy.contracts.store import Conflict, IRecordStore
from tests.kit.cellars import NOON, Wall, opened
from tests.kit.soak import many
from tests.kit.threads import ThreadPump

NONE = Version(0)
LIVES = (
    "durable in memory",
    "durable in sqlite",
    "durable in postgresql",
    "volatile in memory",
    "volatile in postgresql",
)


@dataclass
class Shelf:
    """One record store, and how to wait for it."""

    store: IRecordStore
    wall: Wall
    pump: ThreadPump

    def wait(self, work: Any) -> Any:  # Any: whatever the promise gives
        """Give the result of an awaitable, or raise its error."""

        async def awaited() -> Any:
            return await work

        return self.pump.run(awaited())


@contextmanager
def shelf_of(life: str, home: Path) -> Iterator[Shelf]:
    """Open one of LIVES."""
    is_durable, _, kind = life.partition(" in ")
    with opened(kind, home) as cellar:
        yield Shelf(cellar.store if is_durable == "durable" else cellar.volatile, cellar.wall, cellar.pump)


@pytest.fixture(params=LIVES)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    """One implementation, open and empty."""
    with shelf_of(request.param, tmp_path) as shelf:
        yield shelf


def write(shelf: Shelf, key: str, value: bytes, expected: int = 0, expires: float | None = None) -> Version:
    """Write a board and wait."""
    version: Version = shelf.wait(shelf.store.write("board", key, value, Version(expected), expires))
    return version


def read(shelf: Shelf, key: str) -> bytes | None:
    """Read a board's value."""
    record = shelf.wait(shelf.store.read("board", key))
    return None if record is None else bytes(record.value)


def test_is_what_it_says(shelf: Shelf) -> None:
    """The implementation declares the promise."""
    assert IRecordStore.providedBy(shelf.store)


def test_reads_what_was_written(shelf: Shelf) -> None:
    """A record comes back whole: key, value, version and expiry."""
    version = write(shelf, "sip:alice@example.com", b"\x00\xff note", expires=NOON + 60)

    record = shelf.wait(shelf.store.read("board", "sip:alice@example.com"))

    assert (record.key, record.value, record.version, record.expires) == (
        "sip:alice@example.com",
        b"\x00\xff note",
        version,
        NOON + 60,
    )


def test_keeps_an_empty_value(shelf: Shelf) -> None:
    """A record without a byte is a record, not a removed one."""
    write(shelf, "alice", b"")
    assert read(shelf, "alice") == b""


def test_gives_none_for_a_key_that_is_not_there(shelf: Shelf) -> None:
    """Reading an unknown key is no error."""
    assert read(shelf, "nobody") is None


def test_versions_grow_by_one(shelf: Shelf) -> None:
    """Each write adds one to the first version."""
    first = write(shelf, "alice", b"x")
    assert first > 0
    assert [write(shelf, "alice", b"x", first + more) for more in range(2)] == [first + 1, first + 2]


@pytest.mark.parametrize("stale", [None, 0, 2])
def test_refuses_a_version_that_is_not_the_current_one(shelf: Shelf, stale: int | None) -> None:
    """Who decided on an old version, or on one that never was, writes nothing."""
    first = write(shelf, "alice", b"first")
    write(shelf, "alice", b"second", first)

    with pytest.raises(Conflict):
        write(shelf, "alice", b"late", 0 if stale is None else first + stale)

    assert read(shelf, "alice") == b"second"


def test_refuses_to_replace_what_is_not_there(shelf: Shelf) -> None:
    """A version is expected of a key that has none."""
    with pytest.raises(Conflict):
        write(shelf, "alice", b"x", 1)


def test_one_conflict_spoils_no_other_write(shelf: Shelf) -> None:
    """Of ten writes at once, the two that were late fail and eight are kept."""
    store = shelf.store

    async def attempt(number: int) -> bool:
        try:
            await store.write("board", f"user{number % 8}", b"x", NONE)
        except Conflict:
            return False
        return True

    async def all_at_once() -> list[bool]:
        return await gatherResults([Deferred.fromCoroutine(attempt(number)) for number in range(10)])

    assert shelf.wait(all_at_once()) == [True] * 8 + [False] * 2
    assert len(shelf.wait(store.scan("board"))) == 8


def test_writes_are_done_in_calling_order(shelf: Shelf) -> None:
    """A hundred writes that nobody waits for in between form one chain of versions."""
    first = write(shelf, "alice", b"0")
    calls = [shelf.store.write("board", "alice", b"%d" % n, Version(first + n - 1)) for n in range(1, 100)]
    assert [shelf.wait(call) for call in calls] == [first + n for n in range(1, 100)]
    assert read(shelf, "alice") == b"99"


def test_kinds_do_not_mix(shelf: Shelf) -> None:
    """A key of one kind says nothing about the same key of another."""
    write(shelf, "alice", b"board")
    assert shelf.wait(shelf.store.write("contacts", "alice", b"list", NONE))
    assert read(shelf, "alice") == b"board"


def test_scans_a_prefix_in_key_order(shelf: Shelf) -> None:
    """A scan gives the keys that begin so, by code point, and no other."""
    keys = ["b", "a%", "a_", "aa", "a\u00e4", "a\U0001f600", "A", "a", "ab"]
    for key in keys:
        write(shelf, key, b"x")

    found = [record.key for record in shelf.wait(shelf.store.scan("board", "a"))]

    assert found == ["a", "a%", "a_", "aa", "ab", "a\u00e4", "a\U0001f600"]


def test_scans_everything_without_a_prefix(shelf: Shelf) -> None:
    """No prefix: all records of the kind."""
    for key in ("b", "", "\U0010ffff"):
        write(shelf, key, b"x")
    assert [record.key for record in shelf.wait(shelf.store.scan("board"))] == ["", "b", "\U0010ffff"]


def test_scans_a_prefix_that_nothing_follows(shelf: Shelf) -> None:
    """The last character there is has no next one, and between U+D7FF and U+E000 there is none."""
    for key in ("\U0010ffff1", "\ud7ff1", "\ue0001", "z"):
        write(shelf, key, b"x")
    assert [record.key for record in shelf.wait(shelf.store.scan("board", "\U0010ffff"))] == ["\U0010ffff1"]
    assert [record.key for record in shelf.wait(shelf.store.scan("board", "\ud7ff"))] == ["\ud7ff1"]


def test_scan_leaves_out_what_is_removed_or_expired(shelf: Shelf) -> None:
    """Only living records are found."""
    write(shelf, "kept", b"x")
    write(shelf, "expired", b"x", expires=NOON - 1)
    shelf.wait(shelf.store.remove("board", "removed", write(shelf, "removed", b"x")))
    assert [record.key for record in shelf.wait(shelf.store.scan("board"))] == ["kept"]


def test_removes_a_record(shelf: Shelf) -> None:
    """A removed record is none."""
    shelf.wait(shelf.store.remove("board", "alice", write(shelf, "alice", b"x")))
    assert read(shelf, "alice") is None


@pytest.mark.parametrize("is_new", [False, True])
def test_refuses_to_remove_another_version(shelf: Shelf, *, is_new: bool) -> None:
    """Who has not seen the current version does not remove it."""
    first = write(shelf, "alice", b"x")
    with pytest.raises(Conflict):
        shelf.wait(shelf.store.remove("board", "alice", NONE if is_new else Version(first + 1)))
    assert read(shelf, "alice") == b"x"


def test_removing_nothing_is_no_error(shelf: Shelf) -> None:
    """None there and none expected: nothing happens, also a second time."""
    shelf.wait(shelf.store.remove("board", "alice", write(shelf, "alice", b"x")))
    assert shelf.wait(shelf.store.remove("board", "alice", NONE)) is None
    assert shelf.wait(shelf.store.remove("board", "nobody", NONE)) is None


def test_versions_never_repeat_across_a_removal(shelf: Shelf) -> None:
    """Who read it before it was removed cannot overwrite what was written since."""
    old = write(shelf, "alice", b"old")
    shelf.wait(shelf.store.remove("board", "alice", old))

    assert write(shelf, "alice", b"new") == old + 1
    with pytest.raises(Conflict):
        write(shelf, "alice", b"late", old)


def test_an_expired_record_is_none(shelf: Shelf) -> None:
    """From the second it names, a record is not there, and a new one may take its place."""
    old = write(shelf, "alice", b"old", expires=NOON + 10)
    shelf.wall.now = NOON + 10

    assert read(shelf, "alice") is None
    with pytest.raises(Conflict):
        write(shelf, "alice", b"late", old)
    with pytest.raises(Conflict):
        shelf.wait(shelf.store.remove("board", "alice", old))
    assert write(shelf, "alice", b"new") == old + 1
    assert read(shelf, "alice") == b"new"


def test_a_record_lives_until_it_expires(shelf: Shelf) -> None:
    """A moment before its time it is there, and a write may give it more or endless time."""
    first = write(shelf, "alice", b"x", expires=NOON + 10)
    shelf.wall.now = NOON + 9.5
    assert read(shelf, "alice") == b"x"
    write(shelf, "alice", b"x", first)
    shelf.wall.now = NOON + 1e9
    assert read(shelf, "alice") == b"x"


@pytest.mark.parametrize("key", ["sip:\udc80@example.com", "a\0b"])
def test_a_key_that_is_no_text_is_not_there(shelf: Shelf, key: str) -> None:
    """A name with broken bytes in it is unknown; writing it is refused at once."""
    assert read(shelf, key) is None
    assert shelf.wait(shelf.store.scan("board", key)) == ()
    with pytest.raises(ValueError, match="not text"):
        write(shelf, key, b"x")


STEPS = st.lists(st.tuples(st.sampled_from(["write", "remove", "wait"]), st.integers(0, 4)), max_size=12)


@given(life=st.sampled_from(LIVES), steps=STEPS)
@settings(max_examples=many(40))
def test_no_version_is_given_twice(life: str, steps: list[tuple[str, int]]) -> None:
    """Whatever is written, removed, refused and lapses, the versions that a key was given only grow."""
    versions: list[int] = []
    with TemporaryDirectory() as home, shelf_of(life, Path(home)) as shelf:
        versions.append(write(shelf, "alice", b"x", 0, shelf.wall.now + 5))
        for step, more in steps:
            # The first ones, the newest, one that never was, and none.
            expected = (0, versions[0], versions[-1], versions[-1] + 1, versions[-1])[more]
            with suppress(Conflict):
                if step == "write":
                    versions.append(write(shelf, "alice", b"x", expected, shelf.wall.now + 5))
                elif step == "remove":
                    shelf.wait(shelf.store.remove("board", "alice", Version(expected)))
                else:
                    shelf.wall.now += more
    assert versions == sorted(set(versions))
