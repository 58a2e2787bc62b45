"""What is taken out of the database when its time is over: the disk stays flat."""

from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.records import SqlRecords
from lyncpy.backends.sql.store import SqlStore
from lyncpy.backends.sql.volatile import SqlVolatileStore
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.nodes import Duty, INodes
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import REMOVED_S
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.workload import IUnit

FIRST_S: Final = 60.0
EVERY_S: Final = 3600.0
"""An hour's leavings are small enough to go between two writes; a night's would be felt."""

DAY_S: Final = 86400.0


@implementer(IUnit)
class Retention:
    """Removes records older than the settings allow, once an hour, also after a failure; of several servers one does."""

    log = Logger()
    name = "retention"

    def __init__(
        self,
        database: Database,
        store: SqlStore,
        volatile: MemoryRecordStore | SqlVolatileStore,
        records: SqlRecords,
        settings: Settings,
        timers: ITimers,
        nodes: INodes,
    ) -> None:
        self._database = database
        self._store = store
        self._volatile = volatile
        self._records = records
        self._settings = settings
        self._timers = timers
        self._nodes = nodes
        self._timer: ITimer | None = None
        self._purging: Deferred[None] | None = None

    async def open(self) -> None:
        """Set the first timer: a server that starts has other things to do at first."""
        self._timer = self._timers.later(FIRST_S, self._begin)

    async def close(self) -> None:
        """Stop; what is under way ends at its next slice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._purging is not None:
            self._purging.cancel()

    async def purge(self) -> None:
        """Remove all whose time is over, and give its room back to the disk.

        By a time that has surely passed: a clock that is set ahead deletes nothing.
        """
        past, settings = self._timers.past(), self._settings
        try:
            expired = await self._store.purge(past - REMOVED_S) + await self._volatile.purge(past - REMOVED_S)
            lines = await self._store.purge_journals(past - settings.journal_days * DAY_S)
            calls = await self._records.purge(past - settings.cdr_days * DAY_S)
            commands = await self._records.purge_audit(past - settings.audit_days * DAY_S)
            pages = await self._database.shrink()
        except StoreUnavailable as error:
            self.log.warn("the purge did not come to its end: {reason}", reason=error)
            return
        if any((expired, lines, calls, commands, pages)):
            self.log.debug(
                "purged {expired} expired records, {lines} journal lines, {calls} rows of call detail and "
                "{commands} commands; {pages} pages were given back",
                expired=expired,
                lines=lines,
                calls=calls,
                commands=commands,
                pages=pages,
            )

    def _begin(self) -> None:
        self._timer = self._timers.later(EVERY_S, self._begin)
        if self._purging is None and self._nodes.has_duty(Duty.RETENTION):
            purging = self._purging = Deferred.fromCoroutine(self.purge())
            _ = purging.addErrback(self._failed).addBoth(self._ended)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("the purge failed", failure)

    def _ended(self, _: None) -> None:
        self._purging = None
