"""Reports of clients: taken, kept, not judged."""

import json
from collections.abc import Hashable
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Route
from lyncpy.core.hourly_quota import HourlyQuota
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.monitoring.settings import Settings

JOURNAL: Final = "client-reports"
KINDS: Final = ("application/msrtc-reporterror+xml", "application/vq-rtcpxr+xml")
"""Media types of error reports ([MS-OCER] 3.1.4.1) and of call quality reports ([MS-QoE] 2.2)."""


ENTRY_BYTES: Final = 1024
"""What keeping a report costs, beside its text, as if it were so many bytes of that."""


class Routes:
    """Answers reports of clients, and keeps them."""

    log = Logger()

    def __init__(self, store: IStore, settings: Settings, timers: ITimers) -> None:
        self._store = store
        self._settings = settings
        self._timers = timers
        self._shares = HourlyQuota(
            "monitoring.report_bytes_per_user", float(settings.report_bytes_per_user), timers.now, self._told
        )

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes."""
        return tuple(Route("SERVICE", self.report, content=kind) for kind in KINDS)

    async def report(self, arrival: Arrival) -> Response:
        """Store a report; the 200 says that it is kept.

        Raises:
            Refused: 413 for one that is too large, 503 when its user has reported too much in this hour.
        """
        request = arrival.request
        if len(request.body) > self._settings.report_bytes:
            raise Refused(413, Diagnostics(4008, "Input data too large"))
        if self._settings.reports:
            if not self._shares.spend(arrival.sender.aor, ENTRY_BYTES + len(request.body)):
                raise Refused(503, Diagnostics(17000, "Server overloaded"), headers=[("Retry-After", "600")])
            entry = {
                "user": arrival.sender.aor,
                "kind": request.content_type,
                "text": request.body.decode("utf-8", "replace"),
            }
            await self._store.append(JOURNAL, json.dumps(entry).encode(), self._timers.wall())
        return response_to(request, 200)

    def _told(self, user: Hashable, left_out: int) -> None:
        self.log.warn(
            "{aor} reports more than [monitoring] report_bytes_per_user lets be kept in an hour: {left_out} reports are"
            " refused in all",
            aor=user,
            left_out=left_out,
        )
