"""Subscribers are told the latest of what they subscribe to, once for each audience, as fast as each reads."""

from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.facts import FlowClosed, FlowDrained
from lyncpy.contracts.names import FlowName
from lyncpy.core.feed import RETRY_S, Feed
from tests.kit.feeds import Desk
from tests.kit.gatehouse import timers_of
from tests.kit.results import begun, result_of


class Newsroom:
    """A feed of things that the test changes, and subscribers that note what they are told."""

    def __init__(self) -> None:
        """Open it."""
        self.clock = Clock()
        self.desk = Desk(self.clock)
        self.told: list[tuple[str, frozenset[str], int]] = []
        notifier: Any = self.desk  # Any: it is as much of a Notifier as a feed needs
        self.feed: Feed[str, frozenset[str], frozenset[str]] = Feed(
            self.desk, notifier, timers_of(self.clock), lambda *what: self.told.append(what)
        )

    def changes(self, key: str, *fields: str, delay_s: float = 1.0) -> None:
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
def room() -> Newsroom:
    """A newsroom."""
    return Newsroom()


def test_changes_are_gathered_and_told_once_to_each_and_written_once_for_an_audience(room: Newsroom) -> None:
    """Three see all of a thing and two a part; each hears of the burst once, and two documents were written."""
    everybody = [room.desk.subscribe("a", flow, sight) for flow, sight in zip("vwxyz", "11122", strict=True)]
    for number in range(10):
        room.changes("a", f"field{number % 2}")
    room.passes(0.9)
    assert [one.told for one in everybody] == [[]] * 5
    room.passes(0.2)
    assert [one.told for one in everybody] == [[("a", 10, "field0 field1")]] * 5
    assert room.desk.written == 2
    assert room.told == [("a", frozenset({"field0", "field1"}), 5)]
    assert not room.clock.getDelayedCalls()


def test_the_change_that_is_to_be_told_first_sets_the_time(room: Newsroom) -> None:
    """An urgent one takes along what waits; one with more patience puts nothing off."""
    one = room.desk.subscribe("a", "v")
    room.changes("a", "slow", delay_s=10.0)
    room.changes("a", "quick", delay_s=1.0)
    room.changes("a", "slower", delay_s=20.0)
    room.passes(1.0)
    assert one.told == [("a", 3, "quick slow slower")]
    room.passes(30.0)
    assert len(one.told) == 1


def test_whom_it_does_not_concern_is_told_nothing(room: Newsroom) -> None:
    """Nor is anything said when nothing is written for an audience."""
    concerned, other, deaf = (room.desk.subscribe("a", flow, sight) for flow, sight in zip("vwx", "12-", strict=True))
    mute = room.desk.subscribe("a", "y", "0")
    room.changes("a", "only-1")
    room.passes()
    assert [len(one.told) for one in (concerned, other, deaf, mute)] == [1, 0, 0, 0]
    assert room.told == [("a", frozenset({"only-1"}), 2)], "it was news to one of whom nothing is said"
    room.changes("a", "invisible")
    room.passes()
    assert len(concerned.told) == 1


def test_who_does_not_read_is_told_the_latest_when_it_does(room: Newsroom) -> None:
    """However much was changed meanwhile: of each thing once, the oldest first, and what is owed are names."""
    slow, quick = room.desk.subscribe("a", "v"), room.desk.subscribe("a", "w")
    room.desk.follow(slow, "b")
    room.desk.full.add(FlowName("v"))
    for number in range(100):
        room.changes("a", f"field{number % 3}")
        room.changes("b", "field")
        room.passes()
    assert (slow.told, len(quick.told), room.feed.owed_count) == ([], 100, 2)
    room.drains("v")
    assert slow.told == [("a", 100, "field0 field1 field2"), ("b", 100, "field")]
    room.changes("a", "more")
    room.passes()
    assert slow.told[2:] == [("a", 101, "more")]
    assert room.feed.owed_count == 0
    assert not room.clock.getDelayedCalls()


def test_what_does_not_fit_waits_for_the_next_time(room: Newsroom) -> None:
    """A connection that is full again after a document is not asked again before it has drained."""
    slow = room.desk.subscribe("a", "v")
    room.desk.follow(slow, "b")
    room.desk.full.add(FlowName("v"))
    room.changes("a", "x")
    room.changes("b", "y")
    room.passes()
    room.desk.room_for[slow.flow] = 1
    room.drains("v")
    assert slow.told == [("a", 1, "x")]
    room.desk.room_for.clear()
    room.drains("v")
    assert slow.told[1:] == [("b", 1, "y")]


def test_what_is_told_by_a_later_change_is_not_told_again(room: Newsroom) -> None:
    """A connection has room, a change comes before it is told so: one document has both."""
    slow = room.desk.subscribe("a", "v")
    room.desk.full.add(FlowName("v"))
    room.changes("a", "x")
    room.passes()
    room.desk.full.clear()
    room.changes("a", "y")
    room.passes()
    assert slow.told == [("a", 2, "x y")]
    room.drains("v")
    assert len(slow.told) == 1


