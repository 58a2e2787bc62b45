"""Each bound of a running server has its meters: what is used of it, how much it is, and how often somebody came to it."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from docs.site import source
from lyncpy.app.config import SECTIONS
from lyncpy.app.limits import LOOK_S, LimitMeters, elsewhere
from lyncpy.app.tables import bounds
from lyncpy.contracts.limit import Limit
from lyncpy.core.timers import Timers
from tests.kit.meters import MemoryMeter
from tests.kit.stage import Stage
from tests.kit.trees import calls_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"
KEEPERS: Final = {"Shares": 2, "HourlyQuota": 0, "Throttle": 2, "PlaceQueue": 0, "PendingPerConnection": 0, "Limit": 0}
"""What keeps to a bound → where its name stands."""

BUCKETS: Final = {"core/hourly_quota.py", "core/intake.py", "workloads/presence/model/traffic.py"}
"""Who has token buckets, and a `Limit` for all of them."""


LATER: Final = {
    "auth.handshakes", "auth.kerberos_waiting_bytes", "auth.kerberos_waiting_bytes_per_address", "auth.ntlm_waiting",
    "auth.ntlm_waiting_per_address", "directory.passwords_waiting", "directory.passwords_waiting_per_address",
    "store.waiting_max", "web.connections", "web.connections_per_address", "web.unfinished_bytes",
    "webservices.certificates_per_hour", "admin.connections", "admin.sessions_per_connection", "admin.strangers",
}  # fmt: skip
"""Bounds of doors, databases and proofs that a server in memory does not have."""


def shown(stage: Stage, meter: str) -> dict[str, float]:
    """Give what one of the meters says of each bound, as whoever reads them more than once sees it."""
    stage.meter.labelled["lyncpy_app_table_entries_count"]()
    stage.settle()
    stage.meter.labelled["lyncpy_app_limit_used_count"]()
    stage.settle()
    return {labels[0]: value for labels, value in stage.meter.labelled[f"lyncpy_app_limit_{meter}"]().items()}


def numbers() -> set[str]:
    """Give all settings that are numbers, as "section.key"."""
    found = set[str]()
    for section, model in SECTIONS.items():
        for name, field in model.model_fields.items():
            text = str(field.annotation)
            if field.annotation in (int, float) or text.startswith("typing.Annotated[int"):
                found.add(f"{section}.{name}")
    return found


def test_every_setting_that_is_a_number_is_seen() -> None:
    """A new one is found here: keep a `Limit` of its name where it is kept to, or say in limits.toml where it is seen."""
    every, known = numbers(), set(source.limits())
    assert len(every) > 170
    assert every - known - elsewhere().keys() == set(), "it has no meter"
    assert elsewhere().keys() - every == set(), "there is no such setting: so should its line in limits.toml go"
    assert known & elsewhere().keys() == set(), "it has a Limit: so should its line in limits.toml go"


def test_where_a_setting_is_seen_is_a_meter_or_a_table() -> None:
    """Which there is; or there is a reason why nobody has to see it."""
    meters = {one.name for one in source.meters()}
    queues = {one.replace(source.VARIES, "store_write") for one in meters} | {
        one.replace(source.VARIES, "archive") for one in meters
    }
    for setting, words in elsewhere().items():
        kind, _, told = words.partition(": ")
        assert kind in ("table", "refused", "meter", "time", "none"), setting
        if kind == "none":
            assert len(told.split()) > 1, setting
        elif kind == "table":
            assert told in bounds(), setting
        else:
            assert {one.strip() for one in told.partition(";")[0].split(",")} <= meters | queues, setting


def test_who_keeps_to_a_bound_is_told_its_name() -> None:
    """A share, a quota, a throttle, a queue of addresses: a new one without a name would have no meter."""
    nameless = [
        f"{file.relative_to(SOURCE)}:{call.lineno}"
        for file in SOURCE.rglob("*.py")
        for call in calls_of(file)
        if (name := _called(call)) in KEEPERS and len(call.args) <= KEEPERS[name]
    ]
    assert nameless == []


def test_who_has_a_token_bucket_has_a_limit() -> None:
    """One for all of them: a bucket is small, and there are many."""
    found = {
        str(file.relative_to(SOURCE))
        for file in SOURCE.rglob("*.py")
        for call in calls_of(file)
        if _called(call) == "Bucket"
    }
    assert found == BUCKETS
    assert all("Limit" in (SOURCE / one).read_text(encoding="utf-8") for one in BUCKETS)


def _called(call: ast.Call) -> str:
    function = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return function.id if isinstance(function, ast.Name) else ""


def test_a_server_shows_its_bounds() -> None:
    """What is used of them; and by whom nobody is told, but how much the fullest has."""
    with Stage.opened() as stage:
        alice, bob = stage.sign_in("alice", "bob")
        alice.talks_to(bob)
        used, most = shown(stage, "used_count"), shown(stage, "most_count")
        assert (used["registrar.endpoints_total"], used["registrar.endpoints_per_user"]) == (2, 1)
        assert (used["im.sessions_total"], used["im.sessions_per_user"]) == (1, 1)
        assert most["limits.sent_per_flow"] == 1024
        assert used.keys() <= most.keys() == shown(stage, "reached_total").keys()
        assert most.keys() | LATER == set(source.limits()), "a bound is not found from the server's parts"


@pytest.mark.parametrize(
    ("section", "settings", "bound"),
    [
        ("registrar", {"endpoints_per_user": 1}, "registrar.endpoints_per_user"),
        ("registrar", {"endpoints_total": 2}, "registrar.endpoints_total"),
        ("limits", {"connections_per_user": 1}, "limits.connections_per_user"),
    ],
)
def test_who_comes_to_a_bound_is_counted(section: str, settings: dict[str, Any], bound: str) -> None:
    """Each time."""
    with Stage.opened(**{section: settings}) as stage:
        stage.expect("endpoints_total are in use")
        stage.sign_in("alice", "bob")
        assert shown(stage, "reached_total")[bound] == 0
        for _ in range(2):
            stage.actor("alice").sip.register()
            stage.settle()
        assert shown(stage, "reached_total")[bound] >= 1


def _is_silent(stage: Stage) -> None:
    stage.actor("alice", password="guess").sip.register()
    stage.passes(40)


def _asks_much(stage: Stage) -> None:
    (alice,) = stage.sign_in("alice")
    for _ in range(30):
        alice.sip.register()


@pytest.mark.parametrize(
    ("settings", "does", "bound"),
    [
        ({}, _is_silent, "limits.unauthenticated_s"),
        ({"limits": {"requests_burst": 10.0, "requests_per_s": 1.0}}, _asks_much, "limits.requests_burst"),
    ],
)
def test_times_and_rates_are_counted(settings: dict[str, Any], does: Callable[[Stage], None], bound: str) -> None:
    """Who signs in too late, or asks too fast."""
    with Stage.opened(**settings) as stage:
        assert shown(stage, "reached_total")[bound] == 0
        does(stage)
        assert shown(stage, "reached_total")[bound] >= 1


def test_failed_sign_ins_are_seen() -> None:
    """Those of the name with the most of them, and that it has to wait."""
    with Stage.opened() as stage:
        for _ in range(6):
            stage.actor("alice", password="guess", address="203.0.113.9").sip.register()
        assert shown(stage, "used_count")["auth.tries_per_user"] >= 5
        assert shown(stage, "reached_total")["auth.tries_per_user"] >= 1


def test_what_is_used_is_looked_at_once_in_a_while() -> None:
    """However often it is asked: it may walk over all connections."""
    clock, meter, looked = Clock(), MemoryMeter(), [0]

    def used() -> float:
        looked[0] += 1
        return float(looked[0])

    meters = LimitMeters(meter, Timers(clock, clock.seconds))
    known = Deferred.fromCoroutine(meters.know([Limit("a.b", 9, used), Limit("a.b", 7, lambda: 0.0), Limit("c.d", 1)]))
    read = meter.labelled["lyncpy_app_limit_used_count"]
    for _ in range(9):
        clock.advance(0.01)
    assert known.called
    assert [read() for _ in range(5)] == [{("a.b",): 1.0}] * 5
    clock.advance(LOOK_S + 1)
    assert read() == {("a.b",): 1.0}
    for _ in range(9):
        clock.advance(0.01)
    assert read() == {("a.b",): 2.0}
    assert meter.labelled["lyncpy_app_limit_most_count"]() == {("a.b",): 9, ("c.d",): 1}
