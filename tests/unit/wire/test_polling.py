"""A turn of the reactor: everything is read, and what is logged meanwhile names who was read from."""

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.internet.selectreactor import SelectReactor
from twisted.logger import capturedLogs
from twisted.python import context, log

from lyncpy.wire.polling import OTHERS_S, at_turns_end, log_context_of, with_known_contexts

OPENED: Final[list["Reader"]] = []
"""What is closed after a test."""


class Reader:
    """One end of a pair of sockets."""

    def __init__(self, read: Callable[[], Any], prefix: str) -> None:  # Any: why it is over, or nothing
        self.socket, self.other = socket.socketpair()
        OPENED.append(self)
        self._read = read
        self._prefix = prefix
        self.lost: list[type[BaseException] | None] = []

    def fileno(self) -> int:
        """The socket's number."""
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """Its name in the log."""
        return self._prefix

    def close(self) -> None:
        """Close both ends."""
        self.socket.close()
        self.other.close()

    def doRead(self) -> Any:  # Any: as above
        """Read, and do what was asked for."""
        self.socket.recv(100)
        return self._read()

    def connectionLost(self, reason: Any) -> None:  # Any: a Failure
        """Note why."""
        self.lost.append(reason.type)


class Known(Reader):
    """One whose context is known beforehand."""

    @property
    def log_context(self) -> object:
        """Its context."""
        return log_context_of(self._prefix)


@pytest.fixture
def reactor() -> Iterator[Any]:  # Any: a reactor has no type
    """A reactor of its own."""
    one: Any = EPollReactor()
    with_known_contexts(one)
    yield one
    one.removeAll()
    while OPENED:
        OPENED.pop().close()
    for internal in one.getReaders():
        internal.connectionLost(None)


def prefixes(reactor: Any, *readers: Reader) -> list[object]:  # Any: as above
    """Send each something, take one turn, and give the prefix of each line of the log."""
    with capturedLogs() as events:
        for reader in readers:
            reactor.addReader(reader)
            reader.other.send(b"x")
        reactor.doIteration(0)
    return [event.get("system", event.get("log_system")) for event in events]


def test_a_line_of_the_log_names_its_connection(reactor: Any) -> None:  # Any: as above
    """Whether its context was made before or is made by Twisted; nothing of it is left afterwards."""
    readers = [
        kind(lambda: log.msg("hello"), name) for kind, name in ((Known, "one"), (Reader, "two"), (Known, "three"))
    ]
    assert sorted(map(str, prefixes(reactor, *readers))) == ["one", "three", "two"]
    assert (context.get(log.ILogContext) or {}).get("system", "-") == "-"
    reactor.doIteration(None if readers[0].other.send(b"x") else 0)


def test_what_ends_a_connection_ends_no_other(reactor: Any) -> None:  # Any: as above
    """An end and an error within reading: all others go on. An error within the end itself is the main loop's."""

    def fail() -> None:
        raise ZeroDivisionError

    ending, failing, worse, good = (
        Known(ConnectionDone, "ending"),
        Known(fail, "failing"),
        Known(fail, "worse"),
        Known(lambda: log.msg("well"), "good"),
    )
    worse.connectionLost = lambda reason: fail()  # type: ignore[method-assign]  # this once
    found = prefixes(reactor, ending, failing, good)
    assert sorted(map(str, found)) == ["failing", "good"]
    assert (ending.lost, failing.lost) == ([ConnectionDone], [ZeroDivisionError])
    with pytest.raises(ZeroDivisionError):
        prefixes(reactor, worse)
    assert (context.get(log.ILogContext) or {}).get("system", "-") == "-"


def test_one_that_was_closed_by_another_in_the_same_turn_is_not_read(reactor: Any) -> None:  # Any: as above
    """Its event had come already."""
    both: list[Known] = []

    def close_the_other() -> None:
        for one in both:
            reactor.removeReader(one)
        log.msg("closed")

    both += [Known(close_the_other, "a"), Known(close_the_other, "b")]
    assert len(prefixes(reactor, *both)) == 1


class Quiet(Known):
    """One of which nobody talks."""

    talks = False


def test_who_talks_is_read_first_and_others_in_turn(reactor: Any) -> None:  # Any: as above
    """However many others there are: a part of them in each turn, and whoever was left comes before the next."""
    now = [0.0]
    reactor.seconds = lambda: now[0]
    read: list[str] = []

    def reads(name: str) -> Callable[[], None]:
        def note() -> None:
            read.append(name)
            now[0] += OTHERS_S / 2

        return note

    quiet = [Quiet(reads(name), name) for name in "abcd"]
    for one in quiet:
        one.other.send(b"more")
    prefixes(reactor, *quiet, Known(reads("talks"), "talks"))
    assert (read[0], len(read)) == ("talks", 3)
    once = read[1:]
    quiet["abcd".index(once[0])].other.send(b"again")
    reactor.doIteration(0)
    assert sorted(read[1:]) == list("abcd"), "who was left, before who has come again"
    reactor.doIteration(0)
    assert read[5:] == [once[0]]


