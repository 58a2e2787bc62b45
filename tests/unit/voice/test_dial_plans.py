"""Whose dial plan is which."""

from typing import Any

import pytest
from pydantic import ValidationError

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import Policy
from lyncpy.workloads.voice.bodies import write_profile
from lyncpy.workloads.voice.dial_plans import DialPlans
from lyncpy.workloads.voice.model.dialplan import USUAL
from lyncpy.workloads.voice.settings import Settings
from tests.kit.directory import person
from tests.kit.hall import FewPeople, tree
from tests.kit.voice import scopes_of

RULES = ({"pattern": r"^(\d{4})$", "translation": "+1<$1", "internal": True},)
ALICE, BOB, CAROL, DAVE = (person(name) for name in ("alice", "bob", "carol", "dave"))


def settings(**plans: Any) -> Settings:  # Any: as in the file
    """Give the section with these plans."""
    return Settings.model_validate({"dial_plans": {name: {"rules": RULES, **one} for name, one in plans.items()}})


def plans(section: Settings) -> DialPlans:
    """Give its plans, where Alice and Bob are in the group Sales, and Bob and Carol have the policy board."""
    sales = Group("g", "Sales", members=frozenset({ALICE.key, BOB.key}))
    board = {one.aor: Policy("board") for one in (BOB, CAROL)}
    return DialPlans(section, scopes_of(FewPeople([ALICE, BOB, CAROL, DAVE]), [sales], board))


def test_the_most_telling_table_is_somebody_s() -> None:
    """Their own, then a group's, then a policy's, then that of everybody; whatever their order in the file."""
    found = plans(
        settings(p={"policies": ("board",)}, g={"members": ("Sales",)}, a={"members": ("alice@example.com", "nobody")})
    )
    assert [found.chosen(one.aor).name for one in (ALICE, BOB, CAROL, DAVE)] == ["a", "g", "p", "default"]
    assert "alice@example.com" in found.chosen(ALICE.aor).why
    assert 'group "Sales"' in found.chosen(BOB.aor).why
    assert "policy board" in found.chosen(CAROL.aor).why
    assert found.plan_of(DAVE.aor) is USUAL
    assert found.plan_of(Aor("sip:stranger@example.com")) is USUAL


def test_a_number_names_the_plan_by_which_it_is_dialled() -> None:
    """In any case of letters; no name, and `user-default`, are the caller's own."""
    found = plans(settings(Berlin={}, a={"members": ("alice@example.com",)}))
    names = [getattr(found.meant(context, ALICE.aor), "name", None) for context in ("", "user-default", "berlin", "x")]
    assert names == ["a", "a", "Berlin", None]


def test_other_plans_count_at_once() -> None:
    """And what is the same changes nothing."""
    found = plans(settings())
    assert not found.adopt(settings())
    assert found.adopt(settings(default={}))
    assert found.usual.rules[0].pattern.text == r"^(\d{4})$"
    assert found.listed("1234") == ""


def test_clients_read_a_plan_in_the_order_of_the_schema() -> None:
    """Escaped, with what devices need of it."""
    found = plans(settings(out={"external_access_prefix": "9", "optimize_device_dialing": True}))
    plan = found.meant("out", ALICE.aor)
    assert plan is not None
    root = tree(write_profile(plan).encode())
    assert [child.tag for child in root] == [
        "Name", "Rule", "ExternalAccessPrefix", "OptimizeDeviceDialing",
    ]  # fmt: skip
    assert [child.text for child in root[1]] == [r"^(\d{4})$", "+1<$1", "true"]
    assert [one.text for one in (root[0], *root[2:])] == ["out", "9", "true"]
    assert "ExternalAccessPrefix" not in write_profile(USUAL)


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"dial_plans": {"a b": {"rules": RULES}}}, "letters, digits and"),
        ({"dial_plans": {"a": {"rules": ()}}}, "at least 1"),
        ({"dial_plans": {"a": {"rules": RULES, "external_access_prefix": "12345"}}}, "at most four"),
        ({"dial_plans": {"a": {"rules": RULES}, "A": {"rules": RULES}}}, "twice but for capital letters"),
        ({"dial_plans": {"a": {"rules": ({"pattern": r"(\d)\1", "translation": "1"},)}}}, "cannot be used"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused_in_words(section: Any, why: str) -> None:  # Any: as above
    """At the start, and when it is read again."""
    with pytest.raises(ValidationError, match=why):
        Settings.model_validate(section)
