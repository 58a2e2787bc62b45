"""Sessions → call detail records."""

from collections.abc import Sequence

from lyncpy.contracts.records import IRecords, SessionRecord
from lyncpy.contracts.timers import ITimers
from lyncpy.core.recording import Recording


class Recorder:
    """Has the newest state of each session written."""

    def __init__(self, records: IRecords, timers: ITimers, delay_s: float) -> None:
        """Take how long counts of a session under way may wait, in seconds."""
        self._records = records
        self._waiting: Recording[SessionRecord] = Recording(self._write, "call detail records", timers, delay_s)

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, record: SessionRecord, *, at_once: bool) -> None:
        """Have a record written: now for a beginning or an end, soon for counts."""
        self._waiting.note(record.session_id, record, at_once=at_once)

    async def drained(self) -> None:
        """Write all that waits; for an orderly end. Returns also when the store fails."""
        await self._waiting.drained()

    async def _write(self, records: Sequence[SessionRecord]) -> None:
        for record in records:
            await self._records.keep_session(record)
