"""Which people a search finds. Pure: people and conditions come in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import bare


@dataclass(frozen=True, slots=True)
class SearchCondition:
    """An attribute, by the name directories use, begins with a value."""

    attribute: str
    value: str


AT_ONCE: Final = 1000
"""People looked at in one turn of the reactor, about a millisecond: everybody else's messages go on in between."""

WORDS_MOST: Final = 8
"""Words of a shown name behind each of which a surname may begin."""

Attribute = Callable[[Person], tuple[str, ...]]


def _given_names(person: Person) -> tuple[str, ...]:
    """Give the given name; where the directory has a display name only, the parts of it that may be it."""
    if person.given_name or person.surname:
        return (person.given_name,)
    before, comma, behind = person.display_name.partition(",")
    return (behind.strip(),) if comma else (before,)


def _surnames(person: Person) -> tuple[str, ...]:
    """Give the surname, or what may be it: of "Anna van Dyck" each end, "van Dyck" and "Dyck"."""
    if person.given_name or person.surname:
        return (person.surname,)
    before, comma, _ = person.display_name.partition(",")
    if comma:
        return (before.strip(),)
    words = before.split()
    return tuple(" ".join(words[place:]) for place in range(1, len(words))[:WORDS_MOST]) or tuple(words)


_ATTRIBUTES: Final[Mapping[str, Attribute]] = {
    "givenname": _given_names,
    "sn": _surnames,
    "displayname": lambda person: (person.display_name,),
    "mail": lambda person: (person.mail,),
    # Who types half an address does not type the scheme; the client adds it now and then.
    "msrtcsip-primaryuseraddress": lambda person: (person.aor, bare(person.aor)),
    "company": lambda person: (person.company,),
    "department": lambda person: (person.department,),
    "title": lambda person: (person.title,),
    "physicaldeliveryofficename": lambda person: (person.office,),
    "telephonenumber": lambda person: tuple(phone.number for phone in person.phones),
}


def finder(conditions: Sequence[SearchCondition]) -> Callable[[Person], bool]:
    """Return a function that tells whether a person fits all conditions, letters of either case.

    An attribute that is not known here fits nobody: to leave such a condition out would
    find people whom nobody looked for. Disabled people are not found.
    """
    tests = [(_ATTRIBUTES.get(c.attribute.lower()), c.value.strip().rstrip("*").casefold()) for c in conditions]

    def fits(person: Person) -> bool:
        return person.enabled and all(
            attribute is not None and any(text.casefold().startswith(value) for text in attribute(person))
            for attribute, value in tests
        )

    return fits


def in_order(people: Iterable[Person]) -> list[Person]:
    """Sort people by their display name."""
    return sorted(people, key=lambda person: (person.display_name.casefold(), person.aor))
