"""What goes on in a session: a prompt, lines from a pipe, or one command. No SSH here."""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.workloads.admin.completion import Completion, complete
from lyncpy.workloads.admin.pager import Pager, is_long
from lyncpy.workloads.admin.parser import Vocabulary
from lyncpy.workloads.admin.prompt import Editor, HiddenLine, Keys, KeyStroke
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.shell import MISUSED, OK, AfterAnswer, Author, LiveView, Reply, RunningLine, Shell

PROMPT: Final = "lyncpy> "
GREETING: Final = "lyncpy: `help` lists the commands, Tab completes them, Ctrl-D leaves.\n"
_CLEAR: Final = "\x1b[H\x1b[2J"
ENOUGH: Final = 16_384
"""Keys or bytes that wait while a command runs; beyond it the client is asked to wait."""

HIDDEN_MOST: Final = 1_024
"""Characters that are typed unseen."""


class Terminal(Protocol):
    """The other end of a session, as SSH gives it."""

    @property
    def author(self) -> Author:
        """Give who sits there."""

    @property
    def width(self) -> int | None:
        """Give the cells in a line of the operator's terminal; None when they have no terminal."""

    @property
    def height(self) -> int | None:
        """Give the lines of their terminal; None when they have none, or do not say."""

    @property
    def is_blocked(self) -> bool:
        """Tell whether the operator's client has not yet read what was written."""

    def write(self, text: str) -> None:
        """Show text, whose line ends are newlines."""

    def write_error(self, text: str) -> None:
        """Show text apart from the answer, where the two can be told apart."""

    def finish(self, status: int) -> None:
        """End the session when everything is read."""

    def python(self) -> None:
        """Go on as a Python prompt."""


class ShellMode(Protocol):
    """One session."""

    @property
    def is_full(self) -> bool:
        """Tell whether enough waits to be read."""

    @property
    def is_busy(self) -> bool:
        """Tell whether a command is under way."""

    def begin(self) -> None:
        """Begin."""

    def received(self, data: bytes) -> None:
        """Process the bytes that came in."""

    def ended(self) -> None:
        """Note that nothing more comes in."""

    def resized(self) -> None:
        """Note that the terminal has another width."""

    def unblocked(self) -> None:
        """Note that everything written was read."""

    def gone(self) -> None:
        """Note that the connection is gone; a command under way goes on to its end."""


class _Commands:
    """The base of sessions: it runs one command at a time."""

    def __init__(self, shell: Shell, terminal: Terminal) -> None:
        self._shell = shell
        self._terminal = terminal
        self._running: RunningLine | None = None
        self._status = OK
        self._is_gone = False

    @property
    def is_full(self) -> bool:
        """Tell whether enough waits to be read; nothing does here."""
        return False

    @property
    def is_busy(self) -> bool:
        """Tell whether a command is under way."""
        return self._running is not None

    @property
    def _may_go_on(self) -> bool:
        """Tell whether the next of what waits may be done: not while a command runs, or its answer is not yet taken."""
        return not (self._running or self._is_gone or self._terminal.is_blocked)

    def resized(self) -> None:
        """Do nothing: nothing on show depends on the width."""

    def unblocked(self) -> None:
        """Do nothing: nothing waits for that."""

    def gone(self) -> None:
        """Refuse further lines; what is only watched is watched no more."""
        self._is_gone = True
        if self._running is not None and self._running.is_watch:
            self._running.interrupt("nobody looks any more")

    def _run(self, line: str, said: str | None = None) -> None:
        view = LiveView(self._tell, self._show_again)
        terminal = self._terminal
        self._running = self._shell.run_line(line, terminal.author, terminal.width, said, view)
        _ = self._running.reply.addCallback(self._show)

    def _tell(self, progress: str) -> None:
        """Show how far a command is to a person; a program waits for the answer."""
        if self._terminal.width is not None and not self._is_gone and not self._terminal.is_blocked:
            self._terminal.write_error(progress)

    def _show_again(self, reply: Reply) -> None:
        """Show an answer that is watched, in the place of the one before; whoever does not keep up misses some."""
        if self._is_gone or self._terminal.is_blocked:
            return
        if self._terminal.width is not None:
            self._terminal.write(_CLEAR)
        self._terminal.write(reply.out)
        self._terminal.write_error(reply.err)

    def _show(self, reply: Reply) -> None:
        self._running = None
        # Of several lines the gravest counts: one that failed is not made good by the next.
        self._status = max(self._status, reply.status)
        if self._is_gone:
            return
        self._show_answer(reply.out)
        self._terminal.write_error(self._error(reply.err))
        match reply.then:
            case AfterAnswer.LEAVE:
                self._leave(self._last_status())
            case AfterAnswer.PYTHON:
                self._python()
            case AfterAnswer.GO_ON:
                self._next()

    def _show_answer(self, text: str) -> None:
        self._terminal.write(text)

    def _error(self, text: str) -> str:
        """Give an error as it is shown."""
        return text

    def _leave(self, status: int) -> None:
        self._is_gone = True
        self._terminal.finish(status)

    def _last_status(self) -> int:
        """Give the status with which `exit` ends the session."""
        return OK

    def _python(self) -> None:
        if self._terminal.width is not None:
            self._terminal.python()
            return
        self._terminal.write_error("a Python prompt needs a terminal: ssh -t HOST python\n")
        self._status = MISUSED
        self._next()

    def _next(self) -> None:
        raise NotImplementedError


