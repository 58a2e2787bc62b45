"""A long answer at a terminal, a screen at a time."""

from collections import deque
from typing import Final

from lyncpy.workloads.admin.prompt import KeyStroke

MORE: Final = "-- {left} more lines: Space goes on, Enter shows one, q leaves --"
_CLEAR: Final = "\r\x1b[K"
LEAST_LINES: Final = 4
"""A terminal with fewer has no pages."""


class Pager:
    """What is left of an answer.

    Args:
        text: The answer.
        height: Lines of the terminal.
    """

    def __init__(self, text: str, height: int) -> None:
        self._lines = deque(text.splitlines())
        self._page = max(height - 1, 1)

    @property
    def is_over(self) -> bool:
        """Tell whether all was shown."""
        return not self._lines

    def first(self) -> str:
        """Give the first screen."""
        return self._next(self._page)

    def press(self, key: "str | KeyStroke") -> str:
        """Process a key; give what to show."""
        if key in ("q", "Q", KeyStroke.INTERRUPT, KeyStroke.END_OF_INPUT):
            self._lines.clear()
            return _CLEAR
        if key is KeyStroke.ENTER or key is KeyStroke.DOWN:
            return _CLEAR + self._next(1)
        return _CLEAR + self._next(self._page)

    def _next(self, count: int) -> str:
        shown = [self._lines.popleft() for _ in range(min(count, len(self._lines)))]
        text = "".join(f"{line}\n" for line in shown)
        return f"{text}{MORE.format(left=len(self._lines))}" if self._lines else text


def is_long(text: str, height: int | None) -> bool:
    """Tell whether an answer does not fit on a screen."""
    return height is not None and height >= LEAST_LINES and text.count("\n") >= height
