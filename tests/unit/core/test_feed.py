"""Subscribers are told the latest of what they subscribe to, once for each audience, as fast as each reads."""

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.contracts.facts import FlowClosed, FlowDrained
from lyncpy.contracts.names import FlowName
from lyncpy.core.feed import RETRY_S, Feed
from tests.kit.feeds import Desk
from tests.kit.gatehouse import timers_of
from tests.kit.results import begun
from tests.kit.turns import turn


class Newsroom:
    """A feed of things that the test changes, and subscribers that note what they are told."""

    def __init__(self) -> None:
        """Open it."""
        self.clock = Clock()
        self.desk = Desk(self.clock)
        self.told: list[tuple[str, frozenset[str], int]] = []
        notifier: Any = self.desk  # Any: it is as much of a Notifier as a feed needs
        self.feed: Feed[str, frozenset[str], frozenset[str]] = Feed(
            self.desk, notifier, timers_of(self.clock), lambda *what: self.told.append(what[:3])
        )

    def changes(self, key: str, *fields: str, delay_s: float | None = 1.0) -> None:
        """Change fields of a thing."""
        self.feed.changed(key, self.desk.change(key, *fields), delay_s)

    def passes(self, seconds: float = 1.0) -> None:
        """Let time pass, and all that is due happen."""
        self.clock.pump([seconds, *[0.0] * 5])

    def drains(self, flow: str) -> None:
        """Have a connection read."""
        self.desk.full.discard(FlowName(flow))
        begun(self.feed.flow_drained(FlowDrained(FlowName(flow))))


@pytest.fixture
def newsroom() -> Newsroom:
    """A newsroom."""
    return Newsroom()


def test_changes_are_gathered_and_told_once_to_each_and_written_once_for_an_audience(newsroom: Newsroom) -> None:
    """Three see all of a thing and two a part; each hears of the burst once, and two documents were written."""
    everybody = [newsroom.desk.subscribe("a", flow, sight) for flow, sight in zip("vwxyz", "11122", strict=True)]
    for number in range(10):
        newsroom.changes("a", f"field{number % 2}")
    newsroom.passes(0.9)
    assert [one.told for one in everybody] == [[]] * 5
    newsroom.passes(0.2)
    assert [one.told for one in everybody] == [[("a", 10, "field0 field1")]] * 5
    assert newsroom.desk.written == 2
    assert newsroom.told == [("a", frozenset({"field0", "field1"}), 5)]
    assert not newsroom.clock.getDelayedCalls()


def test_the_change_that_is_to_be_told_first_sets_the_time(newsroom: Newsroom) -> None:
    """An urgent one takes along what waits; one with more patience puts nothing off."""
    one = newsroom.desk.subscribe("a", "v")
    newsroom.changes("a", "slow", delay_s=10.0)
    newsroom.changes("a", "quick", delay_s=1.0)
    newsroom.changes("a", "slower", delay_s=20.0)
    newsroom.passes(1.0)
    assert one.told == [("a", 3, "quick slow slower")]
    newsroom.passes(30.0)
    assert len(one.told) == 1


def test_a_change_that_waits_for_nothing_is_told_in_the_same_turn(newsroom: Newsroom) -> None:
    """But together with what is gathered already, and then no sooner than others can come with it."""
    one = newsroom.desk.subscribe("a", "v")
    newsroom.changes("a", "now", delay_s=None)
    assert one.told == [("a", 1, "now")]
    newsroom.changes("a", "slow", delay_s=10.0)
    newsroom.changes("a", "soon", delay_s=None)
    newsroom.passes(0.0)
    assert one.told[1:] == [("a", 3, "slow soon")]
    newsroom.passes(10.0)
    assert len(one.told) == 2


def test_whom_it_does_not_concern_is_told_nothing(newsroom: Newsroom) -> None:
    """Nor is anything said when nothing is written for an audience."""
    concerned, other, deaf = (
        newsroom.desk.subscribe("a", flow, sight) for flow, sight in zip("vwx", "12-", strict=True)
    )
    mute = newsroom.desk.subscribe("a", "y", "0")
    newsroom.changes("a", "only-1")
    newsroom.passes()
    assert [len(one.told) for one in (concerned, other, deaf, mute)] == [1, 0, 0, 0]
    assert newsroom.told == [("a", frozenset({"only-1"}), 2)], "it was news to one of whom nothing is said"
    newsroom.changes("a", "invisible")
    newsroom.passes()
    assert len(concerned.told) == 1


