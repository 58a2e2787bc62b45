"""TLS handshakes in turn: a millisecond of arithmetic each, of which a turn of the reactor does one or two.

Two hundred devices that come at once would otherwise be two hundred milliseconds in which nobody's
message is read. Network addresses take turns, so that a flood from one of them is a queue of its own.
"""

from collections.abc import Callable
from typing import Final

from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.timers import DirectWork, ITimers
from lyncpy.contracts.turns import FairQueue

TURN_S: Final = 0.001
"""Seconds for handshakes in one turn of the reactor, about; one step is taken at least."""

AT_ONCE_S: Final = 0.002
"""Seconds of each ten milliseconds for steps that are taken as they come."""


class Handshakes:
    """Steps of handshakes that wait for their turn. Bounded by its connections: each has one step at most."""

    def __init__(self, timers: ITimers, meter: IMeter) -> None:
        self._timers = timers
        self._steps: FairQueue[Callable[[], None]] = FairQueue()
        self._direct = DirectWork(AT_ONCE_S)
        meter.gauge(
            "lyncpy_wire_handshakes_waiting_count", "TLS handshakes that wait for their turn.", lambda: len(self._steps)
        )

    def __len__(self) -> int:
        return len(self._steps)

    def begin_at_once(self) -> float | None:
        """Give the time, if a step may be taken at once: nobody waits, and few have come; None: it takes its turn."""
        now = self._timers.now()
        return now if not self._steps and self._direct.may_begin(now) else None

    def begun_at_once(self, since: float) -> None:
        """Count the time of a step that was taken at once."""
        self._direct.add(self._timers.now() - since)

    def put(self, network: str, step: Callable[[], None]) -> None:
        """Take a step of a connection from this network in a later turn."""
        if not self._steps:
            self._timers.later(0.0, self._turn)
        self._steps.put(network, step)

    def _turn(self) -> None:
        until = self._timers.now() + TURN_S
        try:
            while self._steps:
                self._steps.take()()
                if self._timers.now() >= until:
                    return
        finally:
            if self._steps:
                self._timers.later(0.0, self._turn)
