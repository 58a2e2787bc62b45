"""The shell's local door: a Unix socket, for the server's own user and root, who need no key.

Who is at the other end, the kernel says; nobody else can open the file. What is said inside is that of SSH, by the same
sessions.
"""

import os
import pwd
import socket
import stat
import struct
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.workload import OperatorRole
from lyncpy.core.deadline import Deadline
from lyncpy.workloads.admin.channel import ShellContext
from lyncpy.workloads.admin.local_frames import (
    BEGIN,
    END,
    ERROR,
    INPUT,
    OUT,
    SIZE,
    STATUS,
    Beginning,
    BrokenFrame,
    FrameReader,
    frame,
    read_beginning,
)
from lyncpy.workloads.admin.sessions import CommandSession, Prompt, Script, ShellMode
from lyncpy.workloads.admin.shell import FAILED, OK, Author
from lyncpy.workloads.admin.ssh import CannotListen

SOURCE: Final = "local"
_WAITING: Final = 8
_CREDENTIALS: Final = struct.Struct("3i")


class LocalDoor(Factory):
    """The socket, and the sessions over it.

    Args:
        given: What every session needs.
        path: The socket's; what a server that is gone has left there is removed.
    """

    log = Logger()
    noisy = False

    def __init__(self, given: ShellContext, path: Path) -> None:
        self.given = given
        self.sessions: set[LocalSession] = set()
        self.limit: Final = Limit("admin.connections", given.settings.connections, lambda: len(self.sessions))
        self._path = path
        self._folder = -1
        self._port: Any = None  # Any: IListeningPort
        self._emptied: Deferred[None] | None = None

    def listen(self) -> None:
        """Open the socket, which nobody but the server's user and root can reach.

        Raises:
            CannotListen: With a sentence that names the setting.
        """
        # Others must not reach it for a moment either.
        mask = os.umask(0o177)
        try:
            # The path of a socket has 107 bytes at most; by its folder's descriptor it is always short.
            self._folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            short = f"/proc/self/fd/{self._folder}/{self._path.name}"
            if self._is_anothers(short):
                self.log.info("another process listens on {path}, and goes on to", path=str(self._path))
                return
            self._port = self.given.reactor.listenUNIX(short, self, backlog=_WAITING, mode=0o600)
        except (OSError, CannotListenError) as error:
            why = getattr(error, "socketError", error)
            text = getattr(why, "strerror", None) or str(why)
            raise CannotListen(
                f'[admin] socket: "{self._path}" cannot be opened: {text}; name another one, or "" for none'
            ) from None
        finally:
            os.umask(mask)

    def _is_anothers(self, short: str) -> bool:
        """Tell whether a process that lives has the socket; one that a dead one has left is removed."""
        try:
            mode = os.stat(short, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISSOCK(mode):
            raise OSError(0, "something that is no socket has this name")
        if _is_answered(short):
            return True
        os.unlink(short)
        return False

    def buildProtocol(self, addr: IAddress | None) -> "LocalSession":
        """Give a session to whoever has connected."""
        return LocalSession(self)

    async def stop(self) -> None:
        """Refuse new connections, and remove the socket."""
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)

    async def empty(self, within_s: float) -> None:
        """End every session; abort those that do not end in time."""
        for one in list(self.sessions):
            one.farewell("\nThe server ends.\n")
        if self.sessions:
            self._emptied = Deferred()
            timer = self.given.timers.later(within_s, self._cut)
            await self._emptied
            timer.cancel()

    def _cut(self) -> None:
        for one in list(self.sessions):
            one.cut()

    def over(self, session: "LocalSession") -> None:
        """Forget a session."""
        self.sessions.discard(session)
        if not self.sessions and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)


