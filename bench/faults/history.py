"""What clients did, were answered and read afterwards, and whether that can have happened in one store that loses nothing.

In the manner of Jepsen. A register is anything that one user alone writes: a note, or whether somebody is in their list. A talk is
anything whose order counts: a conference, the archive. Presence is compared with what each user themselves knew at the time. Times
are seconds of one clock, that of whoever keeps the history. Nothing here knows a server.
"""

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from typing import Final, TypeVar

ARCHIVE: Final = "the archive"
"""The listener that hears everything."""


class Outcome(enum.Enum):
    """What somebody knows of what they have asked for."""

    DONE = "done"
    REFUSED = "refused"
    """It was not done."""

    UNKNOWN = "unknown"
    """No answer came, or one that leaves it open."""


class Wrong(enum.Enum):
    """What a history can show that must not be. The values are what is printed."""

    LOST = "acknowledged, and lost"
    STALE = "written by a node that was known dead"
    RESURRECTED = "removed, and there again"
    INVENTED = "read, and never written"
    DOUBLED = "there twice"
    REORDERED = "in another order"
    OUTDATED = "wrong presence seen for too long"


@dataclass(frozen=True, slots=True)
class Violation:
    """One of them."""

    wrong: Wrong
    about: str
    """A key, or a listener."""

    said: str
    """What was expected and what was found, in words."""


@dataclass(frozen=True, slots=True)
class Write:
    """Something was asked to be written to a register."""

    key: str
    value: str | None
    """None: to be removed."""

    began: float
    ended: float
    outcome: Outcome
    until: float = inf
    """For one whose outcome is unknown: when its node was known dead. What it takes effect later is stale."""


@dataclass(frozen=True, slots=True)
class Read:
    """What somebody read of a register; None: nothing was there."""

    key: str
    value: str | None
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody said something to all who are in a talk. No text is said twice."""

    speaker: str
    text: str
    began: float
    ended: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Copy:
    """What a listener heard in one stay, in order.

    `since` and `until` are times between which they surely were there to hear all; a message that was being said at either
    may be in it or not.
    """

    listener: str
    texts: Sequence[str]
    since: float = -inf
    until: float = inf


@dataclass(frozen=True, slots=True)
class Truth:
    """From a time on, somebody's presence is one of these values, as they know it themselves."""

    person: str
    at: float
    values: frozenset[int]


@dataclass(frozen=True, slots=True)
class View:
    """From a time on, a watcher sees this of somebody; None: they look no more."""

    watcher: str
    person: str
    at: float
    value: int | None


def judge_registers(events: Iterable[Write | Read]) -> Sequence[Violation]:
    """Find what cannot be of registers that are each written and read by one user, one thing at a time.

    The first read of a key, before anything was written to it, says what it begins with; otherwise it begins empty.
    """
    of_key: defaultdict[str, list[Write | Read]] = defaultdict(list)
    for event in events:
        of_key[event.key].append(event)
    found: list[Violation] = []
    for key, several in of_key.items():
        found += _judge_register(key, sorted(several, key=lambda event: event.began))
    return found


def _judge_register(key: str, events: Sequence[Write | Read]) -> Iterable[Violation]:
    expected: str | None = None
    fixed_at = -inf  # when `expected` was surely there
    written: set[str | None] = {None}
    open_writes: list[Write] = []
    if isinstance(events[0], Read):
        expected = events[0].value
        written.add(expected)
    for event in events:
        if isinstance(event, Write):
            written.add(event.value)
            if event.outcome is Outcome.DONE:
                expected, fixed_at = event.value, event.ended
            elif event.outcome is Outcome.UNKNOWN:
                open_writes.append(event)
            continue
        allowed = {expected, *(one.value for one in open_writes if one.until > fixed_at)}
        if event.value not in allowed:
            late = {one.value for one in open_writes if one.until <= fixed_at}
            yield Violation(
                _why(event.value, expected, written, late),
                key,
                f"expected {_words(expected)}, and {_words(event.value)} was read at {event.ended:.1f} s",
            )
        expected, fixed_at = event.value, event.began


def _why(value: str | None, expected: str | None, written: set[str | None], late: set[str | None]) -> Wrong:
    """Give the kind of a read that cannot be."""
    if value in late:
        return Wrong.STALE
    if value not in written:
        return Wrong.INVENTED
    return Wrong.RESURRECTED if expected is None else Wrong.LOST


def judge_talk(said: Iterable[Said], copies: Sequence[Copy]) -> Sequence[Violation]:
    """Find what cannot be of a talk in which all hear all in one order, and each message once.

    A listener hears not what they say themselves; `ARCHIVE` does. Two messages of which one was begun after the other was
    acknowledged are in that order for everybody.
    """
    by_text = {one.text: one for one in said}
    found: list[Violation] = []
    for copy in copies:
        found += _judge_copy(by_text, copy)
    of_listener: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for copy in copies:
        of_listener[copy.listener].update(copy.texts)
    for listener, counts in of_listener.items():
        found += [
            Violation(Wrong.DOUBLED, listener, f"{text!r} was heard {count} times")
            for text, count in counts.items()
            if count > 1
        ]
    for one, other in combinations(copies, 2):
        found += _compare(one, other)
    return found


