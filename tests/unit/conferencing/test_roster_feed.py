"""Who watches a roster is told soon; in a large meeting not more often than anybody can read."""

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.facts import FlowDrained
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.core.feed import Feed
from lyncpy.workloads.conferencing import roster_feed as rosters
from lyncpy.workloads.conferencing.bodies.conference_info import ATTENDEES
from lyncpy.workloads.conferencing.roster_feed import RosterFeed, RosterSource
from tests.kit.gatehouse import timers_of
from tests.kit.results import result_of


class Room:
    """A meeting that changes, and so many watchers; documents say from and to which change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, watchers: int) -> None:
        """Have everybody watch."""
        self.clock, self.full = Clock(), set[str]()
        self.told: list[tuple[Any, bytes]] = []
        self.now: Any = SimpleNamespace(name="as it was")
        monkeypatch.setattr(rosters, "audience_of", lambda meeting, user: ATTENDEES)
        monkeypatch.setattr(rosters, "delta", self.delta)
        self.deltas: list[Any] = []
        notifier: Any = SimpleNamespace(
            notify=lambda subscription, document: self.told.append((subscription, document.body)),
            is_full=lambda subscription: subscription.flow in self.full,
            end_subscription=lambda subscription, reason: self.ends(subscription),
        )
        self.feed: Feed[RosterFeed, None, Any] = Feed(RosterSource(), notifier, timers_of(self.clock))
        self.roster = RosterFeed(lambda: self.now, self.feed, notifier, 0.05, lambda ended: None)
        self.everybody: list[Any] = [Watcher(number) for number in range(watchers)]
        for one in self.everybody:
            self.roster.watch(one)

    def ends(self, watcher: Any) -> None:
        """Forget a watcher whose subscription is ended."""
        self.roster.forget(watcher)

    def delta(self, *what: Any) -> Any:
        """Write what is new."""
        self.deltas.append(what)
        return SimpleNamespace(at=lambda version: f"{version} {what[0].name} to {what[2].name}".encode())

    def changes(self, name: str) -> None:
        """Have something happen."""
        self.now = SimpleNamespace(name=name)
        self.roster.changed()

    def drains(self, watcher: Any) -> None:
        """Have a watcher read."""
        self.full.discard(watcher.flow)
        result_of(self.feed.flow_drained(FlowDrained(watcher.flow)))


class Watcher:
    """Whose subscription it is."""

    epid = "e"

    def __init__(self, number: int) -> None:
        self.watcher, self.flow = Aor(f"sip:{number}@x"), FlowName(f"n1/{number}")


@pytest.mark.parametrize(("watchers", "wait_s"), [(1, 0.05), (50, 0.05), (250, 0.25), (1000, 1.0)])
def test_the_more_watch_the_longer_changes_are_gathered(
    monkeypatch: pytest.MonkeyPatch, watchers: int, wait_s: float
) -> None:
    """However many changes there are meanwhile, each watcher hears of them once, and sees what there is then."""
    room = Room(monkeypatch, watchers)
    for change in range(100):
        room.changes(f"change {change}")
    room.clock.advance(wait_s - 0.01)
    assert room.told == []
    room.clock.advance(0.02)
    assert room.told == [(one, b"2 as it was to change 99") for one in room.everybody]
    assert len(room.deltas) == 1
    assert not room.clock.getDelayedCalls()


def test_a_watcher_who_does_not_read_is_told_the_difference_when_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """From what they were shown to what there is, with the next version of their own."""
    room = Room(monkeypatch, 3)
    quick, *slow = room.everybody
    room.full.update(one.flow for one in slow)
    for change in range(100):
        room.changes(f"change {change}")
        room.clock.advance(0.06)
    assert {one for one, _ in room.told} == {quick}
    assert room.feed.owed_count == 2
    for one in slow:
        room.drains(one)
    assert room.told[100:] == [(one, b"2 as it was to change 99") for one in slow]
    room.changes("the last")
    room.clock.advance(0.06)
    assert room.told[102:] == [
        (quick, b"102 change 99 to the last"),
        *((one, b"3 change 99 to the last") for one in slow),
    ]
    assert room.feed.owed_count == 0


def test_a_meeting_that_is_over_owes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its watchers hear of the end alone, and nothing of it is kept for who does not read."""
    room = Room(monkeypatch, 2)
    room.full.add(room.everybody[1].flow)
    room.changes("something")
    room.clock.advance(0.06)
    room.changes("the end")
    room.roster.end_all("noresource")
    assert (len(room.roster), room.feed.owed_count, len(room.told)) == (0, 0, 1)
    room.clock.advance(1)
    room.drains(room.everybody[1])
    assert len(room.told) == 1
