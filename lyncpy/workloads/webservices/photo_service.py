"""Photos over HTTP: below the address that clients are told as that of address book files ([MS-ABS])."""

from collections.abc import Awaitable, Callable
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.directory import IPhotos
from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused, HttpResource
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import read_xml
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.bodies.address_book import read_photo_path
from lyncpy.workloads.webservices.model.addresses import ADDRESS_BOOK, PHOTOS, TICKETS, Addresses
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.shown_ticket import shown_ticket
from lyncpy.workloads.webservices.soap_resource import ELEMENTS
from lyncpy.workloads.webservices.tickets import Tickets

_BELOW: Final = f"{PHOTOS}/"


class PhotoService:
    """Gives photos to who bears a ticket for the address book, by which they were told where the photos are.

    Args:
        tickets: Admits who shows one.
        photos: Of people; None: this answers nothing.
    """

    log = Logger()

    def __init__(self, tickets: Tickets, addresses: Addresses, photos: IPhotos | None) -> None:
        self._tickets = tickets
        self._photos = photos
        self._issuer = addresses.of(TICKETS)
        self._audience = addresses.of(ADDRESS_BOOK)

    def rows(self) -> tuple[HttpResource, ...]:
        """Give what it answers over HTTP."""
        return () if self._photos is None else (HttpResource(_BELOW, self._answer(self._photos)),)

    def _answer(self, photos: IPhotos) -> Callable[[HttpAsked], Awaitable[HttpAnswer]]:
        async def answer(asked: HttpAsked) -> HttpAnswer:
            await self._admit(asked)
            meant = read_photo_path(asked.path[len(_BELOW) :])
            data = None if meant is None else await photos.photo(*meant)
            if meant is None or data is None:
                raise HttpRefused(404, "there is no such photo")
            return HttpAnswer(200, "image/jpeg", data, etag=meant[1], cache="private, max-age=86400")

        return answer

    async def _admit(self, asked: HttpAsked) -> None:
        try:
            await self._tickets.admit(read_xml(shown_ticket(asked), max_nodes=ELEMENTS), self._audience)
        except (ServiceRefused, RemoteProtocolError) as error:
            self.log.info("a photo refused for {address}: {reason}", address=asked.peer, reason=shown(error.reason))
            raise HttpRefused(401, error.reason, (("X-MS-WebTicketURL", self._issuer),)) from None
