"""What waits for a disk shares its commits; nobody is forgotten, and nothing is said to be durable that is not."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from lyncpy.contracts.group_commit import IGroupCommit
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.shares import Shares
from lyncpy.core.group_commit import CommitInDoubt, GroupCommit, GroupCommitTerms
from lyncpy.core.timers import Timers
from tests.kit.calls import calls_of
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of, started

FULL = StoreUnavailable("the disk is full")


class Desk:
    """A queue, and a disk that answers when the test says so."""

    def __init__(self, **terms: Any) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: 0.0)
        self.meter = MemoryMeter()
        self.commits: list[tuple[Sequence[str], Deferred[Sequence[str]]]] = []
        self.durable: list[str] = []
        self.bug: Exception | None = None
        self.troubles: list[str] = []
        self.lost: list[tuple[str, type[BaseException] | None]] = []
        known = {"bound": Shares(100, {"user": 50}, {}), "on_trouble": self.troubles.append, "on_lost": self.on_lost}
        self.queue: GroupCommit[str, str] = GroupCommit(
            "disk",
            self.commit,
            GroupCommitTerms("the disk", **{**known, **terms}),
            self.timers,
            self.meter,
        )

    def on_lost(self, item: str, failure: Failure) -> None:
        """Note what was given up."""
        self.lost.append((item, failure.type))

    def commit(self, items: Sequence[str]) -> Deferred[Sequence[str]]:
        """Begin; `answers` ends it."""
        if self.bug is not None:
            raise self.bug
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
        return [self.queue.add_unawaited(item, item[0], within_s=within_s) for item in items]

    def under_way(self) -> list[Sequence[str]]:
        """Give the items of commits that are not answered; there is one at most."""
        return [items for items, _ in self.commits]

    def is_empty(self) -> bool:
        """Whether nothing is left, in number, room and age."""
        gauges = {name: read() for name, read in self.meter.gauges.items()}
        assert (len(self.queue) == 0) is (self.queue.size == 0)
        return gauges == {"lyncpy_disk_waiting_count": 0.0, "lyncpy_disk_oldest_seconds": 0.0}


@pytest.fixture
def scene() -> Desk:
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


def test_is_what_it_says(scene: Desk) -> None:
    """The implementation declares the promise."""
    assert IGroupCommit.providedBy(scene.queue)


def test_what_comes_during_a_commit_shares_the_next_one(scene: Desk) -> None:
    """The first goes at once, alone; the others together; each gets its own result, when it is durable."""
    waits = scene.adds("a", "b", "c", "d")
    assert scene.under_way() == [["a"]]
    scene.answers()
    assert scene.under_way() == [["b", "c", "d"]]
    assert not waits[1].called
    scene.answers()
    assert ends(*waits) == ["A", "B", "C", "D"]
    assert scene.meter.count("lyncpy_disk_commits_total") == 2
    assert scene.is_empty()


def test_a_commit_has_its_bound() -> None:
    """More items than a group takes wait for the one after."""
    scene = Desk(group_max=2)
    scene.adds(*"abcdef")
    assert [len(scene.answers()) for _ in range(4)] == [1, 2, 2, 1]


def test_the_disk_works_while_callers_do(scene: Desk) -> None:
    """The next commit is under way before who waited for the last one is told; what they add then is not forgotten."""
    first, _ = scene.adds("a", "b")
    seen: list[list[Sequence[str]]] = []
    _ = first.addCallback(lambda _: seen.append(scene.under_way()))
    scene.answers()
    assert seen == [[["b"]]]
    last = scene.queue.add("c")
    again: list[Deferred[str]] = []
    _ = last.addCallback(lambda _: again.append(scene.queue.add("d")))
    scene.answers()
    scene.answers()
    assert scene.under_way() == [["d"]]


def test_a_failing_world_fails_who_waits(scene: Desk) -> None:
    """Those of the commit are in doubt, those behind it get their own; the trouble is told, and its end."""
    waits = scene.adds("a", "b")
    scene.answers(FULL)
    assert scene.under_way() == [["b"]]
    scene.answers()
    (a, b) = ends(*waits)
    assert (type(a), str(a), b) == (CommitInDoubt, "the disk is full", "B")
    assert scene.troubles == ["the disk is full", ""]
    assert scene.meter.count("lyncpy_disk_commit_failures_total") == 1
    assert scene.is_empty()


def test_one_item_at_fault_spoils_no_other(scene: Desk) -> None:
    """A group that fails for an item's fault is committed again item by item, in order; only that one fails."""
    waits = scene.adds("-", "a", "bad", "c")
    scene.queue.add_unawaited("p", "p")
    scene.answers()
    scene.answers(ZeroDivisionError())
    late = scene.queue.add("late")
    assert scene.answers() == ["a"]
    assert scene.answers(ZeroDivisionError()) == ["bad"]
    assert [scene.answers() for _ in range(3)] == [["c"], ["p"], ["late"]]
    assert ends(waits[1], waits[3], late) == ["A", "C", "LATE"]
    assert type(ends(waits[2])[0]) is ZeroDivisionError
    assert (scene.troubles, scene.durable) == ([], ["-", "a", "c", "p", "late"])
    assert scene.is_empty()


