"""The promise IStore, on every implementation."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, gatherResults

from lyncpy.contracts.names import NodeName, Version
from lyncpy.contracts.store import Conflict, IStore
from tests.kit.cellars import KINDS, NOON, Cellar, opened
from tests.kit.soak import many

NONE = Version(0)


@pytest.fixture(params=KINDS)
def cellar(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cellar]:
    """One implementation, open and empty."""
    with opened(request.param, tmp_path) as cellar:
        yield cellar


def write(cellar: Cellar, key: str, value: bytes, expected: int = 0, expires: float | None = None) -> Version:
    """Write a board and wait."""
    version: Version = cellar.wait(cellar.store.write("board", key, value, Version(expected), expires))
    return version


def read(cellar: Cellar, key: str) -> bytes | None:
    """Read a board's value."""
    record = cellar.wait(cellar.store.read("board", key))
    return None if record is None else bytes(record.value)


def test_is_what_it_says(cellar: Cellar) -> None:
    """The implementation declares the promise."""
    assert IStore.providedBy(cellar.store)


def test_reads_what_was_written(cellar: Cellar) -> None:
    """A record comes back whole: key, value, version and expiry."""
    version = write(cellar, "sip:alice@example.com", b"\x00\xff note", expires=NOON + 60)

    record = cellar.wait(cellar.store.read("board", "sip:alice@example.com"))

    assert (record.key, record.value, record.version, record.expires) == (
        "sip:alice@example.com",
        b"\x00\xff note",
        version,
        NOON + 60,
    )


def test_keeps_an_empty_value(cellar: Cellar) -> None:
    """A record without a byte is a record, not a removed one."""
    write(cellar, "alice", b"")
    assert read(cellar, "alice") == b""


def test_gives_none_for_a_key_that_is_not_there(cellar: Cellar) -> None:
    """Reading an unknown key is no error."""
    assert read(cellar, "nobody") is None


