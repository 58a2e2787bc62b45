"""The log: what is written, and how it is made harmless."""

from typing import Final

from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogPublisher,
    formatEvent,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.sip.plain import clean, clean_lines


@implementer(ILogObserver)
class _Level:
    """Passes on events of a level and above; each other event costs one comparison."""

    def __init__(self, predicate: ILogFilterPredicate, observer: ILogObserver) -> None:
        self._observer = FilteringLogObserver(observer, [predicate])

    def __call__(self, event: LogEvent) -> None:
        self._observer(event)


@implementer(ILogObserver)
class _Plain:
    """Passes every event on as text that a terminal shows and does not obey.

    This is the one place between all that is logged and every file and terminal: names, headers,
    directory values and exceptions carry what strangers wrote.
    """

    def __init__(self, observer: ILogObserver, mark: str) -> None:
        self._observer = observer
        self._mark = mark

    def __call__(self, event: LogEvent) -> None:
        self._observer(plain(event, self._mark))


def plain(event: LogEvent, mark: str = "") -> LogEvent:
    """Return the event with one text without control characters, behind a mark; a traceback keeps its lines."""
    failure = event.get("log_failure")
    is_legacy = "isError" in event or "message" in event
    text = (clean_lines if is_legacy else clean)(formatEvent(event))
    if isinstance(failure, Failure) and not is_legacy:
        text = f"{text}\n{clean_lines(failure.getTraceback())}"
    kept = {key: value for key, value in event.items() if key not in _TELLING}
    return {**kept, "log_format": "{log_plain}", "log_plain": f"{mark}{text}"}


_TELLING: Final = frozenset({"log_format", "log_failure", "log_text", "message", "format", "isError", "failure", "why"})
"""What observers, those of old included, make text of."""


def quieten(
    predicate: ILogFilterPredicate, publisher: LogPublisher, instead: ILogObserver | None = None, mark: str = ""
) -> None:
    """Hide what is not important enough from every observer that a publisher has, and clean what is told.

    Args:
        predicate: Says which events are told.
        publisher: Twisted's own has the observers that twistd has set up.
        instead: Told in their place, and cleans by itself; None: they are told.
        mark: What each text begins with, where they are told.
    """
    observers = list(publisher._observers)
    inner = _Plain(LogPublisher(*observers), mark) if instead is None else instead
    for observer in observers:
        publisher.removeObserver(observer)
    publisher.addObserver(_Level(predicate, inner))


def begin(predicate: ILogFilterPredicate, publisher: LogPublisher, observer: ILogObserver) -> None:
    """Have one more observer told of every event that is important enough; it cleans by itself."""
    publisher.addObserver(_Level(predicate, observer))
