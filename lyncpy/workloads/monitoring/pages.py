"""What monitoring shows over HTTP: all meters, what is wrong with the server, and two words for a load balancer."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReaderKind, HttpResource
from lyncpy.core.conditions import Condition

METRICS: Final = "/metrics"
HEALTH: Final = "/health"
ALIVE: Final = "/healthz"
READY: Final = "/readyz"

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_BROKEN: Final = 503


class Pages:
    """Answers the programs that watch the server.

    Args:
        meters: Gives all meters as OpenMetrics text.
        present: Gives what is wrong now, the worst first.
    """

    def __init__(self, meters: Callable[[], bytes], present: Callable[[], Sequence[Condition]]) -> None:
        self._meters = meters
        self._present = present

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
        return HttpAnswer(200, OPENMETRICS, self._meters())

    async def health(self, asked: HttpAsked) -> HttpAnswer:
        """Give the conditions as JSON, the worst first, and with 503 where one keeps the server from its work."""
        found = self._present()
        told = {
            "status": found[0].severity if found else "ok",
            "conditions": [
                {
                    "severity": one.severity,
                    "concern": one.reason.concern,
                    "since": datetime.fromtimestamp(round(one.since), UTC).isoformat().replace("+00:00", "Z"),
                    "condition": one.reason.finding,
                    "remedy": one.reason.remedy,
                }
                for one in found
            ],
        }
        return HttpAnswer(self._status(), "application/json", json.dumps(told).encode() + b"\n")

    async def alive(self, asked: HttpAsked) -> HttpAnswer:
        """Say that the process answers at all."""
        return HttpAnswer(200, "text/plain; charset=utf-8", b"alive\n")

    async def ready(self, asked: HttpAsked) -> HttpAnswer:
        """Say whether the server does its work; with 503, clients had better be sent to another."""
        status = self._status()
        return HttpAnswer(status, "text/plain; charset=utf-8", b"ready\n" if status == 200 else b"not ready\n")

    def _status(self) -> int:
        return _BROKEN if any(one.reason.grave for one in self._present()) else 200
