"""What a directory tells becomes pulls: soon, few, and never in place of those at the interval."""

from collections.abc import Sequence
from typing import Final

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.contracts.directory import DirectoryNotice, IDirectoryNotices
from lyncpy.contracts.refusal import DirectoryUnavailable, NoNotices
from lyncpy.workloads.directory.model.changes import GroupChanges, PullChanges
from lyncpy.workloads.directory.notices import (
    AGAIN_MOST_S,
    GATHER_S,
    REST,
    SILENT_S,
    STEADY_S,
    Notices,
    PullsOnNotice,
)
from lyncpy.workloads.directory.pull import PullResult
from lyncpy.workloads.directory.settings import DirectorySource, Settings
from tests.kit.gatehouse import timers_of
from tests.kit.logs import overheard
from tests.kit.results import result_of

FIRST: Final = DirectoryNotice("telling", is_first=True)
CHANGE: Final = DirectoryNotice("telling")
GONE: Final = DirectoryNotice("telling", gone=True)
LOST: Final = DirectoryUnavailable("the line is cut")


@implementer(IDirectoryNotices)
class Told:
    """A directory that tells what a test says."""

    def __init__(self) -> None:
        self.waits: list[Deferred[DirectoryNotice]] = []
        self.closed = False

    async def wait(self) -> DirectoryNotice:
        """Wait until the test says something."""
        self.waits.append(Deferred())
        return await self.waits[-1]

    def say(self, what: DirectoryNotice | Exception) -> None:
        """Say it to who waits."""
        if isinstance(what, Exception):
            self.waits[-1].errback(what)
        else:
            self.waits[-1].callback(what)

    async def close(self) -> None:
        """Let a wait fail."""
        self.closed = True
        if not self.waits[-1].called:
            self.say(DirectoryUnavailable("closed"))


class Desk:
    """The thing under test, and the pulls that it asks for."""

    def __init__(self, **settings: object) -> None:
        self.clock = Clock()
        self.source, self.other = Told(), Told()
        self.asked: list[bool] = []
        self.answers: list[Deferred[PullResult]] = []
        self.takes_s = 0.0
        terms = Settings.model_validate({"url": "ldap://x", **settings})
        timers = timers_of(self.clock)
        self.pulls = PullsOnNotice(self._pull, terms.retry_s, timers)
        self.notices = Notices(self.source, self.pulls, terms, timers)
        self.notices.open()
        self.others = Notices(self.other, self.pulls, DirectorySource(name="branch", url="ldap://y"), timers)

    async def _pull(self, gone: bool) -> PullResult:
        self.asked.append(gone)
        self.answers.append(Deferred())
        return await self.answers[-1]

    def hear(self, *told: DirectoryNotice | Exception) -> None:
        """Have the directory tell one thing after the other, a moment apart."""
        for one in told:
            self.source.say(one)
            self.clock.advance(GATHER_S)

    def finish(self, took_s: float = 0.0, error: Exception | None = None, silent: str = "-") -> None:
        """End the pull under way, of one directory without a count."""
        self.clock.advance(took_s)
        if error is None:
            changes = PullChanges((), (), (), 0, (), ())
            self.answers[-1].callback(PullResult(changes, GroupChanges(), False, 0.0, silent=frozenset({silent})))
        else:
            self.answers[-1].errback(error)


def test_a_change_is_pulled_a_second_later_and_more_of_them_together() -> None:
    """Entries are counted only where something may be gone; at a start the pull of the start has done that."""
    desk = Desk()
    desk.hear(FIRST)
    assert desk.asked == [False]
    desk.finish()
    desk.source.say(CHANGE)
    assert desk.asked == [False]
    desk.clock.advance(GATHER_S)
    assert desk.asked == [False, False]
    desk.hear(CHANGE, GONE, CHANGE)
    assert desk.asked == [False, False], "one at a time"
    desk.finish()
    desk.clock.advance(3 * REST * GATHER_S)
    assert desk.asked == [False, False, True]
    desk.finish()
    desk.clock.advance(1000)
    assert len(desk.asked) == 3


def test_pulls_that_are_asked_for_take_a_tenth_of_the_time_at_most() -> None:
    """However much changes: a directory of a hundred thousand people must bear it."""
    desk = Desk()
    desk.hear(FIRST, CHANGE)
    desk.finish(took_s=10 - GATHER_S)
    for _ in range(int(10 * REST / GATHER_S) - 1):
        desk.hear(CHANGE)
    assert len(desk.asked) == 1
    desk.hear(CHANGE, CHANGE)
    assert len(desk.asked) == 2


def test_several_directories_that_tell_share_that_time() -> None:
    """Each pull reads all of them, whoever asked for it."""
    desk = Desk()
    desk.others.open()
    desk.hear(FIRST)
    desk.other.say(GONE)
    desk.finish(took_s=10)
    for _ in range(int(10 * REST / GATHER_S) - 1):
        desk.hear(CHANGE)
        desk.other.say(CHANGE)
    assert desk.asked == [False]
    desk.hear(CHANGE, CHANGE)
    assert desk.asked == [False, True]


@pytest.mark.parametrize(("silent", "counts"), [("", True), ("branch", False)])
def test_a_count_that_could_not_be_made_is_made_up_for(silent: str, counts: bool) -> None:
    """By the next pull that is asked for, where it is that directory that could not be read."""
    desk = Desk()
    desk.hear(FIRST)
    desk.finish()
    desk.hear(GONE)
    desk.finish(silent=silent)
    desk.hear(CHANGE)
    assert desk.asked == [False, True, counts]


