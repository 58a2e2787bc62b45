"""Values that are read, decided on, and written with the version that was read."""

from dataclasses import dataclass, field

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.contracts.names import Version
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.store import Conflict, Record
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.versioned import TRIES, Decision, Entry, LastWriter, VersionedTable, uncontended
from tests.kit.gatehouse import timers_of
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of, begun, result_of

KIND = "number"


@dataclass(frozen=True)
class Number:
    """A value of which a part is not stored."""

    stored: int
    here: str = ""


class Numbers:
    """Numbers under names; "nobody" owns none, and who is at zero has no record."""

    def record_key(self, key: str) -> str:
        """Give the key of the record."""
        return "" if key == "nobody" else f"of {key}"

    def unpack(self, key: str, value: bytes | None) -> Number:
        """Read."""
        return Number(int(value or b"0"))

    def pack(self, value: Number) -> bytes | None:
        """Write."""
        return b"%d" % value.stored if value.stored else None

    def merged(self, mine: Number, theirs: Number) -> Number:
        """Take theirs, with what only this process knows."""
        return Number(theirs.stored, mine.here)


@dataclass
class InMemory:
    """Keeps everything."""

    entries: dict[str, Entry[Number]] = field(default_factory=dict)

    def get(self, key: str) -> Entry[Number] | None:
        """Give an entry."""
        return self.entries.get(key)

    def put(self, key: str, entry: Entry[Number]) -> None:
        """Keep one."""
        self.entries[key] = entry

    def discard(self, key: str) -> None:
        """Forget one."""
        self.entries.pop(key, None)


class Forgetful(InMemory):
    """Entries are read each time."""

    def put(self, key: str, entry: Entry[Number]) -> None:
        """Keep nothing."""


class Cellar:
    """A table, and another process that writes to the same store."""

    def __init__(self, *, remembers: bool = True) -> None:
        self.store = MemoryStore(lambda: 0.0)
        self.told: list[int] = []
        self.memory = InMemory() if remembers else Forgetful()
        self.table = VersionedTable(
            KIND,
            Numbers(),
            self.memory,
            store=self.store,
            writers=KeyedLock(timers_of(Clock())),
            tell=self.told.append,
        )
        self.asked: list[Number] = []
        self.before_write: list[int] = []
        """What the other process writes while this one decides, each time."""

    def other(self, number: int) -> None:
        """Write as another process."""
        record = answer_of(self.store.read(KIND, "of a"))
        answer_of(self.store.write(KIND, "of a", b"%d" % number, Version(0) if record is None else record.version))

    def add(self, key: str = "a", by: int = 1, *, is_durable: bool = True) -> int:
        """Add to a number; give what it was."""

        def decide(value: Number) -> Decision[Number, int]:
            self.asked.append(value)
            if self.before_write:
                self.other(self.before_write.pop(0))
            new = Number(value.stored + by, value.here) if by else value
            return Decision(value.stored, new, is_durable=is_durable, news=(new.stored,))

        return result_of(self.table.change(key, decide))

    def stored(self) -> bytes | None:
        """Give what is in the store."""
        record = answer_of(self.store.read(KIND, "of a"))
        return None if record is None else record.value


@pytest.mark.parametrize("remembers", [True, False])
def test_a_change_is_stored_kept_and_told(remembers: bool) -> None:
    """In this order; whoever asks next is given it, from memory or from the store."""
    cellar = Cellar(remembers=remembers)
    assert [cellar.add(by=5), cellar.add()] == [0, 5]
    assert cellar.stored() == b"6"
    assert result_of(cellar.table.load("a")) == Number(6)
    assert cellar.table.peek("a") == (Number(6) if remembers else None)
    assert cellar.told == [5, 6]


@pytest.mark.parametrize("remembers", [True, False])
def test_who_comes_second_decides_on_what_the_first_has_written(remembers: bool) -> None:
    """Nothing is told of the attempt that did not count; what only this process knows stays."""
    cellar = Cellar(remembers=remembers)
    cellar.add(by=1)
    if remembers:
        cellar.memory.entries["a"] = Entry(Number(1, "mine"), "of a", Version(1))
    cellar.before_write = [10, 20]
    assert cellar.add() == 20
    assert cellar.stored() == b"21"
    assert [one.stored for one in cellar.asked[1:]] == [1, 10, 20]
    assert {one.here for one in cellar.asked[1:]} == ({"mine"} if remembers else {""})
    assert cellar.told == [1, 21]


def test_who_is_second_each_time_is_told_to_come_back() -> None:
    """And nothing was changed or told; memory has what is stored."""
    cellar = Cellar()
    cellar.before_write = list(range(10, 10 + TRIES))
    with pytest.raises(Refused) as refused:
        cellar.add()
    assert refused.value.status == 503
    assert ("Retry-After", "5") in refused.value.headers
    assert len(cellar.asked) == TRIES
    assert cellar.stored() == b"%d" % (9 + TRIES)
    assert cellar.table.peek("a") == Number(9 + TRIES)
    assert not cellar.told


def test_nothing_new_is_neither_written_nor_told() -> None:
    """A value that was only looked at costs no write."""
    cellar = Cellar()
    assert cellar.add(by=0) == 0
    assert cellar.stored() is None
    assert not cellar.told


