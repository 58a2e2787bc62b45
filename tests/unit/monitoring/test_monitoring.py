"""Reports of clients, connections and meters."""

import pytest

from lyncpy.backends.openmetrics import OpenMetrics
from lyncpy.contracts.flows import FlowFacts
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import CommandFailed
from lyncpy.workloads.monitoring.service import Monitoring
from lyncpy.workloads.monitoring.settings import Settings
from tests.kit.flows import StillFlows
from tests.kit.hall import Hall

REPORT = "application/msrtc-reporterror+xml"


ONE = FlowFacts(FlowName("n/1"), "127.0.0.1", "TLSv1.3", 0.0, 0.0, 3, 4, 30, 40, 0, held=False)


def _monitored(report_bytes: int = 65_536) -> tuple[Hall, StillFlows, OpenMetrics]:
    hall, wire, meter = Hall(), StillFlows(ONE), OpenMetrics()
    settings = Settings(report_bytes=report_bytes)
    hall.take(Monitoring(hall.platform(), hall.signaling(flows=wire), meter.render, settings))
    return hall, wire, meter


def test_a_report_is_taken_and_shown() -> None:
    """A client that reports an error is content, and an operator can read it."""
    hall, _, _ = _monitored()
    assert hall.device("alice").service(REPORT, b"<reportError/>").status == 200
    assert [row[1:] for row in hall.asked("reports").rows] == [("alice@contoso.test", REPORT, "<reportError/>")]


def test_a_huge_report_is_refused() -> None:
    """Nobody fills the disk with reports."""
    hall, _, _ = _monitored(report_bytes=1024)
    assert hall.device("alice").service(REPORT, b"x" * 1025).status == 413
    assert hall.asked("reports").rows == []


def test_reports_have_a_share_of_the_disk() -> None:
    """Who reports without end is refused after a while; others report on, and they themselves an hour later."""
    hall, _, _ = _monitored()
    alice, bob = hall.device("alice"), hall.device("bob")
    answers = [alice.service(REPORT, b"x" * 60_000).status for _ in range(100)]
    kept = answers.count(200)
    assert 60 < kept < 72
    assert set(answers[kept:]) == {503}
    assert bob.service(REPORT, b"<reportError/>").status == 200
    hall.clock.advance(3600)
    assert alice.service(REPORT, b"<reportError/>").status == 200


def test_connections_are_listed_and_closed() -> None:
    """An operator sees each connection and can end it."""
    hall, wire, _ = _monitored()
    (row,) = hall.asked("flows").rows
    assert row[:4] == ("n/1", "127.0.0.1", "", "TLSv1.3")
    hall.asked("flow close", flow="n/1")
    assert wire.closed == ["n/1"]


def test_meters_are_found_by_a_part_of_their_name() -> None:
    """`meters` shows what is counted."""
    hall, _, meter = _monitored()
    meter.counter("lyncpy_test_total", "Tests.").add(2)
    meter.gauge("lyncpy_other_count", "Others.", lambda: 7.0)
    assert ("lyncpy_other_count", 7.0) in hall.asked("meters").rows
    assert list(hall.asked("meters", part="test_total").rows) == [("lyncpy_test_total", 2.0)]


def test_a_flow_that_is_not_there_is_told() -> None:
    """A mistyped name closes nothing."""
    hall, wire, _ = _monitored()
    with pytest.raises(CommandFailed, match="see: flows"):
        hall.asked("flow close", flow="n/9")
    assert wire.closed == []


def test_reports_that_are_not_kept_are_accepted_all_the_same() -> None:
    """A client has nobody else to tell; whether it is kept is the administrator's choice."""
    hall = Hall()
    wire, meter = StillFlows(ONE), OpenMetrics()
    settings = Settings(reports=False)
    hall.take(Monitoring(hall.platform(), hall.signaling(flows=wire), meter.render, settings))
    assert hall.device("alice").service(REPORT, b"<reportError/>").status == 200
    assert hall.asked("reports").rows == []


def test_a_store_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator hears why there is nothing to read."""
    hall, _, _ = _monitored()

    def fail(*query: object) -> None:
        raise StoreUnavailable("disk gone")

    monkeypatch.setattr(hall.store, "replay", fail)
    with pytest.raises(CommandFailed, match="disk gone"):
        hall.asked("reports")
