"""What waits for a disk shares its commits; nobody is forgotten, and nothing is said to be durable that is not."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from lyncpy.contracts.group_commit import IGroupCommit
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.shares import Shares
from lyncpy.core.group_commit import GroupCommit, InDoubt, Terms
from lyncpy.core.timers import Timers
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of, started

FULL = StoreUnavailable("the disk is full")


class Desk:
    """A queue, and a disk that answers when the test says so."""

    def __init__(self, **terms: Any) -> None:
        self.clock = Clock()
        self.meter = MemoryMeter()
        self.commits: list[tuple[Sequence[str], Deferred[Sequence[str]]]] = []
        self.durable: list[str] = []
        self.troubles: list[str] = []
        self.lost: list[tuple[str, type[BaseException] | None]] = []
        known = {"bound": Shares(100, {"user": 50}), "on_trouble": self.troubles.append, "on_lost": self.on_lost}
        self.queue: GroupCommit[str, str] = GroupCommit(
            "disk", self.commit, Terms("the disk", **{**known, **terms}), Timers(self.clock, lambda: 0.0), self.meter
        )

    def on_lost(self, item: str, failure: Failure) -> None:
        """Note what was given up."""
        self.lost.append((item, failure.type))

    def commit(self, items: Sequence[str]) -> Deferred[Sequence[str]]:
        """Begin; `answers` ends it."""
        waits: Deferred[Sequence[str]] = Deferred()
        self.commits.append((items, waits))
        return waits

    def answers(self, error: Exception | None = None) -> Sequence[str]:
        """End the commit that is under way; give its items."""
        items, waits = self.commits.pop(0)
        if error is None:
            self.durable += items
            waits.callback([item.upper() for item in items])
        else:
            waits.errback(error)
        return items

    def adds(self, *items: str, **owners: Any) -> "list[Deferred[str]]":
        """Queue items that somebody waits for."""
        return [self.queue.add(item, owners=owners) for item in items]

    def puts(self, *items: str, within_s: float = 0.0) -> list[bool]:
        """Queue items that nobody waits for; the first letter is the key."""
        return [self.queue.put(item, item[0], within_s=within_s) for item in items]

    def under_way(self) -> list[Sequence[str]]:
        """Give the items of commits that are not answered; there is one at most."""
        return [items for items, _ in self.commits]

    def is_empty(self) -> bool:
        """Whether nothing is left, in number, room and age."""
        gauges = {name: read() for name, read in self.meter.gauges.items()}
        assert (len(self.queue) == 0) is (self.queue.size == 0)
        return gauges == {"lyncpy_disk_waiting": 0.0, "lyncpy_disk_oldest_seconds": 0.0}


@pytest.fixture
def desk() -> Desk:
    """An idle queue."""
    return Desk()


def ends(*waits: "Deferred[Any]") -> list[Any]:
    """Give what each came to: a result, or its error; "waits" as long as it waits."""
    results: list[list[Any]] = []
    for one in waits:
        found: list[Any] = []
        _ = one.addBoth(found.append)
        results.append(found)
    return [getattr(found[0], "value", found[0]) if found else "waits" for found in results]


def test_is_what_it_says(desk: Desk) -> None:
    """The implementation declares the promise."""
    assert IGroupCommit.providedBy(desk.queue)


def test_what_comes_during_a_commit_shares_the_next_one(desk: Desk) -> None:
    """The first goes at once, alone; the others together; each gets its own result, when it is durable."""
    waits = desk.adds("a", "b", "c", "d")
    assert desk.under_way() == [["a"]]
    desk.answers()
    assert desk.under_way() == [["b", "c", "d"]]
    assert not waits[1].called
    desk.answers()
    assert ends(*waits) == ["A", "B", "C", "D"]
    assert desk.meter.count("lyncpy_disk_commits") == 2
    assert desk.is_empty()


def test_a_commit_has_its_bound() -> None:
    """More items than a group takes wait for the one after."""
    desk = Desk(group_max=2)
    desk.adds(*"abcdef")
    assert [len(desk.answers()) for _ in range(4)] == [1, 2, 2, 1]


def test_the_disk_works_while_callers_do(desk: Desk) -> None:
    """The next commit is under way before who waited for the last one is told; what they add then is not forgotten."""
    first, _ = desk.adds("a", "b")
    seen: list[list[Sequence[str]]] = []
    _ = first.addCallback(lambda _: seen.append(desk.under_way()))
    desk.answers()
    assert seen == [[["b"]]]
    last = desk.queue.add("c")
    again: list[Deferred[str]] = []
    _ = last.addCallback(lambda _: again.append(desk.queue.add("d")))
    desk.answers()
    desk.answers()
    assert desk.under_way() == [["d"]]


def test_a_failing_world_fails_who_waits(desk: Desk) -> None:
    """Those of the commit are in doubt, those behind it get their own; the trouble is told, and its end."""
    waits = desk.adds("a", "b")
    desk.answers(FULL)
    assert desk.under_way() == [["b"]]
    desk.answers()
    (a, b) = ends(*waits)
    assert (type(a), str(a), b) == (InDoubt, "the disk is full", "B")
    assert desk.troubles == ["the disk is full", ""]
    assert desk.meter.count("lyncpy_disk_commit_failures") == 1
    assert desk.is_empty()


def test_one_item_at_fault_spoils_no_other(desk: Desk) -> None:
    """A group that fails for an item's fault is committed again item by item, in order; only that one fails."""
    waits = desk.adds("-", "a", "bad", "c")
    desk.queue.put("p", "p")
    desk.answers()
    desk.answers(ZeroDivisionError())
    late = desk.queue.add("late")
    assert desk.answers() == ["a"]
    assert desk.answers(ZeroDivisionError()) == ["bad"]
    assert [desk.answers() for _ in range(3)] == [["c"], ["p"], ["late"]]
    assert ends(waits[1], waits[3], late) == ["A", "C", "LATE"]
    assert type(ends(waits[2])[0]) is ZeroDivisionError
    assert (desk.troubles, desk.durable) == ([], ["-", "a", "c", "p", "late"])
    assert desk.is_empty()