def test_what_is_not_durable_is_kept_and_told_and_not_written() -> None:
    """It is written along with the next thing that is."""
    cellar = Cellar()
    cellar.add(by=2, is_durable=False)
    assert (cellar.stored(), cellar.table.peek("a"), len(cellar.told)) == (None, Number(2), 1)
    cellar.add()
    assert cellar.stored() == b"3"


def test_a_value_without_a_record_is_removed_and_may_come_again() -> None:
    """The version goes on from where it was."""
    cellar = Cellar()
    cellar.add(by=4)
    cellar.add(by=-4)
    assert cellar.stored() is None
    cellar.add(by=2)
    assert cellar.stored() == b"2"
    cellar.before_write = [9]
    cellar.add(by=-2)
    assert cellar.stored() == b"7"


def test_what_nobody_owns_cannot_be_written() -> None:
    """Whoever lost an address meanwhile is told that there is no such user; what lives in memory may."""
    cellar = Cellar()
    with pytest.raises(Refused) as refused:
        cellar.add("nobody")
    assert refused.value.status == 404
    assert cellar.add("nobody", is_durable=False) == 0


def test_what_cannot_be_stored_changes_nothing() -> None:
    """Neither in memory, nor for who listens."""
    cellar = Cellar()

    def fails(*_: object) -> Deferred[Version]:
        raise StoreUnavailable("the disk is full")

    cellar.add()
    cellar.store.write = fails  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreUnavailable):
        cellar.add()
    assert cellar.table.peek("a") == Number(1)
    assert len(cellar.told) == 1


def test_what_a_decision_raises_passes() -> None:
    """A refusal is not another writer."""
    cellar = Cellar()

    def decide(value: Number) -> Decision[Number, None]:
        raise ValueError(value)

    with pytest.raises(ValueError, match="stored=0"):
        result_of(cellar.table.change("a", decide))


def test_all_records_can_be_read_at_once() -> None:
    """As a table does that has all of them in memory."""
    cellar = Cellar()
    cellar.other(7)
    result_of(cellar.table.scan(lambda record: record.key.removeprefix("of ")))
    assert cellar.table.peek("a") == Number(7)
    cellar.add()
    assert cellar.stored() == b"8"


def test_one_writer_holds_a_name() -> None:
    """The next one is let in when the first has ended."""
    cellar, order, gate = Cellar(), [], Deferred[None]()

    async def write(name: str, waits: Deferred[None] | None) -> None:
        async with cellar.table.hold("a"):
            order.append(name)
            if waits is not None:
                await waits

    begun(write("first", gate))
    begun(write("second", None))
    assert order == ["first"]
    gate.callback(None)
    assert order == ["first", "second"]


def test_an_attempt_is_made_anew_only_for_another_writer() -> None:
    """And at most a few times; then whoever asked is told."""
    made: list[None] = []

    async def attempt() -> None:
        made.append(None)
        raise Conflict("another was first")

    with pytest.raises(Conflict):
        result_of(uncontended(attempt))
    assert len(made) == TRIES


def test_of_two_writers_the_last_is_right() -> None:
    """Whatever another process has written or removed meanwhile."""
    store = MemoryStore(lambda: 0.0)
    here, there = LastWriter(store, KIND), LastWriter(store, KIND)
    answer_of(here.write("a", b"1"))
    answer_of(there.write("a", b"2"))
    answer_of(here.write("a", b"3"))
    assert [record.value for record in answer_of(there.scan())] == [b"3"]
    answer_of(there.write("a", None))
    answer_of(here.write("a", b"4"))
    assert answer_of(there.read("a")).value == b"4"  # type: ignore[union-attr]
    answer_of(there.write("a", None))
    answer_of(here.write("a", None))
    assert answer_of(here.read("a")) is None
    answer_of(here.write("a", b"5"))
    assert answer_of(here.read("a")).value == b"5"  # type: ignore[union-attr]


def test_what_others_write_all_the_time_cannot_be_written() -> None:
    """Whoever writes last is right, but not for ever: the store is as good as away, and the writer hears that."""
    store = MemoryStore(lambda: 0.0)
    here, there = LastWriter(store, KIND), LastWriter(store, KIND)
    read = store.read

    async def and_then_another(kind: str, key: str) -> Record | None:
        found: Record | None = await read(kind, key)
        await there.write("a", b"theirs")
        return found

    answer_of(there.write("a", b"theirs"))
    store.read = and_then_another  # type: ignore[assignment,method-assign]
    with pytest.raises(StoreUnavailable, match='"number" of a all the time'):
        answer_of(here.write("a", b"mine"))


def test_a_last_writer_knows_which_records_there_are() -> None:
    """Those that it has read, and written, less those that it has removed."""
    store = MemoryStore(lambda: 0.0)
    answer_of(LastWriter(store, KIND).write("a", b"1"))
    here = LastWriter(store, KIND)
    assert not here.keys
    answer_of(here.scan())
    answer_of(here.write("b", b"2"))
    assert set(here.keys) == {"a", "b"}
    answer_of(here.write("a", None))
    assert set(here.keys) == {"b"}
