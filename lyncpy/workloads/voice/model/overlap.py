"""What patterns in order mean for each other: which can never decide anything, and which fit the same numbers.

Programs are followed side by side over all texts at once: a state is the set of places where each of them may be, and a
character leads from state to state. What no state can reach, no number can be. States are bounded; where there are more,
nothing is said.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from lyncpy.workloads.voice.model.pattern_program import characters_of, entered, fits_here, moved
from lyncpy.workloads.voice.model.patterns import DIGITS, Pattern

WORK_MOST: Final = 20_000
"""States that are looked at for one pattern, times patterns; plans that people write need some hundred."""

LETTERS_MOST: Final = 40
_ALWAYS: Final = DIGITS | frozenset("+*#")


class Bearing(Enum):
    """What those before a pattern leave it."""

    FREE = auto()
    """Nothing that it fits is decided before it."""

    SHARED = auto()
    """Of what it fits, some is decided before it, as the example."""

    HIDDEN = auto()
    """All that it fits is decided before it."""

    EMPTY = auto()
    """It fits no number at all."""

    UNKNOWN = auto()
    """It looks ahead, or there are too many states."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How a pattern stands to those before it."""

    bearing: Bearing
    example: str = ""
    """A text that both fit, of SHARED."""

    by: int = -1
    """Which of those before decides the example, or all, where one does so alone; counted from 0."""


def overlap(before: Sequence[Pattern], pattern: Pattern) -> Overlap:
    """Say what the patterns before it leave a pattern."""
    if pattern.looks_ahead:
        return Overlap(Bearing.UNKNOWN)
    # What looks ahead is not followed: it may fit less than it seems, so it hides nobody.
    plain = [(index, one) for index, one in enumerate(before) if not one.looks_ahead]
    example, by, is_free, is_any = "", -1, False, False
    seen = 0
    for text, fits, others in _ends([pattern, *(one for _, one in plain)]):
        seen += 1
        if seen * (len(plain) + 1) > WORK_MOST:
            return Overlap(Bearing.UNKNOWN)
        if not fits:
            continue
        is_any = True
        if not any(others):
            is_free = True
        elif by < 0:
            example, by = text, plain[others.index(True)][0]
        if is_free and by >= 0:
            return Overlap(Bearing.SHARED, example, by)
    if not is_any:
        return Overlap(Bearing.EMPTY)
    return Overlap(Bearing.FREE) if by < 0 else Overlap(Bearing.HIDDEN, example, by)


def _ends(patterns: Sequence[Pattern]) -> Iterator[tuple[str, bool, list[bool]]]:
    """Give, for each state that a text leads to, the shortest such text and whether each pattern fits it."""
    letters = _letters(patterns)
    begin = tuple(entered(one.program, {0}, at_begin=True) for one in patterns)
    known = {begin}
    waiting = deque([("", begin)])
    while waiting:
        text, state = waiting.popleft()
        fits, *others = [fits_here(one.program, places) for one, places in zip(patterns, state, strict=True)]
        yield text, fits, others
        for letter in letters:
            later = tuple(moved(one.program, places, letter) for one, places in zip(patterns, state, strict=True))
            if later[0] and later not in known:
                known.add(later)
                waiting.append((text + letter, later))


def _letters(patterns: Sequence[Pattern]) -> Sequence[str]:
    """Give the characters that numbers are made of, and of others those that patterns name."""
    named = frozenset[str]().union(*(some for one in patterns for some in characters_of(one.program)))
    letters = sorted(one for one in named if one.isalpha())[:LETTERS_MOST] if len(named) < LETTERS_MOST else []
    return [*sorted(_ALWAYS), *letters]
