"""Counting who publishes: a minute that slides, a bucket, a bound."""

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.model.traffic import Row, Traffic, Window

ALICE, BOB = Aor("sip:alice@example.com"), Aor("sip:bob@example.com")
ONE, TWO = Epid("1"), Epid("2")


def test_a_window_forgets_what_is_a_minute_old() -> None:
    """Ten seconds at a time, and everything after a long silence."""
    window = Window()
    window.add(3, 5.0)
    window.add(4, 15.0)
    assert window.total(59.9) == 7
    assert window.total(60.0) == 4
    assert window.total(70.0) == 0
    window.add(1, 80.0)
    assert window.total(10_000.0) == 0


def test_an_endpoint_may_publish_a_burst_and_then_at_its_rate() -> None:
    """Each endpoint has a bucket of its own."""
    traffic = Traffic(per_minute=60, burst=3, endpoints=10)
    assert [traffic.published(ALICE, ONE, 100.0) for _ in range(5)] == [True, True, True, False, False]
    assert traffic.published(ALICE, TWO, 100.0)
    assert traffic.published(ALICE, ONE, 101.0)
    assert not traffic.published(ALICE, ONE, 101.0)


def test_the_busiest_come_first() -> None:
    """With what they published, what it caused, and how much of it was limited."""
    traffic = Traffic(per_minute=60, burst=2, endpoints=10)
    for _ in range(3):
        traffic.published(ALICE, ONE, 100.0)
    traffic.published(BOB, ONE, 100.0)
    traffic.caused(BOB, {ONE}, 50, 100.0)
    traffic.caused(BOB, {TWO}, 50, 100.0)
    assert traffic.busiest(110.0, 10) == [Row(BOB, ONE, 1, 50, 0), Row(ALICE, ONE, 3, 0, 1)]
    assert traffic.busiest(110.0, 1) == [Row(BOB, ONE, 1, 50, 0)]
    assert traffic.busiest(200.0, 10) == []


def test_only_so_many_are_counted() -> None:
    """The one that was silent for longest is forgotten, and those that leave are."""
    traffic = Traffic(per_minute=60, burst=2, endpoints=2)
    traffic.published(ALICE, ONE, 1.0)
    traffic.published(ALICE, TWO, 2.0)
    traffic.published(ALICE, ONE, 3.0)
    traffic.published(BOB, ONE, 4.0)
    assert [(row.aor, row.epid) for row in traffic.busiest(5.0, 10)] == [(ALICE, ONE), (BOB, ONE)]
    traffic.forget(BOB, ONE)
    traffic.forget(BOB, TWO)
    assert len(traffic) == 1
