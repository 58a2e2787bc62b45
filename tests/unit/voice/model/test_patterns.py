"""Patterns of numbers: what they fit, and which are refused."""

import re

import pytest

from lyncpy.workloads.voice.model.patterns import STEPS_MOST, TEXT_MOST, PatternRefused, read_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (r"^(\d{4})$", "1234", ["1234"]),
        (r"^5(\d{4})$", "51234", ["1234"]),
        (r"^011(\d*)$", "011", [""]),
        (r"^011(\d*)$", "011442079460000", ["442079460000"]),
        (r"^(\+?)(\d+)(X|x|EXT)(\d+)$", "+1425x12", ["+", "1425", "x", "12"]),
        (r"^([4,5,7]11)$", "411", ["411"]),
        (r"^([2-9]\d{2,})$", "2345", ["2345"]),
        (r"^(?!911)(\d{3})$", "912", ["912"]),
        (r"^(?=9)\d(\d+)$", "91", ["1"]),
        (r"(?:00|\+)([1-9]\d{0,3}?)(\d{2})$", "0049030", ["490", "30"]),
        (r"^(1+?)(1*)$", "111", ["1", "11"]),
        (r"^\*(\w)[^\d\s](\D)\.$", "*a#-.", ["a", "-"]),
        (r"^([\d-]+)$", "1-2", ["1-2"]),
        (r"^([]1]+)$", "1]", ["1]"]),
        (r"^a|(b)$", "a", [""]),
        (r"^(?:(1)|(2)){2}$", "12", ["1", "2"]),
        (r"", "", []),
    ],
)
def test_a_pattern_fits_as_net_says(pattern: str, text: str, groups: list[str]) -> None:
    """The group that is preferred, as in Lync's own rules."""
    found = read_pattern(pattern).find(text)
    assert found is not None
    assert [found.group(number + 1) for number in range(len(groups))] == groups


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"^(\d{4})$", "12345"), (r"^(?!911)\d{3}$", "911"), ("^1$", "1" * (TEXT_MOST + 1)), ("1^", "11"), ("[^1]", "11")],
)
def test_what_does_not_fit_is_not_found(pattern: str, text: str) -> None:
    """Nor is what is longer than anybody dials."""
    assert read_pattern(pattern).find(text) is None


def test_it_is_found_where_it_begins_first() -> None:
    """A pattern without ^ looks everywhere."""
    found = read_pattern("2+").find("122322")
    assert found is not None
    assert found.slots == (1, 3)
    assert found.group(0) == "22"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(\d)\1", "cannot be used in a pattern"),
        (r"(?<=1)2", r"that begin with \(\?:"),
        (r"(?i)a", r"that begin with \(\?:"),
        ("(1", r"a \( has no \)"),
        ("1)", r"a \) has no \("),
        ("[1", r"a \[ has no \]"),
        ("[3-1]", "is no range"),
        (r"[1-\d]", "is no range"),
        (r"[\D]", "cannot stand in a class"),
        ("*1", r"nothing that \* could repeat"),
        ("^*", "cannot be repeated"),
        ("(?!1)+", "cannot be repeated"),
        ("1{", "is missing behind"),
        ("1{2", "has no }"),
        ("1{3,1}", "ends before it begins"),
        ("1{999}", "at most 100"),
        ("1++", "cannot be repeated itself"),
        ("(1*)*", "may be empty"),
        ("(1|)+", "may be empty"),
        ("((?!1)){2}", "may be empty"),
        ("1\\", "cannot be used"),
        ("(" * 13 + ")" * 13, "within each other"),
        ("()" * 21, "more than 20 groups"),
        ("1" * 600, "more than 512 characters"),
        (r"(\d{100}){5}", f"more than {STEPS_MOST} steps"),
        (r"(?!\d{100})1", "more than 100 steps"),
        (r"(?!\d{50})(?!\d{60})1", "looks ahead has more than 100 steps"),
        ("(?!(?!1))", "cannot do so once more"),
    ],
)
def test_what_is_more_than_numbers_need_is_refused_in_words(pattern: str, why: str) -> None:
    """References, looking behind, and what would have too many steps."""
    with pytest.raises(PatternRefused, match=why):
        read_pattern(pattern)


def test_a_pattern_knows_whether_it_is_of_the_whole() -> None:
    """However it is read."""
    whole = [r"^1$", r"^(1|2)$", r"^1$|^2$", r"(?:^)1$"]
    assert all(read_pattern(one).is_whole for one in whole)
    assert not any(read_pattern(one).is_whole for one in ("1", "^1", "1$", "^1|2$", "^(1)*|2$"))
    assert read_pattern("(?!1)2").looks_ahead
    assert not read_pattern("12").looks_ahead


def test_no_text_takes_longer_than_its_length() -> None:
    """What costs a careless matcher the age of the universe is found at once, with and without an end that fits."""
    pattern = read_pattern(r"^((\d+)+|(\d|\d\d)+)+$")
    assert pattern.find("1" * (TEXT_MOST - 1) + "x") is None
    found = pattern.find("1" * TEXT_MOST)
    assert found is not None
    assert re.fullmatch(r"\d+", found.group(2))
