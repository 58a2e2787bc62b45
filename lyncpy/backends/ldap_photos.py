"""Photos of people in an LDAP directory, read one by one when they are wanted: with everybody they would be gigabytes."""

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_link import Access, DirectoryConnection
from lyncpy.backends.people import BlockingRunner
from lyncpy.contracts.directory import Person
from lyncpy.contracts.photos import FoundPhoto, IPhotoSource
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.timers import ITimers

Fits = Callable[[bytes], str]

_NONE: Final = FoundPhoto()

RETRY_S: Final = 30.0
"""After the server could not be read."""


@implementer(IPhotoSource)
class LdapPhotos:
    """Reads photos in a thread of its own: they do not wait for a pull, nor it for them. One `read` at a time.

    Args:
        names: Attributes, the best first.
        access: Says how to reach the server now.
        connect: Makes a connection.
        threads: Where is read.
        timers: The clock.
    """

    log = Logger()

    def __init__(
        self,
        names: Sequence[str],
        access: Callable[[], Access],
        connect: Callable[[Access], DirectoryConnection],
        threads: BlockingRunner,
        timers: ITimers,
    ) -> None:
        self._names = tuple(names)
        self._access = access
        self._connect = connect
        self._threads = threads
        self._link: DirectoryConnection | None = None
        self._ended: Deferred[None] | None = None
        self._closed = False
        self._timers = timers
        self._failure = ""
        """Why the last reading failed; "" when it did not."""

        self._retry_at = timers.now()

    async def read(self, people: Sequence[Person], fits: Fits) -> tuple[FoundPhoto, ...]:
        """Read the photos of entries; see the promise."""
        if self._timers.now() < self._retry_at:
            raise DirectoryUnavailable(self._failure)
        if self._closed or self._ended is not None:
            # No fault of the server, which is not left alone for it.
            raise DirectoryUnavailable("photos are being read already, or the server ends")
        try:
            found = await self._read([person.source for person in people], fits)
        except DirectoryUnavailable as error:
            self._failed(str(error))
            raise
        self._failure = ""
        return found

    async def _read(self, sources: Sequence[str], fits: Fits) -> tuple[FoundPhoto, ...]:
        link = self._link = self._connect(self._access())
        ended: Deferred[None] = Deferred()
        self._ended = ended
        try:
            return await self._threads.call_in_thread(lambda: self._found(link, sources, fits))
        finally:
            self._link = self._ended = None
            ended.callback(None)

    def _failed(self, reason: str) -> None:
        """Leave the server alone for a while, and tell the operator once."""
        if not self._failure and not self._closed:
            self.log.warn("no photos now: {reason}", reason=reason)
        self._failure = reason
        self._retry_at = self._timers.now() + RETRY_S

    async def close(self) -> None:
        """Cut the connection, wait for the thread to notice, and end it."""
        self._closed = True
        if self._link is not None and self._ended is not None:
            self._link.abort("the server is being closed")
            await self._ended
        await self._threads.stop()

    def _found(self, link: DirectoryConnection, sources: Sequence[str], fits: Fits) -> tuple[FoundPhoto, ...]:
        found: list[FoundPhoto] = []
        with link:
            for source in sources:
                try:
                    raw = link.glimpse(source, self._names)
                except DirectoryUnavailable as error:
                    # Most likely this entry is too large; the connection is gone, and the others are read over the next.
                    found.append(FoundPhoto(objection=str(error)))
                    break
                found.append(self._first(raw or {}, fits))
        return tuple(found)

    def _first(self, raw: Raw, fits: Fits) -> FoundPhoto:
        """Give the first value that can be shown, or why the best one cannot."""
        objections: list[str] = []
        for name in self._names:
            for value in raw.get(name.lower(), ()):
                objection = fits(value)
                if not objection:
                    return FoundPhoto(value)
                objections.append(f"{name}: {objection}")
        return FoundPhoto(objection="; ".join(objections[:3])) if objections else _NONE
