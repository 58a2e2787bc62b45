"""What of a person, and of a group, the address book can be asked for. Pure."""

from collections.abc import Iterator
from typing import Final

from lyncpy.contracts.directory import Group, Person
from lyncpy.contracts.names import Aor, bare
from lyncpy.workloads.directory.model.index import IndexedForm
from lyncpy.workloads.directory.model.query import SearchField
from lyncpy.workloads.directory.model.words import folded, nationals_of, numbers_of, spellings, words_of


def name_order(shown: str, aor: Aor) -> str:
    """Give the text by which people and groups are sorted: their name, else their address."""
    return folded(shown) or bare(aor)


def _given_names(person: Person) -> list[str]:
    """Give the words of the given name; where the directory has a display name only, those that may be."""
    if person.given_name or person.surname:
        return words_of(person.given_name)
    before, comma, behind = person.display_name.partition(",")
    words = words_of(behind if comma else before)
    return words if comma or len(words) == 1 else words[:-1]


def _surnames(person: Person) -> list[str]:
    """Give the words of the surname, or those that may be: of "Anna van Dyck" both "van" and "dyck"."""
    if person.given_name or person.surname:
        return words_of(person.surname)
    before, comma, _ = person.display_name.partition(",")
    words = words_of(before)
    return words if comma or len(words) == 1 else words[1:]


def _local(address: str) -> str:
    """Give what stands before the @: all have the rest."""
    return address.rpartition("@")[0] or address


def _numbers(person: Person) -> Iterator[str]:
    for phone in person.phones:
        yield from numbers_of(phone.number)
    yield from numbers_of(person.line)


def _nationals(person: Person) -> Iterator[str]:
    for phone in person.phones:
        yield from nationals_of(phone.number)
    yield from nationals_of(person.line)


def is_listed(person: Person) -> bool:
    """Tell whether others find a person: not who is switched off, but who never had an account here."""
    return (person.enabled or person.is_contact) and not person.hidden


PEOPLE: Final[IndexedForm[Person]] = IndexedForm(
    key=lambda person: person.aor,
    order=lambda person: name_order(person.display_name, person.aor),
    words={
        SearchField.GIVEN_NAME: _given_names,
        SearchField.SURNAME: _surnames,
        SearchField.NAME: lambda person: words_of(person.display_name),
        SearchField.ADDRESS: lambda person: words_of(_local(bare(person.aor))),
        SearchField.MAIL: lambda person: (
            word for mail in (person.mail, *person.other_mails) for word in words_of(_local(mail))
        ),
        SearchField.SPELT_ADDRESS: lambda person: spellings(bare(person.aor)),
        SearchField.SPELT_MAIL: lambda person: (
            part for mail in (person.mail, *person.other_mails) if mail for part in spellings(mail)
        ),
        SearchField.COMPANY: lambda person: words_of(person.company),
        SearchField.DEPARTMENT: lambda person: words_of(person.department),
        SearchField.TITLE: lambda person: words_of(person.title),
        SearchField.OFFICE: lambda person: words_of(person.office),
        SearchField.NUMBER: lambda person: (*_numbers(person), *_nationals(person)),
        SearchField.NUMBER_BACK: lambda person: (number[::-1] for number in _numbers(person)),
    },
)

GROUPS: Final[IndexedForm[Group]] = IndexedForm(
    key=lambda group: group.key,
    order=lambda group: name_order(group.name, group.aor),
    words={
        SearchField.NAME: lambda group: words_of(group.name),
        SearchField.ADDRESS: lambda group: words_of(_local(bare(group.aor))),
        SearchField.SPELT_ADDRESS: lambda group: spellings(bare(group.aor)) if group.aor else (),
        SearchField.MAIL: lambda group: words_of(_local(group.mail)),
        SearchField.SPELT_MAIL: lambda group: spellings(group.mail) if group.mail else (),
    },
)
