"""The index of words."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest

from lyncpy.workloads.directory.model import index as module
from lyncpy.workloads.directory.model.index import Clause, IndexedForm, Term, WordIndex, indexing

R = TypeVar("R")


@dataclass(frozen=True)
class Card:
    """What is indexed."""

    key: str
    name: str
    more: str = ""


FORM: IndexedForm[Card] = IndexedForm(
    key=lambda card: card.key,
    order=lambda card: card.name,
    words={"name": lambda card: card.name.split(), "more": lambda card: card.more.split()},
)


def done(work: Generator[int, None, R]) -> tuple[R, list[int]]:
    """Do sliced work; give its result, and how much each piece was."""
    pieces: list[int] = []
    while True:
        try:
            pieces.append(next(work))
        except StopIteration as end:
            return end.value, pieces


def indexed(*cards: Card) -> WordIndex:
    """Make an index."""
    return done(indexing(cards, FORM))[0]


def prefix(word: str, field: str = "name") -> Clause:
    """A word begins so."""
    return (Term(field, word),)


def keys(index: WordIndex, *clauses: Clause) -> list[str]:
    """Search; each once."""
    return list(dict.fromkeys(index.find(clauses)))


ANN, ANNA, BEN, ZOE = (
    Card("1", "ann smith", "sales"),
    Card("2", "anna jones", "research sales"),
    Card("3", "ben annis", "research"),
    Card("4", "zoë ångström"),
)


@pytest.mark.parametrize(
    ("clauses", "found"),
    [
        ([prefix("an")], ["1", "2", "3"]),
        ([prefix("ann"), prefix("s")], ["1"]),
        ([(Term("name", "ann", whole=True),)], ["1"]),
        ([(Term("name", "zz", whole=True),)], []),
        ([(Term("name", "a", whole=True),)], []),
        ([prefix("res", "more"), prefix("an")], ["2", "3"]),
        ([(Term("name", "smith"), Term("more", "research"))], ["1", "2", "3"]),
        ([prefix("zo"), prefix("å")], ["4"]),
        ([prefix("zz")], []),
        ([prefix("an"), prefix("zz")], []),
        ([prefix("an", "unknown")], []),
        ([], []),
    ],
)
def test_finds_whose_words_begin_so(clauses: list[Clause], found: list[str]) -> None:
    """All clauses have to hold; who is found stands in order."""
    assert keys(indexed(ZOE, BEN, ANNA, ANN), *clauses) == found


def test_who_has_a_word_twice_is_there_once() -> None:
    """A name may be written twice."""
    assert keys(indexed(Card("1", "ann ann"), Card("2", "ann ann")), (Term("name", "ann", whole=True),)) == ["1", "2"]


def test_an_empty_index_finds_nobody() -> None:
    """Before anybody is known."""
    assert keys(indexed(), prefix("a")) == []
    assert keys(WordIndex((), {}), prefix("a")) == []


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> WordIndex:
    """An index in which a few are a crowd."""
    monkeypatch.setattr(module, "CROWD_MINIMUM", 3)
    monkeypatch.setattr(module, "CROWD_SHARE", 4)
    names = ("ada", "adam", "alan", "albert", "alice", "bea", "ben", "bert", "carl", "cora")
    cards = [
        Card(str(number), f"{name} x", "contoso" + (" contosoft" if number % 5 == 0 else ""))
        for number, name in enumerate(names)
    ]
    return indexed(*cards)


@pytest.mark.parametrize(
    ("clauses", "found"),
    [
        ([prefix("a")], "01234"),
        ([prefix("al")], "234"),
        ([prefix("ad")], "01"),
        ([prefix("contoso", "more")], "0123456789"),
        ([prefix("con", "more"), prefix("b")], "567"),
        ([prefix("contoso", "more"), (Term("more", "contosoft", whole=True),)], "05"),
        ([prefix("a"), prefix("con", "more"), prefix("x")], "01234"),
        ([prefix("a"), prefix("b")], ""),
        ([(Term("name", "c"), Term("name", "ad"), Term("name", "b"))], "0156789"),
        ([prefix("c"), (Term("more", "contoso", whole=True),)], "89"),
        ([prefix("ad"), prefix("c")], ""),
        ([prefix("cora"), prefix("a")], ""),
    ],
)
def test_crowds_are_found_like_others(crowded: WordIndex, clauses: list[Clause], found: str) -> None:
    """What very many share is kept in another way, which nobody notices."""
    assert keys(crowded, *clauses) == list(found)


def everybody(count: int) -> Sequence[Card]:
    """Many cards, with words of their own, words of crowds, and names that begin alike for long."""
    return [
        Card(f"{n:05}", f"n{n * 7919 % count:05} family{n % 50}", f"contoso dept{n % 40} sharedbeginning{n}")
        for n in range(count)
    ]


def test_large_indexes_find_what_looking_at_everybody_finds() -> None:
    """Crowds of any size, words of one and of many."""
    cards = everybody(3000)
    index = indexed(*cards)
    in_order = sorted(cards, key=lambda card: (card.name, card.key))
    for words in (
        "n",
        "n0",
        "n01",
        "family1",
        "c",
        "dept1",
        "shared",
        "sharedbeginning1",
        "sharedbeginning29",
        "n1 contoso",
        "f d s",
    ):
        clauses = [(Term("name", word), Term("more", word)) for word in words.split()]
        looked = [
            card.key
            for card in in_order
            if all(any(has.startswith(word) for has in f"{card.name} {card.more}".split()) for word in words.split())
        ]
        assert keys(index, *clauses) == looked, words


def test_an_index_is_made_in_small_pieces() -> None:
    """However many there are, no piece of the work is more than a few thousand steps."""
    index, pieces = done(indexing(everybody(6000), FORM))
    assert max(pieces) <= module.BITS_PIECE
    assert len(pieces) > 200
    assert 0 < index.bytes_used() < 6000 * 120


@pytest.mark.untraced
def test_a_crowd_does_not_make_a_question_expensive() -> None:
    """What is looked at one by one is a small part of all, whatever is asked."""
    index = indexed(*everybody(20_000))
    for word in ("n", "f", "c", "contoso", "s", "sharedbeginning", "d"):
        for field in ("name", "more"):
            section = index.sections[field]
            matches = section.matches(section.span(Term(field, word)))
            assert len(matches.few) <= 20_000 // module.CROWD_SHARE
