"""Records reach the store, late if need be, and never pile up."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.contracts.records import CallRecord, ConferenceRecord, FocusJoinRecord, SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import Unfinished
from lyncpy.core import record_queue
from lyncpy.core.record_queue import GATHER_S, RecordQueue
from lyncpy.core.timers import Timers
from tests.kit.fakes import awaited
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of, started

CALL = SessionRecord("s", "", "", "", "", "", "", "", "", "", "", "im", 0.0)


class Scene:
    """A queue of conferences, a store that answers when the test says so, and a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pending: list[tuple[Sequence[CallRecord], Deferred[None]]] = []
        self.written: list[str] = []
        self.meter = MemoryMeter()
        timers = Timers(self.clock, lambda: 0.0)
        self.recording = RecordQueue(self.write, timers, self.meter, close_s=7.0)

    def write(self, records: Sequence[CallRecord]) -> Deferred[None]:
        """Wait."""
        waiting: Deferred[None] = Deferred()
        self.pending.append((records, waiting))
        return waiting

    def note(self, key: str, word: str, *, organizer: str = "", within_s: float = 0.0) -> None:
        """Have a record with a word in it written."""
        self.recording.queue_record(ConferenceRecord(key, word, organizer, 0.0), within_s=within_s)

    def answer(self, error: Exception | None = None) -> None:
        """Answer the oldest write, after the moment for which records are gathered."""
        if not self.pending:
            self.clock.advance(GATHER_S)
        records, waiting = self.pending.pop(0)
        if error is None:
            self.written += words(records)
            waiting.callback(None)
        else:
            waiting.errback(error)


def words(records: Sequence[CallRecord]) -> list[str]:
    """Give the words of records."""
    return [record.uri for record in records if isinstance(record, ConferenceRecord)]


@pytest.fixture
def scene() -> Scene:
    """Give an idle recording."""
    return Scene()


def test_counts_are_gathered_for_a_moment(scene: Scene) -> None:
    """A burst of changes of one record costs one write, of the newest."""
    for count in range(5):
        scene.note("a", f"{count}", within_s=1.0)
    assert scene.pending == []
    scene.clock.advance(1.0)
    scene.answer()
    assert scene.written == ["4"]
    assert len(scene.recording) == 0


def test_what_is_urgent_does_not_wait_for_what_is_not(scene: Scene) -> None:
    """The end of one session is written now, and takes with it what waits."""
    scene.note("a", "count", within_s=1.0)
    scene.note("b", "end")
    scene.answer()
    assert scene.written == ["count", "end"]


def test_records_that_wait_are_written_together(scene: Scene) -> None:
    """A meeting that ends for two hundred people is not two hundred trips."""
    for name in "abc":
        scene.note(name, name)
    assert scene.pending == []
    scene.clock.advance(GATHER_S)
    scene.note("d", "d")
    scene.note("e", "e")
    assert [words(records) for records, _ in scene.pending] == [["a", "b", "c"]]
    scene.answer()
    scene.answer()
    assert scene.written == [*"abcde"]


def test_what_changes_while_it_is_written_is_written_again(scene: Scene) -> None:
    """The end of a session is not lost behind its beginning."""
    scene.note("a", "beginning")
    scene.clock.advance(GATHER_S)
    scene.note("a", "end")
    scene.answer()
    scene.answer()
    assert scene.written == ["beginning", "end"]
    assert len(scene.recording) == 0


def test_a_failing_store_is_tried_again(scene: Scene) -> None:
    """A full disk delays records; it loses none, and is not asked without end meanwhile."""
    scene.note("a", "one")
    with capturedLogs() as events:
        scene.answer(StoreUnavailable("disk full"))
        scene.note("b", "two")
        assert scene.pending == []
        scene.clock.advance(1.2)
        scene.answer(StoreUnavailable("disk still full"))
        scene.clock.advance(1.0)
        assert scene.pending == []
        scene.clock.advance(1.2)
        scene.answer()
    assert scene.written == ["one", "two"]
    said = [event["log_format"] for event in events if "call records" in event["log_format"]]
    assert said == ["{count} call records wait, the store fails: {reason}", "call records are written again"]


