"""A group commit under any weather: nobody is forgotten, nothing is said to be durable before it is, order holds."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.shares import Shares
from lyncpy.core.group_commit import GroupCommit, GroupCommitTerms
from lyncpy.core.timers import Timers
from tests.kit.fakes import awaited
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of, started

TOTAL, EACH = 12, 8
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("xyz!")),
        st.tuples(st.just("put"), st.sampled_from("abc!")),
        st.tuples(st.just("soon"), st.sampled_from("abc")),
        st.tuples(st.sampled_from(["works", "works", "fails", "cancel", "close"]), st.just("")),
        st.tuples(st.just("waits"), st.sampled_from("159")),
    ),
    max_size=60,
)
"""What callers, the disk and the clock do; "!" is an item that no disk takes."""

Item = tuple[str, int]
"""A name, and its number."""


class Weather:
    """A queue, and what it is judged by."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.number = 0
        self.durable: list[Item] = []
        self.lost: set[Item] = set()
        self.answers: dict[Item, list[object]] = {}
        self.waits: list[Deferred[Item]] = []
        self.newest: dict[str, int] = {}
        self.under_way: tuple[Sequence[Item], Deferred[Sequence[Item]]] | None = None
        self.bound = Shares(TOTAL, {"user": EACH}, {})
        terms: GroupCommitTerms[Item] = GroupCommitTerms(
            "the disk", self.bound, group_max=4, answer_s=6.0, on_lost=self.on_lost
        )
        timers = Timers(self.clock, lambda: 0.0)
        self.queue: GroupCommit[Item, Item] = GroupCommit("disk", self.commit, terms, timers, MemoryMeter())

    def on_lost(self, item: Item, _: Failure) -> None:
        """An item was given up."""
        assert item[0] == "!"
        self.lost.add(item)

    def commit(self, items: Sequence[Item]) -> Deferred[Sequence[Item]]:
        """Begin; there is one at a time."""
        assert self.under_way is None
        waits: Deferred[Sequence[Item]] = Deferred()
        self.under_way = items, waits
        return waits

    def end(self, *, works: bool) -> None:
        """The disk answers."""
        if self.under_way is None:
            return
        (items, waits), self.under_way = self.under_way, None
        if not works:
            waits.errback(StoreUnavailable("broken"))
        elif any(name == "!" for name, _ in items):
            waits.errback(ValueError("!"))
        else:
            self.durable += items
            waits.callback(items)

    def settles(self) -> None:
        """The disk works from now on."""
        while self.under_way is not None:
            self.end(works=True)

    def does(self, what: str, word: str) -> None:
        """Do one step."""
        self.number += 1
        item = (word, self.number)
        match what:
            case "add":
                answer = self.queue.add(item, owners={"user": word})
                _ = answer.addCallbacks(self.kept, lambda failure: failure)
                _ = answer.addBoth(self.answers.setdefault(item, []).append)
                self.waits.append(answer)
            case "put" | "soon":
                if self.queue.add_unawaited(item, word, within_s=2.0 if what == "soon" else 0.0, owners={"user": word}):
                    self.newest[word] = self.number
            case "works" | "fails":
                self.end(works=what == "works")
            case "cancel" if self.waits:
                self.waits.pop().cancel()
            case "waits":
                self.clock.advance(int(word))
            case "close":
                _ = started(self.queue.close(3.0))
        assert len(self.bound) <= TOTAL
        assert all(self.bound.excess({"user": name}, 0) != "user" for name in "abcxyz!")

    def kept(self, item: Item) -> Item:
        """Who waits is told: it has to be durable by now."""
        assert item in self.durable
        return item


@given(STEPS)
def test_whatever_callers_disk_and_clock_do(steps: list[tuple[str, str]]) -> None:
    """Each caller is answered once; the newest of each state is durable in the end, or counted; room comes back."""
    weather = Weather()
    for what, word in steps:
        weather.does(what, word)
    for _ in range(40):
        weather.settles()
        weather.clock.advance(1)
    weather.settles()
    assert weather.queue.size == 0 or any(what == "close" for what, _ in steps)
    closing = started(weather.queue.close(1.0))
    weather.settles()
    assert result_of(awaited(closing)) == 0
    assert (len(weather.queue), len(weather.bound)) == (0, 0)
    assert weather.queue.oldest_s() == 0.0
    assert all(len(found) == 1 for found in weather.answers.values())
    _in_order(weather)
    for name, number in weather.newest.items():
        assert (name, number) in weather.durable or (name, number) in weather.lost


def _in_order(weather: Weather) -> None:
    """Nothing is committed twice, no older state of a name after a newer one, and who waits in the order they came."""
    assert len(weather.durable) == len(set(weather.durable))
    awaited = [number for name, number in weather.durable if name in "xyz"]
    assert awaited == sorted(awaited)
    for of in "abc":
        states = [number for name, number in weather.durable if name == of]
        assert states == sorted(states)
