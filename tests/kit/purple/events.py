"""The line to the test: events out, commands in, JSON both ways."""

import json
import os
import time
import traceback
from collections.abc import Callable, Mapping
from typing import IO, Any, Final


class CommandError(Exception):
    """What was asked cannot be done now."""


class Events:
    """Tells what happens. An event is one line: its name, its time, its fields."""

    def __init__(self, out: IO[str]) -> None:
        """Take where to write."""
        self._out = out
        self._began = time.monotonic()

    def tell(self, event: str, **fields: object) -> None:
        """Tell an event; a process that nobody listens to any more ends."""
        record = {"event": event, "at": round(time.monotonic() - self._began, 3), **fields}
        try:
            self._out.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._out.flush()
        except OSError:
            os._exit(1)


class Commands:
    """Reads commands and calls the methods `do_NAME` of the rooms."""

    def __init__(self, events: Events, ended: Callable[[], object], *rooms: object) -> None:
        """Take where answers go, what to do at the end of input, and whose methods are meant."""
        self._events = events
        self._ended = ended
        self._buffer = b""
        self._known: Final[Mapping[str, Callable[..., Any]]] = {  # Any: each has its own result
            name.removeprefix("do_"): getattr(room, name)
            for room in rooms
            for name in dir(room)
            if name.startswith("do_")
        }

    def heard(self) -> bool:
        """Take what standard input has; False at its end."""
        chunk = os.read(0, 65536)
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        if not chunk:
            self._ended()
        return bool(chunk)

    def _obey(self, words: dict[str, Any]) -> None:  # Any: as JSON has it
        number = words.pop("number")
        try:
            result = self._known[words.pop("command")](**words)
        except CommandError as error:
            self._events.tell("answer", number=number, error=str(error))
        except Exception:
            self._events.tell("answer", number=number, error=traceback.format_exc())
        else:
            self._events.tell("answer", number=number, result=result)