@implementer(IPushProducer)
class LocalSession(Protocol):
    """One client; a `Terminal`."""

    transport: Any  # Any: a UNIX connection, as Twisted sets it

    def __init__(self, door: LocalDoor) -> None:
        self._door = door
        self._frames = FrameReader()
        self._sitting: ShellMode | None = None
        self._size = Beginning()
        self._patience = Deadline(door.given.timers, self._check)
        self._is_paused = False
        self._is_waiting = False
        self._is_over = False
        self._input_at = 0.0
        self.author = Author("", SOURCE, OperatorRole.OPERATOR, "user")
        self.is_blocked = False

    # --- a terminal

    @property
    def width(self) -> int | None:
        """Give the width of the terminal."""
        return self._size.columns

    @property
    def height(self) -> int | None:
        """Give its lines."""
        return self._size.rows

    def write(self, text: str) -> None:
        """Show text."""
        self._send(OUT, text)

    def write_error(self, text: str) -> None:
        """Show text on the error output."""
        self._send(ERROR, text)

    def _send(self, kind: bytes, text: str) -> None:
        if text and not self._is_over:
            shown = text if self.width is None else text.replace("\n", "\r\n")
            self.transport.write(frame(kind, shown.encode(errors="replace")))
            self._resume()

    def finish(self, status: int) -> None:
        """Say how it ended, and close when all is read."""
        if not self._is_over:
            self._is_over = True
            self.transport.write(frame(STATUS, bytes([status])))
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def python(self) -> None:
        """Refuse: the Python prompt is for developers' keys."""
        self.write_error("the Python prompt is for developers, over SSH\n")
        self.finish(FAILED)

    # --- what Twisted calls

    def connectionMade(self) -> None:
        """Let in root and the server's own user, up to a number."""
        given = self._door.given
        self._door.sessions.add(self)
        self.transport.registerProducer(self, streaming=True)
        self._input_at = given.timers.now()
        uid = _peer(self.transport.socket)
        self.author = Author(_called(uid), SOURCE, OperatorRole.OPERATOR, "user")
        if uid not in (0, os.geteuid()):
            self.farewell("only root and the server's own user may use the shell here\n", FAILED)
        elif len(self._door.sessions) > given.settings.connections:
            self._door.limit.hit()
            self.farewell("the shell is full ([admin] connections)\n", FAILED)
        else:
            self._patience.set(given.settings.login_s)

    def farewell(self, text: str, status: int = OK) -> None:
        """Tell why the session ends, and end it."""
        self.write_error(text)
        self.finish(status)

    def cut(self) -> None:
        """End without waiting for what is not read."""
        self.transport.abortConnection()

    def _check(self) -> None:
        """Close who has not begun, and a prompt at which no key was pressed for long."""
        given = self._door.given
        if self._sitting is None:
            self.cut()
            return
        left_s = self._input_at + given.settings.idle_s - given.timers.now()
        if left_s <= 0 and not self._sitting.is_busy:
            self.farewell(
                f"\nNo key was pressed for {given.settings.idle_s} s ([admin] idle_s): the shell is closed.\n"
            )
            return
        self._patience.set(max(left_s, 1.0))

    def dataReceived(self, data: bytes) -> None:
        """Process frames; whoever sends something else is cut."""
        self._input_at = self._door.given.timers.now()
        try:
            for kind, body in self._frames.read(data):
                if not self._is_over:
                    self._take(kind, body)
        except BrokenFrame:
            self.cut()
            return
        if self._sitting is not None and self._sitting.is_full and not self._is_paused:
            self._is_paused = True
            self.transport.pauseProducing()

    def _take(self, kind: bytes, body: bytes) -> None:
        sitting = self._sitting
        if kind == BEGIN and sitting is None:
            self._begin(read_beginning(body))
        elif sitting is None:
            raise BrokenFrame
        elif kind == INPUT:
            sitting.received(body)
        elif kind == END:
            sitting.ended()
        elif kind == SIZE and self.width is not None:
            size = read_beginning(body)
            self._size = size if size.columns is not None else self._size
            sitting.resized()

    def _begin(self, said: Beginning) -> None:
        given = self._door.given
        self._size = said
        if said.mode == "command":
            self._sitting = CommandSession(given.shell, self, said.line, given.settings)
        elif said.mode == "script":
            self._sitting = Script(given.shell, self, given.settings)
        elif said.mode == "prompt" and said.columns is not None:
            self._sitting = Prompt(given.shell, self, given.words, given.settings)
        else:
            raise BrokenFrame
        self._sitting.begin()

    def _resume(self) -> None:
        if self._is_paused and self._sitting is not None and not self._sitting.is_full:
            self._is_paused = False
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        """Wait until the client has read."""
        self.is_blocked = True

    def resumeProducing(self) -> None:
        """Go on."""
        self.is_blocked = False
        if self._sitting is not None and not self._is_over:
            self._sitting.unblocked()
            self._resume()

    def stopProducing(self) -> None:
        """Do nothing: the connection is lost, which is told."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave."""
        self._is_over = True
        self._patience.clear()
        if self._sitting is not None:
            self._sitting.gone()
        self._door.over(self)


def _is_answered(path: str) -> bool:
    """Tell whether a process listens on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        return True


def _peer(connection: socket.socket) -> int:
    """Give the user at the other end, as the kernel says."""
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


def _called(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
