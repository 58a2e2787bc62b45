"""The log: what is written, and the JSON file."""

from pathlib import Path
from typing import Any

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    LogPublisher,
    eventAsJSON,
    globalLogPublisher,
)
from zope.interface import implementer


@implementer(ILogObserver)
class _Level:
    """Passes on what is important enough; what is not costs one comparison."""

    def __init__(self, level: str, observer: ILogObserver) -> None:
        predicate = LogLevelFilterPredicate(LogLevel.levelWithName(level))
        self._observer = FilteringLogObserver(observer, [predicate])

    def __call__(self, event: LogEvent) -> None:
        self._observer(event)


def quieten(level: str) -> None:
    """Keep what is less important than `level` from every observer that twistd has set up."""
    if level == "debug":
        return
    observers = list(globalLogPublisher._observers)
    inner = LogPublisher(*observers)
    for observer in observers:
        globalLogPublisher.removeObserver(observer)
    globalLogPublisher.addObserver(_Level(level, inner))


def begin_json(file: Path, level: str) -> None:
    """Write every event as one JSON object a line, too; the file is made with mode 0600."""
    file.touch(mode=0o600, exist_ok=True)
    out = file.open("a", encoding="utf-8", buffering=1)

    @implementer(ILogObserver)
    def write(event: LogEvent) -> None:
        plain: dict[str, Any] = {
            key: value for key, value in event.items() if key not in ("log_logger", "log_source", "log_trace")
        }
        out.write(eventAsJSON(plain) + "\n")

    globalLogPublisher.addObserver(_Level(level, write))