def test_a_wrong_number_of_results_is_an_error(scene: Desk) -> None:
    """A commit that answers for others than it got is a bug, and nobody is left waiting."""
    (wait,) = scene.adds("a")
    scene.commits.pop()[1].callback([])
    assert type(ends(wait)[0]) is ValueError


def test_what_waits_is_bounded_in_all_and_for_each_owner() -> None:
    """Who is over their share hits nobody else; what was committed makes room again."""
    scene = Desk(bound=Shares(3, {"user": 2}, {}))
    waits = [*scene.adds("a", "b", "c", user="greedy"), *scene.adds("d", "e", user="modest")]
    assert [str(end) for end in ends(*waits)] == [
        "waits",
        "waits",
        "too much of one user waits for the disk",
        "waits",
        "too much waits for the disk",
    ]
    assert scene.queue.size == 3
    assert scene.queue.add_unawaited("f", "f") is False
    scene.answers()
    scene.answers()
    assert scene.is_empty()
    assert ends(*scene.adds("g", user="greedy")) == ["waits"]


def test_sizes_are_the_users() -> None:
    """Bytes, where bytes are what is bounded."""
    scene = Desk(bound=Shares(1000, {}, {}))
    first = scene.queue.add("a", size=900)
    assert [str(end) for end in ends(scene.queue.add("b", size=101))] == ["too much waits for the disk"]
    scene.answers()
    assert ends(first) == ["A"]


def test_a_caller_that_is_cancelled_disturbs_nobody(scene: Desk) -> None:
    """The item may become durable or not; the others are."""
    waits = scene.adds("a", "b", "c")
    waits[1].cancel()
    scene.answers()
    scene.answers()
    assert type(ends(waits[1])[0]) is CancelledError
    assert ends(waits[0], waits[2]) == ["A", "C"]
    assert scene.is_empty()


# --- written behind


def test_a_burst_of_states_costs_one_commit_of_the_newest(scene: Desk) -> None:
    """They may wait for a moment; another commit takes them along."""
    scene.puts("a1", "a2", "a3", within_s=1.0)
    assert scene.under_way() == []
    scene.clock.advance(1.0)
    assert scene.answers() == ["a3"]
    scene.puts("a4", within_s=1.0)
    scene.puts("b1")
    assert scene.answers() == ["a4", "b1"]
    scene.clock.advance(5)
    assert scene.is_empty()


def test_a_state_that_comes_during_the_commit_is_committed_after_it(scene: Desk) -> None:
    """The end is not lost behind the beginning."""
    scene.puts("a1", "a2", "a3")
    assert [scene.answers(), scene.answers()] == [["a1"], ["a3"]]
    assert scene.is_empty()


