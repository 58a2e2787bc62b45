"""What the server logs, kept for a test to read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer


@implementer(ILogObserver)
class LogEar:
    """Calls back with every event; without anybody to call, it is deaf."""

    def __init__(self, hear: Callable[[LogEvent], None] = lambda event: None) -> None:
        """Take who hears."""
        self._hear = hear

    def __call__(self, event: LogEvent) -> None:
        """Hear an event."""
        self._hear(event)


@contextmanager
def overheard() -> Iterator[list[LogEvent]]:
    """Give the list to which everything is added that is logged meanwhile."""
    events: list[LogEvent] = []
    ear = LogEar(events.append)
    globalLogPublisher.addObserver(ear)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(ear)
