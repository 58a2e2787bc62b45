"""The beginning of an orderly end: who asked is answered, who asks now is told to come again."""

from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.transactions import Transactions

LOOK_S: Final = 0.05
"""How long the last answers have to leave before anybody else closes."""


@implementer(IUnit)
class Draining:
    """Waits at shutdown for the answers of requests under way; it closes before the workloads and after the listeners.

    Clients are told nothing else: their connections are closed at the very end, and a client
    that loses its connection comes back by itself. One that is told that it is signed out does not.

    Args:
        transactions: What is under way.
        timers: The deadline.
        drain_s: Seconds that it may wait.
    """

    name = "draining"
    log = Logger()

    def __init__(self, transactions: Transactions, timers: ITimers, drain_s: float) -> None:
        self._transactions = transactions
        self._timers = timers
        self._drain_s = drain_s
        self._waits: Deferred[None] | None = None

    async def open(self) -> None:
        """Do nothing: there is nothing to open."""

    async def close(self) -> None:
        """Refuse new requests, wait for pending answers, and answer the remaining requests with 503."""
        begun, done = self._timers.now(), Deferred[None]()
        self._waits = done
        self._transactions.drain(self.hasten)
        late = self._timers.later(self._drain_s, self.hasten)
        await done
        late.cancel()
        left = self._transactions.give_up()
        if left:
            self.log.info(
                "{count} requests were not answered within {seconds} s, and are refused",
                count=left,
                seconds=round(self._timers.now() - begun, 1),
            )
        gone: Deferred[None] = Deferred()
        self._timers.later(LOOK_S, lambda: gone.callback(None))
        await gone

    def hasten(self) -> None:
        """Wait no longer: all is answered, the time is up, or somebody is impatient. May be called at any time."""
        if self._waits is not None and not self._waits.called:
            self._waits.callback(None)
