"""What is refused within a 200 is counted by its reason, for no status tells of it."""

import pytest

from lyncpy.sip.markup import read_xml
from lyncpy.workloads.conferencing.bodies.c3p import C3pCommand
from lyncpy.workloads.conferencing.model.conference import C3pReason, ConferenceDenied
from lyncpy.workloads.conferencing.refusals import C3pRefusals
from tests.kit.meters import MemoryMeter


@pytest.mark.parametrize("reason", C3pReason)
def test_each_reason_is_written_and_counted(reason: C3pReason) -> None:
    """And no other; each is there from the start, so that its first one is seen as a change."""
    meter = MemoryMeter()
    refusals = C3pRefusals(meter)
    name = "lyncpy_conferencing_refusals_total"
    assert {one: meter.count(name, reason=one.value) for one in C3pReason} == dict.fromkeys(C3pReason, 0)
    command = C3pCommand("addConference", "1", "sip:a@b", "sip:a@b", read_xml(b"<addConference/>"))
    assert reason.value.encode() in refusals.written(command, ConferenceDenied(reason))
    assert {one for one in C3pReason if meter.count(name, reason=one.value)} == {reason}
