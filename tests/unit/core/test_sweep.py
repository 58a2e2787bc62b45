"""What others wrote is found, though nobody told it."""

from collections.abc import Iterable

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.bus import FactsLost
from lyncpy.contracts.facts import BoardChanged, ContactsChanged
from lyncpy.contracts.names import NodeName, Version
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.store import REMOVED_S, Mark, Written
from lyncpy.core import sweep as module
from lyncpy.core.sweep import SOON_S, Sweep
from lyncpy.core.timers import Timers
from tests.kit.fakes import FragileStore, Fragility
from tests.kit.memory import MemoryStore
from tests.kit.meters import MemoryMeter
from tests.kit.results import answer_of, result_of

EVERY_S = 30.0
NONE = Version(0)


class Table:
    """Values of one kind in memory, each as its version."""

    def __init__(self, store: FragileStore, kind: str) -> None:
        """Hold nothing yet."""
        self.values: dict[str, Version] = {}
        self.renewed: list[str] = []
        self._store = store
        self._kind = kind

    def held(self) -> Iterable[str]:
        """Give what is in memory."""
        return self.values

    def version_of(self, key: str) -> Version | None:
        """Give the version of what is in memory."""
        return self.values.get(key)

    async def renew(self, key: str) -> None:
        """Read it."""
        record = await self._store.read(self._kind, key)
        self.values[key] = NONE if record is None else record.version
        self.renewed.append(key)


class Deployment:
    """A store that others write, and a process that holds some of it."""

    def __init__(self) -> None:
        """Open the sweep of an empty store."""
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: 1_000_000.0 + self.clock.seconds())
        self.others = MemoryStore(self.timers.wall)
        self.disk = Fragility()
        self.bus = MemoryBus(NodeName("here"), self.clock)
        self.sweep = Sweep(self.bus, self.timers, MemoryMeter(), EVERY_S)
        store = FragileStore(self.others, self.disk)
        self.boards, self.lists = Table(store, "board"), Table(store, "contacts")
        self.sweep.cover(store, "board", self.boards, BoardChanged)
        self.sweep.cover(store, "contacts", self.lists, ContactsChanged)
        result_of(self.sweep.open())

    def write(self, kind: str, key: str) -> Version:
        """Have another process write the next version of a record."""
        record = answer_of(self.others.read(kind, key))
        version: Version = answer_of(self.others.write(kind, key, b"x", NONE if record is None else record.version))
        return version

    def passes(self, seconds: float) -> None:
        """Let time pass, and happen what happens soon."""
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)


@pytest.fixture
def there() -> Deployment:
    """One."""
    return Deployment()


def test_what_nobody_told_is_read_again_after_a_while(there: Deployment) -> None:
    """Of each kind, if somebody here holds it, and holds another version."""
    there.boards.values |= {"alice": NONE, "bob": there.write("board", "bob")}
    there.lists.values["alice"] = NONE
    versions = there.write("board", "alice"), there.write("contacts", "alice")
    there.write("board", "carol")
    there.passes(EVERY_S - 1)
    assert there.boards.renewed == there.lists.renewed == []
    there.passes(1)
    assert (there.boards.renewed, there.lists.renewed) == (["alice"], ["alice"])
    assert (there.boards.values["alice"], there.lists.values["alice"]) == versions
    there.passes(EVERY_S * 3)
    assert there.boards.renewed == ["alice"]
    answer_of(there.others.remove("board", "alice", versions[0]))
    there.passes(EVERY_S)
    assert there.boards.values["alice"] == NONE


def test_it_is_looked_at_once_when_news_may_be_lost(there: Deployment) -> None:
    """However often that is said, and once more if it is said meanwhile."""
    there.boards.values["alice"] = NONE
    there.write("board", "alice")
    for _ in range(5):
        there.bus.tell(FactsLost())
    there.passes(0)
    there.passes(SOON_S)
    assert there.boards.renewed == ["alice"]


def test_only_what_may_have_been_told_is_looked_at(there: Deployment) -> None:
    """Where it is known which kind of news may be lost, what others tell otherwise waits for its time."""
    there.boards.values["alice"] = there.lists.values["alice"] = NONE
    there.write("board", "alice")
    there.write("contacts", "alice")
    there.bus.tell(FactsLost(frozenset({BoardChanged})))
    there.passes(0)
    there.passes(SOON_S)
    assert (there.boards.renewed, there.lists.renewed) == (["alice"], [])
    there.bus.tell(FactsLost(frozenset({BoardChanged, ContactsChanged})))
    there.passes(0)
    there.passes(SOON_S)
    assert there.lists.renewed == ["alice"]


def test_what_fails_is_done_later(there: Deployment) -> None:
    """Nothing is left out, and the age says how long it is ago."""
    there.boards.values["alice"] = NONE
    there.write("board", "alice")
    there.disk.broken = True
    there.passes(EVERY_S)
    there.passes(EVERY_S)
    assert (there.boards.renewed, there.sweep.age_s) == ([], 2 * EVERY_S)
    there.disk.broken = False
    there.passes(EVERY_S)
    assert (there.boards.renewed, there.sweep.age_s) == (["alice"], 0)


