"""The life of the web services, and how they are put together."""

from dataclasses import dataclass

from zope.interface import implementer

from lyncpy.contracts.archive import IStamps
from lyncpy.contracts.bus import IListening
from lyncpy.contracts.certificates import IClientCertificates
from lyncpy.contracts.directory import IAddressBook, ISecrets
from lyncpy.contracts.facts import PersonChanged, SecretChanged
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.photos import IPhotos
from lyncpy.contracts.seals import IKeyPairs, Seals
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.platform import Platform
from lyncpy.workloads.webservices.address_book_service import AddressBookService, GroupTerms
from lyncpy.workloads.webservices.authority import PeopleAuthority
from lyncpy.workloads.webservices.certificate_service import CertificateService
from lyncpy.workloads.webservices.commands import Commands
from lyncpy.workloads.webservices.discovery_service import DiscoveryService, SignInPlace
from lyncpy.workloads.webservices.ending import EndingCertificates
from lyncpy.workloads.webservices.holders import CertificateHolders
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.judge import CertificateJudge
from lyncpy.workloads.webservices.model.addresses import ADDRESS_BOOK, CERTIFICATES, PHOTOS, Addresses
from lyncpy.workloads.webservices.model.issued import Issued, revoked
from lyncpy.workloads.webservices.people_certificates import PeopleCertificates
from lyncpy.workloads.webservices.photo_service import PhotoService
from lyncpy.workloads.webservices.recent_tickets import RecentTickets
from lyncpy.workloads.webservices.sent_passwords import SentPasswords
from lyncpy.workloads.webservices.settings import Settings
from lyncpy.workloads.webservices.shown_ticket import ShownTickets
from lyncpy.workloads.webservices.ticket_service import TicketService
from lyncpy.workloads.webservices.tickets import PasswordMarks, WebTickets


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """What the services prove things with."""

    secrets: ISecrets
    """People's passwords."""

    seals: Seals
    """Encrypts what is kept."""

    stamps: IStamps
    """Codes of the server's own key."""

    key_pairs: IKeyPairs
    """Makes keys."""

    ntlm: bool
    """Whether clients prove their passwords by NTLM; else they send them."""


@implementer(IWorkload)
class WebServices:
    """The workload: tickets and certificates for clients, the revocation of both, and where clients sign in.

    Args:
        platform: The server's.
        trust: What proves.
        site: Address of the site, as clients reach it; "" when there is none.
        place: Where clients sign in.
        book: Finds people.
        photos: Of people, if there are any.
        settings: The section's.
        finds_groups: Whether clients that search find groups too.
    """

    name = "webservices"

    def __init__(
        self,
        platform: Platform,
        trust: ServiceKeys,
        site: str,
        place: SignInPlace,
        book: IAddressBook,
        photos: IPhotos | None,
        settings: Settings,
        *,
        finds_groups: bool,
    ) -> None:
        timers, people, owners = platform.timers, platform.people, platform.owners
        self._bus, self._owners = platform.bus, owners
        self._issued = issued = IssuedTable(platform.store, platform.writers)
        marks, addresses = PasswordMarks(trust.secrets, people, owners, trust.stamps), Addresses(site)
        tickets = WebTickets(people, owners, issued, marks, trust.stamps, timers, settings.ticket_s)
        authority = PeopleAuthority(
            platform.store, trust.seals, trust.key_pairs, platform.writers, timers, settings.certificate_s
        )
        self.issued_to_people = PeopleCertificates(platform.store, owners, authority, marks, timers)
        """All that was issued, for operators."""

        self._ending = EndingCertificates(platform.store, owners, authority, timers)
        recent = RecentTickets(tickets, people, issued, timers)
        groups = GroupTerms(platform.groups, settings.group_members_told, is_found=finds_groups)
        shown = ShownTickets(recent, addresses, place.names[place.domain])
        sent = SentPasswords(people, owners, trust.secrets, issued, trust.stamps, platform.bus)
        holders = CertificateHolders(people, owners, issued, marks, timers)
        services = (
            TicketService(tickets, sent, holders, addresses, timers, platform.bus, ntlm=trust.ntlm),
            CertificateService(tickets, issued, authority, addresses, settings, timers, platform.bus),
            AddressBookService(recent, addresses, book, photos, groups),
            PhotoService(shown, photos),
            DiscoveryService(shown, addresses, place),
        )
        commands = Commands(people, owners, issued, marks, platform.bus, timers)
        self.certificates: IClientCertificates = CertificateJudge(owners, issued, authority, marks, timers)
        self.certificates_url = addresses.url_of(CERTIFICATES) if site else ""
        """Where clients get certificates; "" when there is no site."""

        self.address_book_url = addresses.url_of(ADDRESS_BOOK) if site else ""
        """Where clients search for people; "" when there is no site."""

        self.photos_url = addresses.url_of(PHOTOS) if site and photos is not None else ""
        """Where clients get photos; "" when there are none."""

        self.offer = Offer(
            self.name,
            commands=commands.declared(),
            reasons=(commands.reasons,),
            conditions=(self._ending.conditions,),
            resources=tuple(row for service in services for row in service.rows()) if site else (),
        )
        self._listening: tuple[IListening, ...] = ()

    async def open(self) -> None:
        """Listen for what ends people's certificates."""
        self._listening = (
            self._bus.listen(PersonChanged, self._person),
            self._bus.listen(SecretChanged, self._secret),
        )
        self._ending.open()

    async def close(self) -> None:
        """Stop listening."""
        self._ending.close()
        for listening in self._listening:
            listening.stop()

    async def _person(self, fact: PersonChanged) -> None:
        # Who has moved to another address keeps all that is theirs, and gets new tickets there.
        if fact.moved is None and not fact.may_stay:
            await self._revoke(self._owners.meant(fact.aor))

    async def _secret(self, fact: SecretChanged) -> None:
        await self._revoke(self._owners.owner(fact.aor))

    async def _revoke(self, owner: OwnerId) -> None:
        """Revoke for good what somebody has; nothing is written of who never had anything."""

        def decide(issued: Issued) -> Issued:
            return issued if issued.is_ended else revoked(issued)

        if owner and not (await self._issued.read(owner)).is_ended:
            await self._issued.change(owner, decide)
