"""Sessions → call detail records, without making a message wait for the disk."""

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.records import IRecords, SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.begin import begin

WAITING_BOUND = 50_000
"""Records that wait for a store that fails; then the oldest of them is given up, and the log says so."""


class Recorder:
    """Writes the newest state of each session; what waits is bounded and coalesced by session."""

    log = Logger()

    def __init__(self, records: IRecords, timers: ITimers, delay_s: float) -> None:
        """Take how long counts of a session under way may wait, in seconds."""
        self._records = records
        self._timers = timers
        self._delay_s = delay_s
        self._waiting: dict[str, SessionRecord] = {}
        self._timer: ITimer | None = None
        self._busy = False
        self._idle: list[Deferred[None]] = []
        self._complained = False

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, record: SessionRecord, *, at_once: bool) -> None:
        """Have a record written: now for a beginning or an end, soon for counts."""
        self._waiting[record.session_id] = record
        if len(self._waiting) > WAITING_BOUND:
            given_up = next(iter(self._waiting))
            del self._waiting[given_up]
            self.log.error("call detail record {session} is lost: the store has failed for too long", session=given_up)
        if at_once:
            self._begin()
        elif self._timer is None:
            self._timer = self._timers.later(self._delay_s, self._begin)

    async def drained(self) -> None:
        """Write all that waits; for an orderly end. Returns also when the store fails."""
        self._begin()
        if self._busy:
            done: Deferred[None] = Deferred()
            self._idle.append(done)
            await done

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._busy and self._waiting:
            self._busy = True
            begin(self._write(), self.log, "writing call detail records")

    async def _write(self) -> None:
        try:
            while self._waiting:
                session_id, record = next(iter(self._waiting.items()))
                await self._records.keep_session(record)
                if self._waiting.get(session_id) is record:
                    del self._waiting[session_id]
                else:  # a newer state came meanwhile: to the end of the queue
                    self._waiting[session_id] = self._waiting.pop(session_id)
            self._complained = False
        except StoreUnavailable as error:
            if not self._complained:
                self._complained = True
                self.log.error("call detail records wait, the store fails: {reason}", reason=str(error))
            self._timer = self._timers.later(5.0, self._begin)
        finally:
            self._busy = False
            for done in self._idle:
                done.callback(None)
            self._idle.clear()
