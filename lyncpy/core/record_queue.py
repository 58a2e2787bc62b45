"""Call records on their way to the store: one queue for all of them, and no message waits for the disk.

The queue is a group commit (`core/group_commit.py`): a slow disk delays records by a transaction
or two and never falls behind, and a store that fails is tried again.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.records import CallRecord, ConferenceRecord, IRecording, SessionRecord
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit, Unfinished
from lyncpy.core.group_commit import GroupCommit, GroupCommitTerms

WAITING_BOUND: Final = 50_000
"""Records that wait for a store that fails; what comes then is given up, and the log says so."""

WAITING_PER_USER: Final = 5_000
"""Of those, records of one user: whoever makes very many loses their own."""

GATHER_S: Final = 0.01
"""Seconds that a record waits for others: no caller waits for it, and each commit costs a hand-over and a sync of the disk."""

TOGETHER: Final = 1_000
"""Records that are written in one go: bounds how long other writes wait for this one."""


@implementer(IUnit, IRecording)
class RecordQueue:
    """Writes the newest state of each record; what waits is bounded, with a share for each user.

    It is opened before those who note anything and closed behind them.

    Args:
        write: Makes records durable, all or none, or raises StoreUnavailable.
        timers: The deadlines.
        meter: Shows how many wait, and for how long.
        close_s: The seconds that `close` may take.
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
        self._write_all = write
        self._close_s = close_s
        self._failing = self._losing = False
        terms: GroupCommitTerms[CallRecord] = GroupCommitTerms(
            "the store of call records",
            Shares(
                WAITING_BOUND,
                {"user": WAITING_PER_USER},
                {TOTAL: "records.waiting", "user": "records.waiting_per_user"},
            ),
            group_max=TOGETHER,
            on_trouble=self._troubled,
            on_lost=self._unwritable,
        )
        self._queue: GroupCommit[CallRecord, None] = GroupCommit("records", self._commit, terms, timers, meter)
        self._lost = meter.counter("lyncpy_records_lost_total", "Call records given up: the store failed for too long.")

    def __len__(self) -> int:
        return len(self._queue)

    def states(self) -> Sequence[tuple[str, object]]:
        """Give the lines of the command `status` about the queue."""
        trouble = ", the store fails" if self._failing else ""
        return (
            ("call records waiting", f"{len(self)}{trouble}"),
            ("oldest call record waiting, s", round(self._queue.oldest_s(), 1)),
        )

    def queue_record(self, record: CallRecord, *, within_s: float = 0.0) -> None:
        """Queue a record; it is written within `within_s`, or `GATHER_S` if that is longer."""
        key = (type(record), record.key)
        within_s = max(within_s, GATHER_S)
        if not self._queue.add_unawaited(record, key, within_s=within_s, owners={"user": _owner(record)}):
            self._lost.add()
            if not self._losing:
                self._losing = True
                self.log.error(
                    "call records are lost, {count} wait already: the first is {kind} {key} of {aor}",
                    count=len(self),
                    kind=_kind(record),
                    key=record.key,
                    aor=_owner(record),
                )

    # --- its life

    async def open(self) -> None:
        """Do nothing: there is nothing to open."""

    async def close(self) -> None:
        """Write all that waits, within `close_s`.

        Raises:
            Unfinished: The store fails, or is too slow.
        """
        left = await self._queue.close(self._close_s)
        if left:
            kinds = Counter(_kind(record) for record in self._queue.items())
            what = " and ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
            why = "the store fails" if self._failing else f"the store did not take them within {self._close_s:g} s"
            raise Unfinished(f"{left} call records are not written, {what}: {why}")

    # --- inside

    def _commit(self, records: Sequence[CallRecord]) -> "Deferred[Sequence[None]]":
        return Deferred.fromCoroutine(self._write(records))

    async def _write(self, records: Sequence[CallRecord]) -> Sequence[None]:
        await self._write_all(records)
        return [None] * len(records)

    def _troubled(self, reason: str) -> None:
        """Log the first failure of a row."""
        if not reason:
            self._failing = self._losing = False
            self.log.info("call records are written again")
        elif not self._failing:
            self._failing = True
            self.log.error("{count} call records wait, the store fails: {reason}", count=len(self), reason=reason)

    def _unwritable(self, record: CallRecord, failure: Failure) -> None:
        """Log that a record is lost: one that the store refuses must not hold up the others."""
        self._lost.add()
        self.log.failure("a call record is lost, {kind} {key}", failure, kind=_kind(record), key=record.key)


def _kind(record: CallRecord) -> str:
    return "sessions" if isinstance(record, SessionRecord) else "conferences"


def _owner(record: CallRecord) -> str:
    """Give whose doing a record is."""
    if isinstance(record, SessionRecord):
        return record.user1
    return record.organizer if isinstance(record, ConferenceRecord) else record.user
