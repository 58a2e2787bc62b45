"""Which clients may sign in, by what they call themselves."""

import pytest

from lyncpy.contracts.clients import client_rule, deciding

LYNC_2013 = "UCCAPI/15.0.4481.1000 OC/15.0.4481.1000 (Microsoft Lync)"
R2 = "UCCAPI/3.5.6907.0 OC/3.5.6907.0 (Microsoft Office Communicator 2007 R2)"
SIPE = "Purple/2.14.12 Sipe/1.25.0 (linux-x86_64)"
PHONE = "Phone (OC/9.0)"


@pytest.mark.parametrize(
    ("rule", "agent", "fits"),
    [
        ("block OC < 4.0.7577", R2, True),
        ("block OC < 4.0.7577", LYNC_2013, False),
        ("block oc<=3.5.6907", R2, True),
        ("block OC <= 3.5.6907.0", R2, True),
        ("block OC > 3.5.6907", R2, False),
        ("block OC >= 15", LYNC_2013, True),
        ("block OC = 15.0.4481.1000", LYNC_2013, True),
        ("block OC = 15.0.4481", LYNC_2013, False),
        ("block OC != 15", LYNC_2013, True),
        ("block OC", LYNC_2013, True),
        ("block OC", SIPE, False),
        ("block Sipe < 1.26", SIPE, True),
        ("block Sipe < 1.3", SIPE, False),
        ("block *", SIPE, True),
        ("block *", "", True),
        ("block * > 10", SIPE, False),
        ("block * > 10", LYNC_2013, True),
        ("block Phone < 1", PHONE, True),
        ("block OC", PHONE, False),
        ("block OC", "", False),
        ("block x < 1.2.3.4", "x/1.2.3.3.9", True),
        ("block oc", f"{'x' * 600} OC/1", False),
    ],
)
def test_a_rule_is_about_some_clients(rule: str, agent: str, fits: bool) -> None:
    """By a product of theirs and its version; what stands in parentheses is a comment, and an absent number is 0."""
    assert (deciding((rule,), agent) is not None) is fits


def test_the_first_rule_that_fits_decides() -> None:
    """And who fits none may sign in."""
    rules = ("allow OC >= 15 https://example.com/16", "block OC https://example.com/new", "allow Sipe", "block *")

    def decided(agent: str) -> tuple[bool, str]:
        rule = deciding(rules, agent)
        assert rule is not None
        return rule.allows, rule.url

    assert decided(LYNC_2013) == (True, "https://example.com/16")
    assert decided(R2) == (False, "https://example.com/new")
    assert decided(SIPE) == (True, "")
    assert decided("Unknown/1") == (False, "")
    assert deciding(rules[:1], R2) is None
    assert deciding((), R2) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "deny OC",
        "block",
        "block OC <",
        "block OC < x",
        "block OC < 1.2.3.4.5",
        "block OC ~ 1",
        'block OC https://example.com/"',
        "block OC ftp://example.com",
        "block a b",
        "block OC https://example.com/\r\nX: y",
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    """With what is wrong, so that it is not found out by a client that comes in."""
    with pytest.raises(ValueError, match="is no rule for clients"):
        client_rule(text)