@pytest.mark.parametrize("a_turn", [1, 2, 3])
def test_who_always_has_something_shuts_nobody_out(reactor: Any, a_turn: int) -> None:  # Any: as above
    """One more than can be read in two turns, all of them always ready: within three turns each is read.

    Args:
        a_turn: How many of them are read in one turn.
    """
    now = [0.0]
    reactor.seconds = lambda: now[0]
    read: list[int] = []
    count = 2 * a_turn + 1

    def reads(number: int) -> Callable[[], None]:
        def note() -> None:
            read.append(number)
            now[0] += OTHERS_S / a_turn * 1.01

        return note

    for number in range(count):
        one = Quiet(reads(number), str(number))
        one.other.send(bytes(100) * 100)
        reactor.addReader(one)
    turns: list[list[int]] = []
    for _ in range(60):
        reactor.doIteration(0)
        turns.append(read[:])
        read.clear()
    assert {len(turn) for turn in turns} == {a_turn}
    for begin in range(len(turns) - 2):
        assert {number for turn in turns[begin : begin + 3] for number in turn} == set(range(count)), begin


class Failing(EPollReactor):
    """A reactor whose poller fails."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types here
        self._poller = self
        self.number = errno.EINTR

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        """Fail."""
        raise OSError(self.number, "no")

    def register(self, number: int, events: int) -> None:
        """Do nothing."""


def test_a_signal_within_the_wait_ends_the_turn() -> None:
    """Any other error of the kernel is a bug, and is raised."""
    reactor: Any = Failing()
    with_known_contexts(reactor)
    reactor.doIteration(0)
    reactor.number = errno.EBADF
    with pytest.raises(OSError, match="no"):
        reactor.doIteration(0)
    for internal in reactor.getReaders():
        internal.connectionLost(None)


def test_another_reactor_stays_as_it_is() -> None:
    """There is no other that has so many connections. What is put off there is done in its next turn."""
    other: Any = SelectReactor()
    with_known_contexts(other)
    assert "doIteration" not in vars(other)
    done: list[str] = []
    at_turns_end(other)(lambda: done.append("done"))
    assert done == []
    other.runUntilCurrent()
    assert done == ["done"]
    for internal in other.getReaders():
        internal.connectionLost(None)


def test_a_thread_wakes_the_reactor_at_no_more_cost_than_a_connection(
    reactor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:  # Any: as above
    """Each durable write comes back in this way: no log context is made for it."""
    monkeypatch.setattr(log, "callWithLogger", lambda *_: pytest.fail("Twisted makes a context"))
    heard: list[str] = []
    reactor.callFromThread(heard.append, "done")
    reactor.doIteration(None)
    reactor.runUntilCurrent()
    assert heard == ["done"]
    assert reactor._poller.poll(0) == []


def test_what_is_put_off_is_done_before_the_reactor_waits(reactor: Any) -> None:  # Any: as above
    """In order, once; a failure is logged, and nothing is lost by it."""
    done: list[str] = []
    at_end = at_turns_end(reactor)

    def fail() -> None:
        raise ZeroDivisionError

    for call in (lambda: done.append("one"), fail, lambda: done.append("two"), lambda: reactor.callLater(0, fail)):
        at_end(call)
    assert done == []
    with capturedLogs() as events:
        reactor.doIteration(None)  # it does not wait: a time was set just now
    assert done == ["one", "two"]
    assert [event["log_failure"].type for event in events] == [ZeroDivisionError]
    for call in reactor.getDelayedCalls():
        call.cancel()


def test_what_puts_off_more_has_others_read_first(reactor: Any) -> None:  # Any: as above
    """A client that has sent much does not hold up the reactor, and the reactor does not wait for anybody else then."""
    done: list[str] = []
    at_end = at_turns_end(reactor)

    def again() -> None:
        done.append("again")
        at_end(again)

    reader = Known(lambda: done.append("read"), "one")
    reactor.addReader(reader)
    reader.other.send(b"x")
    at_end(again)
    for _ in range(2):
        reactor.doIteration(None)
    assert done == ["again", "read", "again"]


def test_a_turn_that_was_not_to_wait_does_not(reactor: Any) -> None:  # Any: as above
    """As one in which the reactor is to stop."""
    done: list[str] = []
    at_turns_end(reactor)(lambda: done.append("done"))
    reactor.doIteration(0)
    assert done == ["done"]
