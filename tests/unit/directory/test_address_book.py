"""The address book follows the directory, and lets others have their turn."""

from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lyncpy.contracts.directory import FoundPeople, Group, Person
from lyncpy.contracts.facts import GroupsChanged, PersonChanged
from lyncpy.contracts.names import Aor
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory import address_book as module
from lyncpy.workloads.directory.address_book import QUIET_S, AddressBook
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.model.book import BESIDE_MOST, Book
from lyncpy.workloads.directory.people import People
from tests.kit.logs import overheard
from tests.kit.results import result_of, started


def somebody(number: int) -> Person:
    """One of many."""
    return Person(Aor(f"sip:p{number}@example.com"), str(number), display_name=f"Person{number} Of{number % 7}")


class WorkingClock(Clock):
    """A clock by which a tenth of a millisecond passes whenever somebody looks at it; it counts the turns of the reactor."""

    turns = 0

    def callLater(self, *args: Any, **named: Any) -> Any:
        """Have something done in a later turn."""
        self.turns += 1
        return super().callLater(*args, **named)

    def turn(self, passed_s: float) -> None:
        """Do what is due, and nothing that this brings about: one turn of a reactor."""
        self.rightNow += passed_s
        for call in [call for call in self.calls if call.getTime() <= self.rightNow]:
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)

    def seconds(self) -> float:
        """Give the time."""
        self.rightNow += 0.0001
        return float(self.rightNow)


