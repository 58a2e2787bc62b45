"""Records reach the store, late if need be, and never pile up."""

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core import recording as module
from lyncpy.core.recording import Recording
from lyncpy.core.timers import Timers
from tests.kit.results import result_of, started


class Scene:
    """A recording of words, a store that answers when the test says so, and a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pending: list[tuple[Sequence[str], Deferred[None]]] = []
        self.written: list[str] = []
        self.recording: Recording[str] = Recording(self.write, "words", Timers(self.clock, lambda: 0.0), 1.0)

    def write(self, words: Sequence[str]) -> Deferred[None]:
        """Wait."""
        waiting: Deferred[None] = Deferred()
        self.pending.append((words, waiting))
        return waiting

    def note(self, key: str, word: str, *, at_once: bool = True) -> None:
        """Have a word written."""
        self.recording.note(key, word, at_once=at_once)

    def answer(self, error: Exception | None = None) -> None:
        """Answer the oldest write."""
        words, waiting = self.pending.pop(0)
        if error is None:
            self.written += words
            waiting.callback(None)
        else:
            waiting.errback(error)


@pytest.fixture
def scene() -> Scene:
    """Give an idle recording."""
    return Scene()


def test_counts_are_gathered_for_a_moment(scene: Scene) -> None:
    """A burst of changes of one record costs one write, of the newest."""
    for count in range(5):
        scene.note("a", f"{count}", at_once=False)
    assert scene.pending == []
    scene.clock.advance(1.0)
    scene.answer()
    assert scene.written == ["4"]
    assert len(scene.recording) == 0


def test_what_is_urgent_does_not_wait_for_what_is_not(scene: Scene) -> None:
    """The end of one session is written now, and takes with it what waits."""
    scene.note("a", "count", at_once=False)
    scene.note("b", "end")
    scene.answer()
    assert scene.written == ["count", "end"]


def test_records_that_wait_are_written_together(scene: Scene) -> None:
    """A meeting that ends for two hundred people is not two hundred trips."""
    for name in "abc":
        scene.note(name, name)
    scene.answer()
    assert [words for words, _ in scene.pending] == [("b", "c")]


def test_what_changes_while_it_is_written_is_written_again(scene: Scene) -> None:
    """The end of a session is not lost behind its beginning."""
    scene.note("a", "beginning")
    scene.note("a", "end")
    scene.answer()
    scene.answer()
    assert scene.written == ["beginning", "end"]
    assert len(scene.recording) == 0


def test_a_failing_store_is_tried_again(scene: Scene) -> None:
    """A full disk delays records; it loses none, and is not asked without end meanwhile."""
    scene.note("a", "one")
    scene.answer(StoreUnavailable("disk full"))
    scene.note("b", "two")
    assert scene.pending == []
    scene.clock.advance(5.0)
    scene.answer(StoreUnavailable("disk still full"))
    scene.clock.advance(5.0)
    scene.answer()
    assert scene.written == ["one", "two"]


def test_an_orderly_end_waits_for_the_store(scene: Scene) -> None:
    """The server stops when the last record is kept, or when the store has refused it."""
    result_of(scene.recording.drained())
    scene.note("a", "one", at_once=False)
    ended: list[None] = []
    _ = started(scene.recording.drained()).addCallback(ended.append)
    assert ended == []
    scene.answer(StoreUnavailable("disk full"))
    assert ended == [None]
    scene.clock.advance(10)
    assert scene.pending == []


def test_a_store_that_fails_for_too_long_costs_the_oldest_record(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound, and the log says what it cost."""
    monkeypatch.setattr(module, "WAITING_BOUND", 2)
    for name in ("a", "b", "c"):
        scene.note(name, name)
    assert len(scene.recording) == 2