def test_a_wrong_number_of_results_is_an_error(desk: Desk) -> None:
    """A commit that answers for others than it got is a bug, and nobody is left waiting."""
    (wait,) = desk.adds("a")
    desk.commits.pop()[1].callback([])
    assert type(ends(wait)[0]) is ValueError


def test_what_waits_is_bounded_in_all_and_for_each_owner() -> None:
    """Who is over their share hits nobody else; what was committed makes room again."""
    desk = Desk(bound=Shares(3, {"user": 2}))
    waits = [*desk.adds("a", "b", "c", user="greedy"), *desk.adds("d", "e", user="modest")]
    assert [str(end) for end in ends(*waits)] == [
        "waits",
        "waits",
        "too much of one user waits for the disk",
        "waits",
        "too much waits for the disk",
    ]
    assert desk.queue.size == 3
    assert desk.queue.put("f", "f") is False
    desk.answers()
    desk.answers()
    assert desk.is_empty()
    assert ends(*desk.adds("g", user="greedy")) == ["waits"]


def test_sizes_are_the_users() -> None:
    """Bytes, where bytes are what is bounded."""
    desk = Desk(bound=Shares(1000, {}))
    first = desk.queue.add("a", size=900)
    assert [str(end) for end in ends(desk.queue.add("b", size=101))] == ["too much waits for the disk"]
    desk.answers()
    assert ends(first) == ["A"]


def test_a_caller_that_is_cancelled_disturbs_nobody(desk: Desk) -> None:
    """The item may become durable or not; the others are."""
    waits = desk.adds("a", "b", "c")
    waits[1].cancel()
    desk.answers()
    desk.answers()
    assert type(ends(waits[1])[0]) is CancelledError
    assert ends(waits[0], waits[2]) == ["A", "C"]
    assert desk.is_empty()


# --- written behind


def test_a_burst_of_states_costs_one_commit_of_the_newest(desk: Desk) -> None:
    """They may wait for a moment; another commit takes them along."""
    desk.puts("a1", "a2", "a3", within_s=1.0)
    assert desk.under_way() == []
    desk.clock.advance(1.0)
    assert desk.answers() == ["a3"]
    desk.puts("a4", within_s=1.0)
    desk.puts("b1")
    assert desk.answers() == ["a4", "b1"]
    desk.clock.advance(5)
    assert desk.is_empty()


def test_a_state_that_comes_during_the_commit_is_committed_after_it(desk: Desk) -> None:
    """The end is not lost behind the beginning."""
    desk.puts("a1", "a2", "a3")
    assert [desk.answers(), desk.answers()] == [["a1"], ["a3"]]
    assert desk.is_empty()


def test_what_failed_is_tried_again_later_each_time(desk: Desk) -> None:
    """In its place, the newest state of it; a disk that is broken is not asked without end."""
    desk.puts("a1", "b1", "c1")
    desk.answers(FULL)
    assert desk.puts("a2", "d1") == [True, True]
    assert desk.under_way() == []
    delays = []
    for _ in range(8):
        delay = 0
        while not desk.commits:
            desk.clock.advance(1)
            delay += 1
        delays.append(delay)
        assert desk.under_way() == [["b1", "c1", "a2", "d1"]] or desk.under_way() == [["a2", "b1", "c1", "d1"]]
        desk.answers(FULL)
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (1, 30)
    assert desk.meter.gauges["lyncpy_disk_oldest_seconds"]() == sum(delays)
    desk.clock.advance(30)
    desk.answers()
    assert desk.is_empty()
    assert desk.troubles[-1] == ""
    desk.puts("a3")
    assert desk.under_way() == [["a3"]]


def test_a_newer_state_of_what_failed_takes_its_place(desk: Desk) -> None:
    """It came while the commit was under way: the older one is forgotten, its age is not."""
    desk.puts("a1")
    desk.clock.advance(3)
    desk.puts("a2")
    desk.answers(FULL)
    assert (desk.queue.items(), desk.queue.oldest_s()) == (["a2"], 3.0)
    desk.clock.advance(1)
    assert desk.answers() == ["a2"]
    assert desk.is_empty()