def test_who_does_not_read_is_told_the_latest_when_it_does(newsroom: Newsroom) -> None:
    """However much was changed meanwhile: of each thing once, the oldest first, and what is owed are names."""
    slow, quick = newsroom.desk.subscribe("a", "v"), newsroom.desk.subscribe("a", "w")
    newsroom.desk.follow(slow, "b")
    newsroom.desk.full.add(FlowName("v"))
    for number in range(100):
        newsroom.changes("a", f"field{number % 3}")
        newsroom.changes("b", "field")
        newsroom.passes()
    assert (slow.told, len(quick.told), newsroom.feed.owed_count) == ([], 100, 2)
    newsroom.drains("v")
    assert slow.told == [("a", 100, "field0 field1 field2"), ("b", 100, "field")]
    newsroom.changes("a", "more")
    newsroom.passes()
    assert slow.told[2:] == [("a", 101, "more")]
    assert newsroom.feed.owed_count == 0
    assert not newsroom.clock.getDelayedCalls()


def test_what_does_not_fit_waits_for_the_next_time(newsroom: Newsroom) -> None:
    """A connection that is full again after a document is not asked again before it has drained."""
    slow = newsroom.desk.subscribe("a", "v")
    newsroom.desk.follow(slow, "b")
    newsroom.desk.full.add(FlowName("v"))
    newsroom.changes("a", "x")
    newsroom.changes("b", "y")
    newsroom.passes()
    newsroom.desk.room_for[slow.flow] = 1
    newsroom.drains("v")
    assert slow.told == [("a", 1, "x")]
    newsroom.desk.room_for.clear()
    newsroom.drains("v")
    assert slow.told[1:] == [("b", 1, "y")]


def test_what_is_told_by_a_later_change_is_not_told_again(newsroom: Newsroom) -> None:
    """A connection has room, a change comes before it is told so: one document has both."""
    slow = newsroom.desk.subscribe("a", "v")
    newsroom.desk.full.add(FlowName("v"))
    newsroom.changes("a", "x")
    newsroom.passes()
    newsroom.desk.full.clear()
    newsroom.changes("a", "y")
    newsroom.passes()
    assert slow.told == [("a", 2, "x y")]
    newsroom.drains("v")
    assert len(slow.told) == 1


def test_who_is_owed_something_from_the_beginning_is_told_in_the_next_turn(newsroom: Newsroom) -> None:
    """For what does not fit into an answer."""
    one = newsroom.desk.subscribe("a", "v")
    newsroom.desk.follow(one, "b")
    newsroom.feed.owe(one, "a", frozenset({"x"}))
    newsroom.feed.owe(one, "b", frozenset({"y"}))
    assert one.told == []
    newsroom.passes(0.0)
    assert one.told == [("a", 0, "x"), ("b", 0, "y")]
    assert not newsroom.clock.getDelayedCalls()


def test_who_has_asked_again_is_owed_nothing(newsroom: Newsroom) -> None:
    """The answer told it; what is owed about other things stays."""
    slow = newsroom.desk.subscribe("a", "v")
    newsroom.desk.follow(slow, "b")
    newsroom.desk.full.add(FlowName("v"))
    newsroom.changes("a", "x")
    newsroom.changes("b", "y")
    newsroom.passes()
    for _ in range(2):
        newsroom.feed.was_told(slow, "a")
    newsroom.drains("v")
    assert slow.told == [("b", 1, "y")]
    assert newsroom.feed.gathered_count == 0


@pytest.mark.parametrize("how", ["ended", "lost", "lost and told so"])
def test_who_is_gone_is_owed_nothing(newsroom: Newsroom, how: str) -> None:
    """Whether its subscription ended or its connection."""
    slow = newsroom.desk.subscribe("a", "v")
    newsroom.desk.full.add(FlowName("v"))
    newsroom.changes("a", "x")
    newsroom.passes()
    if how != "lost and told so":
        newsroom.desk.end(slow)
    if how != "ended":
        newsroom.feed.flow_closed(FlowClosed(FlowName("v"), "gone"))
    newsroom.drains("v")
    assert (slow.told, newsroom.feed.owed_count) == ([], 0)


def test_who_cannot_be_told_leaves_while_others_are_told(newsroom: Newsroom) -> None:
    """A notification that cannot be sent ends its subscription, in the midst of the others."""
    everybody = [newsroom.desk.subscribe("a", flow) for flow in "vwx"]
    newsroom.desk.gone.add(FlowName("w"))
    newsroom.changes("a", "x")
    newsroom.passes()
    assert [len(one.told) for one in everybody] == [1, 0, 1]
    assert len(newsroom.desk.subscriptions("a")) == 2