class CommandSession(_Commands):
    """`ssh HOST COMMAND …`: one command, and its status."""

    def __init__(self, shell: Shell, terminal: Terminal, line: str, settings: Settings) -> None:
        super().__init__(shell, terminal)
        self._line = line
        self._most = settings.input_bytes
        self._input: bytearray | None = None
        self._is_ended = False

    def begin(self) -> None:
        """Run it, or read first what it needs."""
        if is_nothing(self._line):
            self._leave(OK)
        elif self._terminal.width is None and self._shell.reads(self._line.strip()):
            self._input = bytearray()
            self._take_input()
        else:
            self._run(self._line.strip())

    def received(self, data: bytes) -> None:
        """Take input for a command that reads some; else handle nothing but Ctrl-C of a terminal."""
        if self._input is not None:
            self._input += data
            self._take_input()
        elif self._terminal.width is not None and b"\x03" in data and self._running is not None:
            self._running.interrupt()

    def _take_input(self) -> None:
        if self._input is None:
            return
        if len(self._input) > self._most:
            self._input = None
            self._terminal.write_error(f"the input is longer than {self._most} bytes ([admin] input_bytes)\n")
            self._leave(MISUSED)
        elif self._is_ended:
            said, self._input = self._input.decode(errors="replace"), None
            self._run(self._line.strip(), said)

    def ended(self) -> None:
        """Run what has all its input; else go on, for the answer is still wanted."""
        self._is_ended = True
        self._take_input()

    def _next(self) -> None:
        self._leave(self._status)


class Script(_Commands):
    """`echo users | ssh HOST`: lines without a terminal; ends with the gravest status of all, and names lines that failed."""

    def __init__(self, shell: Shell, terminal: Terminal, settings: Settings) -> None:
        super().__init__(shell, terminal)
        self._most = settings.line_bytes
        self._buffer = b""
        self._line_number = 0
        self._is_ended = False
        self._is_reading = False

    @property
    def is_full(self) -> bool:
        """Tell whether enough waits to be read."""
        return len(self._buffer) > max(ENOUGH, self._most)

    def begin(self) -> None:
        """Wait for lines."""
        self._next()

    def received(self, data: bytes) -> None:
        """Add to the input."""
        self._buffer += data
        self._next()

    def ended(self) -> None:
        """Run what is there, and end."""
        self._is_ended = True
        self._next()

    def unblocked(self) -> None:
        """Go on reading."""
        self._next()

    def _next(self) -> None:
        # An answer may come at once: a loop instead of calls within calls.
        if self._is_reading:
            return
        self._is_reading = True
        while self._may_go_on and self._step():
            pass
        self._is_reading = False

    def _step(self) -> bool:
        """Run one line; tell whether there may be another."""
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline and len(line) <= self._most:
            if not self._is_ended:
                return False
            if not line:
                self._leave(self._status)
                return False
        self._buffer = rest
        self._line_number += 1
        # A line without an end that is too long already is given to the shell, which refuses it in words.
        text = line.decode(errors="replace").rstrip("\r")
        if not is_nothing(text):
            self._run(text.strip())
        return True

    def _error(self, text: str) -> str:
        return f"line {self._line_number}: {text}" if text else ""

    def _last_status(self) -> int:
        return self._status


