"""An index of words: whose words begin as those that somebody types. Pure.

It is built once, in slices, and never changed. What it indexes is sorted first, and numbered: the smallest numbers of
those who are found are the first of a list, so that nothing has to be sorted to answer. For each field it has a
`Section`: every word once, in order, in one run of bytes, and behind it, in one run of numbers, who has it. All words that
begin alike stand side by side, and so do the numbers of who has one of them.

Where very many have a word (the name of the company), or one of the words that begin alike (with one letter, or with the
digits of a country), who they are is a set of bits, made ahead. So no question is expensive: what is looked at number
by number is always a small part of all.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, merge
from itertools import islice
from typing import Final, Generic, TypeVar

T = TypeVar("T")

PIECE: Final = 64
"""Subjects that are read, or words that are written, between two moments at which the work may be put aside."""

SHARDS: Final = 64
"""Tables among which words are spread: one table of all would be copied as a whole whenever it grows."""

RUN: Final = 512
"""What is sorted at once; the runs are merged."""

BITS_PIECE: Final = 4_096

CROWD_SHARE: Final = 32
CROWD_MINIMUM: Final = 256
"""A crowd is who has one of some words that begin alike, if that is at least one in so many, and no fewer than this."""


@dataclass(frozen=True, slots=True)
class Term:
    """A field has a word that begins so, or that is this one."""

    field: str
    word: str
    whole: bool = False


Clause = tuple[Term, ...]
"""Any of these holds."""


@dataclass(slots=True)
class Matches:
    """The numbers of those for whom something holds."""

    few: set[int] = field(default_factory=set)
    crowd: int = 0
    """Others, or the same: bit N says that N is one of them."""

    def add(self, other: "Matches") -> None:
        """Add those for whom something else holds."""
        self.few |= other.few
        self.crowd |= other.crowd

    def intersect(self, other: "Matches") -> None:
        """Remove those for whom something else does not hold."""
        self.few = (self.few & other.few) | _within(self.few, other.crowd) | _within(other.few, self.crowd)
        self.crowd &= other.crowd

    def __bool__(self) -> bool:
        return bool(self.few or self.crowd)

    def __iter__(self) -> Iterator[int]:
        """Give them from the smallest on, each at least once."""
        if not self.crowd:
            return _smallest(self.few)
        return merge(_smallest(self.few), _bits(self.crowd))


def _within(few: set[int], crowd: int) -> set[int]:
    if not few or not crowd:
        return set()
    bits = crowd.to_bytes((crowd.bit_length() + 7) // 8, "little")
    end = len(bits) << 3
    return {one for one in few if one < end and bits[one >> 3] >> (one & 7) & 1}


def _smallest(few: set[int]) -> Iterator[int]:
    """Give numbers in order; who wants only the first of them does not wait for all to be sorted."""
    ahead = list(few)
    heapify(ahead)
    while ahead:
        yield heappop(ahead)


def _bits(crowd: int) -> Iterator[int]:
    for place, byte in enumerate(crowd.to_bytes((crowd.bit_length() + 7) // 8, "little")):
        if byte:
            yield from (place << 3 | bit for bit in range(8) if byte >> bit & 1)


class Section:
    """The words of one field.

    Args:
        text: All words in UTF-8, in order.
        ends: Where each ends in it.
        whose: The numbers of who has the first word, then those of the second, and so on.
        lasts: Where the numbers of each word end in it.
        crowds: Who has a word, or a word that begins so, where they are very many: by the first word and the one behind the last.
    """

    def __init__(
        self,
        text: bytes,
        ends: "array[int]",
        whose: "array[int]",
        lasts: "array[int]",
        crowds: Mapping[tuple[int, int], int],
    ) -> None:
        self._text = text
        self._ends = ends
        self._whose = whose
        self._lasts = lasts
        self._crowds = crowds

    def span(self, term: Term) -> tuple[int, int]:
        """Give the numbers of the first word that fits, and of the first behind it that does not."""
        wanted = term.word.encode()
        count = len(self._ends)
        first = bisect_left(range(count), wanted, key=self._word)
        if term.whole:
            return first, first + (first < count and self._word(first) == wanted)
        # No letter of UTF-8 has this byte, so that nothing that begins with the word stands behind it.
        return first, bisect_left(range(count), wanted + b"\xff", first, key=self._word)

    def size(self, span: tuple[int, int]) -> int:
        """Count who has one of these words, each for each word."""
        return _size(self._lasts, span)

    def matches(self, span: tuple[int, int]) -> Matches:
        """Find who has one of these words."""
        # Who has one of several words is a crowd wherever one of these alone is, so that the rest are few.
        crowd = self._crowds.get(span)
        if crowd is not None:
            return Matches(crowd=crowd)
        return Matches(set(self._whose[_place(self._lasts, span[0]) : _place(self._lasts, span[1])]))

    def bytes_used(self) -> int:
        """Give the memory that this takes, about."""
        numbers = sum(each.itemsize * len(each) for each in (self._ends, self._whose, self._lasts))
        return len(self._text) + numbers + sum(crowd.bit_length() // 8 + 150 for crowd in self._crowds.values())

    def _word(self, number: int) -> bytes:
        return self._text[self._ends[number - 1] if number else 0 : self._ends[number]]


@dataclass(frozen=True, slots=True)
class IndexedForm(Generic[T]):
    """What is indexed of a subject."""

    key: Callable[[T], str]
    order: Callable[[T], str]
    """By which those who are found are sorted; equal ones by their key."""

    words: Mapping[str, Callable[[T], Iterable[str]]]
    """The words of each field."""


class WordIndex:
    """Finds subjects by words."""

    def __init__(self, keys: Sequence[str], sections: Mapping[str, Section]) -> None:
        self.keys = keys
        """Of all subjects, in order."""

        self.sections = sections

    def find(self, clauses: Iterable[Clause]) -> Iterator[str]:
        """Give the keys of those for whom all clauses hold, in order, each at least once. Nobody, where there is no clause."""
        sized: list[tuple[int, int, list[tuple[Section, tuple[int, int]]]]] = []
        for clause in clauses:
            spans = [(section, section.span(term)) for term in clause if (section := self.sections.get(term.field))]
            sized.append((sum(section.size(span) for section, span in spans), len(sized), spans))
        # Who is rare is looked for first: nobody, mostly, and then the rest need not be looked at.
        sized.sort()
        found: Matches | None = None
        for _, _, spans in sized:
            holds = Matches()
            for section, span in spans:
                holds.add(section.matches(span))
            if found is None:
                found = holds
            else:
                found.intersect(holds)
            if not found:
                return iter(())
        return map(self.keys.__getitem__, found or ())

    def bytes_used(self) -> int:
        """Give the memory that this takes, about, without the keys themselves."""
        return 8 * len(self.keys) + sum(section.bytes_used() for section in self.sections.values())


def indexing(subjects: Sequence[T], form: IndexedForm[T]) -> Generator[int, None, WordIndex]:
    """Make an index; yields after each piece of work how many subjects or words it has looked at."""
    decorated: list[tuple[str, str, T]] = []
    for some in _cut(subjects):
        decorated += ((form.order(one), form.key(one), one) for one in some)
        yield len(some)
    ordered: list[T] = []
    keys: list[str] = []
    for some_sorted in _cut_up((yield from _sorting([decorated]))):
        keys += (key for _, key, _ in some_sorted)
        ordered += (one for _, _, one in some_sorted)
        yield len(some_sorted)
    sections = {}
    for name, words in form.words.items():
        sections[name] = yield from _section(ordered, words)
    return WordIndex(keys, sections)


def _section(ordered: Sequence[T], words: Callable[[T], Iterable[str]]) -> Generator[int, None, Section]:
    shards = yield from _holders(ordered, words)
    text, ends, whose, lasts = bytearray(), array("I"), array("I"), array("I")
    shared = max(CROWD_MINIMUM, len(ordered) // CROWD_SHARE)
    crowded: list[tuple[int, int]] = []
    # Words that begin alike and differ behind it: each such beginning, and the number of the first word that has it. The
    # words that fit what is typed are always one word, or all of one such beginning.
    begun: list[tuple[int, int]] = []
    before = ""
    for some in _cut_up((yield from _sorting(map(list, shards)))):
        for word in some:
            number = len(ends)
            alike, first = _alike(before, word), number - 1
            while begun and begun[-1][0] > alike:
                _, first = begun.pop()
                crowded.append((first, number))
            if alike and (not begun or begun[-1][0] < alike):
                begun.append((alike, first))
            before = word
            who = shards[hash(word) % SHARDS].pop(word)
            text += word.encode()
            ends.append(len(text))
            if isinstance(who, int):
                whose.append(who)
            else:
                whose.extend(who)
                crowded.append((number, number + 1))
            lasts.append(len(whose))
        crowded = [span for span in crowded if _size(lasts, span) >= shared]
        yield len(some)
    crowded += ((first, len(ends)) for _, first in begun)
    crowds = {}
    for span in dict.fromkeys(span for span in crowded if _size(lasts, span) >= shared):
        crowds[span] = yield from _crowd(whose, _place(lasts, span[0]), _place(lasts, span[1]), len(ordered))
    return Section(bytes(text), ends, whose, lasts, crowds)


def _place(lasts: "array[int]", number: int) -> int:
    """Give where the numbers of a word begin."""
    return lasts[number - 1] if number else 0


def _size(lasts: "array[int]", span: tuple[int, int]) -> int:
    """Count the numbers of some words."""
    return _place(lasts, span[1]) - _place(lasts, span[0])


def _alike(one: str, other: str) -> int:
    """Count the letters with which both begin."""
    alike, beyond = 0, min(len(one), len(other)) + 1
    while alike + 1 < beyond:
        middle = (alike + beyond) // 2
        if one[:middle] == other[:middle]:
            alike = middle
        else:
            beyond = middle
    return alike


def _holders(
    ordered: Sequence[T], words: Callable[[T], Iterable[str]]
) -> Generator[int, None, "list[dict[str, int | array[int]]]"]:
    """Give who has each word: one number, or many; most words of a phone book are one subject's alone."""
    shards: list[dict[str, int | array[int]]] = [{} for _ in range(SHARDS)]
    for start, some in enumerate(_cut(ordered)):
        for number, word in ((n, word) for n, one in enumerate(some, start * PIECE) for word in words(one)):
            holders = shards[hash(word) % SHARDS]
            known = holders.get(word)
            if known is None:
                holders[word] = number
            elif not isinstance(known, int):
                if known[-1] != number:
                    known.append(number)
            elif known != number:
                holders[word] = array("I", (known, number))
        yield len(some)
    return shards


def _crowd(whose: "array[int]", start: int, end: int, subjects: int) -> Generator[int, None, int]:
    """Make the set of some numbers."""
    bits = bytearray((subjects >> 3) + 1)
    for place in range(start, end, BITS_PIECE):
        some = whose[place : min(place + BITS_PIECE, end)]
        for one in some:
            bits[one >> 3] |= 1 << (one & 7)
        yield len(some)
    return int.from_bytes(bits, "little")


def _sorting(parts: Iterable[list[T]]) -> Generator[int, None, Iterator[T]]:
    """Sort in slices; the parts are emptied."""
    runs = []
    for part in parts:
        while part:
            run = part[-RUN:]
            del part[-RUN:]
            run.sort()
            runs.append(iter(run))
            yield len(run)
    return merge(*runs)  # type: ignore[type-var]  # texts, or tuples of them


def _cut(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), PIECE):
        yield items[start : start + PIECE]


def _cut_up(items: Iterator[T]) -> Iterator[list[T]]:
    while some := list(islice(items, PIECE)):
        yield some