def test_what_is_not_in_memory_is_read_and_told_as_it_is_then(newsroom: Newsroom) -> None:
    """What changes while it is read is told with it, and nobody hears of it twice."""
    quick, slow = newsroom.desk.subscribe("a", "v"), newsroom.desk.subscribe("a", "w")
    newsroom.desk.full.add(FlowName("w"))
    newsroom.desk.away.add("a")
    newsroom.changes("a", "x")
    newsroom.passes()
    newsroom.desk.change("a", "y")
    assert quick.told == []
    newsroom.desk.arrives("a")
    assert quick.told == [("a", 2, "x")]
    newsroom.desk.away.add("a")
    newsroom.drains("w")
    newsroom.drains("w")
    assert len(newsroom.desk.reading) == 1, "a connection is told one thing at a time"
    newsroom.desk.away.clear()
    newsroom.changes("a", "y")
    newsroom.passes()
    assert slow.told == [("a", 3, "x y")]
    newsroom.desk.arrives("a")
    assert len(slow.told) == 1


def test_a_store_that_fails_puts_off_and_nothing_is_lost(newsroom: Newsroom) -> None:
    """Neither a change nor what is owed."""
    quick, slow = newsroom.desk.subscribe("a", "v"), newsroom.desk.subscribe("a", "w")
    newsroom.desk.full.add(FlowName("w"))
    newsroom.desk.away.add("a")
    newsroom.changes("a", "x")
    newsroom.passes()
    newsroom.desk.fails("a")
    assert quick.told == []
    newsroom.passes(RETRY_S)
    newsroom.desk.arrives("a")
    assert quick.told == [("a", 1, "x")]
    newsroom.desk.away.add("a")
    newsroom.drains("w")
    newsroom.desk.fails("a")
    assert slow.told == []
    newsroom.desk.away.clear()
    newsroom.passes(RETRY_S)
    assert slow.told == [("a", 1, "x")]
    assert not newsroom.clock.getDelayedCalls()


def test_a_thing_that_ends_is_not_told_of(newsroom: Newsroom) -> None:
    """What was gathered about it is dropped, and what is owed; that of others is not."""
    one, other = newsroom.desk.subscribe("a", "v"), newsroom.desk.subscribe("b", "w")
    slow = newsroom.desk.subscribe("a", "x")
    newsroom.desk.follow(slow, "b")
    newsroom.desk.full.add(FlowName("x"))
    for number in range(2):
        newsroom.changes("a", "x")
        newsroom.changes("b", "x")
        newsroom.feed.drop_thing("a") if number else newsroom.passes()
    newsroom.passes()
    newsroom.drains("x")
    assert ([len(each.told) for each in (one, other)], slow.told) == ([1, 2], [("b", 2, "x")])


def test_a_closed_feed_tells_nothing(newsroom: Newsroom) -> None:
    """Not what is gathered or owed, nor what comes late: a read that was under way, a change."""
    one, slow = newsroom.desk.subscribe("a", "v"), newsroom.desk.subscribe("b", "w")
    newsroom.desk.away.add("a")
    newsroom.changes("a", "x", delay_s=0.0)
    newsroom.passes(0.0)
    newsroom.changes("a", "y")
    newsroom.feed.owe(slow, "b", frozenset({"x"}))
    newsroom.feed.close()
    newsroom.desk.fails("a")
    newsroom.changes("a", "z")
    newsroom.passes(2 * RETRY_S)
    assert not newsroom.clock.getDelayedCalls()
    newsroom.drains("w")
    assert (one.told, slow.told) == ([], [])


class Crowd(Newsroom):
    """A newsroom with a hundred subscribers, each of whom takes a tenth of a millisecond to be told."""

    def __init__(self) -> None:
        """Open it."""
        super().__init__()
        self.everybody = [self.desk.subscribe("a", f"flow{number}", "12"[number % 2]) for number in range(100)]
        self.desk.tell_s = 0.0001
        self.heard_in_turns: list[int] = []

    def begins(self, *fields: str) -> None:
        """Change a thing, and begin to tell of it."""
        self.changes("a", *fields, delay_s=0.0)
        self.clock.rightNow += 0.0001
        self.turn()

    def turn(self) -> None:
        """Have one turn of the reactor pass."""
        turn(self.clock)
        self.heard_in_turns.append(sum(len(one.told) for one in self.everybody))

    def ends(self) -> None:
        """Have turns pass until nothing is left to do."""
        while self.clock.getDelayedCalls():
            self.clock.rightNow += 0.0001
            self.turn()