def all_heard(said: Mapping[str, Sequence[Said]], stays: Iterable[tuple[str, Copy]]) -> bool:
    """Tell whether all who are in a talk, each with its name, have heard what they are to hear by now."""
    return not any(
        one.wrong is Wrong.LOST
        for where, stay in stays
        for one in _judge_copy({each.text: each for each in said.get(where, ())}, stay)
    )


def _judge_copy(said: Mapping[str, Said], copy: Copy) -> Iterable[Violation]:
    heard = set(copy.texts)
    for one in said.values():
        is_meant = one.speaker != copy.listener and copy.since <= one.began and one.ended <= copy.until
        if one.outcome is Outcome.DONE and is_meant and one.text not in heard:
            yield Violation(Wrong.LOST, copy.listener, f"{one.text!r} of {one.speaker} was not heard")
    for text in heard - said.keys():
        yield Violation(Wrong.INVENTED, copy.listener, f"{text!r} was heard, and nobody said it")
    order = [said[text] for text in dict.fromkeys(copy.texts) if text in said]
    latest: Said | None = None  # of those before, the one that was begun last
    for one in order:
        if latest is not None and one.outcome is Outcome.DONE and one.ended < latest.began:
            yield Violation(
                Wrong.REORDERED,
                copy.listener,
                f"{latest.text!r} was heard before {one.text!r}, which was acknowledged before",
            )
        if latest is None or one.began > latest.began:
            latest = one


def _compare(one: Copy, other: Copy) -> Iterable[Violation]:
    """Compare the order of what two have heard."""
    common = set(one.texts) & set(other.texts)
    here = [text for text in dict.fromkeys(one.texts) if text in common]
    there = [text for text in dict.fromkeys(other.texts) if text in common]
    differs = next(((a, b) for a, b in zip(here, there, strict=True) if a != b), None)
    if differs is not None and one.listener != other.listener:
        yield Violation(
            Wrong.REORDERED, one.listener, f"heard {differs[0]!r} where {other.listener} heard {differs[1]!r}"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What watchers saw."""

    longest_s: float
    """For how long somebody was seen at worst as they were not, without a break."""

    flashes: int
    """How often something was seen, if only for a moment, that had not been true for longer than is allowed."""

    violations: Sequence[Violation]


def judge_presence(truths: Iterable[Truth], views: Iterable[View], bound_s: float, end: float) -> Seen:
    """Find who was seen for longer than `bound_s` as they were not; the history ends at `end`.

    Whoever changes should not come back to the same value within that time: it would be seen as true.
    """
    true: defaultdict[str, list[Truth]] = defaultdict(list)
    seen: defaultdict[tuple[str, str], list[View]] = defaultdict(list)
    for truth in truths:
        true[truth.person].append(truth)
    for view in views:
        seen[view.watcher, view.person].append(view)
    longest, flashes, found = 0.0, 0, []
    for (watcher, person), several in seen.items():
        spans = _spans(sorted(true[person], key=lambda one: one.at), end)
        for begins, over, view in _wrong(_spans(sorted(several, key=lambda one: one.at), end), spans):
            longest = max(longest, over - begins)
            old_s = view.at - max(
                (until for truth, until in spans if view.value in truth.values and truth.at <= view.at), default=-inf
            )
            flashes += begins == view.at and old_s > bound_s
            if over - begins > bound_s:
                found.append(
                    Violation(
                        Wrong.OUTDATED,
                        f"{watcher} of {person}",
                        f"wrong from {begins:.1f} to {over:.1f} s, at first {view.value}",
                    )
                )
    return Seen(longest, flashes, found)


_Timed = TypeVar("_Timed", Truth, View)


def _spans(several: Sequence[_Timed], end: float) -> Sequence[tuple[_Timed, float]]:
    """Give each with when the next one begins."""
    return [
        (one, several[number + 1].at if number + 1 < len(several) else max(end, one.at))
        for number, one in enumerate(several)
    ]


def _wrong(
    views: Sequence[tuple[View, float]], truths: Sequence[tuple[Truth, float]]
) -> Sequence[tuple[float, float, View]]:
    """Give from when to when what was seen was not true, without a break, and what was seen at first."""
    found: list[tuple[float, float, View]] = []
    for view, until in views:
        for truth, over in truths:
            begins, ends = max(view.at, truth.at), min(until, over)
            if view.value is None or view.value in truth.values or begins >= ends:
                continue
            if found and found[-1][1] == begins:
                found[-1] = found[-1][0], ends, found[-1][2]
            else:
                found.append((begins, ends, view))
    return found


def _words(value: str | None) -> str:
    return "nothing" if value is None else repr(value)
