"""How long answers take, and what is refused, as operators see it in the meters."""

import re
from typing import Final

from lyncpy.contracts.meter import LATENCIES_S, ICounter, IHistogram, IMeter
from lyncpy.core.refusals import LastRefusals
from lyncpy.sip.message import Request, Response

METERED: Final = frozenset(
    {"REGISTER", "SUBSCRIBE", "SERVICE", "INVITE", "ACK", "MESSAGE", "INFO", "BYE", "CANCEL", "OPTIONS", "NOTIFY"}
)
"""Methods with meters of their own; all others share one, so that a stranger cannot make meters."""

OTHER: Final = "other"

BY_ENDPOINT: Final = "endpoint"
"""Instead of a number: whose refusal is only passed on. Its number is the client's, who may invent any."""

_RINGING: Final = frozenset({"INVITE", "ACK"})
"""The answer to the one is as quick as its callee, the other has none."""

_REASON: Final = re.compile(r';reason="([^"]{0,500})')
_SAYING: Final = ("ms-diagnostics", "ms-diagnostics-public")


class AnswerMeter:
    """Counts the final answers.

    Args:
        meter: Shows them.
        refusals: Remembers those that refuse.
    """

    def __init__(self, meter: IMeter, refusals: LastRefusals) -> None:
        self._meter = meter
        self._last = refusals
        help_ = "Seconds from a request's arrival to its final answer."
        methods = [*sorted(METERED - _RINGING), OTHER]
        self._seconds: dict[str, IHistogram] = {
            one: meter.histogram("lyncpy_core_answer_seconds", help_, LATENCIES_S, method=one) for one in methods
        }
        self._refusals: dict[tuple[int, str], ICounter] = {}

    def answered(self, method: str, seconds: float) -> None:
        """Count an answer."""
        if method not in _RINGING:
            (self._seconds.get(method) or self._seconds[OTHER]).observe(seconds)

    def refused(self, request: Request, response: Response, *, is_ours: bool) -> None:
        """Count a refusal, by its status and the number of its ms-diagnostics ([MS-OCER] 2.2.1.1).

        Args:
            request: What was refused.
            response: As it leaves; a challenge that explains nothing is no refusal.
            is_ours: Whether this server refuses, and no endpoint whose answer is passed on.
        """
        reason, why = BY_ENDPOINT, "their device refused it"
        if is_ours:
            said = next((said for said in map(response.headers.get, _SAYING) if said is not None), None)
            if said is None:
                return
            reason = said.partition(";")[0]
            quoted = _REASON.search(said)
            why = quoted[1] if quoted is not None else response.phrase
        self._last.note(request, response, why)
        key = response.status, reason
        counter = self._refusals.get(key)
        if counter is None:
            counter = self._refusals[key] = self._meter.counter(
                "lyncpy_core_refusals_total",
                'Requests refused, by status and ms-diagnostics; "endpoint": a client refused them.',
                status=str(key[0]),
                diagnostics=reason,
            )
        counter.add()
