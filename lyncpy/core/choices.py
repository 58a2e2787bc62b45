"""What Tab offers where somebody is to be named."""

from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import bare
from lyncpy.contracts.workload import OrderedWords


def addresses(people: IPeople) -> OrderedWords[Person]:
    """Give everybody's address, without its scheme."""
    return OrderedWords(people.everybody(), lambda person: bare(person.aor))
