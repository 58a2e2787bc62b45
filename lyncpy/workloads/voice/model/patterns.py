r"""Patterns of numbers, as administrators of Lync write them, matched in time that grows with the text alone.

What is read is the part of .NET's regular expressions that numbers need: literals, `.`, `\d`, classes (`[2-9]`, `[^0]`),
groups, alternatives, repetitions (`?`, `*`, `+`, `{4}`, `{1,5}`), `^`, `$`, and looking ahead (`(?!911)`). A pattern that says
more (references to groups, looking behind, options) is refused with a sentence, and so is one that would have too many steps.

A pattern becomes a program, and all places in it where the text may be are followed at once, the preferred first (Thompson
and Pike): no text takes longer than its length times the program. The first group that .NET would find is found.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from lyncpy.workloads.voice.model.pattern_program import CharacterSet, Op, PatternStep, always, run

LONGEST: Final = 512
"""Characters of a pattern."""

STEPS_MOST: Final = 400
"""Steps of a program: `^(\\d{10})$` has 16."""

AHEAD_MOST: Final = 100
"""Steps of all that looks ahead: it begins anew at each character."""

TEXT_MOST: Final = 80
"""Characters of a text that is looked at; a longer one fits nothing, for nobody dials it."""

GROUPS_MOST: Final = 20
_NESTING: Final = 12
_REPEATED_MOST: Final = 100

DIGITS: Final = frozenset("0123456789")
_WORD: Final = DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_BLANK: Final = frozenset(" \t")
_SHORT: Final = {"d": DIGITS, "w": _WORD, "s": _BLANK}
_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}")


class PatternRefused(ValueError):
    """A pattern cannot be used; the sentence tells an administrator why."""


@dataclass(frozen=True, slots=True)
class Found:
    """The first place where a pattern fits."""

    text: str
    slots: tuple[int, ...]

    def group(self, number: int) -> str:
        """Give what a group holds, 0 being all; "" for one that took no part."""
        begin, end = self.slots[2 * number : 2 * number + 2]
        return "" if min(begin, end) < 0 else self.text[begin:end]


@dataclass(frozen=True)
class Pattern:
    """A pattern that was read; see `read_pattern`."""

    text: str
    program: tuple[PatternStep, ...] = field(repr=False)
    groups: int

    def find(self, text: str) -> Found | None:
        """Find the first place where the pattern fits, as .NET's `Match` does; None: nowhere."""
        if len(text) > TEXT_MOST:
            return None
        slots = run(self.program, text, 0, 2 * self.groups + 2, is_fixed=False)
        return None if slots is None else Found(text, slots)

    @cached_property
    def is_whole(self) -> bool:
        """Whether what it fits, it fits from the first character to the last, however it is read."""
        return always(self.program, Op.BEGIN) and always(self.program, Op.END)

    @cached_property
    def looks_ahead(self) -> bool:
        """Whether it depends on what follows."""
        return any(step.op is Op.AHEAD for step in self.program)


def read_pattern(text: str) -> Pattern:
    """Read a pattern.

    Raises:
        PatternRefused: It cannot be read, says something that numbers do not need, or has too many steps.
    """
    if len(text) > LONGEST:
        raise PatternRefused(f"it has more than {LONGEST} characters")
    reader = _Reader(text)
    tree = reader.whole()
    writer = _Writer()
    writer.write(tree)
    writer.add(PatternStep(Op.FOUND))
    return Pattern(text, tuple(writer.steps), reader.groups)


# --- reading: a tree


