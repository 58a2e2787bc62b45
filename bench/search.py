"""What a search costs among very many people and groups, and what their index takes.

It is done in this process, without a server: what is measured is what a server does between the request and its answer's
text. People have names, addresses, phones and departments as an office's have: a few names are those of many, most are rare,
and one company is everybody's.
"""

import os
import random
import time
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from bench.costs import Cost, reference_us
from bench.machine import resident_bytes
from lyncpy.contracts.directory import Group, Person, Phone
from lyncpy.contracts.names import Aor, kept_aor
from lyncpy.workloads.directory.model.book import BESIDE_MOST, Book, BookForm
from lyncpy.workloads.directory.model.forms import GROUPS, PEOPLE, is_listed
from lyncpy.workloads.directory.model.query import query_of_text
from lyncpy.workloads.directory.model.words import folded

T = TypeVar("T")

RESULTS: Final = 100

GROUPS_EACH: Final = 3
"""Groups for each person."""

_SYLLABLES: Final = [
    "an",
    "be",
    "chri",
    "da",
    "el",
    "fran",
    "ge",
    "hel",
    "in",
    "jo",
    "ka",
    "lu",
    "ma",
    "ni",
    "ol",
    "pe",
    "ra",
    "sa",
    "to",
    "ur",
    "vi",
    "wil",
    "xe",
    "ya",
    "zo",
    "ste",
    "tho",
    "mi",
    "ro",
    "be",
]
_ENDINGS: Final = [
    "na",
    "tin",
    "a",
    "niel",
    "la",
    "co",
    "org",
    "en",
    "ga",
    "seph",
    "rin",
    "kas",
    "ia",
    "dia",
    "ver",
    "ter",
    "chel",
    "ra",
    "mas",
    "sula",
    "nia",
    "nis",
    "e",
    "fan",
    "ria",
    "bert",
    "l",
]
_ROOTS: Final = [
    "mül",
    "schmi",
    "wag",
    "hof",
    "ko",
    "bau",
    "rich",
    "klei",
    "wol",
    "schrö",
    "neu",
    "zim",
    "krü",
    "hart",
    "lan",
    "leh",
    "fuch",
    "vog",
    "jun",
    "grü",
    "nov",
    "ivan",
    "gar",
    "fern",
]
_LINKS: Final = ("", "a", "e", "i", "o", "el", "en", "ing", "und")
_TAILS: Final = [
    "ler",
    "dt",
    "ner",
    "mann",
    "ch",
    "er",
    "ter",
    "n",
    "f",
    "der",
    "z",
    "mer",
    "ger",
    "ge",
    "ze",
    "nig",
    "s",
    "el",
    "drich",
    "g",
    "ov",
    "cia",
    "ez",
    "donald",
]
_TITLES: Final = ("Engineer", "Senior Engineer", "Manager", "Sales Representative", "Assistant", "Nurse")
_PLACES: Final = ("Research", "Marketing", "Sales", "Finance", "Operations")

TYPED: Final[dict[str, str]] = {
    "one letter": "a m x",
    "two letters": "ma be xe",
    "three letters": "mar sch xen",
    "a name": "anna richter",
    "a name from behind": "ric ann",
    "two letters alone": "a+s c+e x+z",
    "what everybody has": "contoso contoso+engineer manager+nurse",
    "a department": "research+217 mark",
    "an address": "annna.richter@example.com anna.r",
    "a phone": "498912 4+89+1 0100 08912",
    "nobody": "zzz contoso+zzz a+b+c+d+e+f+g+h",
    "hostile": f"{'a' * 250} {'a+' * 120} {'*+%' * 60} {'@' * 200} e@nowhere {'1+' * 100}",
}
"""What is typed, by what it is; a `+` is a blank."""