def test_who_is_owed_something_from_the_beginning_is_told_in_the_next_turn(room: Newsroom) -> None:
    """For what does not fit into an answer."""
    one = room.desk.subscribe("a", "v")
    room.desk.follow(one, "b")
    room.feed.owe(one, "a", frozenset({"x"}))
    room.feed.owe(one, "b", frozenset({"y"}))
    assert one.told == []
    room.passes(0.0)
    assert one.told == [("a", 0, "x"), ("b", 0, "y")]
    assert not room.clock.getDelayedCalls()


def test_who_has_asked_again_is_owed_nothing(room: Newsroom) -> None:
    """The answer told it; what is owed about other things stays."""
    slow = room.desk.subscribe("a", "v")
    room.desk.follow(slow, "b")
    room.desk.full.add(FlowName("v"))
    room.changes("a", "x")
    room.changes("b", "y")
    room.passes()
    for _ in range(2):
        room.feed.was_told(slow, "a")
    room.drains("v")
    assert slow.told == [("b", 1, "y")]
    assert room.feed.gathered_count == 0


@pytest.mark.parametrize("how", ["ended", "lost", "lost and told so"])
def test_who_is_gone_is_owed_nothing(room: Newsroom, how: str) -> None:
    """Whether its subscription ended or its connection."""
    slow = room.desk.subscribe("a", "v")
    room.desk.full.add(FlowName("v"))
    room.changes("a", "x")
    room.passes()
    if how != "lost and told so":
        room.desk.end(slow)
    if how != "ended":
        result_of(room.feed.flow_closed(FlowClosed(FlowName("v"), "gone")))
    room.drains("v")
    assert (slow.told, room.feed.owed_count) == ([], 0)


def test_who_cannot_be_told_leaves_while_others_are_told(room: Newsroom) -> None:
    """A notification that cannot be sent ends its subscription, in the midst of the others."""
    everybody = [room.desk.subscribe("a", flow) for flow in "vwx"]
    room.desk.gone.add(FlowName("w"))
    room.changes("a", "x")
    room.passes()
    assert [len(one.told) for one in everybody] == [1, 0, 1]
    assert len(room.desk.subscriptions("a")) == 2


def test_what_is_not_in_memory_is_read_and_told_as_it_is_then(room: Newsroom) -> None:
    """What changes while it is read is told with it, and nobody hears of it twice."""
    quick, slow = room.desk.subscribe("a", "v"), room.desk.subscribe("a", "w")
    room.desk.full.add(FlowName("w"))
    room.desk.away.add("a")
    room.changes("a", "x")
    room.passes()
    room.desk.change("a", "y")
    assert quick.told == []
    room.desk.arrives("a")
    assert quick.told == [("a", 2, "x")]
    room.desk.away.add("a")
    room.drains("w")
    room.drains("w")
    assert len(room.desk.reading) == 1, "a connection is told one thing at a time"
    room.desk.away.clear()
    room.changes("a", "y")
    room.passes()
    assert slow.told == [("a", 3, "x y")]
    room.desk.arrives("a")
    assert len(slow.told) == 1


def test_a_store_that_fails_puts_off_and_nothing_is_lost(room: Newsroom) -> None:
    """Neither a change nor what is owed."""
    quick, slow = room.desk.subscribe("a", "v"), room.desk.subscribe("a", "w")
    room.desk.full.add(FlowName("w"))
    room.desk.away.add("a")
    room.changes("a", "x")
    room.passes()
    room.desk.fails("a")
    assert quick.told == []
    room.passes(RETRY_S)
    room.desk.arrives("a")
    assert quick.told == [("a", 1, "x")]
    room.desk.away.add("a")
    room.drains("w")
    room.desk.fails("a")
    assert slow.told == []
    room.desk.away.clear()
    room.passes(RETRY_S)
    assert slow.told == [("a", 1, "x")]
    assert not room.clock.getDelayedCalls()


def test_a_thing_that_ends_is_not_told_of(room: Newsroom) -> None:
    """What was gathered about it is dropped, and what is owed; that of others is not."""
    one, other = room.desk.subscribe("a", "v"), room.desk.subscribe("b", "w")
    slow = room.desk.subscribe("a", "x")
    room.desk.follow(slow, "b")
    room.desk.full.add(FlowName("x"))
    for turn in range(2):
        room.changes("a", "x")
        room.changes("b", "x")
        room.feed.forget("a") if turn else room.passes()
    room.passes()
    room.drains("x")
    assert ([len(each.told) for each in (one, other)], slow.told) == ([1, 2], [("b", 2, "x")])


def test_a_closed_feed_tells_nothing(room: Newsroom) -> None:
    """Not what is gathered or owed, nor what comes late: a read that was under way, a change."""
    one, slow = room.desk.subscribe("a", "v"), room.desk.subscribe("b", "w")
    room.desk.away.add("a")
    room.changes("a", "x", delay_s=0.0)
    room.passes(0.0)
    room.changes("a", "y")
    room.feed.owe(slow, "b", frozenset({"x"}))
    room.feed.close()
    room.desk.fails("a")
    room.changes("a", "z")
    room.passes(2 * RETRY_S)
    assert not room.clock.getDelayedCalls()
    room.drains("w")
    assert (one.told, slow.told) == ([], [])
