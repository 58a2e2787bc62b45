"""The judge of histories finds what must not be, and nothing else."""

import pytest

from bench.faults.history import (
    ARCHIVE,
    Copy,
    Outcome,
    Read,
    Said,
    Truth,
    View,
    Violation,
    Write,
    Wrong,
    all_heard,
    judge_presence,
    judge_registers,
    judge_talk,
)

DONE, REFUSED, UNKNOWN = Outcome.DONE, Outcome.REFUSED, Outcome.UNKNOWN
AVAILABLE, BUSY, OFFLINE = 3500, 6500, 18500


def write(value: str | None, at: float, outcome: Outcome = DONE, until: float = float("inf")) -> Write:
    """A write of Alice's note that takes half a second."""
    return Write("note", value, at, at + 0.5, outcome, until)


def read(value: str | None, at: float) -> Read:
    """A read of the same."""
    return Read("note", value, at, at + 0.5)


def kinds(violations: "list[Violation] | tuple[Violation, ...]") -> set[Wrong]:
    """What was found."""
    return {one.wrong for one in violations}


@pytest.mark.parametrize(
    "events",
    [
        [write("a", 1), read("a", 2)],
        [read("old", 0), read("old", 1)],
        [write("a", 1), write("b", 2, REFUSED), read("a", 3)],
        [write("a", 1), write("b", 2, UNKNOWN), read("a", 3), read("b", 4), read("b", 5)],
        [write("a", 1), write("b", 2, UNKNOWN, until=9), read("b", 3)],
        [write("a", 1), write(None, 2), read(None, 3)],
        [write("a", 1, UNKNOWN), write("b", 2), read("a", 3)],
    ],
)
def test_what_can_be_is_not_found(events: list[Write | Read]) -> None:
    """What nobody answered may be done, or not, or later."""
    assert not judge_registers(events)


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([write("a", 1), read(None, 2)], Wrong.LOST),
        ([write("a", 1), write("b", 2), read("a", 3)], Wrong.LOST),
        ([write("a", 1), write(None, 2), read("a", 3)], Wrong.RESURRECTED),
        ([write("a", 1, UNKNOWN, until=2), write("b", 3), read("a", 4)], Wrong.STALE),
        ([write("a", 1, UNKNOWN, until=2), read(None, 3), read("a", 4)], Wrong.STALE),
        ([write("a", 1), read("z", 2)], Wrong.INVENTED),
        ([write("a", 1), write("b", 2, REFUSED), read("b", 3)], Wrong.LOST),
    ],
)
def test_what_cannot_be_is_found_by_its_name(events: list[Write | Read], wrong: Wrong) -> None:
    """A lost write, a removed note that is back, a frozen server's write."""
    (found,) = judge_registers(events)
    assert (found.wrong, found.about) == (wrong, "note")
    assert found.said


def test_each_register_is_judged_by_itself() -> None:
    """What Bob wrote says nothing about Alice's."""
    bob = Write("bob", "b", 1, 2, DONE)
    assert [one.about for one in judge_registers([write("a", 1), bob, read("a", 3), Read("bob", None, 3, 4)])] == [
        "bob"
    ]


def said(text: str, at: float, outcome: Outcome = DONE) -> Said:
    """Something that Alice says."""
    return Said("alice", text, at, at + 0.5, outcome)


def test_a_talk_that_all_heard_is_right() -> None:
    """Who came later need not have heard what was said before; nobody hears themselves; what was not answered may have come."""
    talk = [said("1", 1), said("2", 2, UNKNOWN), said("3", 3)]
    copies = [
        Copy("bob", ["1", "2", "3"]),
        Copy("carol", ["3"], since=2.5),
        Copy("alice", []),
        Copy("dave", ["1", "3"]),
    ]
    assert not judge_talk(talk, copies)


@pytest.mark.parametrize(
    ("texts", "wrong"),
    [
        (["1"], Wrong.LOST),
        (["1", "2", "2"], Wrong.DOUBLED),
        (["2", "1"], Wrong.REORDERED),
        (["1", "2", "9"], Wrong.INVENTED),
    ],
)
def test_what_is_wrong_in_a_talk_is_found(texts: list[str], wrong: Wrong) -> None:
    """A message that was lost, came twice, too early, or was never said."""
    for listener in ("bob", ARCHIVE):
        found = judge_talk([said("1", 1), said("2", 2)], [Copy(listener, texts)])
        assert [(one.wrong, one.about) for one in found] == [(wrong, listener)]