def test_versions_grow_by_one(cellar: Cellar) -> None:
    """The first version is 1, and each write adds one."""
    assert [write(cellar, "alice", b"x", expected) for expected in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_refuses_a_version_that_is_not_the_current_one(cellar: Cellar, expected: int) -> None:
    """Who decided on an old version, or on one that never was, writes nothing."""
    write(cellar, "alice", b"first")
    write(cellar, "alice", b"second", 1)

    with pytest.raises(Conflict):
        write(cellar, "alice", b"late", expected)

    assert read(cellar, "alice") == b"second"


def test_refuses_to_replace_what_is_not_there(cellar: Cellar) -> None:
    """A version is expected of a key that has none."""
    with pytest.raises(Conflict):
        write(cellar, "alice", b"x", 1)


def test_one_conflict_spoils_no_other_write(cellar: Cellar) -> None:
    """Of ten writes at once, the two that were late fail and eight are kept."""
    store = cellar.store

    async def attempt(number: int) -> bool:
        try:
            await store.write("board", f"user{number % 8}", b"x", NONE)
        except Conflict:
            return False
        return True

    async def all_at_once() -> list[bool]:
        return await gatherResults([Deferred.fromCoroutine(attempt(number)) for number in range(10)])

    assert cellar.wait(all_at_once()) == [True] * 8 + [False] * 2
    assert len(cellar.wait(store.scan("board"))) == 8


def test_writes_are_done_in_calling_order(cellar: Cellar) -> None:
    """A hundred writes that nobody waits for in between form one chain of versions."""
    calls = [cellar.store.write("board", "alice", b"%d" % n, Version(n)) for n in range(100)]
    assert [cellar.wait(call) for call in calls] == list(range(1, 101))
    assert read(cellar, "alice") == b"99"


def test_kinds_do_not_mix(cellar: Cellar) -> None:
    """A key of one kind says nothing about the same key of another."""
    write(cellar, "alice", b"board")
    assert cellar.wait(cellar.store.write("contacts", "alice", b"list", NONE)) == 1
    assert read(cellar, "alice") == b"board"


def test_scans_a_prefix_in_key_order(cellar: Cellar) -> None:
    """A scan gives the keys that begin so, by code point, and no other."""
    keys = ["b", "a%", "a_", "aa", "a\u00e4", "a\U0001f600", "A", "a", "ab"]
    for key in keys:
        write(cellar, key, b"x")

    found = [record.key for record in cellar.wait(cellar.store.scan("board", "a"))]

    assert found == ["a", "a%", "a_", "aa", "ab", "a\u00e4", "a\U0001f600"]


def test_scans_everything_without_a_prefix(cellar: Cellar) -> None:
    """No prefix: all records of the kind."""
    for key in ("b", "", "\U0010ffff"):
        write(cellar, key, b"x")
    assert [record.key for record in cellar.wait(cellar.store.scan("board"))] == ["", "b", "\U0010ffff"]


def test_scans_a_prefix_that_nothing_follows(cellar: Cellar) -> None:
    """The last character there is has no next one, and between U+D7FF and U+E000 there is none."""
    for key in ("\U0010ffff1", "\ud7ff1", "\ue0001", "z"):
        write(cellar, key, b"x")
    assert [record.key for record in cellar.wait(cellar.store.scan("board", "\U0010ffff"))] == ["\U0010ffff1"]
    assert [record.key for record in cellar.wait(cellar.store.scan("board", "\ud7ff"))] == ["\ud7ff1"]


def test_scan_leaves_out_what_is_removed_or_expired(cellar: Cellar) -> None:
    """Only living records are found."""
    write(cellar, "kept", b"x")
    write(cellar, "removed", b"x")
    write(cellar, "expired", b"x", expires=NOON - 1)
    cellar.wait(cellar.store.remove("board", "removed", Version(1)))
    assert [record.key for record in cellar.wait(cellar.store.scan("board"))] == ["kept"]


def test_removes_a_record(cellar: Cellar) -> None:
    """A removed record is none."""
    write(cellar, "alice", b"x")
    cellar.wait(cellar.store.remove("board", "alice", Version(1)))
    assert read(cellar, "alice") is None


@pytest.mark.parametrize("expected", [0, 2])
def test_refuses_to_remove_another_version(cellar: Cellar, expected: int) -> None:
    """Who has not seen the current version does not remove it."""
    write(cellar, "alice", b"x")
    with pytest.raises(Conflict):
        cellar.wait(cellar.store.remove("board", "alice", Version(expected)))
    assert read(cellar, "alice") == b"x"


def test_removing_nothing_is_no_error(cellar: Cellar) -> None:
    """None there and none expected: nothing happens, also a second time."""
    write(cellar, "alice", b"x")
    cellar.wait(cellar.store.remove("board", "alice", Version(1)))
    assert cellar.wait(cellar.store.remove("board", "alice", NONE)) is None
    assert cellar.wait(cellar.store.remove("board", "nobody", NONE)) is None


def test_versions_never_repeat_across_a_removal(cellar: Cellar) -> None:
    """Who read version 1 before it was removed cannot overwrite what was written since."""
    write(cellar, "alice", b"old")
    cellar.wait(cellar.store.remove("board", "alice", Version(1)))

    assert write(cellar, "alice", b"new") == 2
    with pytest.raises(Conflict):
        write(cellar, "alice", b"late", 1)


def test_an_expired_record_is_none(cellar: Cellar) -> None:
    """From the second it names, a record is not there, and a new one may take its place."""
    write(cellar, "alice", b"old", expires=NOON + 10)
    cellar.wall.now = NOON + 10

    assert read(cellar, "alice") is None
    with pytest.raises(Conflict):
        write(cellar, "alice", b"late", 1)
    with pytest.raises(Conflict):
        cellar.wait(cellar.store.remove("board", "alice", Version(1)))
    assert write(cellar, "alice", b"new") == 2
    assert read(cellar, "alice") == b"new"


def test_a_record_lives_until_it_expires(cellar: Cellar) -> None:
    """A moment before its time it is there, and a write may give it more or endless time."""
    write(cellar, "alice", b"x", expires=NOON + 10)
    cellar.wall.now = NOON + 9.5
    assert read(cellar, "alice") == b"x"
    write(cellar, "alice", b"x", 1)
    cellar.wall.now = NOON + 1e9
    assert read(cellar, "alice") == b"x"


@pytest.mark.parametrize("key", ["sip:\udc80@example.com", "a\0b"])
def test_a_key_that_is_no_text_is_not_there(cellar: Cellar, key: str) -> None:
    """A name with broken bytes in it is unknown; writing it is refused at once."""
    assert read(cellar, key) is None
    assert cellar.wait(cellar.store.scan("board", key)) == ()
    with pytest.raises(ValueError, match="not text"):
        write(cellar, key, b"x")


def test_replays_a_journal_oldest_first(cellar: Cellar) -> None:
    """The lines of a span come in the order of their time, then of their coming; each has its own serial."""
    for at, entry in ((20.0, b"b"), (10.0, b"a"), (20.0, b"c"), (30.0, b"d")):
        cellar.wait(cellar.store.append("calls", entry, at))

    lines = cellar.wait(cellar.store.replay("calls", 0.0, 100.0, 10))

    assert [(line.at, line.entry) for line in lines] == [(10.0, b"a"), (20.0, b"b"), (20.0, b"c"), (30.0, b"d")]
    assert len({line.serial for line in lines}) == 4


def test_replay_begins_with_since_and_ends_before_until(cellar: Cellar) -> None:
    """`since` belongs to the span, `until` does not; other journals have their own lines."""
    for at in (10.0, 20.0, 30.0):
        cellar.wait(cellar.store.append("calls", b"x", at))
    cellar.wait(cellar.store.append("other", b"x", 20.0))
    assert [line.at for line in cellar.wait(cellar.store.replay("calls", 10.0, 30.0, 10))] == [10.0, 20.0]


@pytest.mark.parametrize(("limit", "expected"), [(2, [b"3", b"4"]), (0, [])])
def test_replay_gives_the_newest_lines(cellar: Cellar, limit: int, expected: list[bytes]) -> None:
    """When more fit, the newest are given, oldest first."""
    for n in range(5):
        cellar.wait(cellar.store.append("calls", b"%d" % n, float(n)))
    assert [line.entry for line in cellar.wait(cellar.store.replay("calls", 0, 9, limit))] == expected


def test_a_lease_is_held_by_one(cellar: Cellar) -> None:
    """While one node holds a name another gets none; the holder renews with the same epoch."""
    a, b = NodeName("a"), NodeName("b")
    first = cellar.wait(cellar.store.lease("conference 1", a, 10))
    cellar.wall.now += 5

    assert (first.holder, first.epoch, first.until) == (a, 1, NOON + 10)
    assert cellar.wait(cellar.store.lease("conference 1", b, 10)) is None
    renewed = cellar.wait(cellar.store.lease("conference 1", a, 10))
    assert (renewed.epoch, renewed.until) == (1, NOON + 15)


def test_a_lapsed_lease_goes_to_the_next_with_a_new_epoch(cellar: Cellar) -> None:
    """After its time another may take the name, and the late holder is refused."""
    a, b = NodeName("a"), NodeName("b")
    cellar.wait(cellar.store.lease("conference 1", a, 10))
    cellar.wall.now += 10
    assert cellar.wait(cellar.store.lease("conference 1", b, 10)).epoch == 2
    assert cellar.wait(cellar.store.lease("conference 1", a, 10)) is None


STEPS = st.lists(st.tuples(st.sampled_from(["write", "remove", "wait"]), st.integers(0, 4)), max_size=12)


@given(kind=st.sampled_from(KINDS), steps=STEPS)
@settings(max_examples=many(40))
def test_no_version_is_given_twice(kind: str, steps: list[tuple[str, int]]) -> None:
    """Whatever is written, removed, refused and lapses, the versions that a key was given only grow."""
    versions: list[int] = []
    with TemporaryDirectory() as home, opened(kind, Path(home)) as cellar:
        for step, expected in steps:
            with suppress(Conflict):
                if step == "write":
                    versions.append(write(cellar, "alice", b"x", expected, cellar.wall.now + 5))
                elif step == "remove":
                    cellar.wait(cellar.store.remove("board", "alice", Version(expected)))
                else:
                    cellar.wall.now += expected
    assert versions == sorted(set(versions))
