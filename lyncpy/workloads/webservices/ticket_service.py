"""The service that gives tickets for the others to whoever proves their password, or has a certificate."""

from secrets import token_bytes
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReaderKind, HttpResource
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.markup import text_of
from lyncpy.sip.soap import Envelope
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.bodies.faults import TRUST_NS, XML_TYPE
from lyncpy.workloads.webservices.bodies.metadata import (
    CERTIFICATE,
    PASSWORDS,
    SENT_PASSWORDS,
    MetadataOperation,
    MetadataPort,
    write_metadata,
)
from lyncpy.workloads.webservices.bodies.trust import read_ticket_request, write_ticket_answer
from lyncpy.workloads.webservices.holders import CertificateHolders
from lyncpy.workloads.webservices.model.addresses import CERTIFICATES, TICKETS, Addresses
from lyncpy.workloads.webservices.model.certificates import read_certificate
from lyncpy.workloads.webservices.model.proof import Possession, check_possession, read_security
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.model.tickets import KEY_BYTES, derived_key
from lyncpy.workloads.webservices.sent_passwords import SentPasswords
from lyncpy.workloads.webservices.soap_resource import answer_soap
from lyncpy.workloads.webservices.tickets import WebTickets

_AUTH: Final = f"{TICKETS}/Auth"
_CERT: Final = f"{TICKETS}/Cert"


class TicketService:
    """Answers requests for tickets ([MS-OCAUTHWS] 3.2).

    Args:
        tickets: Issues them.
        sent: Looks at passwords that were sent.
        holders: Knows whose certificates are.
        tell: Tells this process what became of a request.
        ntlm: Whether passwords are proved by NTLM; else they are sent.
    """

    log = Logger()

    def __init__(
        self,
        tickets: WebTickets,
        sent: SentPasswords,
        holders: CertificateHolders,
        addresses: Addresses,
        timers: ITimers,
        bus: IBus,
        *,
        ntlm: bool,
    ) -> None:
        self._tickets = tickets
        self._bus = bus
        self._sent = sent
        self._holders = holders
        self._addresses = addresses
        self._timers = timers
        # Clients look for one name or the other, whatever is behind it.
        names = ("WebTicketServiceWinNegotiate", "WebTicketServiceWinNtlm")
        ports = (
            *(MetadataPort(name, addresses.url_of(_AUTH), PASSWORDS if ntlm else SENT_PASSWORDS) for name in names),
            MetadataPort("WebTicketServiceCert", addresses.url_of(_CERT), CERTIFICATE),
        )
        self._metadata = write_metadata(
            "WebTicketService", (MetadataOperation("IssueToken", f"{TRUST_NS}/RST/Issue"),), ports
        )

    def rows(self) -> tuple[HttpResource, ...]:
        """Give what it answers over HTTP."""
        users = frozenset({HttpReaderKind.SIGNED_IN})
        return (
            HttpResource(f"{TICKETS}/mex", self.metadata),
            HttpResource(_CERT, self.issue_to_holder, methods=("POST",)),
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
            if asked.reader.password:
                await self._sent.note(aor, asked.reader.password)
            return await self._issued(envelope, aor)

        return await answer_soap(asked, serve, self.log)

    async def issue_to_holder(self, asked: HttpAsked) -> HttpAnswer:
        """Give a ticket to a client that has a certificate and its key, with no password.

        Spec: WSS X.509 Certificate Token Profile 1.0 §3.
        """
        return await answer_soap(asked, self._issued_to_holder, self.log)

    async def _issued_to_holder(self, envelope: Envelope) -> bytes:
        security = read_security(envelope.header, "BinarySecurityToken")
        certificate = read_certificate(text_of(security.token))
        # First whose it is: only keys that were certified here are calculated with.
        aor = await self._holders.holder(certificate)
        proof = check_possession(security, certificate.key, self._timers.wall())
        return await self._issued(envelope, aor, proof)

    async def _issued(self, envelope: Envelope, aor: Aor, proof: Possession | None = None) -> bytes:
        """Answer a request of somebody who has proved their password, or the key of their certificate."""
        try:
            return await self._answered(envelope, aor, proof)
        except ServiceRefused as no:
            why = no.reason
            self._bus.note(lambda: f"{bare(aor)} was refused a web ticket: {why}", aor)
            raise

    async def _answered(self, envelope: Envelope, aor: Aor, proof: Possession | None) -> bytes:
        request = read_ticket_request(envelope)
        audience = self._addresses.service(request.audience)
        if not audience:
            raise ServiceRefused("wst:InvalidScope", f'no service here takes tickets at "{request.audience[:200]}"')
        if request.claimed not in (None, aor):
            raise ServiceRefused("wst:FailedAuthentication", "the ticket is asked for somebody else than who asks")
        if audience == self._addresses.url_of(CERTIFICATES) and proof is not None:
            # Who has stolen one must not get others with it, which would outlive it.
            raise ServiceRefused(
                "wst:FailedAuthentication", "a certificate is got with a password, not with another one"
            )
        if not request.entropy and audience == self._addresses.url_of(CERTIFICATES):
            raise ServiceRefused("wst:BadRequest", "this service needs a ticket with a key: send entropy")
        entropy = token_bytes(KEY_BYTES) if request.entropy else b""
        key = derived_key(request.entropy, entropy) if request.entropy else b""
        ticket, text = await self._tickets.issue(aor, audience, self._addresses.url_of(TICKETS), key, proof)
        self.log.info("{aor} got a ticket for {service}", aor=shown(aor), service=audience)
        self._bus.note(lambda: f"{bare(aor)} got a web ticket for {audience}", aor)
        return write_ticket_answer(request, ticket, text, entropy)
