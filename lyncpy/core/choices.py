"""Whom an operator names: what Tab offers, and who is meant."""

from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import aor_of, bare
from lyncpy.contracts.workload import CommandFailed, OrderedWords


def person_named(people: IPeople, text: str) -> Person:
    """Give the person whom an operator means, by address or login.

    Raises:
        CommandFailed: Nobody is known so.
    """
    found = people.person(aor_of(text)) or people.by_login("", text)
    if found is None:
        raise CommandFailed(f'nobody is known as "{text[:80]}"; see: users')
    return found


def addresses(people: IPeople) -> OrderedWords[Person]:
    """Give everybody's address, without its scheme."""
    return OrderedWords(people.everybody(), lambda person: bare(person.aor))
