"""What the directory answers over SIP: the search of a client without an address book service.

It is a SOAP operation in SERVICE; `core.operations` has the route.
"""

from collections.abc import Mapping
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import IAddressBook
from lyncpy.contracts.workload import Operation
from lyncpy.sip.markup import Element
from lyncpy.sip.message import Response, response_to
from lyncpy.sip.soap import SOAP_TYPE
from lyncpy.workloads.directory.bodies import read_search, write_found

RESULTS_MAXIMUM: Final = 100
"""A client asks for no more, and a person reads no more."""


class Search:
    """Finds people in the address book."""

    def __init__(self, address_book: IAddressBook) -> None:
        self._address_book = address_book

    def operations(self) -> Mapping[str, Operation]:
        """Give the SOAP operations that it answers."""
        return {"directorySearch": self.answer}

    async def answer(self, arrival: Arrival, _operation: Element) -> Response:
        """Answer a directorySearch. Client: it is sent to the domain when no address book is provisioned."""
        conditions, most = read_search(arrival.request.body, RESULTS_MAXIMUM)
        found = await self._address_book.find_matching(conditions, most)
        body = write_found(found.people, more=found.more)
        return response_to(arrival.request, 200, content_type=SOAP_TYPE, body=body)
