"""Volatile records of a single process: what the promise does not say."""

from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.names import Version
from tests.kit.results import answer_of

NONE = Version(0)


def test_a_value_is_made_when_it_is_read() -> None:
    """Once; what is replaced, or removed, before anybody reads it is never made."""
    made: list[str] = []

    def value(text: str) -> bytes:
        made.append(text)
        return text.encode()

    store = MemoryRecordStore(lambda: 0.0)
    first = answer_of(store.write("board", "alice", lambda: value("away"), NONE))
    second = answer_of(store.write("board", "alice", lambda: value("busy"), first))
    assert made == []
    for _ in range(2):
        record = answer_of(store.read("board", "alice"))
        assert record is not None
        assert record.value == b"busy"
    assert [one.value for one in answer_of(store.scan("board"))] == [b"busy"]
    assert made == ["busy"]
    answer_of(store.remove("board", "alice", second))
    assert answer_of(store.read("board", "alice")) is None


def test_what_has_expired_is_forgotten_but_for_its_version() -> None:
    """The memory of those who signed in once does not grow, and no version of theirs is given twice."""
    now = [0.0]
    store = MemoryRecordStore(lambda: now[0])
    for key in ("alice", "bob"):
        assert answer_of(store.write("board", key, b"x", NONE, expires=5.0)) == 1
    assert answer_of(store.write("board", "bob", b"x", Version(1))) == 2
    now[0] = 5.0
    assert [answer_of(store.purge(before)) for before in (4.0, 5.0, 5.0)] == [0, 1, 0]
    assert answer_of(store.write("board", "alice", b"x", NONE)) == 2
    assert [record.key for record in answer_of(store.scan("board"))] == ["alice", "bob"]


def test_it_loses_nothing_that_anybody_could_hear_of() -> None:
    """It ends with whoever would."""
    heard: list[str] = []
    store = MemoryRecordStore(lambda: 0.0)
    store.on_loss(lambda: heard.append("lost"))
    answer_of(store.write("board", "alice", b"x", NONE))
    assert heard == []