def test_a_crowd_is_told_in_several_turns_and_each_document_is_written_once() -> None:
    """Others are answered in between; all hear the same, in the order in which they subscribed."""
    crowd = Crowd()
    crowd.begins("field")
    assert crowd.told == []
    assert [len(one.told) for one in crowd.everybody] == [1] * 32 + [0] * 68
    crowd.ends()
    assert crowd.heard_in_turns == [32, 64, 96, 100]
    assert {told for one in crowd.everybody for told in one.told} == {("a", 1, "field")}
    assert crowd.desk.written == 2
    assert crowd.told == [("a", frozenset({"field"}), 100)]


def test_what_changes_while_a_crowd_is_told_reaches_all_once() -> None:
    """Who hears last is told the state of that moment, and nobody an older one after a newer one."""
    crowd = Crowd()
    crowd.begins("early")
    crowd.begins("late")
    crowd.changes("a", "later", delay_s=0.0)
    crowd.ends()
    for one in crowd.everybody:
        assert [fields for _, _, fields in one.told] == ["early", "late later"]
        versions = [version for _, version, _ in one.told]
        assert versions == sorted(versions)
        assert versions[-1] == 3
    assert crowd.told == [("a", frozenset({"early"}), 100), ("a", frozenset({"late", "later"}), 100)]


def test_whoever_is_answered_while_a_crowd_is_told_hears_nothing_twice() -> None:
    """An answer had the whole document; and who has left is told nothing."""
    crowd = Crowd()
    crowd.begins("field")
    crowd.feed.was_told(crowd.everybody[-1], "a")
    crowd.desk.end(crowd.everybody[-2])
    crowd.ends()
    assert [len(one.told) for one in crowd.everybody] == [1] * 98 + [0, 0]


@pytest.mark.parametrize("ends", ["dropped", "closed"])
def test_telling_a_crowd_can_be_ended(ends: str) -> None:
    """When the thing is gone, or the server ends, nobody else is told."""
    crowd = Crowd()
    crowd.begins("field")
    if ends == "dropped":
        crowd.feed.drop_thing("a")
    else:
        crowd.feed.close()
    crowd.ends()
    assert crowd.heard_in_turns[-1] == 32
    crowd.changes("a", "again", delay_s=0.0)
    crowd.ends()
    assert crowd.heard_in_turns[-1] == (132 if ends == "dropped" else 32)


def test_what_leaves_the_memory_while_a_crowd_is_told_is_loaded() -> None:
    """And told on when it has come; what changes meanwhile is told after it."""
    crowd = Crowd()
    crowd.begins("field")
    crowd.desk.change("a")
    crowd.desk.away.add("a")
    crowd.ends()
    assert crowd.heard_in_turns[-1] == 32
    crowd.changes("a", "meanwhile", delay_s=0.0)
    crowd.ends()
    crowd.desk.arrives("a")
    crowd.ends()
    assert [[fields for _, _, fields in one.told] for one in crowd.everybody] == [["field", "meanwhile"]] * 100


def test_a_crowd_that_cannot_be_told_to_the_end_is_told_later() -> None:
    """When the store fails; those who were told already hear the same once more, which is harmless."""
    crowd = Crowd()
    crowd.begins("field")
    crowd.desk.change("a")
    crowd.desk.away.add("a")
    crowd.ends()
    with capturedLogs():
        crowd.desk.fails("a")
    crowd.desk.away.discard("a")
    crowd.clock.rightNow += RETRY_S
    crowd.ends()
    assert all(one.told[-1] == ("a", 2, "field") for one in crowd.everybody)


def test_a_fault_in_one_document_does_not_silence_the_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told next is told to all."""
    crowd = Crowd()
    with monkeypatch.context() as broken, capturedLogs() as logged:
        broken.setattr(crowd.desk, "notify", lambda *what: 1 / 0)
        crowd.begins("field")
    assert [event["log_level"].name for event in logged] == ["critical"]
    crowd.changes("a", "again", delay_s=0.0)
    crowd.ends()
    assert all(one.told[-1] == ("a", 2, "again") for one in crowd.everybody)


def test_what_changes_while_it_is_loaded_is_told_once() -> None:
    """Two reads of a thing under way are two tellings, and the second waits for the first."""
    crowd = Crowd()
    crowd.desk.away.add("a")
    crowd.begins("one")
    crowd.begins("two")
    crowd.desk.arrives("a")
    crowd.ends()
    assert [[fields for _, _, fields in one.told] for one in crowd.everybody] == [["one", "two"]] * 100
