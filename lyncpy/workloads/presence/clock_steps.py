"""What becomes of boards when the wall clock is set: lifetimes, and which of two is newer, stay what they were."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.workloads.presence.model.board import Board, ahead_s, carry

LEAST_S: Final = 1.0
AT_ONCE: Final = 200
"""Boards whose deadlines are set anew in one turn of the reactor."""


class Carrier:
    """Takes boards along: each when it changes next, and those on which something ends soon after the step.

    Args:
        timers: Tell of steps.
        with_deadline: Gives whose boards have a deadline, which went by the clock as it was.
        due: Looks at a board anew.
    """

    def __init__(self, timers: ITimers, with_deadline: Callable[[], Iterable[Aor]], due: Callable[[Aor], None]) -> None:
        self._timers = timers
        self._with_deadline = with_deadline
        self._due = due
        self._began = timers.steady()
        self._waiting: deque[Aor] = deque()
        timers.on_step(self._on_step)

    def stepped(self) -> float:
        """Give by how much the wall clock has been set since the start; a board's times are kept with this number."""
        return self._timers.wall() - self._timers.steady()

    def carried(self, board: Board, stepped: float) -> Board:
        """Give a board whose times were right when the clock had been set by so much; as it is, if nothing happened since."""
        by = self.stepped() - stepped
        return carry(board, by) if abs(by) >= LEAST_S else board

    def as_read(self, board: Board) -> Board:
        """Give a board from the store; one of the future was written before the clock was set back.

        Then what was published last was published at our start, at the latest: nothing lives for longer than was granted.
        """
        if ahead_s(board, self._timers.wall()) <= 0:
            return board
        return carry(board, -ahead_s(board, self._began + self.stepped()))

    def _on_step(self, _: float) -> None:
        idle = not self._waiting
        self._waiting.extend(self._with_deadline())
        if idle:
            self._some()

    def _some(self) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._due(self._waiting.popleft())
        if self._waiting:
            self._timers.later(0.0, self._some)
