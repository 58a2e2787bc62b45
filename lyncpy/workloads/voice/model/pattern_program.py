"""Programs of patterns, and following them: one text with what its groups hold, or all texts at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Op(Enum):
    """What a step does."""

    CHARACTER = auto()
    SPLIT = auto()
    JUMP = auto()
    SAVE = auto()
    BEGIN = auto()
    END = auto()
    AHEAD = auto()
    FOUND = auto()


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """Some characters, or all but some."""

    characters: frozenset[str]
    is_all_but: bool = False

    def __contains__(self, character: str) -> bool:
        return (character in self.characters) != self.is_all_but


@dataclass(frozen=True, slots=True)
class PatternStep:
    """One step of a program."""

    op: Op
    one: int = 0
    """SPLIT: where to go first; JUMP: where; SAVE: which slot."""

    other: int = 0
    """SPLIT: where to go else."""

    characters: CharacterSet | None = None
    ahead: "tuple[PatternStep, ...]" = ()
    is_not: bool = False
    """AHEAD: that nothing of the kind follows."""


# --- running


Slots = tuple[int, ...]


class _Places:
    """Where in a program a text may be, the preferred place first, each with what its groups hold."""

    __slots__ = ("saved", "seen")

    def __init__(self) -> None:
        self.saved: dict[int, Slots] = {}
        self.seen: set[int] = set()
        """All that was passed on the way, so that no place is entered twice."""


def run(program: Sequence[PatternStep], text: str, begin: int, slots: int, *, is_fixed: bool) -> Slots | None:
    """Run a program; give the slots of the preferred match that begins first, or None.

    Args:
        begin: Where the text begins that may fit.
        slots: How many there are.
        is_fixed: Whether it has to fit there, and nowhere later.
    """
    empty = (-1,) * slots
    now = _Places()
    best: Slots | None = None
    for at in range(begin, len(text) + 1):
        if best is None and (at == begin or not is_fixed):
            # Whoever began before is preferred, so this comes last.
            _enter(program, now, 0, (at, *empty[1:]), text, at)
        if not now.saved and (best is not None or is_fixed):
            break
        later = _Places()
        character = text[at : at + 1]
        for where, saved in now.saved.items():
            step = program[where]
            if step.op is Op.FOUND:
                best = (saved[0], at, *saved[2:])
                break  # all that come after it are less preferred
            if character and step.characters is not None and character in step.characters:
                _enter(program, later, where + 1, saved, text, at + 1)
        now = later
    return best


def _enter(program: Sequence[PatternStep], places: _Places, where: int, saved: Slots, text: str, at: int) -> None:
    """Add all places that are reached without a character, in their order of preference; each is entered once."""
    waiting = [(where, saved)]
    while waiting:
        where, saved = waiting.pop()
        if where in places.seen:
            continue
        places.seen.add(where)
        step = program[where]
        if step.op in (Op.CHARACTER, Op.FOUND):
            places.saved[where] = saved
        elif step.op is Op.SPLIT:
            waiting += [(step.other, saved), (step.one, saved)]
        elif step.op is Op.JUMP:
            waiting.append((step.one, saved))
        elif step.op is Op.SAVE:
            waiting.append((where + 1, (*saved[: step.one], at, *saved[step.one + 1 :])))
        elif _holds(step, text, at):
            waiting.append((where + 1, saved))


def _holds(step: PatternStep, text: str, at: int) -> bool:
    if step.op is Op.BEGIN:
        return at == 0
    if step.op is Op.END:
        return at == len(text)
    return (run(step.ahead, text, at, 2, is_fixed=True) is not None) != step.is_not


def always(program: Sequence[PatternStep], op: Op) -> bool:
    """Tell whether no way through a program misses a step of a kind."""
    seen, waiting = set[int](), [0]
    while waiting:
        where = waiting.pop()
        step = program[where]
        if where in seen or step.op is op:
            continue
        seen.add(where)
        if step.op is Op.FOUND:
            return False
        waiting += [step.one, step.other] if step.op is Op.SPLIT else [step.one if step.op is Op.JUMP else where + 1]
    return True


# --- following all texts at once


ANYTHING: Final = -1
"""The place of a program that has found something: whatever follows changes nothing."""


def entered(program: Sequence[PatternStep], places: Iterable[int], *, at_begin: bool = False) -> frozenset[int]:
    """Give the places that are reached from these without a character; a program that looks ahead is taken to see nothing."""
    seen, waiting, found = set[int](), list(places), set[int]()
    while waiting:
        where = waiting.pop()
        if where in seen:
            continue
        seen.add(where)
        step = program[where]
        if step.op is Op.FOUND:
            return frozenset({ANYTHING})
        if step.op in (Op.CHARACTER, Op.END):
            found.add(where)
        elif step.op is Op.SPLIT:
            waiting += [step.one, step.other]
        elif step.op is Op.JUMP:
            waiting.append(step.one)
        elif step.op is Op.SAVE or (step.op is Op.BEGIN and at_begin):
            waiting.append(where + 1)
    return frozenset(found)


def moved(program: Sequence[PatternStep], places: frozenset[int], character: str) -> frozenset[int]:
    """Give where a program may be after one more character; what it finds may also begin behind that."""
    if ANYTHING in places:
        return places
    on = {where + 1 for where in places if (those := program[where].characters) is not None and character in those}
    return entered(program, on | {0})


def fits_here(program: Sequence[PatternStep], places: frozenset[int]) -> bool:
    """Tell whether a program has found something where the text ends here."""
    waiting = [where + 1 for where in places if where != ANYTHING and program[where].op is Op.END]
    while ANYTHING not in places and waiting:
        places = entered(program, waiting)
        waiting = [where + 1 for where in places if where != ANYTHING and program[where].op is Op.END]
    return ANYTHING in places


def characters_of(program: Sequence[PatternStep]) -> Iterator[frozenset[str]]:
    """Give the characters that a program names."""
    return (step.characters.characters for step in program if step.characters is not None)
