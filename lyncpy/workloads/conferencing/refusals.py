"""Commands that are refused within a 200, as C3P has it: each is counted, for no status tells of it."""

from lyncpy.contracts.meter import ICounter, IMeter
from lyncpy.workloads.conferencing.bodies.c3p import C3pCommand, write_failure
from lyncpy.workloads.conferencing.model.conference import C3pReason, ConferenceDenied


class C3pRefusals:
    """Writes them.

    Args:
        meter: Counts them by their reasons.
    """

    def __init__(self, meter: IMeter) -> None:
        self._counters: dict[C3pReason, ICounter] = {
            reason: meter.counter(
                "lyncpy_conferencing_refusals_total",
                "Commands about conferences that were refused, by C3P's word for the reason.",
                reason=reason.value,
            )
            for reason in C3pReason
        }

    def written(self, command: C3pCommand, denied: ConferenceDenied) -> bytes:
        """Write the body that says why a command failed."""
        self._counters[denied.reason].add()
        return write_failure(command, denied.reason)