def test_a_value_that_cannot_be_read_is_read_the_next_time(there: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before it counts."""
    there.boards.values |= {"alice": NONE, "bob": NONE}
    there.write("board", "alice")
    there.write("board", "bob")
    whole = there.boards.renew

    async def renew(key: str) -> None:
        if key == "bob":
            raise StoreUnavailable("hangs")
        await whole(key)

    monkeypatch.setattr(there.boards, "renew", renew)
    there.passes(EVERY_S)
    monkeypatch.setattr(there.boards, "renew", whole)
    there.passes(EVERY_S)
    assert there.boards.renewed == ["alice", "bob"]


def test_much_is_looked_at_in_slices(there: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sweep takes a bounded part; the rest follows soon."""
    monkeypatch.setattr(module, "SLICE", 2)
    monkeypatch.setattr(module, "SLICES_MOST", 3)
    names = [f"{number:02d}" for number in range(15)]
    for name in names:
        there.boards.values[name] = NONE
        there.write("board", name)
    there.passes(EVERY_S)
    assert there.boards.renewed == names[:6]
    there.passes(SOON_S)
    there.passes(SOON_S)
    assert there.boards.renewed == names


def test_all_is_read_again_where_nobody_knows_what_was_written(there: Deployment) -> None:
    """As of another database than before, or after the store was away for longer than it tells of removals."""
    there.boards.values |= {"alice": NONE, "bob": NONE}
    for _ in range(3):
        there.write("board", "alice")
    there.passes(EVERY_S)
    there.boards.renewed.clear()
    there.others.kept = {}
    there.passes(EVERY_S)
    assert sorted(there.boards.renewed) == ["alice", "bob"]
    assert there.boards.values["alice"] == NONE
    there.boards.renewed.clear()
    there.disk.broken = True
    there.passes(REMOVED_S)
    there.disk.broken = False
    there.passes(EVERY_S)
    assert sorted(there.boards.renewed) == ["alice", "bob"]


def test_who_ends_sweeps_no_more(there: Deployment) -> None:
    """Also when one is under way."""
    there.boards.values["alice"] = NONE
    there.write("board", "alice")
    there.disk.slow_down()
    there.passes(EVERY_S)
    result_of(there.sweep.close())
    there.disk.catch_up()
    there.passes(EVERY_S)
    assert not there.clock.getDelayedCalls()


@pytest.mark.parametrize("error", [RuntimeError("a fault"), Refused(503)])
def test_what_always_fails_keeps_nothing_else_waiting(
    there: Deployment, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Neither another kind, nor others of its own; it is tried each time, and the age says that it is older than the store."""
    there.boards.values |= {"alice": NONE, "bob": NONE}
    there.lists.values["alice"] = NONE
    whole = there.boards.renew

    async def renew(key: str) -> None:
        if key == "alice":
            raise error
        await whole(key)

    monkeypatch.setattr(there.boards, "renew", renew)
    for kind, key in (("board", "alice"), ("board", "bob"), ("contacts", "alice")):
        there.write(kind, key)
    with capturedLogs():
        there.passes(EVERY_S)
        there.passes(EVERY_S)
    assert (there.boards.renewed, there.lists.renewed) == (["bob"], ["alice"])
    assert there.sweep.age_s == 2 * EVERY_S
    there.write("board", "bob")
    with capturedLogs():
        there.passes(EVERY_S)
    assert there.boards.renewed == ["bob", "bob"]
    monkeypatch.setattr(there.boards, "renew", whole)
    there.passes(EVERY_S)
    assert (there.boards.renewed, there.sweep.age_s) == (["bob", "bob", "alice"], 0)


def test_a_kind_that_takes_long_keeps_no_other_waiting(there: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is looked at at its own pace."""
    there.boards.values["alice"] = there.lists.values["alice"] = NONE

    async def never(key: str) -> None:
        await Deferred[None]()

    monkeypatch.setattr(there.boards, "renew", never)
    there.write("board", "alice")
    for _ in range(2):
        there.write("contacts", "alice")
        there.passes(EVERY_S)
    assert there.lists.renewed == ["alice"] * 2


def test_what_an_open_transaction_hides_is_said(there: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in memory is as old as the last look that was told all; after some minutes that is a condition, with what to do."""
    following = 0

    async def written(self: FragileStore, kind: str, since: Mark | None, limit: int) -> Written:
        return Written(Mark(5), following=following)

    monkeypatch.setattr(FragileStore, "written", written)
    there.passes(EVERY_S)
    assert (there.sweep.age_s, there.sweep.held_s, there.sweep.conditions()) == (0.0, 0.0, ())
    following = 7
    for _ in range(10):
        there.passes(EVERY_S)
    assert (there.sweep.age_s, there.sweep.held_s) == (10 * EVERY_S, 9 * EVERY_S)
    (reason,) = there.sweep.conditions()
    assert "ROLLBACK PREPARED" in reason.remedy
    assert dict(there.sweep.states())["an open transaction hides what others write, s"] == 9 * EVERY_S
    # It ends, and another one is open: what was written before that is seen.
    monkeypatch.setattr(FragileStore, "written", lambda *_: succeed(Written(Mark(8), following=9)))
    there.passes(EVERY_S)
    assert (there.sweep.age_s, there.sweep.held_s, there.sweep.conditions()) == (10 * EVERY_S, 0.0, ())
    following = 5
    monkeypatch.setattr(FragileStore, "written", written)
    there.passes(EVERY_S)
    assert (there.sweep.age_s, there.sweep.held_s) == (0.0, 0.0)
