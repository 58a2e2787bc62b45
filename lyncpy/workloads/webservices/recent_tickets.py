"""Tickets that were admitted just now, and need not be read again.

A client looks up each of its contacts at sign-in, one request after the other, each with the same ticket in the same header.
To read that, to verify its signature and to ask the store what has ended costs several times what the search does.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.markup import Element
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.tickets import TicketClaims
from lyncpy.workloads.webservices.tickets import WebTickets

RECENT_S: Final = 5.0
"""So long another process that changes a password does not end a ticket; what this one does ends it at once."""

RECENT_MOST: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Admitted:
    ticket: TicketClaims
    person: Person | None
    endings: int
    until: float
    note: bytes


class RecentTickets:
    """Admits who shows a ticket, and for a moment whoever shows the same bytes again.

    Args:
        tickets: Says which hold.
        people: A person who has changed is another object.
        issued: Counts how often it has ended tickets.
    """

    def __init__(self, tickets: WebTickets, people: IPeople, issued: IssuedTable, timers: ITimers) -> None:
        self._tickets = tickets
        self._people = people
        self._issued = issued
        self._timers = timers
        self._admitted: OrderedDict[bytes, _Admitted] = OrderedDict()

    def known(self, shown: bytes, audience: str) -> bytes | None:
        """Give the note about bytes with which a ticket was admitted just now, and would be now; None: it has to be read."""
        found = self._recent(shown, audience)
        return None if found is None else found.note

    def holder(self, shown: bytes, audience: str) -> Aor | None:
        """Give whose a ticket is that was admitted just now, and would be now; None: it has to be read."""
        found = self._recent(shown, audience)
        return None if found is None else found.ticket.aor

    def _recent(self, shown: bytes, audience: str) -> _Admitted | None:
        found = self._admitted.get(_key(shown, audience))
        if found is None:
            return None
        is_so = (
            self._timers.now() < found.until
            and self._timers.wall() < found.ticket.expires
            and found.endings == self._issued.endings
            and found.person is self._people.person(found.ticket.aor)
        )
        return found if is_so else None

    async def admit(self, assertion: Element, audience: str, shown: bytes, note: bytes = b"") -> Aor:
        """Admit a ticket, and remember the bytes that show it; give whose it is.

        Args:
            shown: From them alone follows the assertion; empty: nothing is remembered.
            note: Whatever the caller wants to know when it comes again.

        Raises:
            ServiceRefused: With a reason.
        """
        endings = self._issued.endings  # of before: what ends while this waits makes it outdated
        ticket = await self._tickets.admit(assertion, audience)
        if not shown:
            return ticket.aor
        person = self._people.person(ticket.aor)
        until = self._timers.now() + RECENT_S
        key = _key(shown, audience)
        self._admitted[key] = _Admitted(ticket, person, endings, until, note)
        self._admitted.move_to_end(key)  # it may have been there
        if len(self._admitted) > RECENT_MOST:
            self._admitted.popitem(last=False)
        return ticket.aor


def _key(shown: bytes, audience: str) -> bytes:
    return sha256(audience.encode() + b"\0" + shown).digest()
