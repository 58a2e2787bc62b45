"""Meters for Prometheus."""

import pytest

from lyncpy.backends.openmetrics import OpenMetrics
from lyncpy.contracts.meter import IMeter


def test_counts_and_reads() -> None:
    """Counters by their labels and gauges at the moment of asking are in the text."""
    meter = OpenMetrics()
    level = [1.0]
    meter.counter("lyncpy_core_requests", "Requests", method="INVITE").add()
    meter.counter("lyncpy_core_requests", "Requests", method="INVITE").add(2)
    meter.counter("lyncpy_core_requests", "Requests", method="BYE").add()
    meter.gauge("lyncpy_wire_flows", "Flows", lambda: level[0])
    level[0] = 7.0

    text = meter.render().decode()

    assert 'lyncpy_core_requests_total{method="INVITE"} 3.0' in text
    assert 'lyncpy_core_requests_total{method="BYE"} 1.0' in text
    assert "lyncpy_wire_flows 7.0" in text
    assert text.endswith("# EOF\n")


def test_a_histogram_counts_up_to_each_bound() -> None:
    """Each bucket has what is below it too, as Prometheus wants it; nothing says when it was made."""
    meter = OpenMetrics()
    for value in (0.05, 0.1, 0.5, 7.0):
        meter.histogram("lyncpy_core_answer_seconds", "Answers", (0.1, 1.0), method="MESSAGE").observe(value)

    text = meter.render().decode()

    assert 'lyncpy_core_answer_seconds_bucket{le="0.1",method="MESSAGE"} 2.0' in text
    assert 'lyncpy_core_answer_seconds_bucket{le="1.0",method="MESSAGE"} 3.0' in text
    assert 'lyncpy_core_answer_seconds_bucket{le="+Inf",method="MESSAGE"} 4.0' in text
    assert 'lyncpy_core_answer_seconds_count{method="MESSAGE"} 4.0' in text
    assert 'lyncpy_core_answer_seconds_sum{method="MESSAGE"} 7.65' in text
    assert "_created" not in text
    with pytest.raises(ValueError, match="bounds"):
        meter.histogram("lyncpy_core_answer_seconds", "Answers", (0.1, 2.0), method="MESSAGE")


def test_many_of_one_name_are_read_at_the_moment_of_asking() -> None:
    """Gauges, and counters whose numbers somebody else keeps, by their labels."""
    meter = OpenMetrics()
    level: dict[tuple[str, ...], float] = {("a.b",): 1.0}
    meter.labelled_gauge("lyncpy_app_limit_used_count", "Used", ("limit",), lambda: level)
    meter.labelled_total("lyncpy_app_limit_reached_total", "Reached", ("limit",), lambda: level)
    level["a.b",] = 7.0
    text = meter.render().decode()
    assert 'lyncpy_app_limit_used_count{limit="a.b"} 7.0' in text
    assert 'lyncpy_app_limit_reached_total{limit="a.b"} 7.0' in text
    assert "# TYPE lyncpy_app_limit_reached counter" in text


def test_the_process_is_measured() -> None:
    """Memory and open files come under their usual names."""
    text = OpenMetrics().render().decode()
    assert "process_resident_memory_bytes " in text
    assert "process_open_fds " in text


def test_keeps_the_promise() -> None:
    """The implementation declares it."""
    assert IMeter.providedBy(OpenMetrics())


def test_a_gauge_is_replaced() -> None:
    """After a reload the new reader is asked."""
    meter = OpenMetrics()
    meter.gauge("lyncpy_wire_flows", "Flows", lambda: 1.0)
    meter.gauge("lyncpy_wire_flows", "Flows", lambda: 2.0)
    assert b"lyncpy_wire_flows 2.0" in meter.render()


def test_two_houses_do_not_mix() -> None:
    """Each has its registry."""
    OpenMetrics().counter("lyncpy_x", "X").add()
    assert b"lyncpy_x" not in OpenMetrics().render()


def test_labels_of_one_name_are_the_same() -> None:
    """Other label names are a bug that shows at once."""
    meter = OpenMetrics()
    meter.counter("lyncpy_x", "X", a="1")
    with pytest.raises(ValueError, match=r"[Ll]abel"):
        meter.counter("lyncpy_x", "X", b="1")


def test_the_server_reads_its_own_meters() -> None:
    """All together that have some labels; what there is not is nought."""
    meter = OpenMetrics()
    for method, status, amount in (("a", "1", 2.0), ("a", "2", 3.0), ("b", "1", 4.0)):
        meter.counter("lyncpy_x_total", "", method=method, status=status).add(amount)
    for value in (0.5, 2.0):
        meter.histogram("lyncpy_x_seconds", "", (1.0,), method="a").observe(value)
    meter.gauge("lyncpy_x_count", "", lambda: 7)
    meter.total("lyncpy_y_total", "", lambda: 8)
    assert meter.value("lyncpy_x_total") == 9.0
    assert meter.value("lyncpy_x_total", method="a") == 5.0
    assert meter.value("lyncpy_x_total", method="a", status="2") == 3.0
    assert meter.value("lyncpy_x_total", method="c") == 0.0
    assert meter.value("lyncpy_x_seconds") == 2.0
    assert (meter.value("lyncpy_x_count"), meter.value("lyncpy_y_total"), meter.value("lyncpy_z")) == (7.0, 8.0, 0.0)
