"""Reports of clients: taken, kept, not judged."""

import json
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Route
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.monitoring.settings import Settings

JOURNAL: Final = "client-reports"
KINDS: Final = ("application/msrtc-reporterror+xml", "application/vq-rtcpxr+xml")
"""Media types of error reports ([MS-OCER] 3.1.4.1) and of call quality reports ([MS-QoE] 2.2)."""


class Routes:
    """The answers."""

    def __init__(self, store: IStore, settings: Settings, timers: ITimers) -> None:
        """Take where reports go."""
        self._store = store
        self._settings = settings
        self._timers = timers

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes."""
        return tuple(Route("SERVICE", self.report, content=kind) for kind in KINDS)

    async def report(self, arrival: Arrival) -> Response:
        """Keep a report; the 200 says that it is kept.

        Raises:
            Refused: 413 for one that is too large.
        """
        request = arrival.request
        if len(request.body) > self._settings.report_bytes:
            raise Refused(413, Diagnostics(4008, "Input data too large"))
        if self._settings.reports:
            entry = {
                "user": arrival.sender.aor,
                "kind": request.content_type,
                "text": request.body.decode("utf-8", "replace"),
            }
            await self._store.append(JOURNAL, json.dumps(entry).encode(), self._timers.wall())
        return response_to(request, 200)