def test_what_failed_is_tried_again_later_each_time(scene: Desk) -> None:
    """In its place, the newest state of it; a disk that is broken is not asked without end."""
    scene.puts("a1", "b1", "c1")
    scene.answers(FULL)
    assert scene.puts("a2", "d1") == [True, True]
    assert scene.under_way() == []
    delays = []
    for _ in range(8):
        delay = 0
        while not scene.commits:
            scene.clock.advance(1)
            delay += 1
        delays.append(delay)
        assert scene.under_way() == [["b1", "c1", "a2", "d1"]] or scene.under_way() == [["a2", "b1", "c1", "d1"]]
        scene.answers(FULL)
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (1, 30)
    assert scene.meter.gauges["lyncpy_disk_oldest_seconds"]() == sum(delays)
    scene.clock.advance(30)
    scene.answers()
    assert scene.is_empty()
    assert scene.troubles[-1] == ""
    scene.puts("a3")
    assert scene.under_way() == [["a3"]]


def test_a_newer_state_of_what_failed_takes_its_place(scene: Desk) -> None:
    """It came while the commit was under way: the older one is forgotten, its age is not."""
    scene.puts("a1")
    scene.clock.advance(3)
    scene.puts("a2")
    scene.answers(FULL)
    assert (scene.queue.items(), scene.queue.oldest_s()) == (["a2"], 3.0)
    scene.clock.advance(1)
    assert scene.answers() == ["a2"]
    assert scene.is_empty()


def test_who_waits_tries_a_disk_that_failed_at_once(scene: Desk) -> None:
    """And takes along what waits for its next turn."""
    scene.puts("a1")
    scene.answers(FULL)
    (wait,) = scene.adds("b")
    assert scene.answers() == ["a1", "b"]
    assert ends(wait) == ["B"]
    scene.clock.advance(60)
    assert scene.is_empty()


def test_trouble_of_who_waits_delays_what_is_written_behind(scene: Desk) -> None:
    """It is not forgotten either, though nothing of it has failed yet."""
    scene.adds("a")
    scene.answers(FULL)
    scene.puts("b1")
    assert scene.under_way() == []
    scene.clock.advance(1)
    assert scene.answers() == ["b1"]


def test_an_item_that_no_disk_takes_is_given_up(scene: Desk) -> None:
    """It holds up no other, and whoever keeps count hears of it."""
    scene.puts("a1", "x1", "c1")
    scene.answers()
    scene.answers(ZeroDivisionError())
    assert scene.answers(ZeroDivisionError()) == ["x1"]
    assert scene.answers() == ["c1"]
    assert scene.lost == [("x1", ZeroDivisionError)]
    assert scene.is_empty()


# --- a disk that hangs


def test_nobody_waits_for_ever() -> None:
    """After answer_s those who wait fail, and who comes until the disk answers; then all goes on."""
    scene = Desk(answer_s=5.0)
    waits = scene.adds("a", "b")
    scene.puts("p1")
    scene.clock.advance(5)
    assert scene.queue.hangs
    found = [*ends(*waits), *ends(*scene.adds("c"))]
    assert [type(end) for end in found] == [CommitInDoubt, StoreUnavailable, StoreUnavailable]
    assert {str(end) for end in found} == {"the disk does not answer"}
    assert scene.troubles == ["the disk does not answer"]
    assert (len(scene.queue), scene.queue.size) == (2, 2)
    scene.answers()
    assert not scene.queue.hangs
    assert scene.answers() == ["p1"]
    assert ends(*scene.adds("d")) == ["waits"]
    scene.answers()
    assert scene.troubles == ["the disk does not answer", ""]
    assert scene.is_empty()


def test_a_disk_that_fails_after_it_hung_fails_nobody_twice() -> None:
    """Who was told is not told again."""
    scene = Desk(answer_s=5.0)
    (wait,) = scene.adds("a")
    scene.clock.advance(5)
    scene.answers(FULL)
    assert type(ends(wait)[0]) is CommitInDoubt
    assert scene.is_empty()


# --- the end


