"""The service that searches the address book for clients and says who is in a group ([MS-ABS], [MS-DLX]).

The messages of the search are those of real clients; of those about groups `bodies.groups` says what is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.directory import FoundPeople, Group, IAddressBook, IGroups
from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpResource
from lyncpy.contracts.photos import IPhotos
from lyncpy.sip.soap import Envelope, head_of
from lyncpy.workloads.webservices.bodies.address_book import (
    AddressBookQuery,
    read_address_book_query,
    wants_photos,
    words_for_groups,
    write_address_book_answer,
)
from lyncpy.workloads.webservices.bodies.faults import XML_TYPE
from lyncpy.workloads.webservices.bodies.groups import read_expansion, write_expansion
from lyncpy.workloads.webservices.bodies.metadata import MetadataOperation, MetadataPort, issued_token, write_metadata
from lyncpy.workloads.webservices.model.addresses import ADDRESS_BOOK, TICKETS, Addresses
from lyncpy.workloads.webservices.model.expansion import expansion
from lyncpy.workloads.webservices.model.proof import read_security
from lyncpy.workloads.webservices.recent_tickets import RecentTickets
from lyncpy.workloads.webservices.soap_resource import answer_soap

_OPERATIONS: Final = (
    MetadataOperation("SearchAbEntry", "DistributionListExpander/IAddressBook/SearchAbEntry"),
    MetadataOperation("ExpandGroup", "DistributionListExpander/ExpandGroup"),
)
"""The second one has a name of ours: see `bodies.groups`."""

PHOTOS_MOST: Final = 20
"""People of one answer of whose photos is told: as many as fit on a screen, and each may have to be read."""

_PLACE: Final = f"{ADDRESS_BOOK}/WebTicket_Bearer"


@dataclass(frozen=True, slots=True)
class GroupTerms:
    """What clients are told of groups."""

    groups: IGroups
    """Says who is in them."""

    members_most: int
    """Members of a group that are told."""

    is_found: bool
    """Whether a search finds groups too."""


class AddressBookService:
    """Answers searches, and questions about groups, of who bears a ticket.

    Args:
        tickets: Admits who shows one.
        book: Finds people.
        photos: Of people; None: clients are told of none.
        groups: What is told of groups.
    """

    log = Logger()

    def __init__(
        self,
        tickets: RecentTickets,
        addresses: Addresses,
        book: IAddressBook,
        photos: IPhotos | None,
        groups: GroupTerms,
    ) -> None:
        self._tickets = tickets
        self._book = book
        self._photos = photos
        self._groups = groups
        self._audience = addresses.url_of(ADDRESS_BOOK)
        policy = issued_token(addresses.url_of(TICKETS), with_key=False)
        port = MetadataPort("AddressBookWebTicketBearer", addresses.url_of(_PLACE), policy)
        self._metadata = write_metadata("AddressBook", _OPERATIONS, (port,))

    def rows(self) -> tuple[HttpResource, ...]:
        """Give what it answers over HTTP."""
        return (
            HttpResource(f"{ADDRESS_BOOK}/mex", self.metadata),
            HttpResource(_PLACE, self.search, methods=("POST",)),
        )

    async def metadata(self, asked: HttpAsked) -> HttpAnswer:
        """Say how the address book is searched, and whose tickets are taken."""
        return HttpAnswer(200, XML_TYPE, self._metadata)

    async def search(self, asked: HttpAsked) -> HttpAnswer:
        """Search, or say who is in a group; of a header with which its client has asked just now nothing is read again."""
        head = head_of(asked.body)
        known = self._tickets.known(head, self._audience)
        if known is not None:
            asked = replace(asked, body=known + asked.body[len(head) :])

        async def serve(envelope: Envelope) -> bytes:
            if known is None:
                await self._admit(envelope, asked.body, head)
            request = read_expansion(envelope.operation)
            if request is None:
                return await self._found(envelope)
            return write_expansion(request, expansion(self._groups.groups, request.mail, self._groups.members_most))

        return await answer_soap(asked, serve, self.log)

    async def _admit(self, envelope: Envelope, request: bytes, head: bytes) -> None:
        token = read_security(envelope.header).token
        header = envelope.header
        assert header is not None  # the token is in it
        # The envelope without its header, if it is that which stands before the body.
        is_first = envelope.body.begins == len(head) and header.begins < len(head)
        await self._tickets.admit(token, self._audience, head if is_first else b"", request[: header.begins])

    async def _found(self, envelope: Envelope) -> bytes:
        query = read_address_book_query(envelope.operation)
        found: FoundPeople
        if query.conditions:
            found = await self._book.find_matching(query.conditions, query.most)
        else:
            found = await self._book.find_people(query.text, query.most)
        groups = await self._groups_found(query, found)
        if self._photos is None or not wants_photos(query.wanted):
            return write_address_book_answer(found.people, query.wanted, groups=groups)
        photos = await self._photos.facts(found.people[:PHOTOS_MOST])
        return write_address_book_answer(found.people, query.wanted, photos, groups)

    async def _groups_found(self, query: AddressBookQuery, people: FoundPeople) -> Sequence[Group]:
        """Find groups as well, behind the people, for a client that shows them and may be told of some."""
        words, most = words_for_groups(query), query.most - len(people.people)
        if not (self._groups.is_found and words and most > 0):
            return ()
        return (await self._book.find_groups(words, most)).groups
