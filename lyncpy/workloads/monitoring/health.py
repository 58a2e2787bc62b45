"""The health page: what is wrong with the server now, for a program that shows a token."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReaderKind, HttpResource
from lyncpy.core.conditions import Condition

PATH: Final = "/health"

_BROKEN: Final = 503


class HealthPage:
    """Answers with the conditions as JSON, and with 503 where one keeps the server from its work.

    Args:
        present: Gives the conditions.
    """

    def __init__(self, present: Callable[[], Sequence[Condition]]) -> None:
        self._present = present

    def rows(self) -> tuple[HttpResource, ...]:
        """Give the HTTP resource."""
        return (HttpResource(PATH, self.answer, readers=frozenset({HttpReaderKind.NAMED})),)

    async def answer(self, asked: HttpAsked) -> HttpAnswer:
        """Give the conditions, the worst first."""
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
        is_broken = any(one.reason.grave for one in found)
        return HttpAnswer(_BROKEN if is_broken else 200, "application/json", json.dumps(told).encode() + b"\n")