def test_an_orderly_end_commits_what_waits(scene: Desk) -> None:
    """What was asked before is done; what is asked after is refused. It may be closed twice."""
    waits = scene.adds("a", "b")
    scene.puts("c1", within_s=9.0)
    closing = started(scene.queue.close(5.0))
    late = scene.queue.add("late")
    assert scene.queue.add_unawaited("e", "e") is False
    assert ends(closing) == ["waits"]
    scene.answers()
    scene.answers()
    assert ends(closing, *waits)[1:] == ["A", "B"]
    assert str(ends(late)[0]) == "the disk is closed"
    assert result_of(scene.queue.close(5.0)) == 0
    assert scene.durable == ["a", "b", "c1"]
    assert len(scene.timers) == 0


def test_an_orderly_end_counts_what_a_failing_disk_did_not_take(scene: Desk) -> None:
    """It is tried once more, and no longer."""
    scene.puts("a1")
    scene.answers(FULL)
    closing = started(scene.queue.close(5.0))
    assert scene.answers(FULL) == ["a1"]
    assert (ends(closing), scene.queue.items()) == ([1], ["a1"])
    scene.clock.advance(60)
    assert scene.commits == []


def test_an_orderly_end_has_its_bound(scene: Desk) -> None:
    """Who waits for a slow disk then is told so, and the number is known."""
    waits = scene.adds("a", "b")
    scene.puts("c1")
    closing = started(scene.queue.close(5.0))
    scene.clock.advance(5)
    assert ends(closing) == [3]
    found = ends(*waits)
    assert [type(end) for end in found] == [CommitInDoubt, StoreUnavailable]
    assert str(found[0]) == "the disk did not take it within 5 s"
    scene.answers()
    scene.answers()
    assert scene.is_empty()


def test_a_bug_in_who_hears_of_trouble_stops_no_commit() -> None:
    """It is logged, and the queue goes on; nothing is forgotten."""

    def fails(reason: str) -> None:
        raise ZeroDivisionError

    scene = Desk(on_trouble=fails)
    scene.puts("a1")
    with capturedLogs() as events:
        scene.answers(FULL)
    assert [event["log_failure"].type for event in events] == [ZeroDivisionError]
    scene.adds("b")
    assert scene.under_way() == [["a1", "b"]]


def test_callers_go_on_in_several_turns_and_in_order(scene: Desk) -> None:
    """Each works for a while when its item is durable: others have their turn in between, and the disk goes on."""
    done: list[str] = []

    def work(result: str) -> None:
        scene.clock.rightNow += 0.0015
        done.append(result)

    for names in ("a", "bcdefg", "h"):
        for wait in scene.adds(*names):
            _ = wait.addCallback(work)
        if names != "h":
            scene.answers()
    scene.answers()
    assert done == ["A", "B", "C", "D"]
    assert scene.under_way() == [["h"]], "the next commit waits for nobody"
    scene.answers()
    scene.clock.advance(0.0)
    assert "".join(done) == "ABCDEFGH"
    assert scene.is_empty()


def test_a_commit_hangs_only_while_the_disk_does_not_answer() -> None:
    """However long the callers of the group before it take."""
    scene = Desk(answer_s=1.0)
    waits = scene.adds("a", *"bcd")
    scene.answers()
    for wait in waits[1:]:
        _ = wait.addCallback(lambda _: setattr(scene.clock, "rightNow", scene.clock.rightNow + 3.0))
    last = scene.adds("e")
    scene.answers()
    scene.answers()
    scene.clock.advance(0.0)
    scene.clock.advance(5.0)
    assert ends(*last) == ["E"]
    assert scene.troubles == []


def test_a_commit_that_raises_fails_its_items_and_stops_no_other(scene: Desk) -> None:
    """A bug before anything was begun is the fault of who waits for it; the queue goes on."""
    scene.bug = ZeroDivisionError()
    (wait,) = scene.adds("a")
    assert type(ends(wait)[0]) is ZeroDivisionError
    scene.bug = None
    (wait,) = scene.adds("b")
    scene.answers()
    assert ends(wait) == ["B"]
    assert scene.is_empty()


