"""How many call detail records one user may cause, and how large they are."""

from dataclasses import replace

from zope.interface import implementer

from lyncpy.contracts.records import CallRecord, IRecording, SessionRecord
from lyncpy.core.hourly_quota import LETTERS
from lyncpy.workloads.im.call_records import SessionRecorder


@implementer(IRecording)
class _Book:
    """Keeps the newest state of each record."""

    def __init__(self) -> None:
        self.rows: dict[object, CallRecord] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def queue_record(self, record: CallRecord, *, within_s: float = 0.0) -> None:
        """Keep it."""
        self.rows[record.key] = record


class _Desk:
    def __init__(self, per_hour: int = 100, gather_s: float = 60.0) -> None:
        self.book = _Book()
        self.now = 0.0
        self.recorder = SessionRecorder(self.book, 1.0, lambda: self.now, per_hour=per_hour, gather_s=gather_s)

    def refused(self, number: int, user: str = "sip:a@x", to: str = "sip:b@x", code: int = 480) -> None:
        self.recorder.refused_message(_record(number, user, to, code))


def _record(number: int, user: str = "sip:a@x", to: str = "sip:b@x", code: int | None = 480) -> SessionRecord:
    return SessionRecord(
        f"{user} {number}", f"call {number}", "f", "", "", user, to, "", "", "client", "", "im", 1.0,
        ended_at=None if code is None else float(number), response_code=code, messages_failed=1,
    )  # fmt: skip


def test_refused_messages_of_a_pair_are_one_record_for_a_while() -> None:
    """A program that writes to somebody who is away fills no disk, and the record has the number."""
    desk = _Desk()
    for number in range(1000):
        desk.refused(number)
    (row,) = desk.book.rows.values()
    assert isinstance(row, SessionRecord)
    assert (row.messages_failed, row.ended_at, row.call_id) == (1000, 999.0, "call 0")
    desk.now = 61.0
    desk.refused(1000)
    desk.refused(1001, to="sip:c@x")
    desk.refused(1002, code=404)
    assert len(desk.book.rows) == 4


def test_a_user_begins_only_so_many_records() -> None:
    """Beyond the share of an hour nothing more is written for this user; others and later hours are not touched."""
    desk = _Desk(per_hour=100)
    for number in range(500):
        desk.refused(number, to=f"sip:{number}@x")
    assert (len(desk.book.rows), desk.recorder.left_out) == (100, 400)
    desk.refused(0, user="sip:other@x")
    assert len(desk.book.rows) == 101
    desk.now = 3600.0
    desk.refused(1000, to="sip:1000@x")
    assert len(desk.book.rows) == 102


def test_a_session_is_recorded_whole_or_not_at_all() -> None:
    """What has a record keeps it to its end, however many begin meanwhile; what has none gets none half-way."""
    desk = _Desk(per_hour=1)
    desk.recorder.note(_record(1, code=None))
    desk.recorder.note(_record(2, code=None))
    desk.now = 7200.0
    desk.recorder.note(_record(2, code=200))
    desk.recorder.note(_record(1, code=200))
    assert [row.call_id for row in desk.book.rows.values() if isinstance(row, SessionRecord)] == ["call 1"]
    assert len(desk.recorder) == 0


def test_what_clients_write_has_a_bound() -> None:
    """A Call-ID of thirty thousand letters is cut in the record."""
    desk = _Desk()
    desk.recorder.note(replace(_record(1), call_id="x" * 30_000, user1_client="y" * 9000))
    (row,) = desk.book.rows.values()
    assert isinstance(row, SessionRecord)
    assert (len(row.call_id), len(row.user1_client)) == (LETTERS, LETTERS)
