"""What a lost node has left open: one of the others ends it, and tries until that is done."""

from collections.abc import Awaitable, Callable
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.facts import NodeLost
from lyncpy.contracts.nodes import Duty, INodes
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn

LOOK_S: Final = 2.0
LOOKS: Final = 15
"""How often, and how many times, a node looks whether that is its duty now: whoever had it may be lost, too."""


class Leavings:
    """Ends what lost nodes have left open, if that is this node's duty.

    Args:
        nodes: Whose duty it is.
        timers: When to look again.
        end: Ends what nodes have left open that are known dead; does nothing where nothing is. It may raise StoreUnavailable,
            and is then called again.
        what: What that is, for the log.
    """

    log = Logger()

    def __init__(self, nodes: INodes, timers: ITimers, end: Callable[[], Awaitable[None]], what: str) -> None:
        self._nodes = nodes
        self._end = end
        self._what = what
        self._looks = 0
        self._is_due = self._is_busy = self._is_late = self._is_closed = False
        self._next_look = Deadline(timers, self._look)

    def node_lost(self, _: NodeLost) -> None:
        """End what a node has left open, now or as soon as that can be done."""
        self._is_due, self._looks = True, LOOKS
        self._look()

    def open(self) -> None:
        """Look from now on."""
        self._is_closed = False

    def close(self) -> None:
        """Look no more; whoever has the duty next does it."""
        self._is_closed = True
        self._next_look.clear()

    def _look(self) -> None:
        # What is heard, or has waited for the store, may come after the end.
        if self._is_closed:
            return
        if self._nodes.has_duty(Duty.LEAVINGS):
            if not self._is_busy:
                spawn(self._end_all(), self.log, self._what)
            return
        self._looks -= 1
        if self._looks > 0:
            self._next_look.set(LOOK_S)

    async def _end_all(self) -> None:
        self._is_busy = True
        try:
            # Another node may be lost while it is done.
            while self._is_due and not self._is_closed:
                self._is_due = False
                await self._end()
            self._is_late = False
        except StoreUnavailable as error:
            self._is_due = True
            if not self._is_closed:
                self._next_look.set(LOOK_S)
            if not self._is_late:
                self._is_late = True
                self.log.warn("{what} has to wait: {reason}", what=self._what, reason=str(error))
        finally:
            self._is_busy = False
