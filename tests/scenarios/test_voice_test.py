"""`voice test`: each step of what becomes of a number, without calling anybody."""

from collections.abc import Iterator

import pytest

from lyncpy.contracts.directory import Moment
from tests.kit.deployment import WALL
from tests.kit.phones import Caller
from tests.kit.stage import Stage

VOICE = {
    "dial_plans": {"default": {"rules": [{"pattern": r"^(\d{4})$", "translation": "+1425555$1", "name": "inner"}]}},
    "policies": {"default": {"usages": ["world"]}, "strict": {"members": ["carol@example.com"]}},
    "routes": {
        "out": {"pattern": r"^\+", "usages": ["world"], "gateways": ["carrier"], "caller_id": "+1 425 555 0100"}
    },
    "trunks": {"carrier": {"called": [{"pattern": r"^\+(\d+)$", "translation": "00$1"}]}},
}


@pytest.fixture
def office() -> Iterator[Stage]:
    """Bob has a number; Carol may call nobody outside; Dave's account ends in an hour."""
    with Stage.opened(voice=VOICE) as stage:
        stage.changes("bob", line="tel:+14255550101")
        stage.changes("dave", until=Moment(WALL + 3600, "until"))
        stage.pulls()
        yield stage


def steps(stage: Stage, line: str) -> list[tuple[object, object]]:
    """Give the steps that are told."""
    return [(what, value) for what, value, _ in stage.shell(line).rows]


def test_an_operator_sees_each_step(office: Stage) -> None:
    """To a colleague, out of the house, and to where it goes no further."""
    assert steps(office, "voice test alice 0101") == [
        ("caller", "alice@example.com"),
        ("dialled", "0101"),
        ("dial plan", "default"),
        ("rule", "inner"),
        ("number", "+14255550101"),
        ("rings", "bob@example.com"),
    ]
    out = office.shell("voice test alice +493012345").rows
    assert [row[0] for row in out][-4:] == ["voice policy", "usage", "route", "gateway"]
    assert out[-1][2] == "calls 00493012345, the callee is shown +14255550100"
    assert steps(office, "voice test carol +493012345")[-1] == ("refused", "403 (12004)")
    assert steps(office, 'voice test alice "0101;phone-context=paris"')[-1] == ("refused", "404 (14010)")
    assert "not a telephone number" in office.ask('voice test alice "!"').err


def test_a_test_may_be_about_another_time(office: Stage) -> None:
    """Who may not sign in then calls nobody."""
    assert steps(office, "voice test dave 0101 --at 2026-07-20T12:30")[-1] == ("rings", "bob@example.com")
    assert steps(office, "voice test dave 0101 --at 2026-07-21")[-1] == ("refused", "403")


def test_a_call_out_of_the_house_is_refused_in_lync_s_words(office: Stage) -> None:
    """There is no gateway yet: 403, as where none of a route's is there."""
    (alice,) = office.sign_in("alice")
    exchange = Caller(alice).calls("tel:+493012345")
    assert (exchange.status, exchange.diagnostics) == (403, 12004)
