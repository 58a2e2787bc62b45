"""What the directory answers over SIP: the search of a client without an address book service.

All SOAP in SERVICE requests has one media type and so one route, which contacts have; they
pass on what is not theirs. Assembly gives them `Search.answer` for "directorySearch".
"""

from typing import Final

from twisted.internet.defer import Deferred

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.directory.bodies import SOAP_TYPE, read_search, write_found
from lyncpy.workloads.directory.search import finder, in_order

RESULTS_MAXIMUM: Final = 100
"""A client asks for no more, and a person reads no more."""

AT_ONCE: Final = 1000
"""People looked at in one turn of the reactor, about a millisecond: everybody else's messages go on in between."""


class Search:
    """Finds people in memory."""

    def __init__(self, people: IPeople, timers: ITimers) -> None:
        """Take the people, and what gives others their turn."""
        self._people = people
        self._timers = timers

    async def answer(self, arrival: Arrival) -> Response:
        """Answer a directorySearch. Client: it is sent to the domain when no address book is provisioned."""
        conditions, most = read_search(arrival.request.body, RESULTS_MAXIMUM)
        fits = finder(conditions)
        found: list[Person] = []
        people = self._people.all()
        for start in range(0, len(people), AT_ONCE):
            if start:
                await self._others_first()
            found += filter(fits, people[start : start + AT_ONCE])
            if len(found) > most:
                break
        body = write_found(in_order(found[:most]), more=len(found) > most)
        return response_to(arrival.request, 200, content_type=SOAP_TYPE, body=body)

    async def _others_first(self) -> None:
        turn: Deferred[None] = Deferred()
        self._timers.later(0.0, lambda: turn.callback(None))
        await turn
