"""Records on their way to the store, without making a message wait for the disk."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.begin import begin

R = TypeVar("R")

WAITING_BOUND: Final = 50_000
"""Records that wait for a store that fails; then the oldest of them is given up, and the log says so."""

AGAIN_S: Final = 5.0
"""When a store that failed is tried again."""

TOGETHER: Final = 500
"""Records that are written in one go."""


class Recording(Generic[R]):
    """Writes the newest state of each record; what waits is bounded and coalesced by key."""

    log = Logger()

    def __init__(
        self, write: Callable[[Sequence[R]], Awaitable[None]], what: str, timers: ITimers, delay_s: float
    ) -> None:
        """Take who writes.

        Args:
            write: Makes records durable, or raises StoreUnavailable.
            what: For the log: "call detail records".
            timers: The deadlines.
            delay_s: How long a state that is soon another may wait, in seconds.
        """
        self._write_all = write
        self._what = what
        self._timers = timers
        self._delay_s = delay_s
        self._waiting: dict[Hashable, R] = {}
        self._timer: ITimer | None = None
        self._busy = False
        self._idle: list[Deferred[None]] = []
        self._complained = False

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, key: Hashable, record: R, *, at_once: bool) -> None:
        """Have a record written: now for a beginning or an end, soon for counts."""
        self._waiting[key] = record
        if len(self._waiting) > WAITING_BOUND:
            given_up = next(iter(self._waiting))
            del self._waiting[given_up]
            self.log.error(
                "one of the {what} is lost, the store has failed for too long: {key}", what=self._what, key=given_up
            )
        if self._complained:
            return  # it is tried again when its time has come
        if at_once:
            self._begin()
        elif self._timer is None:
            self._timer = self._timers.later(self._delay_s, self._begin)

    async def drained(self) -> None:
        """Write all that waits; for an orderly end. Returns also when the store fails."""
        self._begin()
        if self._busy:
            done: Deferred[None] = Deferred()
            self._idle.append(done)
            await done
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._busy and self._waiting:
            self._busy = True
            begin(self._write(), self.log, "writing records")

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = dict(islice(self._waiting.items(), TOGETHER))
                await self._write_all(tuple(batch.values()))
                for key, record in batch.items():
                    if self._waiting.get(key) is record:
                        del self._waiting[key]
                    elif key in self._waiting:  # a newer state came meanwhile: to the end of the queue
                        self._waiting[key] = self._waiting.pop(key)
            self._complained = False
        except StoreUnavailable as error:
            if not self._complained:
                self._complained = True
                self.log.error("{what} wait, the store fails: {reason}", what=self._what, reason=str(error))
            self._timer = self._timers.later(AGAIN_S, self._begin)
        finally:
            self._busy = False
            for done in self._idle:
                done.callback(None)
            self._idle.clear()
