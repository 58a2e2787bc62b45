"""Photos over HTTP: below the address that clients are told as that of address book files ([MS-ABS])."""

from collections.abc import Awaitable, Callable
from typing import Final

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused, HttpResource
from lyncpy.contracts.photos import IPhotos
from lyncpy.workloads.webservices.bodies.address_book import read_photo_path
from lyncpy.workloads.webservices.model.addresses import ADDRESS_BOOK, PHOTOS
from lyncpy.workloads.webservices.shown_ticket import ShownTickets

_BELOW: Final = f"{PHOTOS}/"


class PhotoService:
    """Gives photos to who bears a ticket for the address book, by which they were told where the photos are.

    Args:
        tickets: Admits who shows one.
        photos: Of people; None: this answers nothing.
    """

    def __init__(self, tickets: ShownTickets, photos: IPhotos | None) -> None:
        self._tickets = tickets
        self._photos = photos

    def rows(self) -> tuple[HttpResource, ...]:
        """Give what it answers over HTTP."""
        return () if self._photos is None else (HttpResource(_BELOW, self._answer(self._photos)),)

    def _answer(self, photos: IPhotos) -> Callable[[HttpAsked], Awaitable[HttpAnswer]]:
        async def answer(asked: HttpAsked) -> HttpAnswer:
            await self._tickets.admit(asked, ADDRESS_BOOK)
            meant = read_photo_path(asked.path[len(_BELOW) :])
            data = None if meant is None else await photos.photo(*meant)
            if meant is None or data is None:
                raise HttpRefused(404, "there is no such photo")
            return HttpAnswer(200, "image/jpeg", data, etag=meant[1], cache="private, max-age=86400")

        return answer