def test_notices_are_heard_no_faster_than_they_are_gathered() -> None:
    """One question in a second, whatever the directory sends."""
    desk = Desk()
    desk.source.say(FIRST)
    assert len(desk.source.waits) == 1
    desk.clock.advance(GATHER_S)
    assert len(desk.source.waits) == 2


def test_a_pull_that_failed_is_asked_for_again() -> None:
    """With what it was to find out, as soon as one at the interval would be."""
    desk = Desk(retry_s=30)
    desk.hear(FIRST)
    desk.finish()
    desk.hear(GONE)
    desk.finish(error=DirectoryUnavailable("away"))
    desk.clock.advance(29)
    assert desk.asked == [False, True]
    desk.clock.advance(1)
    assert desk.asked == [False, True, True]


def test_what_changed_while_it_did_not_tell_is_pulled_when_it_tells_again() -> None:
    """And counted: somebody may be gone. The operator sees how it stands."""
    desk = Desk()
    assert desk.notices.state == "at the interval, because it has not been asked yet"
    desk.hear(FIRST)
    desk.finish()
    assert desk.notices.state == "told by the server (telling)"
    desk.hear(LOST)
    assert desk.notices.state == "at the interval, because the line is cut"
    desk.hear(FIRST)
    assert desk.asked == [False, True]
    assert desk.notices.state == "told by the server (telling)"


def _pauses(desk: Desk, losses: Sequence[float]) -> list[float]:
    """Lose the connection after so many seconds each; give how long each time nobody asked."""
    pauses = []
    for lasted in losses:
        desk.source.say(FIRST)
        desk.clock.advance(GATHER_S)
        desk.clock.advance(max(0.0, lasted - GATHER_S))
        before, since = len(desk.source.waits), desk.clock.seconds()
        desk.source.say(LOST)
        while len(desk.source.waits) == before:
            desk.clock.advance(1.0)
        pauses.append(desk.clock.seconds() - since)
    return pauses


def test_a_connection_that_is_lost_is_made_again_later_each_time() -> None:
    """Until one has lasted."""
    desk = Desk()
    assert _pauses(desk, [1.0] * 5) == [1, 2, 4, 8, 16]
    assert _pauses(desk, [1.0] * 6)[-1] == AGAIN_MOST_S
    assert _pauses(desk, [STEADY_S, 1.0]) == [1, 2]


def test_one_that_is_never_reached_is_asked_ever_less_often() -> None:
    """Each question is a bind: with a wrong password one in a second would lock the account."""
    desk = Desk()
    desk.clock.advance(10 * STEADY_S)
    pauses = []
    for _ in range(12):
        before, since = len(desk.source.waits), desk.clock.seconds()
        desk.source.say(LOST)
        while len(desk.source.waits) == before:
            desk.clock.advance(1.0)
        pauses.append(desk.clock.seconds() - since)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, AGAIN_MOST_S, AGAIN_MOST_S, AGAIN_MOST_S]


def test_a_directory_that_does_not_tell_is_asked_again_after_an_hour() -> None:
    """It is said once."""
    desk = Desk()
    with overheard() as heard:
        desk.source.say(NoNotices("it cannot"))
        assert desk.notices.state == "at the interval, because it cannot"
        desk.clock.advance(SILENT_S)
        assert len(desk.source.waits) == 2
        desk.source.say(NoNotices("it cannot"))
    assert len(heard) == 1
    assert desk.asked == []


def test_a_mistake_of_ours_is_logged_and_does_not_end_the_listening() -> None:
    """It is tried again after as long as a connection that is lost always."""
    desk = Desk()
    with overheard() as heard:
        desk.source.say(ZeroDivisionError())
        desk.clock.advance(AGAIN_MOST_S)
    assert (len(heard), len(desk.source.waits)) == (1, 2)


def test_nothing_happens_after_the_end() -> None:
    """Nor is the end told as a loss."""
    desk = Desk()
    desk.hear(FIRST, CHANGE)
    desk.finish()
    desk.source.say(CHANGE)
    desk.clock.advance(GATHER_S / 2)
    with overheard() as heard:
        desk.pulls.close()
        result_of(desk.notices.close())
        desk.clock.advance(10_000)
    assert desk.source.closed
    assert (len(desk.asked), heard) == (1, [])


def test_an_end_while_it_is_waited_says_nothing() -> None:
    """Though the wait fails."""
    desk = Desk()
    with overheard() as heard:
        result_of(desk.notices.close())
        desk.clock.advance(10_000)
    assert (len(desk.source.waits), heard) == (1, [])


def test_it_can_be_turned_off_and_a_file_does_not_tell() -> None:
    """The operator sees why."""
    desk = Desk(notices=False)
    assert desk.source.waits == []
    assert "notices is false" in desk.notices.state

    async def never(_: bool) -> PullResult:
        raise AssertionError

    timers = timers_of(desk.clock)
    alone = Notices(None, PullsOnNotice(never, 30, timers), Settings(), timers)
    alone.open()
    result_of(alone.close())
    assert alone.state == "at the interval, because a file does not tell of changes"


@pytest.mark.parametrize("told", [FIRST, GONE])
def test_what_is_told_during_a_pull_is_pulled_after_it(told: DirectoryNotice) -> None:
    """It may have come too late for that one."""
    desk = Desk()
    desk.hear(FIRST)
    desk.hear(told)
    desk.finish()
    desk.clock.advance(REST * GATHER_S)
    assert desk.asked == [False, True]
