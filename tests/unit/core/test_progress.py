"""Whoever asks for long work hears each second how far it is, and nothing when it is over."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.core.progress import told_while
from lyncpy.core.timers import Timers


def test_each_second_until_it_is_done() -> None:
    """What there is to say then; nothing where there is none."""
    clock, told, said = Clock(), list[str](), "reading"
    work: Deferred[int] = Deferred()
    waiting = Deferred.fromCoroutine(told_while(work, Timers(clock, lambda: 0.0), lambda: said, told.append))
    clock.advance(1)
    said = ""
    clock.advance(1)
    said = "writing"
    clock.advance(1)
    work.callback(7)
    clock.advance(5)
    assert told == ["reading", "writing"]
    assert waiting.result == 7


def test_what_goes_wrong_goes_wrong() -> None:
    """And is told no more."""
    clock, told = Clock(), list[str]()
    work: Deferred[int] = Deferred()
    waiting = Deferred.fromCoroutine(told_while(work, Timers(clock, lambda: 0.0), lambda: "x", told.append))
    work.errback(ValueError("no"))
    failed: list[str] = []
    _ = waiting.addErrback(lambda failure: failed.append(failure.getErrorMessage()))
    clock.advance(5)
    assert (failed, told) == (["no"], [])
