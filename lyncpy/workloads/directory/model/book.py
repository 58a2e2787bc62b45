"""An index that follows what changes. Pure.

What has changed since the index was made is kept beside it, and looked through word by word; it is little, for the
index is made anew when it becomes much.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeVar

from lyncpy.workloads.directory.model.index import Clause, IndexedForm, WordIndex, indexing
from lyncpy.workloads.directory.model.query import Query, Stage

T = TypeVar("T")

BESIDE_MOST: Final = 500
"""Changed subjects whose words are kept beside the index, and looked through at each question, in a millisecond to four: together
with the index itself a search takes less than ten.
Those beyond are found by what they were, until it is made anew."""


REFUSED_MOST: Final = 1_000
"""Those of the index who are no more to be found, and whom one stage of a question passes over, in a millisecond; there are
more only while very many change, and until the index is made anew."""

PIECE: Final = 256
"""Subjects of whom it is asked in one piece of work whether they are listed."""

CHANGED_PIECE: Final = 16
CHANGED_WORK: Final = 16
"""Changed subjects whose words are read in one piece of work, and how many words each has, about."""


@dataclass(frozen=True, slots=True)
class BookForm(Generic[T]):
    """What a book is of."""

    form: IndexedForm[T]
    subject: Callable[[str], T | None]
    """Gives who has a key now."""

    is_listed: Callable[[T], bool]
    """Whether somebody may find them; who is not is not in the index."""


class Book(Generic[T]):
    """People, or groups, who can be found by their words."""

    def __init__(self, form: BookForm[T]) -> None:
        self._form = form
        self._index = WordIndex((), {})
        self._beside: dict[str, Mapping[str, str]] = {}
        """The words of those who have changed, as lines; none of who is not to be found."""
        self._beyond: set[str] = set()
        """The others who have changed; they are found by what they were."""
        self._since: dict[str, None] | None = None

    def __len__(self) -> int:
        return len(self._index.keys)

    @property
    def changes(self) -> int:
        """How many have changed since the index was made."""
        return len(self._beside) + len(self._beyond)

    @property
    def is_behind(self) -> bool:
        """Whether so many have changed that some of them are found by what they were, or not yet."""
        return len(self._beside) >= BESIDE_MOST

    def bytes_used(self) -> int:
        """Give the memory of the index, about."""
        return self._index.bytes_used()

    def note(self, key: str) -> None:
        """Take up that a subject has come, changed or gone."""
        if self._since is not None:
            self._since[key] = None
        self._keep(key, self._beside, self._beyond)

    def _keep(self, key: str, beside: dict[str, Mapping[str, str]], beyond: set[str]) -> None:
        if key not in beside and len(beside) >= BESIDE_MOST:
            beyond.add(key)
            return
        subject = self._form.subject(key)
        if subject is not None and self._form.is_listed(subject):
            beside[key] = {
                name: "".join(f"\n{word}" for word in words(subject)) + "\n"
                for name, words in self._form.form.words.items()
            }
        else:
            beside[key] = {}

    def renewing(self, subjects: Sequence[T]) -> Generator[int, None, None]:
        """Make the index anew, of all listed subjects that there are now; yields as `indexing` does. Meanwhile the old one counts."""
        since: dict[str, None] = {}
        self._since = since
        listed: list[T] = []
        for start in range(0, len(subjects), PIECE):
            some = subjects[start : start + PIECE]
            listed += filter(self._form.is_listed, some)
            yield len(some)
        index = yield from indexing(listed, self._form.form)
        beside: dict[str, Mapping[str, str]] = {}
        beyond: set[str] = set()
        # Who changes between two pieces is there once more, at the end.
        while since:
            changed = tuple(islice(since, CHANGED_PIECE))
            for key in changed:
                del since[key]
                self._keep(key, beside, beyond)
            yield len(changed) * (1 if beyond else CHANGED_WORK)
        self._index, self._beside, self._beyond, self._since = index, beside, beyond, None

    def find(self, query: Query) -> Iterator[T]:
        """Give who is found, each once, in the order of the stages and of their names. Who may not be found is not."""
        seen: set[str] = set()
        yield from self._staged(query.stages, seen)
        if not seen:
            yield from self._staged(query.otherwise, seen)

    def _staged(self, stages: Sequence[Stage], seen: set[str]) -> Iterator[T]:
        for stage in stages:
            refused = 0
            for key in self._in_order(stage):
                if key in seen:
                    continue
                subject = self._form.subject(key)
                if subject is not None and self._form.is_listed(subject):
                    seen.add(key)
                    yield subject
                    continue
                refused += 1
                if refused == REFUSED_MOST:
                    break

    def _in_order(self, clauses: Sequence[Clause]) -> Iterator[str]:
        """Give the keys of those for whom all clauses hold, the changed ones among the others."""
        lines = _looked_for(clauses)
        beside = [key for key, words in self._beside.items() if words and _hold(lines, words)]
        ahead = sorted((self._order(key), key) for key in beside)
        for key in self._index.find(clauses):
            if key in self._beside:
                continue
            while ahead and ahead[0] < (self._order(key), key):
                yield ahead.pop(0)[1]
            yield key
        yield from (key for _, key in ahead)

    def _order(self, key: str) -> str:
        subject = self._form.subject(key)
        return "" if subject is None else self._form.form.order(subject)


def _looked_for(clauses: Sequence[Clause]) -> list[list[tuple[str, str]]]:
    """Give each field with what stands in its words, which are lines, where a clause holds."""
    return [
        [(term.field, f"\n{term.word}\n" if term.whole else f"\n{term.word}") for term in clause] for clause in clauses
    ]


def _hold(clauses: Sequence[Sequence[tuple[str, str]]], words: Mapping[str, str]) -> bool:
    for clause in clauses:
        for name, line in clause:
            if line in words.get(name, ""):
                break
        else:
            return False
    return bool(clauses)
