"""Keys in, a line out: the editor of a prompt, without the terminal itself.

Twisted's own line editor reads single bytes, resets the terminal of whoever comes in and
leaves it in another mode than it was. This one knows characters, redraws one row with the
three control sequences that every terminal has, and scrolls a line that is too long.
"""

import codecs
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from lyncpy.sip.text import JOINERS
from lyncpy.workloads.admin.completion import Completion
from lyncpy.workloads.admin.render import cells_wide, side_by_side


class KeyStroke(enum.Enum):
    """A key that is not a character."""

    ENTER = enum.auto()
    TAB = enum.auto()
    INTERRUPT = enum.auto()
    END_OF_INPUT = enum.auto()
    BACKSPACE = enum.auto()
    DELETE = enum.auto()
    LEFT = enum.auto()
    RIGHT = enum.auto()
    WORD_LEFT = enum.auto()
    WORD_RIGHT = enum.auto()
    HOME = enum.auto()
    END = enum.auto()
    UP = enum.auto()
    DOWN = enum.auto()
    CUT_TO_END = enum.auto()
    CUT_TO_START = enum.auto()
    CUT_WORD = enum.auto()
    CLEAR = enum.auto()


CONTROLS: Final = {
    "\r": KeyStroke.ENTER,
    "\n": KeyStroke.ENTER,
    "\t": KeyStroke.TAB,
    "\x01": KeyStroke.HOME,
    "\x02": KeyStroke.LEFT,
    "\x03": KeyStroke.INTERRUPT,
    "\x04": KeyStroke.END_OF_INPUT,
    "\x05": KeyStroke.END,
    "\x06": KeyStroke.RIGHT,
    "\x08": KeyStroke.BACKSPACE,
    "\x7f": KeyStroke.BACKSPACE,
    "\x0b": KeyStroke.CUT_TO_END,
    "\x0c": KeyStroke.CLEAR,
    "\x0e": KeyStroke.DOWN,
    "\x10": KeyStroke.UP,
    "\x15": KeyStroke.CUT_TO_START,
    "\x17": KeyStroke.CUT_WORD,
}

SEQUENCES: Final = {
    "[A": KeyStroke.UP,
    "[B": KeyStroke.DOWN,
    "[C": KeyStroke.RIGHT,
    "[D": KeyStroke.LEFT,
    "[H": KeyStroke.HOME,
    "[F": KeyStroke.END,
    "OA": KeyStroke.UP,
    "OB": KeyStroke.DOWN,
    "OC": KeyStroke.RIGHT,
    "OD": KeyStroke.LEFT,
    "OH": KeyStroke.HOME,
    "OF": KeyStroke.END,
    "[1~": KeyStroke.HOME,
    "[3~": KeyStroke.DELETE,
    "[4~": KeyStroke.END,
    "[7~": KeyStroke.HOME,
    "[8~": KeyStroke.END,
    "[1;5C": KeyStroke.WORD_RIGHT,
    "[1;5D": KeyStroke.WORD_LEFT,
    "b": KeyStroke.WORD_LEFT,
    "f": KeyStroke.WORD_RIGHT,
}
"""What follows an escape character."""

_LONGEST_SEQUENCE: Final = 16
_LEAST_ROOM: Final = 8
_LETTERS_A_CELL: Final = 4


