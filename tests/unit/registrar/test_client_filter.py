"""Clients that a policy blocks are refused with the reason, and remembered within bounds."""

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import Policy
from lyncpy.contracts.refusal import Refused
from lyncpy.workloads.registrar import client_filter
from lyncpy.workloads.registrar.client_filter import ClientFilter
from tests.kit.vault import FixedPolicies

ALICE, BOB, CAROL = (Aor(f"sip:{name}@example.com") for name in ("alice", "bob", "carol"))


def filtered(*rules: str) -> ClientFilter:
    """Make a filter with these rules for Alice, Bob and Carol."""
    return ClientFilter(FixedPolicies(_strict(*rules)))


def _strict(*rules: str) -> dict[Aor, Policy]:
    return dict.fromkeys((ALICE, BOB, CAROL), Policy("strict", clients=rules))


def test_who_is_not_blocked_signs_in() -> None:
    """Without rules everybody; with a link the user is told of it."""
    assert filtered().check(ALICE, "OC/1") == ""
    assert filtered("block OC").check(ALICE, "Sipe/1") == ""
    assert filtered("allow OC", "block *").check(ALICE, "OC/1") == ""
    assert filtered("allow OC https://example.com").check(ALICE, "OC/1") == "https://example.com"
    assert filtered("block *").check(Aor("sip:dave@example.com"), "OC/1") == ""


@pytest.mark.parametrize(
    ("rule", "error_id", "warning"),
    [
        (
            "block OC",
            17002,
            '310 lcs.microsoft.com "You are currently not using the recommended version of the client"',
        ),
        ("block OC https://example.com/new", 17003, '313 lcs.microsoft.com "https://example.com/new"'),
    ],
)
def test_who_is_blocked_is_told_so(rule: str, error_id: int, warning: str) -> None:
    """With what a client shows."""
    with pytest.raises(Refused) as caught:
        filtered(rule).check(ALICE, "OC/1")
    assert caught.value.status == 403
    assert caught.value.diagnostics is not None and caught.value.diagnostics.error_id == error_id
    assert caught.value.headers == (("Warning", warning),)


def test_the_last_refused_client_of_a_user_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """For an operator who asks why; the user who was refused longest ago is forgotten."""
    monkeypatch.setattr(client_filter, "REMEMBERED", 2)
    clients = filtered("block *")
    for aor, agent in ((ALICE, "one"), (BOB, "two"), (ALICE, "three"), (CAROL, "four")):
        with pytest.raises(Refused):
            clients.check(aor, agent)
    assert clients.refused(BOB) is None
    last = clients.refused(ALICE)
    assert last is not None and (last.agent, last.rule.text, last.policy) == ("three", "block *", "strict")


def test_a_refusal_is_told_while_the_policy_would_refuse_it_still() -> None:
    """Once the rule is another, the client signs in, and nothing is wrong any more."""
    policies = _strict("block *")
    clients = ClientFilter(FixedPolicies(policies))
    with pytest.raises(Refused):
        clients.check(ALICE, "OC/1")
    policies.update(_strict("block Sipe"))
    assert clients.refused(ALICE) is None
    policies.update(_strict("block OC"))
    assert clients.refused(ALICE) is not None
