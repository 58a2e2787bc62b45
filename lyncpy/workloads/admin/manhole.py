"""The Python prompt over the running server: off by default, for developers, every line recorded."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.manhole import ColoredManhole
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

LINES_AHEAD: Final = 1000
"""Lines that may wait for their record; more are dropped."""


class PythonPrompt(ColoredManhole):
    """Twisted's manhole, which runs a line only after it was recorded.

    Args:
        names: What the prompt knows; a copy is used.
        record: Keeps a line; gives the reason when that is not possible, else nothing.
        line_bytes: A longer line is not taken.
        history_lines: Earlier lines that are kept.
    """

    log = Logger()

    def __init__(
        self, names: Mapping[str, object], record: Callable[[str], Awaitable[str]], line_bytes: int, history_lines: int
    ) -> None:
        self._twisted.__init__(dict(names))
        self._record = record
        self._line_bytes = line_bytes
        self._history_bound = history_lines
        self._waiting: deque[bytes] = deque()
        self._is_recording = False

    @property
    def _twisted(self) -> Any:  # Any: manhole has no types
        return super()

    def initializeScreen(self) -> None:
        """Begin below what is on the screen; Twisted's own would wipe it."""
        self.terminal.write(b"The living server. Whatever is changed here is changed. Ctrl-D leaves.\n")
        self.terminal.write(self.ps[self.pn])
        self._twisted.setInsertMode()

    def keystrokeReceived(self, keyID: bytes, modifier: object) -> None:
        """Process a key; ignore an unknown one without a line in the log."""
        if keyID in self.keyHandlers or keyID in self._printableChars:
            self._twisted.keystrokeReceived(keyID, modifier)

    def characterReceived(self, ch: bytes, moreCharactersComing: bool) -> None:
        """Insert a character within the bound, and colour the line if it can be coloured."""
        if len(self.lineBuffer) >= self._line_bytes:
            self.terminal.write(b"\a")
            return
        try:
            self._twisted.characterReceived(ch, moreCharactersComing)
        except (SyntaxError, IndexError, ValueError):
            # Source that is not finished confuses the colours; the character is in the line already.
            self.terminal.write(ch)

    def lineReceived(self, line: bytes) -> None:
        """Record a line, then run it; further lines wait for their turn."""
        del self.historyLines[: -self._history_bound or None]
        self.historyPosition = len(self.historyLines)
        if len(self._waiting) < LINES_AHEAD:
            self._waiting.append(line)
        if not self._is_recording:
            _ = Deferred.fromCoroutine(self._run()).addErrback(self._lament)

    async def _run(self) -> None:
        self._is_recording = True
        try:
            while self._waiting and self.terminal is not None:
                line = self._waiting.popleft()
                trouble = await self._record(">>> " + line.decode(errors="replace"))
                if self.terminal is None:
                    return
                if trouble:
                    self.terminal.write(f"not run, because it cannot be recorded: {trouble}\n".encode())
                    self.terminal.write(self.ps[self.pn])
                else:
                    self._twisted.lineReceived(line)
        finally:
            self._is_recording = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Run no more lines."""
        self._waiting.clear()
        self.terminal = None

    def _lament(self, failure: Failure) -> None:
        self.log.failure("the Python prompt failed", failure)


class _Terminal(ServerProtocol):
    """Twisted's terminal, that leaves the screen as it is."""

    transport: Any  # Any: _Transport, as Twisted sets it

    def reset(self) -> None:
        """Reset the one terminal mode that was set; Twisted's own reset would wipe the screen."""
        self.transport.write(b"\x1b[4l")


class Python:
    """A session that is a Python prompt; a `ShellMode`."""

    is_full = False
    is_busy = False

    def __init__(
        self, prompt: PythonPrompt, write: Callable[[bytes], None], end: Callable[[], None], size: Callable[[], int]
    ) -> None:
        self._size = size
        terminal: Any = _Terminal  # Any: insults has no types
        self._terminal = terminal(lambda: prompt)
        self._transport = _Transport(write, end)

    def begin(self) -> None:
        """Show the prompt."""
        self._terminal.makeConnection(self._transport)

    def received(self, data: bytes) -> None:
        """Process keys."""
        self._terminal.dataReceived(data)

    def ended(self) -> None:
        """Leave."""
        self._transport.loseConnection()

    def resized(self) -> None:
        """Say how wide the terminal is now."""
        if self._terminal.terminalProtocol is not None:
            self._terminal.terminalProtocol.width = self._size()

    def unblocked(self) -> None:
        """Do nothing: nothing waits for that."""

    def gone(self) -> None:
        """Delete the prompt's names."""
        self._terminal.connectionLost(Failure(connectionDone.value))


class _Transport:
    """What Twisted's terminal writes to."""

    def __init__(self, write: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self.write = write
        self.loseConnection = end