def test_an_orderly_end_waits_for_the_store(scene: Scene) -> None:
    """The server stops when the last record is kept."""
    scene.note("a", "one", within_s=1.0)
    ended: list[object] = []
    _ = started(scene.recording.close()).addBoth(ended.append)
    assert ended == []
    scene.answer()
    assert ended == [None]
    scene.clock.advance(10)
    assert (scene.written, scene.pending) == (["one"], [])
    result_of(Scene().recording.close())


def test_an_orderly_end_says_what_a_failing_store_did_not_take(scene: Scene) -> None:
    """How many records are lost, of which kind, and why."""
    scene.note("a", "one")
    scene.recording.queue_record(CALL)
    closing = started(scene.recording.close())
    scene.answer(StoreUnavailable("disk full"))
    with pytest.raises(Unfinished, match=r"2 call records .* 1 of conferences and 1 of sessions: the store fails"):
        result_of(awaited(closing))
    scene.clock.advance(10)
    assert scene.pending == []


def test_an_orderly_end_does_not_wait_for_ever(scene: Scene) -> None:
    """A disk that hangs costs its bound, and the end says so."""
    scene.note("a", "one")
    closing = started(scene.recording.close())
    scene.clock.advance(7)
    with pytest.raises(Unfinished, match=r"1 call records .* within 7 s"):
        result_of(awaited(closing))
    scene.answer()


def test_a_slow_disk_costs_few_transactions(scene: Scene) -> None:
    """Thousands of sessions that end while one transaction is under way share the next ones."""
    for number in range(4_000):
        scene.note(f"{number}", f"{number}")
    trips = 0
    while len(scene.recording):
        scene.answer()
        trips += 1
    assert len(scene.written) == 4_000
    assert trips <= 6


def test_the_age_of_the_queue_is_a_meter(scene: Scene) -> None:
    """An operator sees that records wait, for how long, and that it is over."""
    age, waiting = (scene.meter.gauges[f"lyncpy_records_{name}"] for name in ("oldest_seconds", "waiting_count"))
    assert (age(), waiting()) == (0.0, 0.0)
    scene.note("a", "one")
    scene.clock.advance(2)
    scene.note("b", "two")
    assert (age(), waiting()) == (2.0, 2.0)
    assert dict(scene.recording.states())["oldest call record waiting, s"] == 2.0
    scene.answer()
    assert (age(), waiting()) == (0.0, 1.0)
    scene.answer()
    assert (age(), waiting()) == (0.0, 0.0)


def test_memory_has_a_bound_and_each_user_a_share(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store fails for too long: whoever makes most records loses their own; it is counted, and logged once."""
    monkeypatch.setattr(record_queue, "WAITING_BOUND", 4)
    monkeypatch.setattr(record_queue, "WAITING_PER_USER", 2)
    scene = Scene()
    with capturedLogs() as events:
        for number in range(9):
            scene.note(f"{number}", f"{number}", organizer="sip:greedy@example.com")
        scene.note("a", "a", organizer="sip:modest@example.com")
        scene.recording.queue_record(replace(CALL, user1="sip:greedy@example.com"))
        scene.recording.queue_record(replace(CALL, user1="sip:modest@example.com"))
        scene.recording.queue_record(FocusJoinRecord("j", "", "", "sip:third@example.com", "", "", "", "", 0.0))
    assert len(scene.recording) == 4
    assert scene.meter.count("lyncpy_records_lost_total") == 9
    (event,) = events
    assert (event["kind"], event["aor"]) == ("conferences", "sip:greedy@example.com")


def test_a_record_that_no_store_takes_holds_up_no_other(scene: Scene) -> None:
    """It is given up, and said so; before, it was tried for ever, and all others with it."""
    for name in "abc":
        scene.note(name, name)
    with capturedLogs() as events:
        scene.answer(ValueError("a number that is too large"))
        scene.answer()
        scene.answer(ValueError("a number that is too large"))
        scene.answer()
    assert scene.written == ["a", "c"]
    assert len(scene.recording) == 0
    assert scene.meter.count("lyncpy_records_lost_total") == 1
    assert [event["log_failure"].type for event in events] == [ValueError]
