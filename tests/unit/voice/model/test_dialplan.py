"""What people dial becomes a number."""

import pytest

from lyncpy.workloads.voice.model.dialplan import (
    USUAL,
    DialPlan,
    NotDialable,
    Rule,
    listed,
    normalise,
    read_rule,
)
from lyncpy.workloads.voice.model.patterns import PatternRefused


def plan(*rules: tuple[str, str] | Rule, prefix: str = "") -> DialPlan:
    """Give a plan of these rules."""
    read = [one if isinstance(one, Rule) else read_rule("", *one) for one in rules]
    return DialPlan("test", tuple(read), prefix, optimizes=bool(prefix))


PUBLISHED = plan(
    (r"^1([0-9]{4})$", "+1999421$1"), ("^0$", "+19997075555"), ("^911$", "+911"), ("^([4,5,7]11)$", "+$1"),
    (r"^(\d{7})$", "+1999$1"), (r"^([2-9]\d{9})$", "+1$1"), (r"^(1[2-9]\d{9})$", "+$1"), (r"^011(\d*)$", "+$1"),
    (r"^(\+?)(\d+)(X|x|EXT)(\d+)$", "$1$2;ext=$4"), ("^(119)$", "$1"),
)  # fmt: skip
"""The example of the specification's location profile."""


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("12345", "+19994212345"),
        ("0", "+19997075555"),
        ("911", "+911"),
        ("411", "+411"),
        ("555-1234", "+19995551234"),
        ("(425) 555.0100", "+14255550100"),
        ("1 425 555 0100", "+14255550100"),
        ("011 44 20 7946 0000", "+442079460000"),
        ("+14255550100x77", "+14255550100;ext=77"),
        ("14255550100ext77", "+14255550100;ext=77"),
        ("119", "119"),
        ("1-800-FLOWERS", "+18003569377"),
        ("+44 20 7946 0000", "+442079460000"),
    ],
)
def test_the_published_plan_does_what_it_says(dialled: str, number: str) -> None:
    """With separators, extensions and letters of the keys; a number with + needs no plan."""
    assert str(normalise(PUBLISHED, dialled).number) == number


def test_the_first_rule_that_fits_decides() -> None:
    """And it is told which."""
    made = normalise(plan((r"^(\d{4})$", "+1$1"), (r"^5(\d+)$", "+2$1")), "5123")
    assert (made.number.digits, made.rule is not None and made.rule.name) == ("+15123", r"^(\d{4})$")
    assert normalise(USUAL, "+1").rule is None
    assert normalise(USUAL, "14255550100").number.uri == "tel:+14255550100"


def test_an_extension_beside_the_number_is_kept() -> None:
    """Of a URI's own parameter; one that the rule gives counts more."""
    rules = plan((r"^(\d{4})$", "+1$1"), (r"^8(\d{4})$", "+1$1;ext=9"))
    assert str(normalise(rules, "5123", "7").number) == "+15123;ext=7"
    assert str(normalise(rules, "85123", "7").number) == "+15123;ext=9"
    assert str(normalise(rules, "+5123", "7").number) == "+5123;ext=7"
    assert str(normalise(rules, "5123x8").number) == "+15123;ext=8"
    with pytest.raises(NotDialable):
        normalise(rules, "5123x8", "7")


def test_a_line_outside_is_behind_a_prefix() -> None:
    """Where devices are told of it; rules of extensions within the house do not count behind it."""
    inner = read_rule("inner", r"^(\d{4})$", "+1425555$1", is_internal=True)
    outer = read_rule("outer", r"^(\d{4,10})$", "+1$1")
    with_prefix, without = plan(inner, ("^([2-9]\\d{9})$", "+1$1"), prefix="9"), plan(inner, outer)
    assert normalise(with_prefix, "94255550100").number.digits == "+14255550100"
    assert normalise(plan(inner, outer, prefix="9"), "91234").number.digits == "+191234"
    assert normalise(plan(inner, ("^([2-8]\\d{3})$", "+1$1"), prefix="9"), "92345").number.digits == "+12345"
    assert normalise(without, "1234").number.digits == "+14255551234"
    with pytest.raises(NotDialable):
        normalise(with_prefix, "91234")


@pytest.mark.parametrize(("dialled", "why"), [("12", "no rule"), ("", "no rule"), ("+", "no rule"), ("zz", "no rule")])
def test_what_no_rule_fits_cannot_be_dialled(dialled: str, why: str) -> None:
    """It is told with the plan's name."""
    with pytest.raises(NotDialable, match=f'{why} of the dial plan "test"'):
        normalise(plan((r"^(\d{4})$", "+1$1")), dialled)


def test_a_rule_has_to_make_a_number() -> None:
    """The rule is named that does not."""
    with pytest.raises(NotDialable, match='the rule "bad" makes "x5"') as refused:
        normalise(plan(read_rule("bad", r"^(\d)$", "x$1")), "5")
    assert refused.value.rule is not None


def test_a_directory_s_numbers_are_read_by_the_plan() -> None:
    """What no rule fits, or what means something in the house alone, is nothing."""
    assert listed(PUBLISHED, "(425) 555-0100") == "tel:+14255550100"
    assert listed(PUBLISHED, "tel:+14255550100") == "tel:+14255550100"
    assert listed(PUBLISHED, "119") == ""
    assert listed(PUBLISHED, "none") == ""


@pytest.mark.parametrize(
    ("translation", "why"),
    [
        ("$2", "names group 2"),
        ("$10", r"write \$\{1\}0"),
        ("${1}$", "a \\$ in its translation"),
        ("x$", "a \\$ in its translation"),
        ("1" * 300, "more than 256"),
    ],
)
def test_a_translation_names_groups_that_there_are(translation: str, why: str) -> None:
    """What .NET would take as text is refused: nobody means it."""
    with pytest.raises(PatternRefused, match=why):
        read_rule("", r"^(\d)$", translation)


def test_a_translation_may_have_digits_behind_a_group() -> None:
    """And a $ that is one."""
    assert read_rule("", r"^(\d)$", "${1}0").translated("5") == "50"
    assert read_rule("", r"^(\d)$", "$$$1").translated("5") == "$5"
    assert read_rule("", r"^(\d)$", "+1").translated("x") is None
    assert DialPlan("Berlin", ()).key == "berlin"
