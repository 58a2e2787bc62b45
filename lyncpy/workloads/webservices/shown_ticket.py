"""Who shows a ticket in a request that is no SOAP: it comes in a header ([MS-OCAUTHWS] 2.2)."""

from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.http import HttpAsked, HttpRefused
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Diagnostics
from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import read_xml
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.model.addresses import TICKETS, Addresses
from lyncpy.workloads.webservices.model.refusal import NO_VALID_TOKEN, ServiceRefused, untrusted
from lyncpy.workloads.webservices.recent_tickets import RecentTickets
from lyncpy.workloads.webservices.soap_resource import ELEMENTS

TICKET_CHARACTERS: Final = 32_768
"""Of the longest ticket in base64; ours have some 4,000."""

_HEADER: Final = "x-ms-webticket"


class ShownTickets:
    """Admits who shows a ticket.

    Args:
        tickets: Says which of them hold.
        server_name: Who refuses, in what clients are told.
    """

    log = Logger()

    def __init__(self, tickets: RecentTickets, addresses: Addresses, server_name: str) -> None:
        self._tickets = tickets
        self._addresses = addresses
        self._server_name = server_name

    async def admit(self, asked: HttpAsked, service: str) -> Aor:
        """Let a request go on that shows a ticket for a service, given by its path; give whose it is.

        Raises:
            HttpRefused: 401 that names no scheme, but where tickets are given ([MS-OCAUTHWS] 1.5, 3.2.4.1).
        """
        try:
            ticket, audience = _shown(asked), self._addresses.url_of(service)
            whose = self._tickets.holder(ticket, audience)
            if whose is None:
                whose = await self._tickets.admit(read_xml(ticket, max_nodes=ELEMENTS), audience, ticket)
        except (ServiceRefused, RemoteProtocolError) as error:
            if asked.headers.get(_HEADER):
                self.log.info(
                    "{path} refused for {address}: {reason}",
                    path=asked.path,
                    address=asked.peer,
                    reason=shown(error.reason),
                )
            said = Diagnostics(NO_VALID_TOKEN, shown(error.reason)).web_header(self._server_name)
            place = ("X-MS-WebTicketURL", self._addresses.url_of(TICKETS))
            raise HttpRefused(401, error.reason, (place, said)) from None
        return whose


def _shown(asked: HttpAsked) -> bytes:
    """Give the ticket of a request: base64 of the assertion in a header."""
    name, _, value = asked.headers.get(_HEADER, "").strip().partition("=")
    ticket = read_base64(value, TICKET_CHARACTERS, "the ticket") if name.lower() == "opaque" else b""
    if not ticket:
        raise untrusted("this is told to who shows a web ticket")
    return ticket
