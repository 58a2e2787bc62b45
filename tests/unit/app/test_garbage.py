"""The collector looks at what is young, and at all of it when nobody minds."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Final
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.app import garbage
from lyncpy.app.garbage import (
    COUNTED_S,
    EACH_S,
    GROWN_BYTES,
    LATEST_S,
    LOOK_S,
    QUIET_MESSAGES,
    YOUNG,
    Garbage,
    resident_bytes,
)
from lyncpy.core.timers import Timers

TOP: Final = Path(__file__).resolve().parents[3]
STORIES: Final[dict[str, Callable[[], None]]] = {}
"""What each test does in its process."""


class Ring:
    """Something that refers to itself: no count of references ever frees it."""

    def __init__(self) -> None:
        """Close the circle."""
        self.itself = self


class Server:
    """A server whose messages the test counts."""

    def __init__(self) -> None:
        """Begin."""
        self.clock = Clock()
        self.messages = 0
        self.resident = 0
        self.garbage = Garbage(Timers(self.clock, lambda: 0.0), lambda: self.messages, lambda: self.resident)
        assert not gc.isenabled(), "what is built at the start is no garbage"
        self.garbage.begin()
        assert gc.isenabled()

    def passes(self, seconds: float, *, messages: int = 0) -> None:
        """Let time pass, with so many messages in each minute."""
        for _ in range(int(seconds / (LOOK_S + 1.0))):
            self.messages += messages
            self.clock.advance(LOOK_S + 1.0)


@contextmanager
def running(**changed: float) -> Iterator[Server]:
    """Run a server, with other limits; the collector is as before afterwards."""
    before = gc.get_threshold()
    with ExitStack() as stack:
        for name, value in changed.items():
            stack.enter_context(patch.object(garbage, name, value))
        server = Server()
        yield server
        server.garbage.restore()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def alone(story: Callable[[], None]) -> Callable[[], None]:
    """Give a test in a process of its own.

    A worker holds millions of objects that other tests have made, some of which they have left for good: a look through all
    would take seconds there, and find what this file knows nothing of.
    """

    @wraps(story)
    def given() -> None:
        words = f"from {__name__} import STORIES; STORIES[{story.__name__!r}]()"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", words], cwd=TOP, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr

    STORIES[story.__name__] = story
    return given


def _old_ring() -> "weakref.ref[Ring]":
    """Make a circle that has survived a look at the young, and is let go."""
    ring = Ring()
    gc.collect(1)
    return weakref.ref(ring)


@alone
def test_what_has_survived_is_looked_at_no_more() -> None:
    """Also when Python looks through everything: there is nothing left to look through."""
    with running():
        kept = [Ring() for _ in range(1000)]
        frozen = gc.get_freeze_count()
        gc.collect(1)
        assert gc.get_freeze_count() >= frozen + len(kept)
        old = _old_ring()
        gc.collect()
        assert old() is not None


@alone
def test_what_is_young_is_found_at_once() -> None:
    """Circles of a request do not wait for the day."""
    with running():
        ring = Ring()
        young = weakref.ref(ring)
        del ring
        kept: list[list[int]] = [[] for _ in range(YOUNG + 10)]
        assert young() is None
        assert kept


@alone
def test_who_survives_one_look_holds_up_nobody_again() -> None:
    """What lives for longer than a request lives for long: looked at twice, it would cost twice, and ten milliseconds at once."""
    with running():
        looks: list[int] = []

        def looked(phase: str, info: dict[str, int]) -> None:
            looks.append(info["generation"])

        gc.callbacks.append(looked)
        frozen = gc.get_freeze_count()
        kept: list[list[int]] = [[] for _ in range(30 * YOUNG)]
        gc.callbacks.remove(looked)
        assert len(looks) >= 40, "each begins and ends"
        assert gc.get_freeze_count() > frozen + 20 * YOUNG
        assert max(looks) <= min(looks), "the young alone are looked at"
        assert kept


@alone
def test_all_of_it_is_looked_through_once_a_day_when_it_is_quiet() -> None:
    """And an operator can see how long that took."""
    with running(COUNTED_S=EACH_S) as server:
        old = _old_ring()
        with capturedLogs() as logged:
            server.passes(EACH_S - 600)
            assert old() is not None
            server.passes(EACH_S, messages=QUIET_MESSAGES + 1)
            assert old() is not None
            server.passes(3 * LOOK_S)
        assert old() is None
        assert [event["count"] >= 1 for event in logged if "took_s" in event] == [True]
        assert gc.get_freeze_count() > 1000


@alone
def test_after_a_week_it_does_not_wait_for_quiet() -> None:
    """Garbage must not grow for ever."""
    with running(COUNTED_S=EACH_S) as server:
        old = _old_ring()
        with capturedLogs():
            server.passes(LATEST_S + 300, messages=1_000)
        assert old() is None


@alone
def test_what_grows_too_fast_is_looked_at_before_the_day_is_over() -> None:
    """Whoever makes circles on purpose does not fill the memory; and nobody is held up again for what is left."""
    with running(GROWN=1_000) as server:
        old = _old_ring()
        kept = [Ring() for _ in range(2_000)]
        gc.collect(1)
        with capturedLogs() as logged:
            server.passes(COUNTED_S - 200, messages=1_000)
            assert old() is not None
            server.passes(3 * COUNTED_S, messages=1_000)
        assert old() is None
        assert len([event for event in logged if "took_s" in event]) == 1
        assert len(kept) == 2_000


@alone
def test_few_objects_that_hold_much_are_looked_at_before_the_day_is_over() -> None:
    """A circle may hold a text of any length, which no count of objects tells; what is left is not looked at again for it."""
    with running(COUNTED_S=EACH_S) as server:
        old = _old_ring()
        with capturedLogs() as logged:
            server.resident += GROWN_BYTES
            server.passes(3 * LOOK_S, messages=1_000)
            assert old() is not None
            server.resident += 1
            server.passes(3 * LOOK_S, messages=1_000)
            assert old() is None
            server.resident += GROWN_BYTES
            server.passes(3 * LOOK_S, messages=1_000)
        assert len([event for event in logged if "took_s" in event]) == 1


def test_what_is_in_memory_is_what_the_system_says(tmp_path: Path) -> None:
    """It grows with what is written to; where the system does not tell, it is nothing."""
    before = resident_bytes()
    much = bytearray(b"x") * (64 << 20)
    assert len(much) // 2 < resident_bytes() - before < 2 * len(much)
    statm = tmp_path / "statm"
    for text in (None, "", "12", "a b c"):
        if text is not None:
            statm.write_text(text)
        assert resident_bytes(statm) == 0
