"""What of other nodes' facts does not get here: counted, logged once in a while, and told within this node."""

from collections.abc import Callable

from twisted.logger import Logger

from lyncpy.contracts.complaints import Complaint
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.timers import ITimers


class Losses:
    """Whoever may publish can cause as many as they like; each kind is logged at most once a minute.

    Args:
        timers: The clock.
        lost: Is called when facts are lost.
        meter: Counts.
    """

    log = Logger()

    def __init__(self, timers: ITimers, lost: Callable[[], None], meter: IMeter) -> None:
        self._lost = lost
        missed, overflowed, garbled = (Complaint(timers) for _ in range(3))
        self._missed, self._overflowed, self._garbled = missed, overflowed, garbled
        meter.total("lyncpy_bus_lost_total", "Facts of other servers that are known to be lost.", lambda: missed.total)
        meter.total(
            "lyncpy_bus_dropped_total",
            "Facts of other servers that were dropped, for too many waited to be heard.",
            lambda: overflowed.total,
        )
        meter.total("lyncpy_bus_unreadable_total", "Messages that could not be read.", lambda: garbled.total)

    def missed(self, node: NodeName, number: int) -> None:
        """Note so many facts of a node that were told and did not come; 0: none."""
        if not number:
            return
        self._lost()
        if count := self._missed.happened(number):
            self.log.warn("{count} facts are lost on the bus, the last of {node}", count=count, node=node)

    def untold(self) -> None:
        """Note that a node has told facts while it had no connection: nobody knows which were for this one."""
        self._lost()

    def overflowed(self, node: NodeName) -> None:
        """Note a fact of a node that came while too many waited."""
        self._lost()
        if count := self._overflowed.happened():
            self.log.error(
                "{count} facts of other servers are lost, the last of {node}: too many wait to be heard here",
                count=count,
                node=node,
            )

    def garbled(self, subject: str, reason: str) -> None:
        """Note a message that cannot be read: another version may send much of it."""
        if self._garbled.happened():
            self.log.warn(
                "what came over the bus on {subject} cannot be read: {reason}", subject=subject[:80], reason=reason
            )
