"""Who may write a name now: one writer of each board, list and conference.

Within a process writers queue here, so that read, decide and write are one step. Across
processes the store's versions refuse the second writer, who reads again.
"""

from collections import deque
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final

from twisted.internet.defer import Deferred

from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimers

WAITING_BOUND: Final = 8_192
"""Writers that may queue for one name: more than all devices of one user may have under way together
(`pending_per_flow`), so that nobody is refused for being quick. It guards against what nobody has thought of."""

WAKING_S: Final = 0.001
"""Seconds in one turn of the reactor for those who are woken one after the other, about."""


class KeyedLock:
    """The names that are locked in this process, and who waits for each; empty when idle."""

    def __init__(self, timers: ITimers) -> None:
        self._timers = timers
        self._waiting: dict[tuple[str, str], deque[Deferred[None]]] = {}
        self._released: deque[tuple[str, str]] = deque()
        self._passes_on = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, name: object) -> bool:
        """Tell whether somebody has a name, of a kind and a key."""
        return name in self._waiting

    def hold(self, kind: str, key: str, *, must: bool = False) -> AbstractAsyncContextManager[None]:
        """Lock `kind` `key` inside the block; first come, first served.

        Args:
            kind: What it is that is written.
            key: Which.
            must: Wait however many do: for what nobody would ask for again, as the end of an endpoint.

        Raises:
            Refused: 503, when too many wait already.
        """
        return _Hold(self, (kind, key), must=must)

    def enter_at_once(self, name: tuple[str, str]) -> bool:
        """Lock a name if nobody has it; tell whether nobody had."""
        if name in self._waiting:
            return False
        self._waiting[name] = deque()
        return True

    async def enter(self, name: tuple[str, str], *, must: bool) -> None:
        """Lock a name that somebody has, when all who came before have released it; see `hold`."""
        queue = self._waiting[name]
        if len(queue) >= WAITING_BOUND and not must:
            raise Refused(503, Diagnostics(1, "Too many changes at once"), headers=[("Retry-After", "5")])
        turn: Deferred[None] = Deferred()
        queue.append(turn)
        try:
            await turn
        except BaseException:
            self._leave(name, turn)
            raise

    def _leave(self, name: tuple[str, str], turn: Deferred[None]) -> None:
        """Remove a waiter that was cancelled from the queue."""
        queue = self._waiting.get(name)
        if queue is not None and turn in queue:
            queue.remove(turn)

    def release(self, name: tuple[str, str]) -> None:
        """Wake the next waiter, not within this one's end, and in a later turn when many have been woken.

        Hundreds may wait for a name, and each of them for nothing else; were each let in by
        the end of the one before, the last one would be too deep for the interpreter.
        """
        if not self._waiting[name]:
            del self._waiting[name]
            return
        self._released.append(name)
        if self._passes_on:
            return
        self._pass_on_some()

    def _pass_on_some(self) -> None:
        """Wake waiters for a while: what each has waited to do is often quick, and then releases the next."""
        until = self._timers.now() + WAKING_S
        self._passes_on = True
        try:
            while self._released:
                self._pass_on(self._released.popleft())
                if self._released and self._timers.now() >= until:
                    break
        finally:
            self._passes_on = bool(self._released)
            if self._passes_on:
                self._timers.later(0.0, self._pass_on_some)

    def _pass_on(self, name: tuple[str, str]) -> None:
        queue = self._waiting[name]
        if queue:
            queue.popleft().callback(None)
        else:
            del self._waiting[name]


class _Hold(AbstractAsyncContextManager[None]):
    """A block in which a name is locked."""

    __slots__ = ("_lock", "_must", "_name")

    def __init__(self, lock: KeyedLock, name: tuple[str, str], *, must: bool) -> None:
        self._lock = lock
        self._name = name
        self._must = must

    async def __aenter__(self) -> None:
        if not self._lock.enter_at_once(self._name):
            await self._lock.enter(self._name, must=self._must)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release(self._name)
