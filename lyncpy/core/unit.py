"""Units that open and close, the server that opens them in order, and the server as Twisted sees it.

The only module that touches `twisted.application.service`, whose `MultiService` neither
waits for a service to start nor keeps the reason why one did not.
"""

import atexit
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.workload import IUnit, Unfinished

CLOSE_TIMEOUT_S: Final = 10.0
"""A unit that takes longer to close is left behind: the others must still be closed."""


class UnitFailed(Exception):
    """A unit could not be opened; its text names the unit and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class UnitGroup:
    """Units, opened one after the other and closed in reverse.

    Args:
        units: In the order of opening; each may rely on those before it.
        clock: Bounds the closing of each unit.
    """

    log = Logger()

    def __init__(self, units: Sequence[IUnit], clock: IReactorTime, close_timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        self._units = tuple(units)
        self._clock = clock
        self._close_timeout_s = close_timeout_s
        self._open: list[IUnit] = []
        self._failed = False

    async def open(self) -> None:
        """Open every unit in order, each when the one before it is open.

        Raises:
            UnitFailed: One could not; it and those already open have been closed again.
        """
        for unit in self._units:
            # A unit whose opening failed halfway has something to close, too.
            self._open.append(unit)
            try:
                await unit.open()
            except Exception as error:
                self.log.debug("{unit} failed to open", unit=unit.name, log_failure=Failure())
                await self.close()
                raise UnitFailed(unit.name, str(error) or type(error).__name__) from error
            self.log.debug("{unit} is open", unit=unit.name)

    async def close(self) -> bool:
        """Close what is open, the last first; give whether each did so in order. Never fails.

        Each unit has its time and no more.
        """
        while self._open:
            unit = self._open.pop()
            closing = Deferred.fromCoroutine(_closed(unit)).addTimeout(self._close_timeout_s, self._clock)
            await closing.addErrback(self._lament, unit)
        return not self._failed

    def _lament(self, failure: Failure, unit: IUnit) -> None:
        self._failed = True
        if failure.check(Unfinished):
            self.log.error("the end is not in order: {unit}: {reason}", unit=unit.name, reason=str(failure.value))
        elif failure.check(TookTooLong):
            self.log.error(
                "the end is not in order: {unit} did not close within {seconds} s",
                unit=unit.name,
                seconds=self._close_timeout_s,
            )
        else:
            self.log.failure("{unit} failed to close", failure, unit=unit.name)


async def _closed(unit: IUnit) -> None:
    """Make a coroutine of a unit's call, which may give any awaitable, or fail before it does."""
    closing: Awaitable[None] = unit.close()
    await closing


class HouseService(Service):
    """The server as a Twisted service, which a tap gives to twistd.

    Starting opens the units. If that fails, one sentence is logged and the process is ended
    with status 1. Stopping waits for them to be closed; while it is still being
    opened, the opening is given up first. If something was left undone then, the status is 1.

    Args:
        house: The units.
        end: Ends the process with this status; `ender(reactor)` gives it.
        on_start: Called before anything is opened.
        on_ready: Called once when everything is open.
        on_failed: Called with the reason when something cannot be opened.
    """

    log = Logger()

    def __init__(
        self,
        house: UnitGroup,
        end: Callable[[int], None],
        *,
        on_start: Callable[[], None],
        on_ready: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._on_failed = on_failed
        self._house = house
        self._end = end
        self._on_ready = on_ready
        self._on_start = on_start
        self._opening: Deferred[None] = succeed(None)
        self._stopping = False

    def startService(self) -> None:
        """Begin to open the units."""
        super().startService()  # type: ignore[no-untyped-call]  # Twisted's service module has no types
        self._stopping = False
        self._on_start()
        self._opening = Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        try:
            await self._house.open()
        except UnitFailed as failed:
            if self._stopping:
                return
            self.log.critical("lyncpy cannot start: {unit}: {reason}", unit=failed.name, reason=failed.reason)
            self._on_failed(f"{failed.name}: {failed.reason}")
            self._end(1)
            return
        if not self._stopping:
            self._on_ready()

    def stopService(self) -> Deferred[None]:
        """Close the units; the Deferred fires when they are closed."""
        super().stopService()  # type: ignore[no-untyped-call]  # see startService
        self._stopping = True
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._opening.cancel()
        try:
            await self._opening
        finally:
            if not await self._house.close():
                self._end(1)


def ender(reactor: IReactorCore) -> Callable[[int], None]:
    """Give what stops the reactor and has the process end with a status.

    twistd always ends with 0 once its reactor ran, and an exception in a shutdown trigger is
    only logged; what is left is the very end of the process.
    """

    def end(status: int) -> None:
        atexit.register(_exit, status)
        with suppress(ReactorNotRunning):  # it is stopping
            # Not `stop`: a unit may fail before the reactor runs.
            reactor.callWhenRunning(reactor.stop)

    return end


def _exit(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