def somebody(count: int) -> Iterator[Person]:
    """Give people, always the same ones."""
    chosen = random.Random(5)
    given = [(a + b).capitalize() for a in _SYLLABLES for b in _ENDINGS]
    family = [(a + m + b).capitalize() for a in _ROOTS for m in _LINKS for b in _TAILS]
    chosen.shuffle(given)
    chosen.shuffle(family)
    firsts = chosen.choices(given, [1 / (n + 5) for n in range(len(given))], k=count)
    lasts = chosen.choices(family, [1 / (n + 20) for n in range(len(family))], k=count)
    for number, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        user = f"{folded(first)}.{folded(last)}{number}"
        yield Person(
            Aor(f"sip:{user}@example.com"),
            f"{number:08x}-1234-1234-1234-{number:012x}",
            display_name=f"{last}, {first}",
            given_name=first,
            surname=last,
            mail=f"{user}@mail.example.com",
            title=chosen.choice(_TITLES),
            company="Contoso",
            department=f"{chosen.choice(_PLACES)} {number % 400}",
            office=f"B{number % 30}.{number % 999}",
            phones=(
                Phone("work", f"+49 89 {chosen.randrange(10**7):07}"),
                Phone("mobile", f"+49 171 {chosen.randrange(10**7):07}"),
            ),
        )


def searches(people: int, rounds: int) -> Sequence[Cost]:
    """Make the indexes of so many people, and of three times as many groups, and search in them."""
    known: dict[str, Person] = {one.aor: one for one in somebody(people)}
    named = {
        str(n): Group(
            str(n),
            f"{_PLACES[n % 5]} {_SYLLABLES[n % 30]}{_ENDINGS[n % 27]} {n // 7}",
            Aor(f"sip:group{n}@example.com"),
        )
        for n in range(GROUPS_EACH * people)
    }
    one: Book[Person] = Book(BookForm(PEOPLE, lambda key: known.get(kept_aor(key)), is_listed))
    other: Book[Group] = Book(BookForm(GROUPS, named.get, lambda _: True))
    return [
        *_indexed("people", one, tuple(known.values()), rounds),
        *_indexed("groups", other, tuple(named.values()), rounds),
        Cost(
            "a person changed", "µs", tuple(_changed(one, tuple(islice(known, BESIDE_MOST - 1))) for _ in range(rounds))
        ),
        *_searched(f"people, {BESIDE_MOST - 1} changed", one, rounds),
    ]


def _indexed(name: str, book: Book[T], subjects: Sequence[T], rounds: int) -> Iterator[Cost]:
    """Make one index, and search in it."""
    before = resident_bytes(os.getpid())
    pieces = sorted(_pieces(book.renewing(subjects)))
    yield Cost(f"index of {len(subjects)} {name} made", "ms", (sum(pieces) * 1e3,))
    yield Cost("its longest pieces but one in a thousand", "ms", (pieces[-1 - len(pieces) // 1000] * 1e3,))
    yield Cost("its words, for each", "bytes", (book.bytes_used() / len(subjects),))
    yield Cost("the process has grown, for each", "bytes", ((resident_bytes(os.getpid()) - before) / len(subjects),))
    yield from _searched(name, book, rounds)


def _searched(name: str, book: Book[Any], rounds: int) -> Iterator[Cost]:
    for what, typed in TYPED.items():
        found = [_dearest(book, typed) for _ in range(rounds)]
        yield Cost(f"{name}: {what}", "µs", tuple(us for us, _ in found), tuple(ratio for _, ratio in found))


def _pieces(work: Generator[int, None, None]) -> Iterator[float]:
    """Give the processor time of each piece of the work."""
    before = time.process_time()
    for _ in work:
        now = time.process_time()
        yield now - before
        before = now


def _dearest(book: Book[Any], typed: str) -> tuple[float, float]:
    """Give the microseconds of the dearest of some searches, and in units of the machine's reference now."""
    dearest = 0.0
    for text in typed.split():
        began = time.process_time()
        for _ in islice(book.find(query_of_text(text.replace("+", " "))), RESULTS + 1):
            pass
        dearest = max(dearest, (time.process_time() - began) * 1e6)
    return dearest, dearest / reference_us()


def _changed(book: Book[Person], keys: Sequence[str]) -> float:
    began = time.process_time()
    for key in keys:
        book.note(key)
    return (time.process_time() - began) / len(keys) * 1e6
