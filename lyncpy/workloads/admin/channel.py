"""The sessions of one connection: conch's channels as seats.

RFC 4254, and of it sessions alone: no forwarding, no subsystems, no agent, no environment.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.conch.avatar import ConchUser
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.connection import (
    EXTENDED_DATA_STDERR,
    MSG_CHANNEL_OPEN_FAILURE,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    SSHConnection,
)
from twisted.conch.ssh.session import parseRequest_pty_req, parseRequest_window_change
from twisted.logger import FilteringLogObserver, Logger, LogLevel, LogLevelFilterPredicate, globalLogPublisher

from lyncpy.contracts.timers import ITimers
from lyncpy.workloads.admin.keyring import AuthorizedKey, AuthorizedKeys
from lyncpy.workloads.admin.manhole import Python, PythonPrompt
from lyncpy.workloads.admin.parser import Vocabulary
from lyncpy.workloads.admin.sessions import CommandSession, Prompt, Script, ShellMode
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.shell import Author, Shell

QUIET: Final = Logger(
    namespace="lyncpy.workloads.admin.ssh",
    observer=FilteringLogObserver(globalLogPublisher, [LogLevelFilterPredicate(LogLevel.critical)]),
)
"""For Twisted's classes, which tell every step at info, commands and the client's ordinary farewell among them."""

NARROW: Final = 20
WIDE: Final = 1000
"""A terminal narrower or wider than this is taken for one as narrow or wide."""

BROKEN: Final = (struct.error, ValueError, IndexError)
"""What reading a packet may raise."""


@dataclass(frozen=True, slots=True)
class ShellContext:
    """What every part of the server is given."""

    shell: Shell
    words: Callable[[], Vocabulary]
    keys: AuthorizedKeys
    names: Mapping[str, object]
    """What the Python prompt knows."""

    settings: Settings
    timers: ITimers
    reactor: Any  # Any: a reactor is several interfaces
    handed: Mapping[str, int] = field(default_factory=dict)
    """Ports that are open already: setting → the number of the file."""


class User(ConchUser):
    """Whoever holds a key; has sessions and nothing else."""

    _log = QUIET

    def __init__(self, given: ShellContext, admission: AuthorizedKey) -> None:
        self._conch.__init__()
        self.given = given
        self.admission = admission
        self.channelLookup[b"session"] = ShellSession

    @property
    def _conch(self) -> Any:  # Any: conch's avatar has no types
        return super()


class Connection(SSHConnection):
    """The sessions of one client."""

    _log = QUIET
    log = Logger()
    transport: Any  # Any: Transport, as Twisted sets it

    def __init__(self, settings: Settings) -> None:
        self._conch.__init__()
        self._most = settings.sessions_per_connection
        self.input_at = 0.0
        """When a key was pressed last, or a session came or went."""

    @property
    def _conch(self) -> Any:  # Any: conch's connection has no types
        return super()

    def serviceStarted(self) -> None:
        """Begin: the key is proven."""
        self._conch.serviceStarted()
        self.input_at = self.transport.factory.given.timers.now()
        author = self.transport.avatar.admission.author
        self.log.info("{author} uses the shell from {address}", author=author, address=self.transport.address)
        self.transport.factory.admitted(self.transport)

    def ssh_CHANNEL_OPEN(self, packet: bytes) -> None:
        """Open a channel of the kind "session", if there is room for it."""
        kind, rest = getNS(packet)
        code, why = OPEN_ADMINISTRATIVELY_PROHIBITED, b"only sessions are to be had here"
        if kind == b"session":
            if len(self.channels) < self._most:
                self.input_at = self.transport.factory.given.timers.now()
                self._conch.ssh_CHANNEL_OPEN(packet)
                return
            self.transport.factory.limits["admin.sessions_per_connection"].hit()
            code, why = OPEN_RESOURCE_SHORTAGE, b"too many sessions ([admin] sessions_per_connection)"
        self.transport.sendPacket(MSG_CHANNEL_OPEN_FAILURE, rest[:4] + struct.pack(">L", code) + NS(why) + NS(b""))

    def adjustWindow(self, channel: "ShellSession", bytesToAdd: int) -> None:
        """Let the client send more, unless enough waits to be read."""
        if not channel.is_full:
            self._conch.adjustWindow(channel, bytesToAdd)

    @property
    def sessions(self) -> "Sequence[ShellSession]":
        """Give the sessions there are."""
        return [one for one in self.channels.values() if isinstance(one, ShellSession)]


class ShellSession(SSHChannel):
    """One session; a `Seat`."""

    _log = QUIET
    name = b"session"
    conn: Any  # Any: Connection, which Twisted sets after construction
    avatar: Any  # Any: User, as above

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Twisted's own list of nine
        super().__init__(*args, **kwargs)
        self._columns: int | None = None
        self._lines: int | None = None
        self._sitting: ShellMode | None = None
        self._is_begun = False
        self._early: list[bytes] = []
        self._is_ended = False
        self._is_input_ended = False

    @property
    def _conch(self) -> Any:  # Any: conch's channel has no types
        return super()

    # --- a seat

    @property
    def author(self) -> Author:
        """Give who sits there."""
        admission: AuthorizedKey = self.avatar.admission
        return Author(admission.author, self.conn.transport.address, admission.role)

    @property
    def width(self) -> int | None:
        """Give the width of the terminal."""
        return self._columns

    @property
    def height(self) -> int | None:
        """Give the lines of the terminal."""
        return self._lines

    @property
    def is_blocked(self) -> bool:
        """Tell whether something written waits for the client to read."""
        return bool(self.buf or self.extBuf)

    def write(self, data: str | bytes) -> None:
        """Show text, or bytes as they are."""
        if isinstance(data, str):
            text = data if self._columns is None else data.replace("\n", "\r\n")
            data = text.encode(errors="replace")
        if data and not self.localClosed:
            self._conch.write(data)

    def write_error(self, text: str) -> None:
        """Show text on the standard error; a terminal has one screen for both."""
        if self._columns is not None:
            self.write(text)
        elif text and not self.localClosed:
            self._conch.writeExtended(EXTENDED_DATA_STDERR, text.encode(errors="replace"))

    def finish(self, status: int) -> None:
        """Say how it ended, and close when all is read."""
        if not self._is_ended and not self.localClosed:
            self._is_ended = True
            self.conn.sendRequest(self, b"exit-status", struct.pack(">L", status))
            self._conch.loseConnection()

    def python(self) -> None:
        """Go on as a Python prompt."""
        given: ShellContext = self.avatar.given
        author = self.author
        prompt = PythonPrompt(
            given.names,
            lambda line: given.shell.record(line, author, "begun"),
            given.settings.line_bytes,
            given.settings.history_lines,
        )
        self._sitting = Python(prompt, self.write, lambda: self.finish(0), lambda: self._columns or 80)
        self._sitting.begin()

    # --- what Twisted calls

    @property
    def is_full(self) -> bool:
        """Tell whether enough waits to be read."""
        return not self._is_begun or (self._sitting is not None and self._sitting.is_full)

    @property
    def is_busy(self) -> bool:
        """Tell whether a command is under way."""
        return self._sitting is not None and self._sitting.is_busy

    def requestReceived(self, requestType: bytes, data: bytes) -> object:
        """Answer a channel request; refuse one that cannot be parsed."""
        try:
            return self._conch.requestReceived(requestType, data)
        except BROKEN:
            return 0

    def request_pty_req(self, data: bytes) -> int:
        """Note that the client asked for a terminal, and its width."""
        if self._sitting is None:
            _, size, _ = parseRequest_pty_req(data)
            self._columns, self._lines = _columns(size[1]), size[0] or None
        return int(self._sitting is None)

    def request_window_change(self, data: bytes) -> int:
        """Note the new width of the terminal."""
        size = parseRequest_window_change(data)
        if self._columns is not None:
            self._columns, self._lines = _columns(size[1]), size[0] or None
            if self._sitting is not None and self._is_begun:
                self._sitting.resized()
        return 1

    def request_shell(self, data: bytes) -> int:
        """Begin a prompt, or read lines where there is no terminal."""
        given: ShellContext = self.avatar.given
        if self._columns is None:
            return self._sit(Script(given.shell, self, given.settings))
        return self._sit(Prompt(given.shell, self, given.words, given.settings))

    def request_exec(self, data: bytes) -> int:
        """Run one command."""
        given: ShellContext = self.avatar.given
        return self._sit(CommandSession(given.shell, self, getNS(data)[0].decode(errors="replace"), given.settings))

    def _sit(self, sitting: ShellMode) -> int:
        if self._sitting is not None:
            return 0
        self._sitting = sitting
        # A turn later: the client has to hear first that its request was granted.
        self.avatar.given.timers.later(0, self._begin)
        return 1

    def _begin(self) -> None:
        if self.localClosed or self._sitting is None:
            return
        self._is_begun = True
        self._sitting.begin()
        for data in self._early:
            self._sitting.received(data)
        self._early.clear()
        if self._is_input_ended:
            self._sitting.ended()
        self._grant()

    def dataReceived(self, data: bytes) -> None:
        """Process input."""
        self.conn.input_at = self.avatar.given.timers.now()
        if not self._is_begun or self._sitting is None:
            self._early.append(data)
        else:
            self._sitting.received(data)
            self._grant()

    def extReceived(self, dataType: int, data: bytes) -> None:
        """Pass over: nobody reads another input."""

    def addWindowBytes(self, data: int) -> None:
        """Write what had to wait, and go on."""
        self._conch.addWindowBytes(data)
        if not self.is_blocked and self._sitting is not None and self._is_begun:
            self._sitting.unblocked()
            self._grant()

    def _grant(self) -> None:
        """Enlarge the receive window when half of it is used up."""
        if not self.localClosed and not self.is_full and self.localWindowLeft < self.localWindowSize // 2:
            self.conn.adjustWindow(self, self.localWindowSize - self.localWindowLeft)

    def eofReceived(self) -> None:
        """Note that there is no more input."""
        self._is_input_ended = True
        if self._sitting is not None and self._is_begun:
            self._sitting.ended()

    def closeReceived(self) -> None:
        """Close, too: nobody is there to read the rest."""
        self.buf, self.extBuf = b"", []
        self._conch.loseConnection()

    def channelOpen(self, specificData: bytes) -> None:
        """Say nothing of it."""

    def closed(self) -> None:
        """Leave the seat."""
        if self._sitting is not None:
            self._sitting.gone()


def _columns(said: int) -> int:
    """Give a width to work with; a client that does not know says 0."""
    return min(max(said, NARROW), WIDE) if said else 80