class Server:
    """An address book over tables in memory."""

    def __init__(self, people: Iterable[Person] = (), groups: Iterable[Group] = (), clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.timers = Timers(self.clock, lambda: 0.0)
        self.people = People()
        self.groups = Groups(self.people)
        for person in people:
            self.people.put_person(person)
        for group in groups:
            self.groups.put_group(group)
        self.book = AddressBook(self.people, self.groups, self.timers)

    def opens(self) -> None:
        """Make the indexes."""
        self.book.open()
        self.clock.advance(0.0)

    def puts(self, person: Person) -> None:
        """Add or change somebody, as a pull does."""
        self.people.put_person(person)
        self.book.person_changed(PersonChanged.from_person(person))

    def drops(self, person: Person) -> None:
        """Remove somebody, as a pull does."""
        self.people.drop(person.aor)
        self.book.person_changed(PersonChanged.gone(person.aor))

    def found(self, text: str, most: int = 10) -> FoundPeople:
        """Search."""
        return result_of(self.book.find_people(text, most))


def test_what_is_asked_before_the_index_is_there_waits_for_it() -> None:
    """At a start; who goes away meanwhile is forgotten."""
    server = Server([somebody(1)])
    answers: list[FoundPeople] = []
    failures: list[Failure] = []
    _ = started(server.book.find_people("person1", 10)).addCallback(answers.append)
    gone = started(server.book.find_people("person1", 10))
    _ = gone.addErrback(failures.append)
    gone.cancel()
    server.opens()
    assert [one.aor for one in answers[0].people] == [somebody(1).aor]
    assert [failure.type for failure in failures] == [CancelledError]


def test_what_waits_at_the_end_is_answered() -> None:
    """By what there is."""
    server = Server([somebody(1)])
    asked: Deferred[FoundPeople] = started(server.book.find_people("person1", 10))
    server.book.close()
    assert asked.called
    server.opens()
    assert server.found("person1").people == ()


def test_results_are_limited_and_say_so() -> None:
    """A client shows that there are more."""
    server = Server(map(somebody, range(9)))
    server.opens()
    assert (len(server.found("person", 9).people), server.found("person", 9).more) == (9, False)
    assert (len(server.found("person", 8).people), server.found("person", 8).more) == (8, True)


@pytest.mark.untraced
@pytest.mark.parametrize(("people", "groups"), [(20_000, 0), (0, 20_000)])
def test_no_turn_is_long_while_an_index_is_made(people: int, groups: int) -> None:
    """Of either alone: it is done in very many turns, in each of which little is looked at."""
    clock = WorkingClock()
    server = Server(map(somebody, range(people)), (Group(str(n), f"Group{n}") for n in range(groups)), clock)
    server.opens()
    # Each piece of the work takes a tenth of a millisecond here, and a turn has a millisecond for all pieces.
    assert clock.turns > 100
    assert len(server.found("person19999").people) == (1 if people else 0)
    assert len(result_of(server.book.find_groups("group7", 50)).groups) == (50 if groups else 0)


def test_a_changed_person_is_found_at_once() -> None:
    """Without anything being made anew."""
    server = Server(map(somebody, range(50)))
    server.opens()
    server.puts(Person(somebody(3).aor, "3", display_name="Quite Another"))
    assert [one.aor for one in server.found("quite").people] == [somebody(3).aor]
    assert server.found("person3").people[0].aor != somebody(3).aor
    assert len(server.timers) == 0


def test_a_changed_group_is_found_at_once() -> None:
    """And a removed one is not."""
    server = Server([], [Group("1", "Sales"), Group("2", "Support")])
    server.opens()
    server.groups.put_group(Group("1", "Marketing"))
    server.groups.drop("2")
    result_of(server.book.groups_changed(GroupsChanged(frozenset({"1", "2"}))))
    assert [one.name for one in result_of(server.book.find_groups("mark", 5)).groups] == ["Marketing"]
    assert result_of(server.book.find_groups("s", 5)).groups == ()


def test_a_hidden_group_is_not_found() -> None:
    """As a hidden person."""
    server = Server([], [Group("1", "Sales", hidden=True), Group("2", "Sales North")])
    server.opens()
    assert [one.name for one in result_of(server.book.find_groups("sales", 5)).groups] == ["Sales North"]


def test_a_large_pull_has_the_index_made_anew_once_when_it_is_over() -> None:
    """Not within it: that would be done again and again."""
    server = Server(map(somebody, range(10)))
    server.opens()
    for number in range(10, BESIDE_MOST * 3):
        server.puts(somebody(number))
        if number % 100 == 0:
            server.clock.advance(QUIET_S / 2)
            assert server.book.people.changes > 0
    assert server.found(f"person{BESIDE_MOST * 3 - 1}").people == ()
    server.clock.pump([QUIET_S / 2] * 5)
    assert server.book.people.changes == 0
    assert len(server.found(f"person{BESIDE_MOST * 3 - 1}").people) == 1


class SlowServer(Server):
    """One on which the first index takes longer than it is quiet before one is made anew; a person comes in the middle."""

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        super().__init__((), groups, WorkingClock())
        for number in range(BESIDE_MOST):
            self.puts(somebody(number))

    def steps(self, turns: int) -> None:
        """Let some turns pass."""
        for _ in range(turns):
            self.clock.advance(0.0005)


def test_an_index_is_never_made_twice_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first start: a thousand people are heard of before the book is opened, and that takes long."""
    monkeypatch.setattr(module, "QUIET_S", 0.02)
    server = SlowServer()
    with overheard() as heard:
        server.book.open()
        server.steps(3)
        server.puts(somebody(BESIDE_MOST))
        server.steps(2_000)
    assert [event for event in heard if event.get("log_failure")] == []
    assert len(server.found(f"person{BESIDE_MOST}").people) == 1


def test_a_book_that_is_opened_late_has_all_its_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of people is in the making already; it goes on, and that of the groups, of whom none is new, comes with it."""
    monkeypatch.setattr(module, "QUIET_S", 0.02)
    server = SlowServer([Group("1", "Sales")])
    with overheard() as heard:
        server.steps(22)
        server.book.open()
        server.puts(somebody(BESIDE_MOST))
        server.steps(2_000)
    assert [event for event in heard if event.get("log_failure")] == []
    assert len(server.found(f"person{BESIDE_MOST}").people) == 1
    assert len(result_of(server.book.find_groups("sales", 5)).groups) == 1


class Renewals:
    """Counts the indexes that are in the making."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = self.most = self.made = 0
        renewing = Book.renewing

        def counted(book: Book[Any], subjects: Any) -> Generator[int, None, None]:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                yield from renewing(book, subjects)
            finally:
                self.now -= 1
                self.made += 1

        patch.setattr(Book, "renewing", counted)


@pytest.mark.untraced
def test_two_large_pulls_and_the_index_in_the_making_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one comes while the index is made anew for the first: one is made after the other, nobody is lost."""
    clock = WorkingClock()
    server = Server(map(somebody, range(10)), clock=clock)
    server.opens()
    renewals, count = Renewals(monkeypatch), 3 * BESIDE_MOST
    for number in range(10, count):
        server.puts(somebody(number))
    while not renewals.now:
        clock.turn(QUIET_S)
    for number in range(count):
        server.puts(replace(somebody(number), display_name=f"Renamed{number}"))
    # The pull is over before the index is: it has been quiet for long enough.
    clock.turn(QUIET_S)
    clock.turn(QUIET_S)
    assert renewals.now
    server.drops(somebody(7))
    for _ in range(1_000):
        clock.turn(QUIET_S / 10)
    assert (renewals.most, renewals.made, server.book.people.changes) == (1, 2, 0)
    for number in (0, BESIDE_MOST, count - 1):
        assert [one.aor for one in server.found(f"renamed{number}", 1).people] == [somebody(number).aor]
        assert server.found(f"person{number}").people == ()
    assert len(server.found("renamed", 10_000).people) == count - 1


@pytest.mark.untraced
def test_those_who_have_waited_are_answered_in_many_turns() -> None:
    """A thousand devices come back at a start; each of their searches takes a while, and others have their turns between them."""
    clock = WorkingClock()
    server = Server(map(somebody, range(50)), clock=clock)
    answered: Counter[int] = Counter()
    for number in range(1_000):
        asked = started(server.book.find_people(f"person{number % 50}", 10))
        _ = asked.addCallback(lambda _: answered.update([clock.turns]))
    server.book.open()
    server.clock.advance(1.0)
    assert sum(answered.values()) == 1_000
    assert max(answered.values()) < 20


def test_very_many_changed_groups_are_taken_up_in_many_turns() -> None:
    """One fact tells of all groups that contain a changed one."""
    clock = WorkingClock()
    groups = [Group(str(number), f"Group{number}") for number in range(2_000)]
    server = Server([], groups, clock)
    server.opens()
    clock.turns = 0
    heard = started(server.book.groups_changed(GroupsChanged(frozenset(group.key for group in groups))))
    clock.advance(1.0)
    assert heard.called
    assert clock.turns > 7


def test_nothing_is_made_anew_behind_the_end() -> None:
    """A pull may end after it."""
    server = Server(map(somebody, range(10)))
    server.opens()
    server.book.close()
    for number in range(10, BESIDE_MOST * 2):
        server.puts(somebody(number))
    assert len(server.timers) == 0
