"""What `lyncpy check` finds in dial plans."""

from lyncpy.workloads.voice.findings import SHARED_MOST, voice_findings
from lyncpy.workloads.voice.settings import Settings


def found(*patterns: str) -> list[tuple[bool, str]]:
    """Give the findings about a plan with rules of these patterns."""
    rules = tuple({"pattern": one, "translation": "+1"} for one in patterns)
    section = Settings.model_validate({"dial_plans": {"a": {"rules": rules}}})
    return [(one.good, one.sentence) for one in voice_findings(section)]


def test_a_good_plan_is_said_to_be_so() -> None:
    """In one sentence."""
    assert found(r"^\d{4}$", r"^\d{5}$") == [(True, "[voice.dial_plans.a]: each of 2 rules decides something")]


def test_rules_that_never_decide_are_faults() -> None:
    """With the rule that decides in their place, and a number."""
    hidden, empty = found(r"^\d{4}$", r"^5\d{3}$", "1^2")[:2]
    assert hidden[0] is empty[0] is False
    assert 'rule 2, "^5\\d{3}$": never decides anything' in hidden[1]
    assert '"^\\d{4}$" fits 5000' in hidden[1]
    assert 'rule 3, "1^2": fits no number' in empty[1]


def test_rules_that_fit_the_same_numbers_are_told() -> None:
    """A few of them: that may be meant."""
    told = found(r"^5\d+$", *(rf"^\d{{{count}}}$" for count in range(4, 12)))
    assert len(told) == SHARED_MOST + 1
    assert told[0] == (
        True,
        '[voice.dial_plans.a] rule 2, "^\\d{4}$": fits 5000 as "^5\\d+$" before it does, which decides',
    )


def test_a_rule_that_is_not_of_the_whole_number_is_told() -> None:
    """Lync's own rules are."""
    assert "begin it with ^" in found("5")[0][1]


def test_routes_that_nobody_is_called_by_are_faults() -> None:
    """And policies and trunks that name what there is not."""
    section = Settings.model_validate(
        {
            "policies": {"p": {"usages": ("near", "far", "none")}},
            "routes": {
                "near": {"pattern": r"^\+1", "usages": ("near",), "gateways": ("a",)},
                "hidden": {"pattern": r"^\+15", "usages": ("far",), "gateways": ("a",)},
                "lost": {"pattern": r"^\+2$1", "usages": ("other",), "gateways": ()},
            },
            "gateways": {"a": {"address": "192.0.2.1"}},
            "trunks": {"a": {"called": ({"pattern": "^1^1$", "translation": "1"},)}, "b": {}},
        }
    )
    told = [one.sentence for one in voice_findings(section)]
    assert [sentence.partition(": ")[0] for sentence in told] == [
        "[voice.policies.p]",
        "[voice.policies.p]",
        "[voice.routes.lost]",
        "[voice.routes.lost]",
        "[voice.routes.lost]",
        '[voice.trunks.a] called rule 1, "^1^1$"',
        "[voice.trunks.b]",
    ]
    assert 'the usage "none"' in told[0]
    assert '"hidden" of the usage "far" is never asked' in told[1]