def test_what_is_written_behind_begins_no_commit_before_its_time(scene: Desk) -> None:
    """States that come while a commit is under way do not follow it at once: a quick disk would sync for each of them."""
    (wait,) = scene.adds("a")
    scene.puts("b1", "c1", within_s=2.0)
    scene.answers()
    assert ends(wait) == ["A"]
    assert scene.under_way() == []
    scene.clock.advance(1)
    (wait,) = scene.adds("d")
    scene.puts("b2", within_s=2.0)
    assert scene.answers() == ["b1", "c1", "d"]
    assert ends(wait) == ["D"]
    scene.clock.advance(1.9)
    assert scene.under_way() == []
    scene.clock.advance(0.3)
    assert scene.answers() == ["b2"]
    assert scene.is_empty()


def test_what_comes_in_a_row_shares_commits_where_there_is_a_pace() -> None:
    """The first goes at once; what comes before the pace is up waits for each other, however quick the disk is."""
    scene = Desk(pace_s=0.004)
    first = scene.adds("a")
    scene.answers()
    waits = scene.adds("b", "c")
    assert (ends(*first), scene.under_way()) == (["A"], [])
    scene.clock.advance(0.003)
    waits += scene.adds("d")
    assert scene.under_way() == []
    scene.clock.advance(0.0011)
    assert scene.answers() == ["b", "c", "d"]
    assert ends(*waits) == ["B", "C", "D"]
    scene.clock.advance(0.005)
    scene.adds("e", "f")
    assert scene.answers() == ["e"]
    assert scene.under_way() == []
    scene.clock.advance(0.005)
    assert scene.answers() == ["f"]
    assert scene.is_empty()


def test_who_comes_alone_is_held_up_by_no_pace_that_is_for_company() -> None:
    """One caller after the other goes at once; where several have shared a commit, the next waits for as many."""
    scene = Desk(pace_s=0.004, paces_alone=False)
    for item in "abc":
        scene.adds(item)
        assert scene.answers() == [item]
    scene.adds("d", "e", "f")
    assert [scene.answers(), scene.answers()] == [["d"], ["e", "f"]]
    waits = scene.adds("g")
    assert scene.under_way() == []
    scene.clock.advance(0.005)
    assert scene.answers() == ["g"]
    assert ends(*waits) == ["G"]
    scene.adds("h")
    assert scene.answers() == ["h"]


def test_a_pace_holds_up_no_full_group_and_no_end() -> None:
    """A commit that is full has nothing to wait for, and neither has one of a queue that is closed."""
    scene = Desk(pace_s=0.004, group_max=2)
    scene.adds(*"abcd")
    assert [scene.answers(), scene.answers()] == [["a"], ["b", "c"]]
    assert scene.under_way() == []
    closing = started(scene.queue.close(5.0))
    assert scene.answers() == ["d"]
    assert ends(closing) == [0]


def test_a_lone_item_costs_few_calls(scene: Desk) -> None:
    """Each message that has to be durable passes here, most of them alone: it was a coroutine, and three more a commit."""
    scene.adds("-")
    scene.answers()
    assert calls_of(lambda: (scene.adds("a"), scene.answers())) <= 90


def test_what_is_done_at_once_needs_no_depth() -> None:
    """Commits that answer before they return, as those in memory do, may follow each other without end."""
    first: Deferred[Sequence[int]] = Deferred()
    answers = iter([first])
    terms: GroupCommitTerms[int] = GroupCommitTerms("memory", Shares(10_000, {}, {}), group_max=1)
    queue: GroupCommit[int, int] = GroupCommit(
        "memory", lambda items: next(answers, succeed(items)), terms, Timers(Clock(), lambda: 0.0), MemoryMeter()
    )
    waits = [queue.add(number) for number in range(5000)]
    first.callback([0])
    assert ends(*waits) == [*range(5000)]
    assert len(queue) == 0


def test_a_result_that_is_a_failure_fails_its_caller_alone(scene: Desk) -> None:
    """So a commit says of one item what was decided about it, and the others of the group are durable."""
    waits = scene.adds("a", "b", "c")
    scene.answers()
    items, answer = scene.commits.pop()
    answer.callback([Failure(KeyError("b")), "C"])  # type: ignore[list-item]  # see `Commit`
    assert [type(end) for end in ends(*waits)] == [str, KeyError, str]
    assert (list(items), scene.troubles) == (["b", "c"], [])
    assert scene.is_empty()
