"""The service that gives tickets for the others to whoever proves their password."""

from secrets import token_bytes
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReaderKind, HttpResource
from lyncpy.contracts.names import Aor
from lyncpy.sip.soap import Envelope
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.bodies.faults import TRUST_NS, XML_TYPE
from lyncpy.workloads.webservices.bodies.metadata import PASSWORDS, MetadataPort, write_metadata
from lyncpy.workloads.webservices.bodies.trust import read_ticket_request, write_ticket_answer
from lyncpy.workloads.webservices.model.addresses import CERTIFICATES, TICKETS, Addresses
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.model.tickets import KEY_BYTES, derived_key
from lyncpy.workloads.webservices.soap_resource import answer_soap
from lyncpy.workloads.webservices.tickets import Tickets

_AUTH: Final = f"{TICKETS}/Auth"


class TicketService:
    """Answers requests for tickets ([MS-OCAUTHWS] 3.2)."""

    log = Logger()

    def __init__(self, tickets: Tickets, addresses: Addresses) -> None:
        self._tickets = tickets
        self._addresses = addresses
        # Clients look for one name or the other, whatever is behind it.
        names = ("WebTicketServiceWinNegotiate", "WebTicketServiceWinNtlm")
        ports = tuple(MetadataPort(name, addresses.of(_AUTH), PASSWORDS) for name in names)
        self._metadata = write_metadata("WebTicketService", "IssueToken", f"{TRUST_NS}/RST/Issue", ports)

    def rows(self) -> tuple[HttpResource, ...]:
        """Give what it answers over HTTP."""
        users = frozenset({HttpReaderKind.SIGNED_IN})
        return (
            HttpResource(f"{TICKETS}/mex", self.metadata),
            *(
                HttpResource(path, self.issue, methods=("POST",), readers=users, handshakes=True)
                for path in (TICKETS, _AUTH)
            ),
        )

    async def metadata(self, asked: HttpAsked) -> HttpAnswer:
        """Say how tickets are asked for."""
        return HttpAnswer(200, XML_TYPE, self._metadata)

    async def issue(self, asked: HttpAsked) -> HttpAnswer:
        """Give a ticket to a user who has proved their password."""
        aor = asked.reader.aor
        assert aor is not None  # the site admits users alone

        async def serve(envelope: Envelope) -> bytes:
            return await self._issued(envelope, aor)

        return await answer_soap(asked, serve, self.log)

    async def _issued(self, envelope: Envelope, aor: Aor) -> bytes:
        request = read_ticket_request(envelope)
        audience = self._addresses.service(request.audience)
        if not audience:
            raise ServiceRefused("wst:InvalidScope", f'no service here takes tickets at "{request.audience[:200]}"')
        if request.claimed not in (None, aor):
            raise ServiceRefused(
                "wst:FailedAuthentication", "the ticket is asked for somebody else than who proved their password"
            )
        if not request.entropy and audience == self._addresses.of(CERTIFICATES):
            raise ServiceRefused("wst:BadRequest", "this service needs a ticket with a key: send entropy")
        entropy = token_bytes(KEY_BYTES) if request.entropy else b""
        key = derived_key(request.entropy, entropy) if request.entropy else b""
        ticket, text = await self._tickets.issue(aor, audience, self._addresses.of(TICKETS), key)
        self.log.info("{aor} got a ticket for {service}", aor=shown(aor), service=audience)
        return write_ticket_answer(request, ticket, text, entropy)
