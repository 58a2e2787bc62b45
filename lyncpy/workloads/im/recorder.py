"""Sessions → call detail records."""

from lyncpy.contracts.records import IRecording, SessionRecord


class Recorder:
    """Has the newest state of each session written."""

    def __init__(self, recording: IRecording, delay_s: float) -> None:
        """Take how long counts of a session under way may wait, in seconds."""
        self._recording = recording
        self._delay_s = delay_s

    def note(self, record: SessionRecord, *, at_once: bool) -> None:
        """Have a record written: now for a beginning or an end, soon for counts."""
        self._recording.note(record, within_s=0.0 if at_once else self._delay_s)
