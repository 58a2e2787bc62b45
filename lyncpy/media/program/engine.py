"""The media engine: `/usr/bin/python3 engine.py SOCKET`. Moves the sound of calls, as servers say over a Unix socket.

It is run by the Python that has GObject introspection, which is the system's. Each connection is a server; when one is gone, so are its
calls. The socket is its user's alone.
"""

import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    # Behind what the system's Python has: the packages beside lyncpy are those of another one.
    sys.path.append(str(Path(__file__).resolve().parents[3]))

import gi

gi.require_version("Gst", "1.0")

from gi.repository import GLib, Gst  # noqa: E402 - the version has to be said first

from lyncpy.media.model.desk import Assignment, Desk  # noqa: E402
from lyncpy.media.model.forms import (  # noqa: E402
    VERSION,
    Allocate,
    Connect,
    Digit,
    End,
    Ended,
    FormError,
    Reached,
    Ready,
)
from lyncpy.media.program.graph import CallGraph, LegImpossible, codecs, missing_elements  # noqa: E402

CALLS_MOST: Final = 200
"""Calls at once: some hundred keep one processor busy."""

UNREAD_MOST: Final = 1_048_576
"""Bytes that a server may leave unread before its connection is ended."""

_READ: Final = 65_536


class Engine:
    """All calls of all servers."""

    def __init__(self) -> None:
        self.ready = Ready(VERSION, CALLS_MOST, codecs())
        self._links: set[ServerLine] = set()

    def accept(self, listening: socket.socket) -> bool:
        """Take another server."""
        with suppress(OSError):
            self._links.add(ServerLine(self, listening.accept()[0]))
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return] # a truth of GLib

    def gone(self, link: "ServerLine") -> None:
        """Hear that a server is gone."""
        self._links.discard(link)

    @property
    def has_room(self) -> bool:
        """Whether there may be another call."""
        return sum(link.calls for link in self._links) < CALLS_MOST

    def close(self) -> None:
        """End all calls."""
        for link in tuple(self._links):
            link.close()


class ServerLine:
    """The connection of one server, and its calls."""

    def __init__(self, engine: Engine, connection: socket.socket) -> None:
        self._engine = engine
        self._connection = connection
        connection.settimeout(0)
        self._desk = Desk(engine.ready)
        self._calls: dict[str, CallGraph] = {}
        self._unread = b""
        self._writing = 0
        self._reading = _watched(connection, GLib.IOCondition.IN | GLib.IOCondition.HUP, self._readable)
        self._send()

    @property
    def calls(self) -> int:
        """How many calls it has."""
        return len(self._calls)

    def _readable(self) -> bool:
        try:
            data = self._connection.recv(_READ)
            questions = self._desk.hear(data) if data else None
        except (BlockingIOError, InterruptedError):
            return True
        except (OSError, FormError):
            questions = None
        if questions is None:
            self.close()
            return False
        for asked in questions:
            self._carry_out(asked)
        self._send()
        return self._reading != 0

    def _carry_out(self, asked: Assignment) -> None:
        try:
            self._done(asked)
        except LegImpossible as error:
            self._desk.decline(asked, str(error)[:500])

    def _done(self, asked: Assignment) -> None:
        question = asked.question
        if isinstance(question, Allocate):
            if not self._engine.has_room:
                raise LegImpossible(f"this engine has {CALLS_MOST} calls, and takes no more")
            call = self._calls[question.call] = CallGraph(question, self._tell)
            self._desk.allocated(question.call, call.local())
        elif isinstance(question, Connect):
            self._calls[question.call].connect(question.leg, question.remote)
            self._desk.done(asked)
        else:
            self._desk.measured(asked, self._calls[question.call].figures())
            if isinstance(question, End):
                self._calls.pop(question.call).close()

    def _tell(self, event: Reached | Digit | Ended) -> None:
        if event.call not in self._calls:
            return
        if isinstance(event, Ended):
            self._calls.pop(event.call).close()
        self._desk.tell(event)
        self._send()

    def _send(self) -> None:
        self._unread += self._desk.take()
        with suppress(BlockingIOError, InterruptedError):
            try:
                while self._unread:
                    self._unread = self._unread[self._connection.send(self._unread) :]
            except (BrokenPipeError, ConnectionError):
                self._unread = b""
        if len(self._unread) > UNREAD_MOST:
            self.close()
        elif self._unread and not self._writing:
            self._writing = _watched(self._connection, GLib.IOCondition.OUT, self._writable)

    def _writable(self) -> bool:
        self._writing = 0
        self._send()
        return False

    def close(self) -> None:
        """End all of its calls."""
        for watch in (self._reading, self._writing):
            if watch:
                GLib.source_remove(watch)
        self._reading = self._writing = 0
        for call in self._calls.values():
            call.close()
        self._calls.clear()
        self._connection.close()
        self._engine.gone(self)


def _watched(connection: socket.socket, condition: Any, call: Any) -> int:  # Any: GObject introspection has no types
    found: int = GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, connection.fileno(), condition, lambda *_: call())
    return found


def _listening(path: str) -> socket.socket:
    """Open the socket; one that an engine has left behind that is not there any more gives way."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        try:
            other.connect(path)
            raise SystemExit(f"{path}: another engine listens there")
        except ConnectionRefusedError:
            os.unlink(path)
        except FileNotFoundError:
            pass
    os.umask(0o177)
    listening.bind(path)
    listening.listen(16)
    return listening


def _broken(kind: type[BaseException], error: BaseException, trace: Any) -> None:  # Any: as above
    """End at an error that nobody expects: servers are told of the end, and of a call that stands still nobody would be."""
    sys.__excepthook__(kind, error, trace)
    os._exit(1)


def main(arguments: list[str]) -> None:
    """Run an engine until it is told to end."""
    if len(arguments) != 1:
        raise SystemExit("usage: engine.py SOCKET")
    sys.excepthook = _broken
    Gst.init(None)
    missing = missing_elements()
    if missing:
        raise SystemExit(
            f"GStreamer lacks {', '.join(missing)}: install gstreamer1.0-nice, -plugins-good and -plugins-bad"
        )
    listening = _listening(arguments[0])
    engine, loop = Engine(), GLib.MainLoop()
    _watched(listening, GLib.IOCondition.IN, lambda: engine.accept(listening))
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
    # Whoever has started it need not ask whether it listens.
    with suppress(OSError):
        os.write(1, b"ready\n")
    loop.run()
    engine.close()
    with suppress(OSError):
        os.unlink(arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
