"""Group expansion on the wire ([MS-DLX]): which group a client asks about, and the answer.

Known of the text are the address of the group (`groupMailAddress`), and how an answer says what became of the request
(`ResponseStatus`, 3.1.4.1.4.1). Not known are the name of the operation, and what a member is called: so a request may be called
anything, its answer is called after it, and members are told as this service is known to tell of people, as entries of the address book.
"""

from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.directory import Person
from lyncpy.sip.markup import Element, quote_attr, text_of
from lyncpy.workloads.webservices.bodies.address_book import (
    ENTRY_NAMESPACES,
    NAME_LONGEST,
    SEARCH,
    write_entry,
    write_group,
)
from lyncpy.workloads.webservices.bodies.faults import write_answer
from lyncpy.workloads.webservices.model.expansion import Expansion, ResponseState

_ADDRESS: Final = "groupMailAddress"


@dataclass(frozen=True, slots=True)
class ExpansionRequest:
    """A request for the members of a group."""

    operation: str
    """As its client calls it; so is the answer."""

    namespace: str
    mail: str
    """The group's address, as it was written."""


def read_expansion(operation: Element) -> ExpansionRequest | None:
    """Read a request for the members of a group; None: it is something else."""
    if operation.local == SEARCH:
        return None
    address = next((el for el in operation.walk() if el.local == _ADDRESS and el is not operation), None)
    if address is None or len(operation.local) > NAME_LONGEST:
        return None
    return ExpansionRequest(operation.local, operation.namespace, text_of(address))


def write_expansion(request: ExpansionRequest, told: Expansion) -> bytes:
    """Write what is told of a group."""
    name = request.operation
    inner = f"<ResponseStatus>{told.state}</ResponseStatus>"
    if told.state is ResponseState.SUCCESS:
        inner += f"<Items>{''.join(map(_person, told.people))}{''.join(map(write_group, told.groups))}</Items>"
    return write_answer(
        f"<{name}Response xmlns={quote_attr(request.namespace)}{ENTRY_NAMESPACES}>"
        f"<{name}Result>{inner}</{name}Result></{name}Response>"
    )


def _person(person: Person) -> str:
    """Write a member; what of them is told at least is of [MS-OCSO] 2.5.8."""
    texts = {"displayName": person.display_name, "msRTCSIP-PrimaryUserAddress": person.aor, "mail": person.mail}
    return write_entry(texts, {})