@dataclass(frozen=True, slots=True)
class _Node:
    kind: str
    """ "set", "row", "choice", "repeat", "group", "begin", "end" or "ahead"."""

    parts: "tuple[_Node, ...]" = ()
    characters: CharacterSet | None = None
    low: int = 0
    """Of a repetition; of a group its number."""

    high: int | None = None
    is_lazy: bool = False
    is_not: bool = False


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self.groups = 0

    def whole(self) -> _Node:
        tree = self._choice()
        if self._at < len(self._text):
            raise self._refused("a ) has no ( before it")
        return tree

    def _refused(self, why: str) -> PatternRefused:
        return PatternRefused(f"at character {self._at + 1}: {why}")

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, words: str) -> bool:
        if not self._text.startswith(words, self._at):
            return False
        self._at += len(words)
        return True

    def _choice(self) -> _Node:
        parts = [self._row()]
        while self._take("|"):
            parts.append(self._row())
        return parts[0] if len(parts) == 1 else _Node("choice", tuple(parts))

    def _row(self) -> _Node:
        parts = []
        while self._next() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return _Node("row", tuple(parts))

    def _atom(self) -> _Node:
        character = self._next()
        self._at += 1
        if character == "^":
            return _Node("begin")
        if character == "$":
            return _Node("end")
        if character == ".":
            return _Node("set", characters=CharacterSet(frozenset("\n"), is_all_but=True))
        if character == "(":
            return self._group()
        if character == "[":
            return _Node("set", characters=self._class())
        if character == "\\":
            return _Node("set", characters=self._escape())
        if character in "?*+{":
            self._at -= 1
            raise self._refused(f"there is nothing that {character} could repeat")
        return _Node("set", characters=CharacterSet(frozenset(character)))

    def _group(self) -> _Node:
        self._depth += 1
        if self._depth > _NESTING:
            raise self._refused(f"more than {_NESTING} groups within each other")
        if self._take("?:"):
            node = self._choice()
        elif self._take("?!") or self._take("?="):
            is_not = self._text[self._at - 1] == "!"
            node = _Node("ahead", (self._choice(),), is_not=is_not)
        elif self._next() == "?":
            raise self._refused("of groups with ? those alone can be used that begin with (?: or (?! or (?=")
        else:
            self.groups += 1
            number = self.groups
            if number > GROUPS_MOST:
                raise self._refused(f"more than {GROUPS_MOST} groups")
            node = _Node("group", (self._choice(),), low=number)
        if not self._take(")"):
            raise self._refused("a ( has no ) behind it")
        self._depth -= 1
        return node

    def _escape(self) -> CharacterSet:
        character = self._next()
        self._at += 1
        if character.lower() in _SHORT and character:
            return CharacterSet(_SHORT[character.lower()], is_all_but=character.isupper())
        if character.isalnum() or not character:
            self._at -= 1
            raise self._refused(f"\\{character} cannot be used in a pattern of numbers")
        return CharacterSet(frozenset(character))

    def _class(self) -> CharacterSet:
        is_all_but = self._take("^")
        found: set[str] = set()
        is_first = True
        while is_first or self._next() != "]":
            is_first = False
            low = self._of_class()
            if self._next() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", "") and len(low) == 1:
                self._at += 1
                high = self._of_class()
                first, last = min(low), max(high)
                if len(high) > 1 or first > last or ord(last) - ord(first) > 128:
                    raise self._refused(f"{first}-{last} is no range")
                low = frozenset(map(chr, range(ord(first), ord(last) + 1)))
            found |= low
        self._at += 1
        return CharacterSet(frozenset(found), is_all_but=is_all_but)

    def _of_class(self) -> frozenset[str]:
        character = self._next()
        if not character:
            raise self._refused("a [ has no ] behind it")
        self._at += 1
        if character != "\\":
            return frozenset(character)
        escaped = self._escape()
        if escaped.is_all_but:
            raise self._refused("\\D, \\W and \\S cannot stand in a class")
        return escaped.characters

    def _repeated(self, node: _Node) -> _Node:
        bounds = self._bounds()
        if bounds is None:
            return node
        if node.kind in ("begin", "end", "ahead"):
            raise self._refused("^, $ and what looks ahead cannot be repeated")
        if bounds[1] != 1 and _may_be_empty(node):
            raise self._refused("what is repeated may be empty; write it with one character at least")
        is_lazy = self._take("?")
        if self._next() and self._next() in "*+{":
            raise self._refused("a repetition cannot be repeated itself; put it into a group")
        return _Node("repeat", (node,), low=bounds[0], high=bounds[1], is_lazy=is_lazy)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("?", (0, 1)), ("*", (0, None)), ("+", (1, None))):
            if self._take(sign):
                return bounds
        if not self._take("{"):
            return None
        low = self._number()
        high: int | None = low
        if self._take(","):
            high = None if self._next() == "}" else self._number()
        if not self._take("}"):
            raise self._refused("a { has no } behind it")
        if high is not None and high < low:
            raise self._refused(f"{{{low},{high}}} ends before it begins")
        return low, high

    def _number(self) -> int:
        begin = self._at
        while self._next() in DIGITS and self._next():
            self._at += 1
        digits = self._text[begin : self._at]
        if not 0 < len(digits) <= 3 or int(digits) > _REPEATED_MOST:
            raise self._refused(f"a number of at most {_REPEATED_MOST} is missing behind {{")
        return int(digits)