def test_who_is_still_to_hear_something_is_waited_for() -> None:
    """Of what was acknowledged while they surely were there, in their own conference; nothing else is waited for."""
    talks = {"a": [said("1", 1), said("2", 2, UNKNOWN), said("3", 8)], "b": [said("4", 1)]}
    assert all_heard(talks, [("a", Copy("bob", ["1"], 0, 5)), ("b", Copy("carol", ["4"], 0, 5))])
    assert all_heard(talks, [("c", Copy("bob", [], 0, 5)), ("a", Copy("alice", [], 0, 5))])
    assert not all_heard(talks, [("a", Copy("bob", ["1"], 0, 5)), ("b", Copy("carol", [], 0, 5))])


def test_two_who_heard_differently_are_found() -> None:
    """Though both were said at the same time, everybody hears them in one order."""
    talk = [said("1", 1), Said("bob", "2", 1, 1.5, DONE)]
    assert not judge_talk(talk, [Copy("carol", ["2", "1"])])
    found = judge_talk(talk, [Copy("carol", ["2", "1"]), Copy("dave", ["1", "2"])])
    assert kinds(list(found)) == {Wrong.REORDERED}


def test_what_was_heard_in_two_stays_was_heard_twice() -> None:
    """Who comes back is not told again what they have heard."""
    found = judge_talk([said("1", 1)], [Copy("bob", ["1"], 0, 2), Copy("bob", ["1"], 3, 9)])
    assert kinds(list(found)) == {Wrong.DOUBLED}


def truths(*several: tuple[float, int]) -> list[Truth]:
    """What Alice was, from when on."""
    return [Truth("alice", at, frozenset({value})) for at, value in several]


def views(*several: tuple[float, int | None]) -> list[View]:
    """What Bob saw of her."""
    return [View("bob", "alice", at, value) for at, value in several]


def test_presence_may_be_late_by_as_much_as_is_allowed() -> None:
    """And for how long it was wrong at worst is told."""
    seen = judge_presence(truths((0, AVAILABLE), (10, BUSY)), views((1, AVAILABLE), (14, BUSY)), 10, 100)
    assert (seen.longest_s, seen.flashes, seen.violations) == (4, 0, [])


@pytest.mark.parametrize(
    ("true", "saw", "wrong_s"),
    [
        ([(0, AVAILABLE), (10, OFFLINE)], [(1, AVAILABLE)], 90),
        ([(0, AVAILABLE), (10, BUSY)], [(1, AVAILABLE), (12, BUSY), (50, AVAILABLE), (70, BUSY)], 20),
        ([(0, AVAILABLE)], [(5, AVAILABLE), (20, BUSY)], 80),
        ([(0, AVAILABLE), (10, BUSY), (40, AVAILABLE)], [(5, AVAILABLE)], 30),
        # Always late by one: it is wrong all the time, whatever is seen.
        ([(0, AVAILABLE), (8, BUSY), (16, OFFLINE)], [(1, AVAILABLE), (16, BUSY), (24, OFFLINE)], 16),
    ],
)
def test_what_was_seen_for_too_long_is_found(
    true: list[tuple[float, int]], saw: list[tuple[float, int | None]], wrong_s: float
) -> None:
    """Gone and still shown, back though it was over, or never so."""
    seen = judge_presence(truths(*true), views(*saw), 10, 100)
    assert seen.longest_s == wrong_s
    assert kinds(list(seen.violations)) == {Wrong.OUTDATED}


def test_what_is_back_for_a_moment_though_it_was_long_over_is_counted() -> None:
    """It is no wrong presence for long, and no good sign."""
    saw = views((1, AVAILABLE), (10, BUSY), (50, AVAILABLE), (50.5, BUSY))
    seen = judge_presence(truths((0, AVAILABLE), (10, BUSY)), saw, 10, 100)
    assert (seen.longest_s, seen.flashes, seen.violations) == (0.5, 1, [])


def test_who_looks_no_more_sees_nothing_wrong() -> None:
    """A client without a connection shows nobody."""
    assert not judge_presence(
        truths((0, AVAILABLE), (10, OFFLINE)), views((1, AVAILABLE), (12, None)), 10, 99
    ).violations
    assert not judge_presence([], views((1, AVAILABLE)), 10, 99).violations