class Prompt(_Commands):
    """`ssh HOST`: a prompt at a terminal."""

    log = Logger()

    def __init__(self, shell: Shell, terminal: Terminal, words: Callable[[], Vocabulary], settings: Settings) -> None:
        super().__init__(shell, terminal)
        self._words = words
        self._keys = Keys()
        self._ahead: deque[str | KeyStroke] = deque()
        self._is_taking = False
        self._pager: Pager | None = None
        self._hidden: HiddenLine | None = None
        self._asked_by = ""
        """The line for which something is typed unseen."""
        self._editor = Editor(
            PROMPT, terminal.width or 80, self._complete, settings.line_bytes // 4, settings.history_lines
        )

    @property
    def is_full(self) -> bool:
        """Tell whether enough waits to be read."""
        return len(self._ahead) > ENOUGH

    def begin(self) -> None:
        """Greet."""
        self._terminal.write(GREETING)
        self._next()

    def received(self, data: bytes) -> None:
        """Process keys; while a command runs they wait, but for Ctrl-C."""
        for key in self._keys.decode(data):
            if key is KeyStroke.INTERRUPT and self._running is not None:
                self._ahead.clear()
                self._terminal.write("^C\n")
                self._running.interrupt()
            else:
                self._ahead.append(key)
        self._take()

    def ended(self) -> None:
        """Leave: a terminal that is gone sends no more keys."""
        self._ahead.append(KeyStroke.CUT_TO_END)
        self._ahead.append(KeyStroke.CUT_TO_START)
        # Once for what is typed unseen or is shown by pages, once for the prompt behind it.
        self._ahead.extend((KeyStroke.END_OF_INPUT, KeyStroke.END_OF_INPUT))
        self._take()

    def resized(self) -> None:
        """Draw the line anew."""
        self._editor.width = self._terminal.width or 80
        if self._running is None and self._pager is None and self._hidden is None:
            self._terminal.write(self._editor.drawn())

    def unblocked(self) -> None:
        """Go on with keys that wait."""
        self._take()

    def _show_answer(self, text: str) -> None:
        """Show an answer, by pages where it does not fit on the screen."""
        height = self._terminal.height
        if height is not None and is_long(text, height):
            self._pager = Pager(text, height)
            text = self._pager.first()
        self._terminal.write(text)

    def _next(self) -> None:
        if self._pager is None:
            self._terminal.write(self._editor.drawn())
        self._take()

    def _take(self) -> None:
        if self._is_taking:
            return
        self._is_taking = True
        while self._may_go_on and self._ahead:
            self._press(self._ahead.popleft())
        self._is_taking = False

    def _press(self, key: str | KeyStroke) -> None:
        if self._pager is not None:
            self._terminal.write(self._pager.press(key))
            if self._pager.is_over:
                self._pager = None
                self._terminal.write(self._editor.drawn())
            return
        if self._hidden is not None:
            self._press_hidden(self._hidden, key)
            return
        pressed = self._editor.press(key)
        self._terminal.write(pressed.out)
        if pressed.leaves:
            self._leave(OK)
        elif pressed.line is not None and is_nothing(pressed.line):
            self._terminal.write(self._editor.drawn())
        elif pressed.line is not None:
            self._asked_by = pressed.line.strip()
            question = self._shell.asks(self._asked_by)
            if question:
                self._hidden = HiddenLine(question, HIDDEN_MOST)
                self._terminal.write(self._hidden.drawn())
            else:
                self._run(self._asked_by)

    def _press_hidden(self, hidden: HiddenLine, key: str | KeyStroke) -> None:
        pressed = hidden.press(key)
        self._terminal.write(pressed.out)
        if pressed.leaves:
            self._hidden = None
            self._terminal.write(self._editor.drawn())
        elif pressed.line is not None:
            self._hidden = None
            self._run(self._asked_by, pressed.line)

    def _complete(self, before: str) -> Completion:
        try:
            return complete(self._words(), self._terminal.author.role, before)
        except Exception:  # noqa: BLE001 - a workload's choices that fail must not end the session
            self.log.failure("Tab failed")
            return Completion(before)


def is_nothing(line: str) -> bool:
    """Tell whether a line is blank or a comment."""
    return not line.strip() or line.lstrip().startswith("#")
