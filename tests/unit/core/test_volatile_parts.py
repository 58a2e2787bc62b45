"""Values of which a part is volatile: two records, two processes, and stores that fail or lose."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import both_of
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.versioned import TRIES, Decision, Entry, VersionedTable, VolatilePart
from tests.kit.fakes import FragileStore, Fragility
from tests.kit.gatehouse import timers_of
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of, result_of
from tests.kit.volatile import FragileVolatileStore, SharedRecords

KEY = "a"


@dataclass(frozen=True)
class Pair:
    """Words that are kept, and words that end with whoever said them."""

    kept: str = ""
    said: frozenset[str] = frozenset()
    here: frozenset[str] = frozenset()
    """Those that were ever said in this process."""


class Pairs:
    """The form of pairs."""

    def record_key(self, key: str) -> str:
        """Nobody owns "nobody"."""
        return "" if key == "nobody" else key

    def unpack(self, key: str, value: bytes | None, volatile: bytes | None = None) -> Pair:
        """Read both."""
        return Pair((value or b"").decode(), frozenset((volatile or b"").decode().split()))

    def pack(self, value: Pair) -> bytes | None:
        """Write what is kept."""
        return value.kept.encode() or None

    def pack_volatile(self, value: Pair) -> Callable[[], bytes] | None:
        """Write what is said."""
        return " ".join(sorted(value.said)).encode if value.said else None

    def merged(self, mine: Pair, theirs: Pair) -> Pair:
        """Take theirs."""
        return replace(theirs, here=mine.here)

    def with_volatile(self, mine: Pair, volatile: bytes | None) -> Pair:
        """Take what is said elsewhere."""
        return replace(mine, said=frozenset((volatile or b"").decode().split()))

    def united(self, mine: Pair, theirs: Pair) -> Pair:
        """Add what was said here, and take away what is not said here any more."""
        return replace(theirs, said=theirs.said - mine.here | (mine.said & mine.here), here=mine.here)


@dataclass
class InMemory:
    """Keeps everything."""

    entries: dict[str, Entry[Pair]] = field(default_factory=dict)

    def get(self, key: str) -> Entry[Pair] | None:
        """Give an entry."""
        return self.entries.get(key)

    def put(self, key: str, entry: Entry[Pair]) -> None:
        """Keep one."""
        self.entries[key] = entry

    def discard(self, key: str) -> None:
        """Forget one."""
        self.entries.pop(key, None)


class Deployment:
    """What processes share."""

    def __init__(self) -> None:
        self.durable = MemoryStore(lambda: 0.0)
        self.volatile = SharedRecords(lambda: 0.0)


class Process:
    """One process: its table, and its connections to both stores."""

    def __init__(self, deployment: Deployment, *, has_both: bool = False) -> None:
        self.disk, self.connection = Fragility(), Fragility()
        self.unwritten: list[str] = []
        self.told: list[str] = []
        self.read: list[tuple[Pair, Pair]] = []
        self.memory = InMemory()
        durable = deployment.durable if has_both else None
        store = FragileVolatileStore(deployment.volatile, self.connection, durable=durable)
        self.table = VersionedTable(
            "pair",
            Pairs(),
            self.memory,
            store=FragileStore(deployment.durable, self.disk),
            writers=KeyedLock(timers_of(Clock())),
            tell=self.told.append,
            volatile=VolatilePart(
                store,
                both_of(store),
                Pairs(),
                self.unwritten.append,
                lambda before, after: self.read.append((before, after)),
            ),
        )
        store.on_loss(lambda: self.table.lost(list(self.memory.entries)))
        self.meanwhile: list[Callable[[], None]] = []
        """What others do while this one decides, each time."""

    def change(self, said: str = "", kept: str = "", gone: str = "", key: str = KEY) -> Pair:
        """Say a word, or keep one; give the value after it."""

        def decide(value: Pair) -> Decision[Pair, None]:
            if self.meanwhile:
                self.meanwhile.pop(0)()
            words = (value.said | {said} if said else value.said) - {gone}
            new = Pair(kept or value.kept, words, value.here | {said})
            return Decision(None, new, bool(kept), bool(said or gone), news=(said or kept or gone,))

        result_of(self.table.change(key, decide))
        return self.value

    @property
    def value(self) -> Pair:
        """What is in memory."""
        return self.memory.entries[KEY].value


@pytest.fixture
def deployment() -> Deployment:
    """One without processes."""
    return Deployment()


@pytest.fixture
def one(deployment: Deployment) -> Process:
    """A process."""
    return Process(deployment)


@pytest.fixture
def united(deployment: Deployment) -> Process:
    """A process that writes both records at once."""
    return Process(deployment, has_both=True)


@pytest.fixture
def other(deployment: Deployment) -> Process:
    """Another one."""
    return Process(deployment)


def record(deployment: Deployment) -> bytes | None:
    """Give the volatile record."""
    found = answer_of(deployment.volatile.store.read("pair", KEY))
    return None if found is None else found.value


def test_what_is_volatile_is_in_a_record_of_its_own(one: Process, other: Process, deployment: Deployment) -> None:
    """Each part has its version; whoever reads later reads both; when nothing is left there is no record."""
    one.change("hello")
    one.change(kept="note")
    entry = one.memory.entries[KEY]
    assert (record(deployment), entry.version, entry.volatile) == (b"hello", 1, 1)
    assert result_of(other.table.load(KEY)) == Pair("note", frozenset({"hello"}))
    assert result_of(other.table.has_volatile(KEY))
    one.change(gone="hello")
    assert record(deployment) is None
    assert one.memory.entries[KEY].volatile == 0
    assert not result_of(other.table.has_volatile(KEY))


def test_of_two_processes_the_second_decides_again(one: Process, other: Process, deployment: Deployment) -> None:
    """On what the first has said; and this process hears what that was."""
    one.change("hello")
    one.meanwhile = [lambda: (other.change("bonjour"), None)[1]]
    assert one.change("again").said == {"hello", "bonjour", "again"}
    assert record(deployment) == b"again bonjour hello"
    assert [(len(before.said), len(after.said)) for before, after in one.read] == [(1, 2)]
    assert one.told == ["hello", "again"]


def test_both_records_are_written_at_once_where_that_can_be_done(
    united: Process, other: Process, deployment: Deployment
) -> None:
    """Once they are there; of two processes the second decides again, whichever record is another one, and nothing is half written."""
    united.change("hello", "note")
    calls = united.disk.calls, united.connection.calls
    united.change("again", "later")
    assert (united.disk.calls - calls[0], united.connection.calls - calls[1]) == (0, 1)
    entry = united.memory.entries[KEY]
    assert (record(deployment), entry.version, entry.volatile, entry.is_written) == (b"again hello", 2, 2, True)

    reader = Process(deployment, has_both=True)
    assert result_of(reader.table.load(KEY)) == Pair("later", frozenset({"hello", "again"}))
    assert (reader.disk.calls, reader.connection.calls) == (0, 1)

    united.meanwhile = [lambda: (other.change("bonjour"), None)[1], lambda: (other.change(kept="theirs"), None)[1]]
    assert united.change("third", "mine") == Pair(
        "mine", frozenset({"hello", "again", "bonjour", "third"}), frozenset({"hello", "again", "third"})
    )
    assert united.memory.entries[KEY].version == 4

    united.connection.broken = True
    with pytest.raises(StoreUnavailable):
        united.change("lost", "lost")
    united.connection.broken = False
    assert (united.value.kept, record(deployment)) == ("mine", b"again bonjour hello third")


def test_what_is_lost_while_both_are_written_is_written_again(united: Process, deployment: Deployment) -> None:
    """The volatile part alone; what was durable is."""
    united.change("hello", "note")
    united.meanwhile = [deployment.volatile.are_lost]
    united.change("again", "later")
    assert united.unwritten == [KEY]


def test_a_value_is_read_again_unless_it_is_of_these_versions(one: Process, other: Process) -> None:
    """Of its two records only that is read which is another one."""
    one.change("hello")
    result_of(other.table.load(KEY))
    one.change("again")
    entry = one.memory.entries[KEY]
    calls = other.disk.calls
    assert result_of(other.table.refresh(KEY, (entry.version, entry.volatile)))
    assert not result_of(other.table.refresh(KEY, (entry.version, entry.volatile)))
    assert (sorted(other.value.said), other.disk.calls - calls) == (["again", "hello"], 0)
    one.change(kept="note")
    entry = one.memory.entries[KEY]
    assert result_of(other.table.refresh(KEY, (entry.version, entry.volatile)))
    assert (other.value.kept, other.disk.calls - calls) == ("note", 1)
    assert result_of(other.table.refresh(KEY))
    assert not result_of(other.table.refresh("unknown"))


def test_what_cannot_be_kept_takes_back_what_was_said_with_it(one: Process, other: Process) -> None:
    """Whoever said both is refused, and nobody sees half of it; this process goes on from there."""
    one.change("hello", "note")
    one.disk.broken = True
    with pytest.raises(StoreUnavailable):
        one.change("again", "another")
    assert one.value == Pair("note", frozenset({"hello"}), frozenset({"hello"}))
    assert result_of(other.table.load(KEY)) == Pair("note", frozenset({"hello"}))
    one.disk.broken = False
    assert one.change("again", "another").kept == "another"


def test_what_cannot_be_taken_back_is_written_later(one: Process, other: Process) -> None:
    """The connection is lost between the two."""
    one.change("hello", "note")

    def broken(*_: object) -> None:
        one.connection.broken = True
        raise StoreUnavailable("the disk is broken")

    one.disk.run = broken  # type: ignore[assignment, method-assign]  # at this very moment
    with pytest.raises(StoreUnavailable):
        one.change("again", "another")
    assert (list(one.value.said), one.unwritten) == (["hello"], [KEY])
    one.connection.broken = False
    assert result_of(one.table.rewrite(KEY))
    assert result_of(other.table.has_volatile(KEY))
    assert not result_of(one.table.rewrite(KEY))


def test_what_cannot_be_said_to_others_counts_here(one: Process, other: Process, deployment: Deployment) -> None:
    """It is written later, together with what others have said meanwhile."""
    result_of(one.table.load(KEY))
    one.connection.broken = True
    one.change("hello")
    assert (list(one.value.said), one.told, one.unwritten) == (["hello"], ["hello"], [KEY])
    assert not result_of(one.table.rewrite(KEY))
    assert one.unwritten == [KEY, KEY]
    other.change("bonjour")
    one.connection.broken = False
    assert result_of(one.table.rewrite(KEY))
    assert record(deployment) == b"bonjour hello"
    assert one.value.said == {"hello", "bonjour"}


def test_what_was_taken_back_while_others_could_not_be_told_is_not_said_again(
    one: Process, other: Process, deployment: Deployment
) -> None:
    """What others have said meanwhile is; and so is what they read of it and wrote again."""
    one.change("hello")
    result_of(other.table.load(KEY))
    one.connection.broken = True
    one.change(gone="hello")
    other.change("bonjour")
    assert record(deployment) == b"bonjour hello"
    one.connection.broken = False
    assert result_of(one.table.rewrite(KEY))
    assert (record(deployment), sorted(one.value.said)) == (b"bonjour", ["bonjour"])


def test_who_is_second_each_time_tries_later(one: Process, other: Process) -> None:
    """Others write all the time."""
    result_of(one.table.load(KEY))
    one.connection.broken = True
    one.change("hello")
    one.connection.broken = False
    run, others = one.connection.run, (f"word{number}" for number in count())

    def late(work: Callable[[], object]) -> object:
        other.change(next(others))
        return run(work)  # type: ignore[arg-type]  # as it was given

    one.connection.run = late  # type: ignore[assignment, method-assign]  # whatever is asked
    assert not result_of(one.table.rewrite(KEY))
    assert one.unwritten == [KEY, KEY]
    assert len(one.read) == TRIES


def test_what_was_lost_is_written_by_whoever_has_it(one: Process, other: Process, deployment: Deployment) -> None:
    """The first one writes all of it; what a process itself has heard is never lost."""
    one.change("hello")
    result_of(other.table.refresh(KEY)) or result_of(other.table.load(KEY))
    other.change("bonjour")
    result_of(one.table.refresh(KEY))
    deployment.volatile.are_lost()
    assert (one.unwritten, other.unwritten, record(deployment)) == ([KEY], [KEY], None)
    assert one.change("again").said == {"hello", "bonjour", "again"}
    assert result_of(other.table.rewrite(KEY))
    assert record(deployment) == b"again bonjour hello"
    assert other.value.said == {"hello", "bonjour", "again"}
    assert not result_of(one.table.rewrite(KEY))


def test_what_is_lost_while_it_is_written_is_written_again(one: Process, deployment: Deployment) -> None:
    """The answer came, and then the news that nothing of it is left, while something else was waited for."""
    one.change("hello")
    run = one.disk.run

    def lost(work: Callable[[], object]) -> object:
        deployment.volatile.are_lost()
        return run(work)  # type: ignore[arg-type]  # as above

    one.disk.run = lost  # type: ignore[assignment, method-assign]  # as above
    one.change("again", "note")
    assert (record(deployment), set(one.unwritten)) == (None, {KEY})
    assert result_of(one.table.rewrite(KEY))
    assert record(deployment) == b"again hello"


def test_what_is_lost_while_it_is_written_again_is_written_once_more(one: Process, deployment: Deployment) -> None:
    """As above."""
    one.change("hello")
    deployment.volatile.are_lost()
    run = one.connection.run

    def lost(work: Callable[[], object]) -> object:
        done: object = run(work)  # type: ignore[arg-type]  # as above
        one.memory.put(KEY, replace(one.memory.entries[KEY]))
        return done

    one.connection.run = lost  # type: ignore[assignment, method-assign]  # as above
    assert result_of(one.table.rewrite(KEY))
    assert not one.memory.entries[KEY].is_written


def test_what_nobody_owns_is_said_here_alone(one: Process) -> None:
    """It has no record."""
    result_of(one.table.change("nobody", lambda value: Decision(None, replace(value, kept="x"), False, True)))
    assert one.connection.calls == 0
    assert not result_of(one.table.has_volatile("nobody"))


def test_it_is_known_who_holds_a_value(one: Process) -> None:
    """So that nobody takes it for not being there while it is read."""

    async def held() -> tuple[bool, bool]:
        async with one.table.hold(KEY):
            return one.table.is_held(KEY), one.table.is_held("b")

    assert result_of(held()) == (True, False)
    assert not one.table.is_held(KEY)