def _may_be_empty(node: _Node) -> bool:
    if node.kind == "set":
        return False
    if node.kind == "choice":
        return any(map(_may_be_empty, node.parts))
    return (node.kind == "repeat" and not node.low) or all(
        map(_may_be_empty, node.parts if node.kind != "ahead" else ())
    )


# --- writing: a program


class _Writer:
    """Writes the program of a tree, as long as it is no longer than it may be."""

    def __init__(self, most: int = STEPS_MOST) -> None:
        self.steps: list[PatternStep] = []
        self._most = most
        self._ahead = 0

    def add(self, step: PatternStep) -> int:
        """Add a step; give where it is."""
        if len(self.steps) >= self._most:
            raise PatternRefused(
                f"it would take more than {self._most} steps at each character; repeat less, or divide it into several"
            )
        self.steps.append(step)
        return len(self.steps) - 1

    def write(self, node: _Node) -> None:
        """Write a node of the tree."""
        if node.kind == "set":
            self.add(PatternStep(Op.CHARACTER, characters=node.characters))
        elif node.kind == "row":
            for part in node.parts:
                self.write(part)
        elif node.kind == "choice":
            self._write_choice(node)
        elif node.kind == "repeat":
            self._write_repeated(node)
        elif node.kind == "group":
            self.add(PatternStep(Op.SAVE, 2 * node.low))
            self.write(node.parts[0])
            self.add(PatternStep(Op.SAVE, 2 * node.low + 1))
        elif node.kind == "ahead":
            self._write_ahead(node)
        else:
            self.add(PatternStep(Op.BEGIN if node.kind == "begin" else Op.END))

    def _write_choice(self, node: _Node) -> None:
        ends = []
        for part in node.parts[:-1]:
            split = self.add(PatternStep(Op.SPLIT))
            self.write(part)
            ends.append(self.add(PatternStep(Op.JUMP)))
            self.steps[split] = PatternStep(Op.SPLIT, split + 1, len(self.steps))
        self.write(node.parts[-1])
        for end in ends:
            self.steps[end] = PatternStep(Op.JUMP, len(self.steps))

    def _write_repeated(self, node: _Node) -> None:
        (part,) = node.parts
        for _ in range(node.low):
            self.write(part)
        if node.high is None:
            split = self.add(PatternStep(Op.SPLIT))
            self.write(part)
            self.add(PatternStep(Op.JUMP, split))
            self.steps[split] = self._split(split + 1, len(self.steps), node)
            return
        splits = []
        for _ in range(node.high - node.low):
            splits.append(self.add(PatternStep(Op.SPLIT)))
            self.write(part)
        for split in splits:
            self.steps[split] = self._split(split + 1, len(self.steps), node)

    @staticmethod
    def _split(again: int, on: int, node: _Node) -> PatternStep:
        return PatternStep(Op.SPLIT, on, again) if node.is_lazy else PatternStep(Op.SPLIT, again, on)

    def _write_ahead(self, node: _Node) -> None:
        inner = _Writer(AHEAD_MOST)
        inner.write(node.parts[0])
        inner.add(PatternStep(Op.FOUND))
        if any(step.op is Op.AHEAD for step in inner.steps):
            raise PatternRefused("what looks ahead cannot do so once more")
        self._ahead += len(inner.steps)
        if self._ahead > AHEAD_MOST:
            raise PatternRefused(f"all that looks ahead has more than {AHEAD_MOST} steps")
        self.add(PatternStep(Op.AHEAD, ahead=tuple(inner.steps), is_not=node.is_not))
