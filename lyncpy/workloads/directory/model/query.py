"""What is asked of the address book. Pure.

A query has stages. Who is found by an earlier one stands before those of the later ones: whose name has the very words,
then whose name has words that begin so, then who has them anywhere. Within a stage people stand in the order of
their names.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import Final, TypeVar

from lyncpy.contracts.directory import SearchCondition
from lyncpy.workloads.directory.model.index import Clause, Term
from lyncpy.workloads.directory.model.words import DIGITS_FEWEST, folded, typed_number, typed_words

T = TypeVar("T")

WORDS_COUNTED: Final = 8
"""Words of a query that count: nobody has so many in their name, and each costs a look at every field."""


CHUNKS_COUNTED: Final = 2 * WORDS_COUNTED
"""Parts of a text between blanks that are looked at: some have no word in them."""


class Field(StrEnum):
    """What words are looked for in."""

    GIVEN_NAME = auto()
    SURNAME = auto()
    NAME = auto()
    """The name that is shown."""

    ADDRESS = auto()
    MAIL = auto()
    COMPANY = auto()
    DEPARTMENT = auto()
    TITLE = auto()
    OFFICE = auto()
    NUMBER = auto()
    """Digits of phone numbers."""

    NUMBER_BACK = auto()
    """The same from behind."""


NAMES: Final = (Field.GIVEN_NAME, Field.SURNAME, Field.NAME)
SPELT: Final = (Field.ADDRESS, Field.MAIL)
EVERYWHERE: Final = (*NAMES, *SPELT, Field.COMPANY, Field.DEPARTMENT, Field.TITLE, Field.OFFICE, Field.NUMBER)

ATTRIBUTES: Final[Mapping[str, Field]] = {
    "givenname": Field.GIVEN_NAME,
    "sn": Field.SURNAME,
    "displayname": Field.NAME,
    "mail": Field.MAIL,
    "mailnickname": Field.MAIL,
    "proxyaddresses": Field.MAIL,
    "msrtcsip-primaryuseraddress": Field.ADDRESS,
    "company": Field.COMPANY,
    "department": Field.DEPARTMENT,
    "title": Field.TITLE,
    "physicaldeliveryofficename": Field.OFFICE,
    "telephonenumber": Field.NUMBER,
    "homephone": Field.NUMBER,
    "mobile": Field.NUMBER,
    "othertelephone": Field.NUMBER,
    "ipphone": Field.NUMBER,
}
"""Fields by the names that directories and clients use for them."""


class Fit(Enum):
    """How an address has to be like what is typed."""

    WHOLE = auto()
    BEGINS = auto()
    HOLDS = auto()


@dataclass(frozen=True, slots=True)
class Spelling:
    """An address that is spelt so: words do not know in which order, and behind which @, they stand."""

    fields: Sequence[Field]
    text: str
    fit: Fit

    def fits(self, texts: Iterable[str]) -> bool:
        """Tell whether one of these addresses is."""
        if self.fit is Fit.WHOLE:
            return any(text == self.text for text in texts)
        if self.fit is Fit.BEGINS:
            return any(text.startswith(self.text) for text in texts)
        return any(self.text in text for text in texts)


@dataclass(frozen=True, slots=True)
class Stage:
    """All of it has to hold."""

    clauses: tuple[Clause, ...]
    spellings: tuple[Spelling, ...] = ()

    def fits(self, subject: T, addresses: Mapping[str, Callable[[T], Sequence[str]]]) -> bool:
        """Tell whether the addresses of a subject are spelt as they have to be."""
        return all(
            one.fits(text for name in one.fields if name in addresses for text in addresses[name](subject))
            for one in self.spellings
        )


@dataclass(frozen=True, slots=True)
class Query:
    """Who is looked for. Without stages nobody."""

    stages: tuple[Stage, ...] = ()
    otherwise: tuple[Stage, ...] = field(default=())
    """These count where the others find nobody."""


def query_of_text(text: str) -> Query:
    """Make a query of what somebody has typed into one field: words in any order, or a phone number."""
    stages: list[Stage] = []
    number = typed_number(text)
    if number:
        stages.append(Stage((_digits(number),)))
    spelt: list[Spelling] = []
    addressed: list[str] = []
    words: list[str] = []
    for chunk in text.split(maxsplit=CHUNKS_COUNTED)[:CHUNKS_COUNTED]:
        plain = _plain(chunk.strip("<>"))
        before, at, _ = plain.partition("@")
        if at:
            spelt.append(Spelling(SPELT, plain, Fit.HOLDS))
            addressed += typed_words(before)
        else:
            words += typed_words(before)
    addressed = list(dict.fromkeys(addressed))[:WORDS_COUNTED]
    words = list(dict.fromkeys(words))[: WORDS_COUNTED - len(addressed)]
    if words and not spelt:
        stages.append(Stage(tuple(_word(NAMES, word, whole=True) for word in words)))
        stages.append(Stage(tuple(_word(NAMES, word) for word in words)))
    # What stands before an @ is a whole word, and not the beginning of one.
    anywhere = (*(_word(SPELT, word, whole=True) for word in addressed), *(_word(EVERYWHERE, word) for word in words))
    if anywhere:
        stages.append(Stage(anywhere, tuple(spelt)))
    return Query(tuple(stages))


def query_of_conditions(conditions: Sequence[SearchCondition]) -> Query:
    """Make a query of a form that somebody has filled in: all of its fields have to fit.

    A condition on an attribute that is not known here fits nobody: to leave it out would find people whom nobody looked for.
    Where nobody is found by a name as the form has it, it is looked for as a text: people type a whole name, or an
    address, into the first field that there is.
    """
    clauses: list[Clause] = []
    spelt: list[Spelling] = []
    texts: list[str] = []
    for condition in conditions:
        if not condition.value.strip(" *"):
            continue
        name = ATTRIBUTES.get(condition.attribute.lower())
        more = () if name is None else tuple(_clauses(name, condition.value))
        if name is None or not more:
            return Query()
        clauses += more
        if name in SPELT:
            spelt.append(Spelling((name,), _plain(condition.value), Fit.BEGINS))
        texts.append(condition.value if name in NAMES else "")
    if not clauses:
        return Query()
    exact = Stage(
        tuple(tuple(replace(term, whole=True) for term in clause) for clause in clauses),
        tuple(replace(one, fit=Fit.WHOLE) for one in spelt),
    )
    otherwise = query_of_text(" ".join(texts)).stages if all(texts) else ()
    return Query((exact, Stage(tuple(clauses), tuple(spelt))), otherwise)


def _plain(value: str) -> str:
    """Write an address as it is compared. Clients add the scheme now and then; who types half an address does not."""
    return folded(value.strip(" *")).removeprefix("sip:").removeprefix("mailto:")


def _clauses(name: Field, value: str) -> Iterator[Clause]:
    if name is Field.NUMBER:
        number = typed_number(value.strip("*"))
        if number:
            yield _digits(number)
        return
    text, at, _ = _plain(value).partition("@") if name in SPELT else (value, "", "")
    for word in typed_words(text)[:WORDS_COUNTED]:
        yield (Term(name, word, whole=bool(at)),)


def _word(fields: Sequence[Field], word: str, *, whole: bool = False) -> Clause:
    """Make a clause of a word, which may be digits of a phone number."""
    terms = tuple(Term(name, word, whole) for name in fields if name is not Field.NUMBER)
    if Field.NUMBER in fields and word.isdigit() and len(word) >= DIGITS_FEWEST:
        return (*terms, *_digits(word))
    return terms


def _digits(number: str) -> Clause:
    """Make a clause of digits with which a phone number begins or ends.

    Zeros at the beginning, of a trunk or an exit code, are left out where the directory has the international form.
    """
    short = number.lstrip("0") or number
    digits = dict.fromkeys((number, short) if len(short) >= DIGITS_FEWEST else (number,))
    return tuple(term for one in digits for term in (Term(Field.NUMBER, one), Term(Field.NUMBER_BACK, one[::-1])))
