"""What is used of the bounds of requests, and how often connections came to them."""

from collections.abc import Iterable
from typing import Final

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.timers import ITimers
from lyncpy.core.request_shares import Queue, Requester, RequestShares
from lyncpy.core.settings import Settings
from lyncpy.sip.message import Request


class RequestLimits:
    """The bounds of `Intake`.

    Args:
        settings: What they are.
        room: What is under way and waits, in all.
        queues: Of each connection.
        owners: Whose they are.
        timers: The clock.
    """

    def __init__(
        self,
        settings: Settings,
        room: RequestShares,
        queues: Iterable[Queue],
        owners: Iterable[Requester],
        timers: ITimers,
    ) -> None:
        self._settings = settings
        self._room = room
        self._queues = queues
        self._timers = timers
        self._of_flow = Limit(
            "limits.pending_per_flow", settings.pending_per_flow, lambda: _most(one.under_way for one in queues)
        )
        self._of_user = Limit(
            "limits.pending_per_user", settings.pending_per_user, lambda: _most(one.under_way for one in owners)
        )
        self._of_all = Limit("limits.pending_total", settings.pending_total, lambda: room.under_way)
        self._bytes_of_flow = Limit(
            "limits.waiting_bytes_per_flow", settings.waiting_bytes_per_flow, lambda: _most(one.size for one in queues)
        )
        self._bytes = Limit("limits.waiting_bytes", settings.waiting_bytes, lambda: room.size)
        self.burst: Final = Limit("limits.requests_burst", settings.requests_burst, self._fastest)
        """Is come to whenever a connection sends more than `requests_per_s` for long."""

    def _fastest(self) -> float:
        settings, now = self._settings, self._timers.now()
        return _most(one.bucket.used(settings.requests_per_s, settings.requests_burst, now) for one in self._queues)

    def put_off(self, queue: Queue, request: Request) -> None:
        """Count a request that has to wait, for the bound that stands in its way; none does if it waits behind others."""
        is_call = request.method == "INVITE"
        own, all_of_owner = (queue.ringing, queue.owner.ringing) if is_call else (queue.pending, queue.owner.pending)
        if own >= self._settings.pending_per_flow:
            self._of_flow.hit()
        elif all_of_owner >= self._settings.pending_per_user:
            self._of_user.hit()
        elif self._room.under_way >= self._settings.pending_total:
            self._of_all.hit()

    def held(self, queue: Queue) -> None:
        """Count a connection that is read from no more."""
        (self._bytes_of_flow if queue.size > self._settings.waiting_bytes_per_flow else self._bytes).hit()


def _most(values: Iterable[float]) -> float:
    return max(values, default=0.0)
