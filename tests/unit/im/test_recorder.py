"""Call detail records reach the store, late if need be, and never pile up."""

from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.backends.memory import MemoryRecords
from lyncpy.contracts.records import IRecords, SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.timers import Timers
from lyncpy.workloads.im import recorder as module
from lyncpy.workloads.im.recorder import Recorder
from tests.kit.results import result_of, started

RECORD = SessionRecord("s1", "c", "a", "", "", "sip:a@x", "sip:b@x", "", "", "", "", "im", 1.0)


@implementer(IRecords)
class SlowRecords(MemoryRecords):
    """A store that answers when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[tuple[SessionRecord, Deferred[None]]] = []
        self.written: list[SessionRecord] = []

    def keep_session(self, record: SessionRecord) -> Deferred[None]:
        """Wait."""
        waiting: Deferred[None] = Deferred()
        self.pending.append((record, waiting))
        return waiting

    def answer(self, error: Exception | None = None) -> None:
        """Answer the oldest write."""
        record, waiting = self.pending.pop(0)
        if error is None:
            self.written.append(record)
            waiting.callback(None)
        else:
            waiting.errback(error)


class Scene:
    """A recorder, its store and its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.records = SlowRecords()
        self.recorder = Recorder(self.records, Timers(self.clock, lambda: 0.0), 1.0)


@pytest.fixture
def scene() -> Scene:
    """Give an idle recorder."""
    return Scene()


def test_counts_are_gathered_for_a_moment(scene: Scene) -> None:
    """A burst of messages costs one write."""
    for count in range(5):
        scene.recorder.note(replace(RECORD, user1_messages=count), at_once=False)
    assert scene.records.pending == []
    scene.clock.advance(1.0)
    scene.records.answer()
    assert [record.user1_messages for record in scene.records.written] == [4]
    assert len(scene.recorder) == 0


def test_what_changes_while_it_is_written_is_written_again(scene: Scene) -> None:
    """The end of a session is not lost behind its beginning."""
    scene.recorder.note(RECORD, at_once=True)
    scene.recorder.note(replace(RECORD, end_reason="bye"), at_once=True)
    scene.records.answer()
    scene.records.answer()
    assert [record.end_reason for record in scene.records.written] == ["", "bye"]
    assert len(scene.recorder) == 0


def test_a_failing_store_is_tried_again(scene: Scene) -> None:
    """A full disk delays records; it loses none."""
    scene.recorder.note(RECORD, at_once=True)
    scene.records.answer(StoreUnavailable("disk full"))
    scene.clock.advance(5.0)
    scene.records.answer(StoreUnavailable("disk still full"))
    scene.clock.advance(5.0)
    scene.records.answer()
    assert scene.records.written == [RECORD]


def test_an_orderly_end_waits_for_the_store(scene: Scene) -> None:
    """The server stops when the last record is kept, or when the store has refused it."""
    result_of(scene.recorder.drained())
    scene.recorder.note(RECORD, at_once=False)
    ended: list[None] = []
    _ = started(scene.recorder.drained()).addCallback(ended.append)
    assert ended == []
    scene.records.answer()
    assert ended == [None]


def test_a_store_that_fails_for_too_long_costs_the_oldest_record(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound, and the log says what it cost."""
    monkeypatch.setattr(module, "WAITING_BOUND", 2)
    scene.recorder.note(RECORD, at_once=True)
    for name in ("s2", "s3"):
        scene.recorder.note(replace(RECORD, session_id=name), at_once=True)
    assert len(scene.recorder) == 2
