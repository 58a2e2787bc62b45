"""An index finds whom looking at everybody finds, whoever there is and whatever is asked."""

from dataclasses import dataclass
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.workloads.directory.model import index
from lyncpy.workloads.directory.model.book import Book, BookForm
from lyncpy.workloads.directory.model.index import IndexedForm, Term, indexing
from lyncpy.workloads.directory.model.query import Query
from tests.kit.directory import done


@dataclass(frozen=True)
class Card:
    """Somebody with words in two fields."""

    key: str
    one: tuple[str, ...]
    other: tuple[str, ...]


FORM: IndexedForm[Card] = IndexedForm(
    key=lambda card: card.key,
    order=lambda card: card.one[0] if card.one else "",
    words={"one": lambda card: card.one, "other": lambda card: card.other},
)

words = st.text("abé", min_size=1, max_size=5)
several = st.lists(words, max_size=4).map(tuple)
people = st.lists(st.tuples(several, several), max_size=40).map(
    lambda rows: [Card(str(number), one, other) for number, (one, other) in enumerate(rows)]
)
terms = st.builds(Term, st.sampled_from(["one", "other", "none"]), words | st.just("a"), st.booleans())
clauses = st.lists(st.lists(terms, min_size=1, max_size=3).map(tuple), min_size=1, max_size=4)


def _holds(term: Term, card: Card) -> bool:
    has = {"one": card.one, "other": card.other}.get(term.field, ())
    return any(word == term.word if term.whole else word.startswith(term.word) for word in has)


def _looked(cards: list[Card], asked: list[tuple[Term, ...]]) -> list[str]:
    in_order = sorted(cards, key=lambda card: (FORM.order(card), card.key))
    return [card.key for card in in_order if all(any(_holds(term, card) for term in clause) for clause in asked)]


@given(people, clauses, st.integers(1, 8))
def test_an_index_finds_whom_looking_at_everybody_finds(
    cards: list[Card], asked: list[tuple[Term, ...]], crowd: int
) -> None:
    """In the same order, whatever is a crowd."""
    with patch.object(index, "CROWD_MINIMUM", crowd), patch.object(index, "CROWD_SHARE", 100):
        made = done(indexing(cards, FORM))
    assert list(dict.fromkeys(made.find(asked))) == _looked(cards, asked)


@given(people, people, clauses)
def test_what_has_changed_is_found_as_if_it_had_always_been_so(
    before: list[Card], after: list[Card], asked: list[tuple[Term, ...]]
) -> None:
    """Whoever has come, changed or gone since the index was made."""
    now = {card.key: card for card in before}
    book: Book[Card] = Book(BookForm(FORM, now.get, lambda _: True))
    done(book.renewing(before))
    now.clear()
    now.update((card.key, card) for card in after)
    for key in {card.key for card in (*before, *after)}:
        book.note(key)
    found = [card.key for card in book.find(Query((tuple(asked),)))]
    assert found == _looked(after, asked)
