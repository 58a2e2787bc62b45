"""Call records on their way to the store: one queue for all of them, and no message waits for the disk.

While a transaction is under way what is noted gathers; the next one takes it all. The longer
a disk takes to sync, the more records share a transaction, so that a slow disk delays
records by a transaction or two and never falls behind.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.records import CallRecord, IRecording, SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.workload import IUnit, Unfinished
from lyncpy.core.begin import begin

WAITING_BOUND: Final = 50_000
"""Records that wait for a store that fails; then the oldest of them is given up, and the log says so."""

AGAIN_S: Final = 5.0
"""When a store that failed is tried again."""

TOGETHER: Final = 1_000
"""Records that are written in one go: bounds how long other writes wait for this one."""


@dataclass(slots=True)
class _Waiting:
    record: CallRecord
    since: float
    """Monotonic seconds of the oldest state that is not durable."""


@implementer(IUnit, IRecording)
class Recording:
    """Writes the newest state of each record; what waits is bounded and coalesced by key.

    It is opened before those who note anything and closed behind them.
    """

    name = "records"
    log = Logger()

    def __init__(
        self,
        write: Callable[[Sequence[CallRecord]], Awaitable[None]],
        timers: ITimers,
        meter: IMeter,
        *,
        close_s: float,
    ) -> None:
        """Begin empty.

        Args:
            write: Makes records durable, all or none, or raises StoreUnavailable.
            timers: The deadlines.
            meter: Shows how many wait, and for how long.
            close_s: The seconds that `close` may take.
        """
        self._write_all = write
        self._timers = timers
        self._close_s = close_s
        self._waiting: dict[Hashable, _Waiting] = {}
        self._timer: ITimer | None = None
        self._due = 0.0
        self._busy = False
        self._idle: list[Deferred[None]] = []
        self._complained = False
        meter.gauge("lyncpy_records_waiting", "Call records that are not durable yet.", lambda: float(len(self)))
        meter.gauge("lyncpy_records_oldest_seconds", "Age of the oldest of them.", self.oldest_s)
        self._given_up = meter.counter("lyncpy_records_lost", "Call records given up: the store failed for too long.")
        self._trips = meter.counter("lyncpy_records_trips", "Groups of call records that were written.")

    def __len__(self) -> int:
        return len(self._waiting)

    def oldest_s(self) -> float:
        """Give how long the oldest record has waited, in seconds; 0 when none waits."""
        oldest = next(iter(self._waiting.values()), None)
        return 0.0 if oldest is None else self._timers.now() - oldest.since

    def states(self) -> Sequence[tuple[str, object]]:
        """Give what `status` says of the queue."""
        trouble = ", the store fails" if self._complained else ""
        return (
            ("call records waiting", f"{len(self)}{trouble}"),
            ("oldest call record waiting, s", round(self.oldest_s(), 1)),
        )

    def note(self, record: CallRecord, *, within_s: float = 0.0) -> None:
        """Have a record written: at once for a beginning or an end, soon for counts."""
        key = (type(record), record.key)
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.record = record
        else:
            self._waiting[key] = _Waiting(record, self._timers.now())
            self._keep_bound()
        if self._complained or self._busy:
            return  # its turn comes with the next transaction, or when the store is tried again
        if within_s <= 0:
            self._begin()
        else:
            self._begin_within(within_s)

    # --- its life

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Write all that waits, within `close_s`.

        Raises:
            Unfinished: The store fails, or is too slow.
        """
        self._begin()
        if self._busy:
            done: Deferred[None] = Deferred()
            self._idle.append(done)
            late = self._timers.later(self._close_s, lambda: None if done.called else done.callback(None))
            await done
            late.cancel()
        self._stop_timer()
        if self._waiting:
            kinds = Counter(_kind(waiting.record) for waiting in self._waiting.values())
            what = " and ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
            why = "the store fails" if self._complained else f"the store did not take them within {self._close_s:g} s"
            raise Unfinished(f"{len(self)} call records are not written, {what}: {why}")

    # --- inside

    def _keep_bound(self) -> None:
        if len(self._waiting) <= WAITING_BOUND:
            return
        given_up = next(iter(self._waiting))
        del self._waiting[given_up]
        self._given_up.add()
        self.log.error("a call record is lost, the store has failed for too long: {key}", key=given_up)

    def _begin_within(self, delay_s: float) -> None:
        due = self._timers.now() + delay_s
        if self._timer is None or due < self._due:
            self._stop_timer()
            self._due = due
            self._timer = self._timers.later(delay_s, self._begin)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._stop_timer()
        if not self._busy and self._waiting:
            self._busy = True
            begin(self._write(), self.log, "writing call records")

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = {key: one.record for key, one in islice(self._waiting.items(), TOGETHER)}
                begun = self._timers.now()
                self._trips.add()
                await self._write_all(tuple(batch.values()))
                self._written(batch, begun)
            self._recovered()
        except StoreUnavailable as error:
            if not self._complained:
                self._complained = True
                self.log.error(
                    "{count} call records wait, the store fails: {reason}", count=len(self), reason=str(error)
                )
            self._stop_timer()
            self._timer = self._timers.later(AGAIN_S, self._begin)
        finally:
            self._busy = False
            idle, self._idle = self._idle, []
            for done in idle:
                if not done.called:
                    done.callback(None)

    def _written(self, batch: Mapping[Hashable, CallRecord], begun: float) -> None:
        for key, record in batch.items():
            waiting = self._waiting.get(key)
            if waiting is None:
                continue
            del self._waiting[key]
            if waiting.record is not record:  # a newer state came meanwhile: to the end of the queue
                self._waiting[key] = _Waiting(waiting.record, begun)

    def _recovered(self) -> None:
        if self._complained:
            self._complained = False
            self.log.info("call records are written again")


def _kind(record: CallRecord) -> str:
    return "sessions" if isinstance(record, SessionRecord) else "conferences"
