"""What monitoring shows over HTTP: all meters, what is wrong with the server, and two words for a load balancer."""

import json
from collections.abc import Callable, Sequence
from typing import Final

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReaderKind, HttpResource
from lyncpy.core.conditions import Condition
from lyncpy.workloads.monitoring.siblings import Siblings, health_of
from lyncpy.workloads.monitoring.siblings import told as told_of

METRICS: Final = "/metrics"
HEALTH: Final = "/health"
ALIVE: Final = "/healthz"
READY: Final = "/readyz"

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_BROKEN: Final = 503


class MonitoringPages:
    """Answers the programs that watch the server.

    Args:
        meters: Gives all meters as OpenMetrics text.
        present: Gives what is wrong now, the worst first.
        siblings: The processes of this machine, where there are several; each page is about all.
    """

    def __init__(
        self,
        meters: Callable[[], bytes],
        present: Callable[[], Sequence[Condition]],
        siblings: Siblings | None,
    ) -> None:
        self._meters = meters
        self._present = present
        self._siblings = siblings

    def rows(self) -> tuple[HttpResource, ...]:
        """Give the HTTP resources; a load balancer shows no token, and learns nothing but yes or no."""
        named = frozenset({HttpReaderKind.NAMED})
        return (
            HttpResource(METRICS, self.metrics, readers=named),
            HttpResource(HEALTH, self.health, readers=named),
            HttpResource(ALIVE, self.alive),
            HttpResource(READY, self.ready),
        )

    async def metrics(self, asked: HttpAsked) -> HttpAnswer:
        """Give all meters; every Prometheus since 2.5 reads this form."""
        text = self._meters() if self._siblings is None else await self._siblings.meters()
        return HttpAnswer(200, OPENMETRICS, text)

    async def health(self, asked: HttpAsked) -> HttpAnswer:
        """Give the conditions as JSON, the worst first, and with 503 where one keeps the server, or all processes, from its work."""
        if self._siblings is not None:
            all_processes = await self._siblings.health()
            status = 200 if any(one.works for one in all_processes) else _BROKEN
            return HttpAnswer(status, "application/json", json.dumps(health_of(all_processes)).encode() + b"\n")
        found = self._present()
        told = {
            "status": found[0].severity if found else "ok",
            "conditions": [told_of(one) for one in found],
        }
        return HttpAnswer(self._status(), "application/json", json.dumps(told).encode() + b"\n")

    async def alive(self, asked: HttpAsked) -> HttpAnswer:
        """Say that the process answers at all."""
        return HttpAnswer(200, "text/plain; charset=utf-8", b"alive\n")

    async def ready(self, asked: HttpAsked) -> HttpAnswer:
        """Say whether the server does its work; with 503, clients had better be sent to another."""
        if self._siblings is None:
            status = self._status()
        else:
            status = 200 if any(one.works for one in await self._siblings.health()) else _BROKEN
        return HttpAnswer(status, "text/plain; charset=utf-8", b"ready\n" if status == 200 else b"not ready\n")

    def _status(self) -> int:
        return _BROKEN if any(one.reason.grave for one in self._present()) else 200
