"""The files of the certificate, looked at all the time: what has changed there is taken up, unless it is worse."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn
from lyncpy.wire.certificate import Certificate, CertificateUnusable, ServerCredentials, Stamp
from lyncpy.wire.certificate_objections import objections

LOOK_S: Final = 10.0
"""Seconds between two looks at the files. What changes from one look to the next is being written, and is left alone."""

ANYWAY: Final = "the one in use stays; mend the files, or run `reload` to use them as they are"
MEND: Final = "the one in use stays; mend the files, and they are taken up by themselves"


class InThread(Protocol):
    """Does in a thread what blocks."""

    def __call__(self, call: Callable[[], Any], /) -> Deferred[Any]:  # Any: each call has its own result
        """Call, and give the result in the reactor."""


@implementer(IUnit)
class CertificateFiles:
    """Takes up a new certificate for connections to come; who put it there has to tell nobody.

    Args:
        certificate: In use.
        asked: The names that clients connect to.
        in_thread: Does what blocks.
        wall: The wall clock.
        timers: The deadlines.
    """

    name = "certificate files"
    log = Logger()

    def __init__(
        self,
        certificate: Certificate,
        asked: Sequence[str],
        in_thread: InThread,
        wall: Callable[[], datetime],
        timers: ITimers,
    ) -> None:
        self._certificate = certificate
        self._asked = asked
        self._in_thread = in_thread
        self._wall = wall
        self._next = Deadline(timers, self._begin)
        self._seen: Stamp = ()
        """Of the last look."""

        self._refused: Reason | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Begin."""
        self._next.set(LOOK_S)

    async def close(self) -> None:
        """Stop."""
        self._is_closed = True
        self._next.clear()

    def conditions(self) -> Sequence[Reason]:
        """Say why what is in the files is not in use."""
        # Whoever reloads uses them as they are.
        is_refused = self._refused is not None and self._seen != self._certificate.stamp
        return (self._refused,) if self._refused is not None and is_refused else ()

    def _begin(self) -> None:
        spawn(self._look(), self.log, "looking at the files of the certificate")

    async def _look(self) -> None:
        try:
            stamp = await self._in_thread(self._certificate.seen)
            last, self._seen = self._seen, stamp
            if stamp == self._certificate.stamp:
                self._refused = None
            elif stamp == last:
                # Also what was refused before: one that had not begun may have by now.
                self._judge(await self._in_thread(self._read), stamp)
        finally:
            if not self._is_closed:
                self._next.set(LOOK_S)

    def _read(self) -> ServerCredentials | CertificateUnusable:
        try:
            return self._certificate.read()
        except CertificateUnusable as error:
            return error

    def _judge(self, found: ServerCredentials | CertificateUnusable, stamp: Stamp) -> None:
        if self._is_closed or stamp == self._certificate.stamp:
            return
        if isinstance(found, CertificateUnusable):
            self._refuse(str(found), MEND)
            return
        faults = list(objections(found, self._certificate.credentials, self._asked, self._wall()))
        if faults:
            self._refuse(f"[sip] certificate: {'; '.join(faults)}", ANYWAY)
            return
        try:
            self._certificate.adopt(found, stamp)
        except CertificateUnusable as error:
            self._refuse(str(error), MEND)
        else:
            self._refused = None

    def _refuse(self, why: str, remedy: str) -> None:
        finding = f"the files of the certificate have changed, and are not used: {why}"
        self._refused = Reason("certificate", finding, good=False, remedy=remedy, key="refused")
