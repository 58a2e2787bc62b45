"""The life of the archive."""

from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.archive import ConversationEvent, IArchive, IExports, IGapFile, ILedger, IStamps
from lyncpy.contracts.names import Aor
from lyncpy.contracts.nodes import Duty
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import IWorkload, Offer, Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.platform import Platform
from lyncpy.core.slices import Slices
from lyncpy.workloads.archive.auditor import Auditor
from lyncpy.workloads.archive.commands import Commands, Rooms
from lyncpy.workloads.archive.exporter import Exporter
from lyncpy.workloads.archive.gaps import Gaps
from lyncpy.workloads.archive.keeper import Keeper
from lyncpy.workloads.archive.reader import SLICE_BYTES, ArchiveReader
from lyncpy.workloads.archive.settings import Settings

FIRST_S: Final = 120.0
EVERY_S: Final = 3600.0
"""Seconds to the first purge and between two: before the hour in which the disk gets its room back."""

DAY_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class ArchiveFiles:
    """What the archive writes to."""

    ledger: ILedger
    """The lines, in their order, and the index."""

    stamps: IStamps
    """Proves that a line was written by this server."""

    exports: IExports
    """Takes what leaves the archive."""

    gap_file: IGapFile
    """Keeps what could not be written, until it can."""


_REMEDY: Final = "make the archive work again: `archive status`, room on the disk, the log"


@implementer(IWorkload, IArchive)
class Archive:
    """The workload: archives, searches, exports and purges conversations.

    Args:
        platform: The server's.
        media: The backends of the archive.
        settings: The section [archive].
        close_s: Seconds that `close` may take.
    """

    name = "archive"
    log = Logger()

    def __init__(self, platform: Platform, media: ArchiveFiles, settings: Settings, *, close_s: float) -> None:
        self._policies = platform.policies
        self._nodes = platform.nodes
        self._settings = settings
        timers = self._timers = platform.timers
        self._next_purge = Deadline(timers, self._begin)
        self._purging: Deferred[None] | None = None
        gaps = Gaps(media.gap_file, timers, platform.meter, answer_s=settings.wait_s)
        self._keeper = Keeper(
            media.ledger,
            media.stamps,
            platform.policies,
            platform.meter,
            settings,
            timers,
            gaps=gaps,
            close_s=close_s,
        )
        rest = Slices(timers, SLICE_BYTES).spend
        reader = ArchiveReader(media.ledger, rest)
        auditor = Auditor(media.ledger, media.stamps, rest)
        exporter = Exporter(reader, media.exports)
        rooms = Rooms(media.ledger, self._keeper, auditor, reader, exporter, platform.people, platform.owners)
        self.offer = Offer(
            self.name,
            commands=Commands(rooms, settings, timers).words(),
            reasons=(self.reasons,),
            conditions=(self.conditions,),
        )

    # --- IArchive

    def wants(self, people: Collection[Aor], external: bool) -> bool:
        """Tell whether one of these people has a policy that demands archiving."""
        return self._keeper.wants(people, external)

    def archive(self, said: ConversationEvent) -> Coroutine[Any, Any, None]:  # Any: Python's own parameters
        """Write an entry before the message is passed on. Raises Refused in critical mode."""
        return self._keeper.archive(said)

    # --- IWorkload

    async def open(self) -> None:
        """Find the end of the chain, and purge from time to time."""
        await self._keeper.open()
        if self._settings.keep_days:
            self._next_purge.set(FIRST_S)

    async def close(self) -> None:
        """Write what waits; a purge under way ends at its next slice. Raises Unfinished."""
        self._next_purge.clear()
        if self._purging is not None:
            self._purging.cancel()
        await self._keeper.close()

    async def purge(self) -> None:
        """Purge old entries by a time that has surely passed: a clock that is set ahead deletes nothing."""
        try:
            count = await self._keeper.purge(self._timers.past() - self._settings.keep_days * DAY_S)
        except StoreUnavailable as error:
            self.log.warn("the purge of the archive did not come to its end: {reason}", reason=error)
            return
        if count:
            self.log.info(
                "{count} entries of the archive were older than {days} days and are gone",
                count=count,
                days=self._settings.keep_days,
            )

    async def reasons(self, aor: Aor) -> Sequence[Reason]:
        """Say what the archive does to a user; nothing when they are not archived."""
        policy = self._policies.policy_of(aor)
        scopes = [
            scope
            for scope, is_kept in (
                ("among people of the enterprise", policy.archive_internal),
                ("with others", policy.archive_external),
            )
            if is_kept
        ]
        if not scopes:
            return ()
        trouble = self._keeper.counts.trouble
        if not trouble:
            return (Reason("archive", f"what they say and hear {' and '.join(scopes)} is archived", good=True),)
        then = "their messages are refused" if self._settings.critical else "their messages pass unarchived"
        return (Reason("archive", f"{then}: {trouble}", good=False, remedy=_REMEDY),)

    def conditions(self) -> Sequence[Reason]:
        """Say whether it writes."""
        trouble = self._keeper.counts.trouble
        if not trouble:
            return ()
        finding = f"nothing is written to it: {trouble}"
        return (Reason("archive", finding, good=False, remedy=_REMEDY, grave=self._settings.critical, key="trouble"),)

    def _begin(self) -> None:
        self._next_purge.set(EVERY_S)
        # Whoever purges: what another server removes from the index has not been written here for longer than that.
        self._keeper.places.clear()
        if self._purging is None and self._nodes.has_duty(Duty.ARCHIVE):
            purging = self._purging = Deferred.fromCoroutine(self.purge())
            _ = purging.addErrback(self._failed).addBoth(self._ended)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("the purge of the archive failed", failure)

    def _ended(self, _: None) -> None:
        self._purging = None
