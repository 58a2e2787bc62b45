"""Call detail records of sessions, and the quota of them for each user."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.records import IRecording, SessionRecord
from lyncpy.core.hourly_quota import HourlyQuota, cut

PAIRS: Final = 10_000
"""Pairs of users whose refused messages are gathered at once; beyond that, the oldest pair is forgotten."""


class SessionRecorder:
    """Has the newest state of each session written.

    Refused messages without a session, from one user to the same other, are one record for a while: a
    program that tries again and again does not fill the disk. Beyond an hourly quota a user's sessions leave
    no record; they are counted, and the log says whose.
    """

    log = Logger()

    def __init__(
        self,
        recording: IRecording,
        delay_s: float,
        now: Callable[[], float],
        *,
        per_hour: int,
        gather_s: float,
    ) -> None:
        """Begin without records.

        Args:
            recording: Has them written.
            delay_s: Seconds that the number of refused messages may wait.
            now: The clock of the quotas, in monotonic seconds.
            per_hour: Records that one user may begin in an hour.
            gather_s: Seconds that refused messages are gathered into one record.
        """
        self._recording = recording
        self._delay_s = delay_s
        self._now = now
        self._per_hour = per_hour
        self._gather_s = gather_s
        self._begun: set[str] = set()
        """Sessions under way that have a record."""

        self._left_out: set[str] = set()
        """Sessions under way that have none: their caller was over the quota."""

        self._shares = HourlyQuota("im.records_per_user", float(per_hour), now, self._told)
        self._refused: OrderedDict[tuple[str, str, int | None], tuple[SessionRecord, float]] = OrderedDict()

    @property
    def left_out(self) -> int:
        """The number of sessions that left no record."""
        return self._shares.left_out

    def __len__(self) -> int:
        """Return how many sessions under way are known here."""
        return len(self._begun) + len(self._left_out)

    def note(self, record: SessionRecord) -> None:
        """Have a record written as it is now."""
        if self._has_room(record):
            self._recording.queue_record(cut(record))

    def refused_message(self, record: SessionRecord) -> None:
        """Have a refused message without a session recorded; those within `gather_s` are one record, with their number."""
        key = (record.user1, record.user2, record.response_code)
        # Refusals with different statuses are different records: an operator looks for the status.
        first, until = self._refused.get(key, (None, 0.0))
        if first is None or self._now() >= until:
            self._refused.pop(key, None)
            if not self._has_room(record):
                return
            gathered, until = cut(record), self._now() + self._gather_s
        else:
            failed = first.messages_failed + record.messages_failed
            gathered = replace(first, ended_at=record.ended_at, messages_failed=failed)
        self._refused[key] = gathered, until
        if len(self._refused) > PAIRS:
            self._refused.popitem(last=False)
        self._recording.queue_record(gathered, within_s=0.0 if first is None else self._delay_s)

    # --- inside

    def _has_room(self, record: SessionRecord) -> bool:
        """Tell whether a session has a record; that is decided when it is noted for the first time."""
        name, lasts = record.session_id, record.ended_at is None
        # Whatever was decided at its beginning holds to its end: no row without an end, no end without a row.
        for known, recorded in ((self._begun, True), (self._left_out, False)):
            if name in known:
                if not lasts:
                    known.discard(name)
                return recorded
        recorded = self._shares.spend(record.user1)
        if lasts:
            (self._begun if recorded else self._left_out).add(name)
        return recorded

    def _told(self, user: Hashable, left_out: int) -> None:
        self.log.warn(
            "{aor} begins more than {count} sessions an hour ([im] records_per_user): further ones leave no record,"
            " {left_out} in all",
            aor=user,
            count=self._per_hour,
            left_out=left_out,
        )
