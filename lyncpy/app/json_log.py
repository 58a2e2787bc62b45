"""The log as plain objects: one JSON object a line in a file, or one entry of the journal of systemd.

An object has `time` (RFC 3339, UTC), `level`, `room` (the part of the server that says it), `sentence`, `fields` (the values
that the sentence was made of, as numbers, texts or lists), `request` where the line was said while a request was answered
(its Call-ID and CSeq, the same in all its lines), and `traceback` of a fault.
"""

import contextlib
import json
import math
import os
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.core.tasks import subject
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Request
from lyncpy.sip.plain import clean, clean_lines

Value = str | int | float | bool | None | list["Value"]

JOURNAL: Final = Path("/run/systemd/journal/socket")

TEXT_MOST: Final = 32_768
"""Characters of a text in one entry of the journal; the kernel takes some 200 kB at once."""

_PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
_PARTS_MOST: Final = 100
_TELLING: Final = frozenset({"message", "format", "isError", "failure", "why", "time", "system", "logLevel"})
"""Keys of Twisted's old log: what they say is in the sentence."""

_ROOM: Final = re.compile(r"lyncpy\.(?:workloads\.)?(\w+)")


def object_of(event: LogEvent) -> dict[str, Value]:
    """Give an event as a plain object; what strangers wrote is cleaned of what steers terminals."""
    level, failure = event.get("log_level") or LogLevel.info, event.get("log_failure")
    found = _ROOM.match(event.get("log_namespace") or "")
    told: dict[str, Value] = {
        "time": datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        "level": level.name,
        "room": found[1] if found else "twisted",
        "sentence": clean(formatEvent(event)),
    }
    request = subject()
    if isinstance(request, Request):
        told["request"] = _id_of(request)
    fields = {key: _value(value) for key, value in event.items() if key not in _TELLING and not key.startswith("log_")}
    if fields:
        told["fields"] = fields  # type: ignore[assignment]  # a mapping of values is one, to JSON
    if isinstance(failure, Failure):
        told["traceback"] = clean_lines(failure.getTraceback())
    return told


def _id_of(request: Request) -> str:
    try:
        return clean(f"{request.call_id} {request.cseq.number} {request.method}")
    except RemoteProtocolError:
        return clean(request.method)


def _value(value: object) -> Value:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(one) for one in list(value)[:_PARTS_MOST]]
    return clean(str(value))


@implementer(ILogObserver)
class JsonLog:
    """Appends every event to a file of mode 0600.

    Where it cannot be written, as on a full disk, lines are counted instead; how many are missing is said in the file
    once there is room.

    Args:
        file: Made if it is not there.

    Raises:
        OSError: It cannot be opened.
    """

    log = Logger()

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = self._opened()
        self._lost = 0
        self._reason = ""
        self._torn = False
        """Whether the last line was written in part."""

    def __call__(self, event: LogEvent) -> None:
        """Write an event."""
        self._write(object_of(event))

    def reopen(self) -> None:
        """Go on in a new file, after what rotates logs has moved the old one."""
        try:
            fresh = self._opened()
        except OSError as error:
            self.log.error("[log] json_file cannot be opened again: {reason}", reason=error.strerror)
            return
        os.close(self._descriptor)
        self._descriptor, self._torn = fresh, False

    def _opened(self) -> int:
        return os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _write(self, told: Mapping[str, Value]) -> None:
        text = ""
        if self._lost:
            missing: dict[str, Value] = {
                "time": told["time"],
                "level": "warn",
                "room": "app",
                "sentence": f"{self._lost} lines are missing here: {self._reason}",
            }
            text = json.dumps(missing, ensure_ascii=False) + "\n"
        text += json.dumps(told, ensure_ascii=False) + "\n"
        data = (b"\n" if self._torn else b"") + text.encode("utf-8", "replace")
        try:
            count = os.write(self._descriptor, data)
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        self._torn = count < len(data)
        if self._torn:
            self._lose("the disk is full")
        else:
            self._lost = 0

    def _lose(self, reason: str) -> None:
        self._lost += 1
        self._reason = reason


@implementer(ILogObserver)
class Journal:
    """Sends every event to the journal of systemd, by its own protocol: fields can be searched, and one entry has many lines.

    A journal that does not read as fast as we write gets less: what does not fit is dropped.

    Args:
        path: Its socket.

    Spec: systemd, "Native Journal Protocol".
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def __call__(self, event: LogEvent) -> None:
        """Send an event."""
        with contextlib.suppress(OSError):  # there is nowhere to say so
            self._socket.sendto(journal_entry(object_of(event)), self._path)

    def close(self) -> None:
        """Send nothing more."""
        self._socket.close()


def journal_entry(told: Mapping[str, Value]) -> bytes:
    """Write an object as an entry of the journal."""
    sentence, traceback = str(told["sentence"]), told.get("traceback")
    fields = {
        "MESSAGE": f"{sentence}\n{traceback}" if traceback else sentence,
        "PRIORITY": str(_PRIORITIES.get(str(told["level"]), 6)),
        "SYSLOG_IDENTIFIER": "lyncpy",
        "LYNCPY_ROOM": str(told["room"]),
    }
    if "request" in told:
        fields["LYNCPY_REQUEST"] = str(told["request"])
    values = told.get("fields")
    if isinstance(values, Mapping):
        for name, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value)
            fields.setdefault("LYNCPY_" + re.sub(r"[^A-Z0-9]+", "_", str(name).upper())[:48], text)
    return b"".join(_field(name, value[:TEXT_MOST]) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


def is_journaled(stream: str, *descriptors: int) -> bool:
    """Tell whether what is written to one of these descriptors ends up in the journal.

    Args:
        stream: The environment's JOURNAL_STREAM, "device:inode".
        descriptors: Standard output or error.
    """
    for one in descriptors:
        try:
            found = os.fstat(one)
        except OSError:
            continue
        if stream == f"{found.st_dev}:{found.st_ino}":
            return True
    return False