def test_who_waits_tries_a_disk_that_failed_at_once(desk: Desk) -> None:
    """And takes along what waits for its next turn."""
    desk.puts("a1")
    desk.answers(FULL)
    (wait,) = desk.adds("b")
    assert desk.answers() == ["a1", "b"]
    assert ends(wait) == ["B"]
    desk.clock.advance(60)
    assert desk.is_empty()


def test_trouble_of_who_waits_delays_what_is_written_behind(desk: Desk) -> None:
    """It is not forgotten either, though nothing of it has failed yet."""
    desk.adds("a")
    desk.answers(FULL)
    desk.puts("b1")
    assert desk.under_way() == []
    desk.clock.advance(1)
    assert desk.answers() == ["b1"]


def test_an_item_that_no_disk_takes_is_given_up(desk: Desk) -> None:
    """It holds up no other, and whoever keeps count hears of it."""
    desk.puts("a1", "x1", "c1")
    desk.answers()
    desk.answers(ZeroDivisionError())
    assert desk.answers(ZeroDivisionError()) == ["x1"]
    assert desk.answers() == ["c1"]
    assert desk.lost == [("x1", ZeroDivisionError)]
    assert desk.is_empty()


# --- a disk that hangs


def test_nobody_waits_for_ever() -> None:
    """After answer_s those who wait fail, and who comes until the disk answers; then all goes on."""
    desk = Desk(answer_s=5.0)
    waits = desk.adds("a", "b")
    desk.puts("p1")
    desk.clock.advance(5)
    assert desk.queue.hangs
    found = [*ends(*waits), *ends(*desk.adds("c"))]
    assert [type(end) for end in found] == [InDoubt, StoreUnavailable, StoreUnavailable]
    assert {str(end) for end in found} == {"the disk does not answer"}
    assert desk.troubles == ["the disk does not answer"]
    assert (len(desk.queue), desk.queue.size) == (2, 2)
    desk.answers()
    assert not desk.queue.hangs
    assert desk.answers() == ["p1"]
    assert ends(*desk.adds("d")) == ["waits"]
    desk.answers()
    assert desk.troubles == ["the disk does not answer", ""]
    assert desk.is_empty()


def test_a_disk_that_fails_after_it_hung_fails_nobody_twice() -> None:
    """Who was told is not told again."""
    desk = Desk(answer_s=5.0)
    (wait,) = desk.adds("a")
    desk.clock.advance(5)
    desk.answers(FULL)
    assert type(ends(wait)[0]) is InDoubt
    assert desk.is_empty()


# --- the end


def test_an_orderly_end_commits_what_waits(desk: Desk) -> None:
    """What was asked before is done; what is asked after is refused. It may be closed twice."""
    waits = desk.adds("a", "b")
    desk.puts("c1", within_s=9.0)
    closing = started(desk.queue.close(5.0))
    late = desk.queue.add("late")
    assert desk.queue.put("e", "e") is False
    assert ends(closing) == ["waits"]
    desk.answers()
    desk.answers()
    assert ends(closing, *waits)[1:] == ["A", "B"]
    assert str(ends(late)[0]) == "the disk is closed"
    assert result_of(desk.queue.close(5.0)) == 0
    assert desk.durable == ["a", "b", "c1"]
    assert len(desk.queue._timers) == 0  # type: ignore[arg-type]  # the real ones have a length


def test_an_orderly_end_counts_what_a_failing_disk_did_not_take(desk: Desk) -> None:
    """It is tried once more, and no longer."""
    desk.puts("a1")
    desk.answers(FULL)
    closing = started(desk.queue.close(5.0))
    assert desk.answers(FULL) == ["a1"]
    assert (ends(closing), desk.queue.items()) == ([1], ["a1"])
    desk.clock.advance(60)
    assert desk.commits == []


def test_an_orderly_end_has_its_bound(desk: Desk) -> None:
    """Who waits for a slow disk then is told so, and the number is known."""
    waits = desk.adds("a", "b")
    desk.puts("c1")
    closing = started(desk.queue.close(5.0))
    desk.clock.advance(5)
    assert ends(closing) == [3]
    found = ends(*waits)
    assert [type(end) for end in found] == [InDoubt, StoreUnavailable]
    assert str(found[0]) == "the disk did not take it within 5 s"
    desk.answers()
    desk.answers()
    assert desk.is_empty()


def test_a_bug_in_who_hears_of_trouble_stops_no_commit() -> None:
    """It is logged, and the queue goes on; nothing is forgotten."""

    def fails(reason: str) -> None:
        raise ZeroDivisionError

    desk = Desk(on_trouble=fails)
    desk.puts("a1")
    with capturedLogs() as events:
        desk.answers(FULL)
    assert [event["log_failure"].type for event in events] == [ZeroDivisionError]
    desk.adds("b")
    assert desk.under_way() == [["a1", "b"]]
