"""What is asked of the address book. Pure.

A query has stages. Who is found by an earlier one stands before those of the later ones: whose name has the very words,
then whose name has words that begin so, then who has them anywhere. Within a stage people stand in the order of
their names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from typing import Final

from lyncpy.contracts.directory import SearchCondition
from lyncpy.workloads.directory.model.index import Clause, Term
from lyncpy.workloads.directory.model.words import (
    DIGITS_FEWEST,
    folded,
    typed_number,
    typed_spellings,
    typed_words,
    whole_spelling,
)

WORDS_COUNTED: Final = 8
"""Words of a query that count: nobody has so many in their name, and each costs a look at every field."""


CHUNKS_COUNTED: Final = 2 * WORDS_COUNTED
"""Parts of a text between blanks that are looked at: some have no word in them."""


class SearchField(StrEnum):
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

    SPELT_ADDRESS = auto()
    """The address as it is spelt: `spellings`."""

    SPELT_MAIL = auto()


NAMES: Final = (SearchField.GIVEN_NAME, SearchField.SURNAME, SearchField.NAME)
SPELT: Final[Mapping[SearchField, SearchField]] = {
    SearchField.ADDRESS: SearchField.SPELT_ADDRESS,
    SearchField.MAIL: SearchField.SPELT_MAIL,
}
EVERYWHERE: Final = (
    *NAMES,
    *SPELT,
    SearchField.COMPANY,
    SearchField.DEPARTMENT,
    SearchField.TITLE,
    SearchField.OFFICE,
    SearchField.NUMBER,
)

ATTRIBUTES: Final[Mapping[str, SearchField]] = {
    "givenname": SearchField.GIVEN_NAME,
    "sn": SearchField.SURNAME,
    "displayname": SearchField.NAME,
    "mail": SearchField.MAIL,
    "mailnickname": SearchField.MAIL,
    "proxyaddresses": SearchField.MAIL,
    "msrtcsip-primaryuseraddress": SearchField.ADDRESS,
    "company": SearchField.COMPANY,
    "department": SearchField.DEPARTMENT,
    "title": SearchField.TITLE,
    "physicaldeliveryofficename": SearchField.OFFICE,
    "telephonenumber": SearchField.NUMBER,
    "homephone": SearchField.NUMBER,
    "mobile": SearchField.NUMBER,
    "othertelephone": SearchField.NUMBER,
    "ipphone": SearchField.NUMBER,
}
"""Fields by the names that directories and clients use for them."""


Stage = tuple[Clause, ...]
"""All of it has to hold."""


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
        stages.append((_digits(number),))
    spelt: list[Clause] = []
    words: list[str] = []
    is_somebody = False
    for chunk in text.split(maxsplit=CHUNKS_COUNTED)[:CHUNKS_COUNTED]:
        plain = _plain(chunk.strip("<>"))
        before, at, _ = plain.partition("@")
        found = typed_words(before)
        if at:
            spelt.append(tuple(Term(field, part) for field in SPELT.values() for part in typed_spellings(plain)))
        else:
            words += found
        is_somebody = is_somebody or bool(found)
    spelt = list(dict.fromkeys(spelt))[:WORDS_COUNTED]
    words = list(dict.fromkeys(words))[: WORDS_COUNTED - len(spelt)]
    if words and not spelt:
        stages.append(tuple(_word(NAMES, word, whole=True) for word in words))
        stages.append(tuple(_word(NAMES, word) for word in words))
    # Of an address that has nothing before the @ alone, nobody is looked for: it is everybody's.
    if is_somebody:
        stages.append((*spelt, *(_word(EVERYWHERE, word) for word in words)))
    return Query(tuple(stages))


def query_of_conditions(conditions: Sequence[SearchCondition]) -> Query:
    """Make a query of a form that somebody has filled in: all of its fields have to fit.

    A condition on an attribute that is not known here fits nobody: to leave it out would find people whom nobody looked for.
    Where nobody is found by a name as the form has it, it is looked for as a text: people type a whole name, or an
    address, into the first field that there is.
    """
    clauses: list[Clause] = []
    texts: list[str] = []
    for condition in conditions:
        if not condition.value.strip(" *"):
            continue
        name = ATTRIBUTES.get(condition.attribute.lower())
        more = () if name is None else tuple(_clauses(name, condition.value))
        if name is None or not more:
            return Query()
        clauses += more
        texts.append(condition.value if name in NAMES else "")
    if not clauses:
        return Query()
    exact = tuple(tuple(replace(term, whole=True) for term in clause) for clause in clauses)
    otherwise = query_of_text(" ".join(texts)).stages if all(texts) else ()
    return Query((exact, tuple(clauses)), otherwise)


def _plain(value: str) -> str:
    """Write an address as it is compared. Clients add the scheme now and then; who types half an address does not."""
    return folded(value.strip(" *")).removeprefix("sip:").removeprefix("mailto:")


def _clauses(name: SearchField, value: str) -> Iterator[Clause]:
    if name is SearchField.NUMBER:
        number = typed_number(value.strip("*"))
        if number:
            yield _digits(number)
        return
    if name in SPELT:
        plain = _plain(value)
        if typed_words(plain.partition("@")[0]):
            yield (Term(SPELT[name], whole_spelling(plain)),)
        return
    for word in typed_words(value)[:WORDS_COUNTED]:
        yield (Term(name, word),)


def _word(fields: Sequence[SearchField], word: str, *, whole: bool = False) -> Clause:
    """Make a clause of a word, which may be digits of a phone number."""
    terms = tuple(Term(name, word, whole) for name in fields if name is not SearchField.NUMBER)
    if SearchField.NUMBER in fields and word.isdigit() and len(word) >= DIGITS_FEWEST:
        return (*terms, *_digits(word))
    return terms


def _digits(number: str) -> Clause:
    """Make a clause of digits with which a phone number begins or ends.

    Zeros at the beginning, of a trunk or an exit code, are left out where the directory has the international form.
    """
    short = number.lstrip("0") or number
    digits = dict.fromkeys((number, short) if len(short) >= DIGITS_FEWEST else (number,))
    return tuple(
        term for one in digits for term in (Term(SearchField.NUMBER, one), Term(SearchField.NUMBER_BACK, one[::-1]))
    )
