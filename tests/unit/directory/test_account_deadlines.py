"""Moments at which somebody's time begins or ends, and a wall clock that is stepped."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.directory import Moment, Person, judged
from lyncpy.contracts.facts import PersonChanged
from lyncpy.contracts.names import Aor
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.account_deadlines import AT_ONCE, CHECK_S, PAUSE_S, AccountDeadlines
from lyncpy.workloads.directory.people import People

WALL = 1_700_000_000.0


class Desk:
    """People whose time is judged; what happened to whom."""

    def __init__(self, *people: Person) -> None:
        self.clock = Clock()
        self.step_s = 0.0
        self.timers = Timers(self.clock, lambda: WALL + self.clock.seconds() + self.step_s)
        self.people = People()
        self.heard: list[tuple[str, bool]] = []
        for one in people:
            self.people.put_person(judged(one, self.timers.wall()))
        self.deadlines = AccountDeadlines(self.people, self.rejudge, self.timers)
        self.deadlines.open()

    def rejudge(self, aors: Sequence[Aor]) -> None:
        for aor in aors:
            former = self.people.person(aor)
            if former is not None and (new := judged(former, self.timers.wall())) is not former:
                self.people.put_person(new)
                self.heard.append((aor, new.enabled))

    def passes(self, seconds: float) -> None:
        self.clock.pump([seconds / 10] * 10)


def someone(name: str, *, since: float | None = None, until: float | None = None) -> Person:
    """Give a person, times in seconds from the beginning."""
    return Person(
        Aor(f"sip:{name}@x"),
        name,
        begins=None if since is None else Moment(WALL + since, "s"),
        until=None if until is None else Moment(WALL + until, "u"),
    )


def test_a_moment_counts_when_it_comes() -> None:
    """Not before, and not at the next look."""
    desk = Desk(someone("a", until=130), someone("b", since=10), someone("c"))
    desk.passes(9)
    assert desk.heard == []
    desk.passes(2)
    assert desk.heard == [("sip:b@x", True)]
    desk.passes(118)
    assert len(desk.heard) == 1
    desk.passes(2)
    assert desk.heard[1:] == [("sip:a@x", False)]


def test_a_clock_that_is_stepped_counts_within_a_minute() -> None:
    """Forwards somebody's time is over, backwards it is not."""
    desk = Desk(someone("a", until=86400))
    desk.step_s = 100_000
    desk.passes(CHECK_S)
    assert desk.heard == [("sip:a@x", False)]
    desk.step_s = 0
    desk.passes(CHECK_S)
    assert desk.heard == [("sip:a@x", False), ("sip:a@x", True)]
    desk.step_s = 100_000
    desk.passes(CHECK_S)
    assert desk.heard[-1] == ("sip:a@x", False)


def test_nobody_whose_time_ends_costs_nothing() -> None:
    """No timer runs for people without dates."""
    desk = Desk(someone("a"), someone("b"))
    assert desk.clock.getDelayedCalls() == []


def test_a_new_moment_is_taken_up() -> None:
    """A pull gave somebody a date, or a nearer one."""
    desk = Desk(someone("a"))
    for until in (1000, 30):
        person = someone("a", until=until)
        desk.people.put_person(person)
        desk.deadlines.person_changed(PersonChanged.from_person(person))
    desk.passes(31)
    assert desk.heard == [("sip:a@x", False)]


def test_a_moment_that_was_taken_back_is_none() -> None:
    """The contract was renewed."""
    desk = Desk(someone("a", until=30))
    person = someone("a", until=9000)
    desk.people.put_person(person)
    desk.deadlines.person_changed(PersonChanged.from_person(person))
    desk.passes(100)
    assert desk.heard == []


def test_many_whose_time_ends_together_are_judged_in_turns() -> None:
    """Others get their turn between; all are judged, each once."""
    desk = Desk(*(someone(f"p{number}", until=50) for number in range(3 * AT_ONCE + 1)))
    desk.clock.advance(50)
    assert len(desk.heard) == AT_ONCE
    for _ in range(4):
        desk.clock.advance(PAUSE_S)
    assert len(desk.heard) == len(set(desk.heard)) == 3 * AT_ONCE + 1


@pytest.mark.untraced
def test_the_table_does_not_grow_with_changes() -> None:
    """Whoever is changed ten thousand times has two moments at most."""
    desk = Desk(someone("a", until=1e6))
    for number in range(10_000):
        person = someone("a", until=1e6 + number)
        desk.people.put_person(person)
        desk.deadlines.person_changed(PersonChanged.from_person(person))
        if number % 100 == 0:
            desk.passes(CHECK_S)
    assert len(desk.deadlines) < 1200


def test_after_the_end_nothing_is_judged() -> None:
    """The workload is closed; a timer that was armed is gone."""
    desk = Desk(someone("a", until=30))
    desk.deadlines.close()
    desk.passes(100)
    assert desk.heard == []


def test_who_is_switched_off_stays_so_whatever_the_time() -> None:
    """A date never switches somebody on whom the directory has switched off."""
    off = replace(someone("a", since=10, until=20), enabled=False)
    for wall in (WALL, WALL + 15, WALL + 30, WALL + 15):
        off = judged(off, wall)
        assert (off.enabled, off.is_out_of_time) == (False, False)


def test_the_moment_of_another_password_is_one_like_others() -> None:
    """Who must change it stays a colleague, but not signed in; unless a setting lets them stay."""
    person = replace(someone("a"), must_change=Moment(WALL + 30, "m"))
    desk = Desk(person)
    desk.passes(29)
    assert desk.heard == []
    desk.passes(2)
    assert desk.heard == [("sip:a@x", True)]
    late = judged(person, WALL + 31)
    assert (late.enabled, late.may_stay) == (True, False)
    assert judged(late, WALL + 29) == person
    assert judged(late, WALL + 31, overdue_ends=False) == person
