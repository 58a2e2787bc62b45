"""What the directory answers over SIP: the search of a client without an address book service.

It is a SOAP operation in SERVICE; `core.operations` has the route.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Operation
from lyncpy.core.slices import FairQueue, Slices
from lyncpy.sip.markup import Element
from lyncpy.sip.message import Response, response_to
from lyncpy.sip.soap import SOAP_TYPE
from lyncpy.workloads.directory.bodies import read_search, write_found
from lyncpy.workloads.directory.search import AT_ONCE, SearchCondition, finder, in_order

RESULTS_MAXIMUM: Final = 100
"""A client asks for no more, and a person reads no more."""


class Search:
    """Finds people in memory."""

    def __init__(self, people: IPeople, timers: ITimers) -> None:
        self._people = people
        self._timers = timers
        self._queue: FairQueue[Aor] = FairQueue(timers)

    def operations(self) -> Mapping[str, Operation]:
        """Give the SOAP operations that it answers."""
        return {"directorySearch": self.answer}

    async def answer(self, arrival: Arrival, _operation: Element) -> Response:
        """Answer a directorySearch. Client: it is sent to the domain when no address book is provisioned."""
        conditions, most = read_search(arrival.request.body, RESULTS_MAXIMUM)
        found = await self._queue.run_in_turn(arrival.sender.aor, lambda: self._found(conditions, most))
        body = write_found(in_order(found[:most]), more=len(found) > most)
        return response_to(arrival.request, 200, content_type=SOAP_TYPE, body=body)

    async def _found(self, conditions: Sequence[SearchCondition], most: int) -> list[Person]:
        """Find the people who fit; one more than `most` where there are more."""
        fits = finder(conditions)
        found: list[Person] = []
        async for some in Slices(self._timers, AT_ONCE).runs_of(self._people.everybody()):
            found += filter(fits, some)
            if len(found) > most:
                break
        return found
