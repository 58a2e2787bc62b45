"""The history of a server, as the shell shows it."""

from twisted.internet.task import Clock

from lyncpy.contracts.workload import CommandCall
from lyncpy.core.timers import Timers
from lyncpy.workloads.monitoring.history import COLUMNS, Sampler
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of


def _row(sampler: Sampler, number: int, **flags: str) -> dict[str, object]:
    table = result_of(sampler.shown(CommandCall({}, flags)))
    return dict(zip(table.columns, table.rows[number], strict=True))


def test_rates_are_what_was_counted_in_ten_seconds() -> None:
    """Gauges are as they are at the end of each ten seconds by everybody's clock, at all servers the same ones."""
    clock, meter = Clock(), MemoryMeter()
    meter.gauge("lyncpy_registrar_people_count", "", lambda: 3.0)
    meter.gauge("lyncpy_core_loop_delay_seconds", "", lambda: 0.0125)
    messages = meter.histogram("lyncpy_core_answer_seconds", "", (1.0,), method="MESSAGE")
    meter.histogram("lyncpy_core_answer_seconds", "", (1.0,), method="INFO").observe(0.1)
    sampler = Sampler(meter, Timers(clock, lambda: 1_780_000_004.0 + clock.seconds()))
    assert result_of(sampler.shown(CommandCall({}, {}))).note
    sampler.open()
    for _ in range(30):
        messages.observe(0.1)
    meter.counter("lyncpy_core_signins_total", "", scheme="ntlm", result="ok").add(6)
    meter.counter("lyncpy_core_signins_total", "", scheme="ntlm", result="denied").add(6)
    clock.advance(6)
    clock.advance(10)
    first, second = _row(sampler, 0), _row(sampler, 1)
    assert (first["at"], second["at"]) == ("2026-05-28T20:26:50Z", "2026-05-28T20:27:00Z")
    assert (first["messages_s"], first["sign_ins_s"], first["people"]) == (5.0, 2.0, 3.0)
    assert (second["messages_s"], second["sign_ins_s"], second["loop_delay_s"]) == (0.0, 0.0, 0.0125)
    assert _row(sampler, 0, day="true")["messages_s"] == 2.5
    assert tuple(first) == COLUMNS
    sampler.close()
    clock.advance(60)
    assert len(result_of(sampler.shown(CommandCall({}, {}))).rows) == 2
    assert clock.getDelayedCalls() == []
