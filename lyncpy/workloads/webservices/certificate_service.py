"""The service that certifies the keys of clients ([MS-OCAUTHWS] 3.1)."""

from collections.abc import Hashable
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpResource
from lyncpy.contracts.names import bare
from lyncpy.contracts.timers import ITimers
from lyncpy.core.hourly_quota import HourlyQuota
from lyncpy.sip.soap import Envelope
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.authority import PeopleAuthority
from lyncpy.workloads.webservices.bodies.enrollment import read_certificate_request, write_certificate_answer
from lyncpy.workloads.webservices.bodies.faults import XML_TYPE
from lyncpy.workloads.webservices.bodies.metadata import MetadataOperation, MetadataPort, issued_token, write_metadata
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.addresses import CERTIFICATES, TICKETS, Addresses
from lyncpy.workloads.webservices.model.certificates import issue, read_key_request
from lyncpy.workloads.webservices.model.issued import (
    Issued,
    IssuedCertificate,
    check_round,
    with_certificate,
    with_use,
)
from lyncpy.workloads.webservices.model.proof import SecurityHeader, check_proof, read_security
from lyncpy.workloads.webservices.model.refusal import ServiceRefused, untrusted
from lyncpy.workloads.webservices.model.tickets import TicketClaims
from lyncpy.workloads.webservices.settings import Settings
from lyncpy.workloads.webservices.soap_resource import answer_soap
from lyncpy.workloads.webservices.tickets import WebTickets

_ACTION: Final = "http://schemas.microsoft.com/OCS/AuthWebServices/GetAndPublishCert"
_PLACES: Final = {
    "CertProvisioningServiceWebTicketProof_SHA1": f"{CERTIFICATES}/WebTicket_Proof_SHA1",
    "CertProvisioningServiceWebTicketProof": f"{CERTIFICATES}/WebTicket_Proof",
}
"""Port → path. Clients look for the one name or the other; either takes signatures with SHA-1 and with SHA-256."""


class CertificateService:
    """Answers requests for certificates.

    Args:
        tickets: Admits who shows one.
        issued: Where what is issued is written down before it is given.
        authority: Signs.
        bus: Tells this process what became of a request.
    """

    log = Logger()

    def __init__(
        self,
        tickets: WebTickets,
        issued: IssuedTable,
        authority: PeopleAuthority,
        addresses: Addresses,
        settings: Settings,
        timers: ITimers,
        bus: IBus,
    ) -> None:
        self._tickets = tickets
        self._bus = bus
        self._issued = issued
        self._authority = authority
        self._settings = settings
        self._timers = timers
        self._shares = HourlyQuota(
            "webservices.certificates_per_hour", float(settings.certificates_per_hour), timers.now, self._told
        )
        self._audience = addresses.url_of(CERTIFICATES)
        policy = issued_token(addresses.url_of(TICKETS), with_key=True)
        ports = tuple(MetadataPort(name, addresses.url_of(path), policy) for name, path in _PLACES.items())
        self._metadata = write_metadata(
            "CertProvisioningService", (MetadataOperation("GetAndPublishCert", _ACTION),), ports
        )

    def rows(self) -> tuple[HttpResource, ...]:
        """Give what it answers over HTTP."""
        places = (HttpResource(path, self.certify, methods=("POST",)) for path in _PLACES.values())
        return (HttpResource(f"{CERTIFICATES}/mex", self.metadata), *places)

    async def metadata(self, asked: HttpAsked) -> HttpAnswer:
        """Say how certificates are asked for, and whose tickets are taken."""
        return HttpAnswer(200, XML_TYPE, self._metadata)

    async def certify(self, asked: HttpAsked) -> HttpAnswer:
        """Give a certificate to whoever has a ticket and its key."""
        return await answer_soap(asked, self._certified, self.log)

    async def _certified(self, envelope: Envelope) -> bytes:
        security = read_security(envelope.header)
        ticket = await self._tickets.admit(security.token, self._audience)
        try:
            return await self._answered(envelope, security, ticket)
        except ServiceRefused as no:
            why = no.reason
            self._bus.note(lambda: f"{bare(ticket.aor)} was refused a certificate: {why}", ticket.aor)
            raise

    async def _answered(self, envelope: Envelope, security: SecurityHeader, ticket: TicketClaims) -> bytes:
        """Answer somebody who has a ticket."""
        now = self._timers.wall()
        check_proof(security, ticket.key, now)
        request = read_certificate_request(envelope.operation)
        if request.entity != ticket.aor:
            raise untrusted("the certificate is asked for somebody else than the ticket is for")
        key = read_key_request(request.request)
        if not self._shares.spend(ticket.owner):
            raise ServiceRefused("s:Server", "too many certificates in an hour, try again later")
        authority = await self._authority.current()
        until = now + self._settings.certificate_s
        certified = issue(authority, key, ticket.aor, ticket.owner, now, until)
        new = IssuedCertificate(
            digest=certified.digest,
            serial=certified.serial,
            device=request.device,
            issued=now,
            until=until,
            mark=ticket.mark.hex(),
        )

        def decide(issued: Issued) -> Issued:
            # What was revoked while this was under way stays so.
            check_round(issued, ticket)
            used = with_use(issued, ticket, key.digest, now)
            return with_certificate(used, new, self._settings.certificates_per_user, now)

        await self._issued.change(ticket.owner, decide)
        self.log.info(
            "{aor} got certificate {serial} for the device {instance}",
            aor=shown(ticket.aor),
            serial=new.serial,
            instance=new.device,
        )
        self._bus.note(
            lambda: f"{bare(ticket.aor)} got certificate {new.serial} for the device {shown(request.device)}",
            ticket.aor,
        )
        return write_certificate_answer(request, certified.der)

    def _told(self, owner: Hashable, left_out: int) -> None:
        self.log.warn(
            "owner {owner} asks for more certificates than [webservices] certificates_per_hour; {count} were refused so far",
            owner=owner,
            count=left_out,
        )
