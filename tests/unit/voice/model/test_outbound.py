"""What becomes of a number: a person, a gateway, or a reason."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.workloads.voice.model.dialplan import DialPlan, read_rule
from lyncpy.workloads.voice.model.outbound import (
    NO_ROUTE,
    NO_RULE,
    NOBODYS,
    SHARED,
    Attempt,
    Caller,
    CallRoute,
    NumberRouting,
    OutboundRules,
    Trunk,
    VoicePolicy,
    decide,
)
from lyncpy.workloads.voice.model.patterns import read_pattern

BOB, CAROL = Aor("sip:bob@example.com"), Aor("sip:carol@example.com")
PLAN = DialPlan("office", (read_rule("inner", r"^(\d{3})$", "+1555$1"), read_rule("", r"^00(\d+)$", "+$1")))
ALICE = Caller(
    Aor("sip:alice@example.com"),
    "tel:+1555100;ext=7",
    PLAN,
    "it is hers",
    VoicePolicy("p", ("near", "far")),
    "all have it",
)
PEOPLE = {"tel:+1555101": [BOB], "tel:+1555102": [BOB, CAROL]}


def route(name: str, pattern: str, usage: str, *gateways: str, **more: object) -> CallRoute:
    """Give a route."""
    return replace(CallRoute(name, read_pattern(pattern), frozenset({usage}), gateways), **more)  # type: ignore[arg-type]  # its fields


RULES = OutboundRules(
    (
        route("world", r"^\+", "far", "b"),
        route("home", r"^\+49", "near", "a", "b", priority=2),
        route("cheap", r"^\+49", "near", "c", priority=1, hides_caller=True),
        route("shown", r"^\+44", "near", "a", caller_id="tel:+1555000"),
        route("nowhere", r"^\+33", "near"),
    ),
    {
        "a": Trunk((read_rule("", r"^\+49(\d+)$", "0$1"),), (read_rule("", r"^\+1555(\d+)$", "$1"),)),
        "b": Trunk((read_rule("", r"^\+(\d+)$", "00$1"),)),
    },
)


def decided(dialled: str, ext: str = "", caller: Caller = ALICE, rules: OutboundRules = RULES) -> NumberRouting:
    """Decide with these people."""
    return decide(dialled, ext, caller, lambda uri: PEOPLE.get(uri, []), rules)


def test_a_number_of_the_house_rings_its_person() -> None:
    """Each step is told: what was dialled, by which plan and rule, what it became and whose it is."""
    found = decided("101")
    assert found.person == BOB
    assert [(one.what, one.value) for one in found.steps] == [
        ("dialled", "101"),
        ("dial plan", "office"),
        ("rule", "inner"),
        ("number", "+1555101"),
        ("rings", "bob@example.com"),
    ]
    assert found.steps[2].why == r"^(\d{3})$ becomes +1555$1"


def test_the_first_usage_with_a_route_decides() -> None:
    """Its routes by priority, each with its gateways in order; the trunk writes both numbers, and no extension leaves the house."""
    assert decided("004930").attempts == (
        Attempt("cheap", "c", "+4930", ""),
        Attempt("home", "a", "030", "100"),
        Attempt("home", "b", "004930", "+1555100"),
    )
    assert decided("+81", "5").attempts == (Attempt("world", "b", "0081", "+1555100"),)
    assert [one.value for one in decided("+81").steps if one.what == "usage"] == ["near", "far"]
    assert decided("+4420").attempts == (Attempt("shown", "a", "+4420", "000"),)


def test_who_has_no_number_shows_none() -> None:
    """Unless the route has one for them."""
    nameless = replace(ALICE, line="")
    assert [one.caller for one in decided("004930", caller=nameless).attempts] == ["", "", ""]
    assert [one.caller for one in decided("+4420", caller=nameless).attempts] == ["000"]


@pytest.mark.parametrize(
    ("dialled", "caller", "rules", "refusal"),
    [
        ("12", ALICE, RULES, NO_RULE),
        ("102", ALICE, RULES, SHARED),
        ("103", ALICE, OutboundRules(), NOBODYS),
        ("+33", ALICE, RULES, NO_ROUTE),
        ("+81", replace(ALICE, policy=VoicePolicy("none")), RULES, NO_ROUTE),
        ("+81", replace(ALICE, policy=VoicePolicy("less", ("near",))), RULES, NO_ROUTE),
    ],
)
def test_a_refusal_says_why(dialled: str, caller: Caller, rules: OutboundRules, refusal: object) -> None:
    """As the last step, with status and number."""
    found = decided(dialled, caller=caller, rules=rules)
    assert found.refusal is refusal
    assert (found.person, found.attempts) == (None, ())
    assert found.steps[-1].what == "refused"
    assert found.steps[-1].why