class Keys:
    """Bytes of a terminal → keys. A sequence or character may be cut anywhere."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._sequence: str | None = None
        self._after_return = False

    def decode(self, data: bytes) -> Iterator[str | KeyStroke]:
        """Give characters, each a text of one, and keys; unknown sequences are passed over."""
        for one in self._decode.decode(data):
            key = self._take(one)
            if key is not None:
                yield key

    def _take(self, one: str) -> str | KeyStroke | None:
        if self._sequence is not None:
            return self._go_on(one)
        if one == "\x1b":
            self._sequence = ""
            return None
        # A paste may end its lines with both.
        second, self._after_return = self._after_return and one == "\n", one == "\r"
        if second:
            return None
        if one in CONTROLS:
            return CONTROLS[one]
        return one if one.isprintable() or one in JOINERS else None

    def _go_on(self, one: str) -> KeyStroke | None:
        sequence = f"{self._sequence}{one}"
        # "[" and "O" begin longer ones, which end with a letter or "~".
        unfinished = sequence in ("[", "O") or (sequence[0] == "[" and not (one.isalpha() or one == "~"))
        if unfinished and len(sequence) < _LONGEST_SEQUENCE and one >= " ":
            self._sequence = sequence
            return None
        self._sequence = None
        return SEQUENCES.get(sequence)


@dataclass(frozen=True, slots=True)
class KeyOutcome:
    """What a key did."""

    out: str = ""
    """For the terminal; its line ends are `\\n`."""

    line: str | None = None
    """The line, if it is complete."""

    leaves: bool = False


class HiddenLine:
    """A line that is typed twice and not shown, as a password.

    Args:
        question: What it is.
        most: Characters that it may have; of more none counts.
    """

    def __init__(self, question: str, most: int) -> None:
        self._question = question
        self._most = most
        self._typed: list[str] = []
        self._first: str | None = None

    def drawn(self) -> str:
        """Give what is shown while it is typed."""
        return f"{'Once more' if self._first is not None else self._question}: "

    def press(self, key: str | KeyStroke) -> KeyOutcome:
        """Process a key; the outcome has the line when it was typed twice, or leaves when there is none."""
        if isinstance(key, str):
            self._typed += [key] * (len(self._typed) < self._most)
            return KeyOutcome()
        if key is KeyStroke.BACKSPACE:
            del self._typed[-1:]
        elif key in (KeyStroke.CUT_TO_START, KeyStroke.CUT_WORD):
            self._typed.clear()
        elif key in (KeyStroke.INTERRUPT, KeyStroke.END_OF_INPUT):
            return KeyOutcome("\nnothing has changed\n", leaves=True)
        elif key is KeyStroke.ENTER:
            return self._enter()
        return KeyOutcome()

    def _enter(self) -> KeyOutcome:
        line = "".join(self._typed)
        self._typed.clear()
        if self._first is None:
            self._first = line
            return KeyOutcome(f"\n{self.drawn()}")
        if line != self._first:
            return KeyOutcome("\nthe two are not the same; nothing has changed\n", leaves=True)
        return KeyOutcome("\n", line=line)


class Editor:
    """A line under a cursor, and the history of lines.

    Args:
        prompt: Stands before the line; printable.
        width: Of the terminal, in cells; may be changed.
        complete: Goes on with the line before the cursor.
        line_chars: A longer line is not taken.
        history_lines: Earlier lines that are kept.
    """

    def __init__(
        self, prompt: str, width: int, complete: Callable[[str], Completion], line_chars: int, history_lines: int
    ) -> None:
        self.width = width
        self._prompt = prompt
        self._complete = complete
        self._line_chars = line_chars
        self._history_lines = history_lines
        self._history: list[str] = []
        # Where in the history the line comes from; its length: it is a new one.
        self._from = 0
        self._draft = ""
        self._text = ""
        self._at = 0
        self._moves: dict[KeyStroke, Callable[[], int]] = {
            KeyStroke.LEFT: lambda: max(self._at - 1, 0),
            KeyStroke.RIGHT: lambda: min(self._at + 1, len(self._text)),
            KeyStroke.HOME: lambda: 0,
            KeyStroke.END: lambda: len(self._text),
            KeyStroke.WORD_LEFT: self._word_left,
            KeyStroke.WORD_RIGHT: self._word_right,
        }
        self._cuts: dict[KeyStroke, Callable[[], tuple[int, int]]] = {
            KeyStroke.BACKSPACE: lambda: (max(self._at - 1, 0), self._at),
            KeyStroke.DELETE: lambda: (self._at, self._at + 1),
            KeyStroke.END_OF_INPUT: lambda: (self._at, self._at + 1),
            KeyStroke.CUT_TO_END: lambda: (self._at, len(self._text)),
            KeyStroke.CUT_TO_START: lambda: (0, self._at),
            KeyStroke.CUT_WORD: lambda: (self._word_left(), self._at),
        }
        self._others: dict[KeyStroke, Callable[[], KeyOutcome]] = {
            KeyStroke.ENTER: self._enter,
            KeyStroke.INTERRUPT: self._interrupt,
            KeyStroke.TAB: lambda: KeyOutcome(self._go_on()),
            KeyStroke.UP: lambda: KeyOutcome(self._recall(-1)),
            KeyStroke.DOWN: lambda: KeyOutcome(self._recall(1)),
            KeyStroke.CLEAR: lambda: KeyOutcome(f"\x1b[H\x1b[2J{self.drawn()}"),
        }

    def press(self, key: str | KeyStroke) -> KeyOutcome:
        """Process a key."""
        if isinstance(key, str):
            return self._insert(key)
        if key is KeyStroke.END_OF_INPUT and not self._text:
            return KeyOutcome("\n", leaves=True)
        if key in self._moves:
            self._at = self._moves[key]()
            return KeyOutcome(self.drawn())
        if key in self._cuts:
            first, last = self._cuts[key]()
            self._text = self._text[:first] + self._text[last:]
            self._at = first
            return KeyOutcome(self.drawn())
        return self._others[key]()

    def _enter(self) -> KeyOutcome:
        line = self._text
        self._remember(line)
        self._show("")
        return KeyOutcome("\n", line=line)

    def _interrupt(self) -> KeyOutcome:
        self._show("")
        return KeyOutcome(f"^C\n{self.drawn()}")

    def drawn(self) -> str:
        """Give what draws the row anew, as much of the line around the cursor as fits."""
        room = max(self.width - cells_wide(self._prompt) - 1, _LEAST_ROOM)
        # Not the whole line for each letter of a long one; few letters take no cell.
        start = max(0, self._at - _LETTERS_A_CELL * room)
        while cells_wide(self._text[start : self._at]) > room:
            # All but certainly one step for a line of plain characters.
            start += max(cells_wide(self._text[start : self._at]) - room, 2) // 2
        end = min(start + room, len(self._text))
        while cells_wide(self._text[start:end]) > room:
            end -= 1
        column = cells_wide(self._prompt) + cells_wide(self._text[start : self._at])
        return f"\r{self._prompt}{self._text[start:end]}\x1b[K\r\x1b[{column}C"

    def _insert(self, one: str) -> KeyOutcome:
        if len(self._text) >= self._line_chars:
            return KeyOutcome("\a")
        self._text = self._text[: self._at] + one + self._text[self._at :]
        self._at += 1
        room = self.width - cells_wide(self._prompt) - 1
        if self._at == len(self._text) and self._at <= room and cells_wide(self._text) <= room:
            return KeyOutcome(one)
        return KeyOutcome(self.drawn())

    def _go_on(self) -> str:
        before = self._text[: self._at]
        completion = self._complete(before)
        if completion.before != before:
            room = self._line_chars - len(self._text) + len(before)
            self._text = completion.before[:room] + self._text[self._at :]
            self._at = min(len(completion.before), room)
            return self.drawn()
        if not completion.choices:
            return "\a"
        listed = side_by_side(completion.choices, self.width)
        more = f"\n… and {completion.more} more" if completion.more else ""
        return f"\n{listed}{more}\n{self.drawn()}"

    def _remember(self, line: str) -> None:
        if line.strip() and self._history[-1:] != [line] and self._history_lines:
            self._history = [*self._history[-self._history_lines + 1 :], line] if self._history_lines > 1 else [line]
        self._from = len(self._history)

    def _recall(self, step: int) -> str:
        to = self._from + step
        if not 0 <= to <= len(self._history):
            return "\a"
        if self._from == len(self._history):
            self._draft = self._text
        self._from = to
        self._show(self._draft if to == len(self._history) else self._history[to])
        return self.drawn()

    def _show(self, text: str) -> None:
        self._text, self._at = text, len(text)
        if not text:
            self._from = len(self._history)

    def _word_left(self) -> int:
        return self._text[: self._at].rstrip().rfind(" ") + 1

    def _word_right(self) -> int:
        rest = self._text[self._at :]
        blanks = len(rest) - len(rest.lstrip())
        word, blank, _ = rest[blanks:].partition(" ")
        return self._at + blanks + len(word) if blank else len(self._text)
