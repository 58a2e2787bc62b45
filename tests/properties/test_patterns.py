"""Regular expressions: none costs more than in proportion to what it is given."""

import re
from typing import Any

import pytest

from tests.kit.patterns import METHODS, Found, all_patterns, slow

PATTERNS = all_patterns()


@pytest.mark.parametrize("found", PATTERNS, ids=[found.where for found in PATTERNS])
def test_a_pattern_is_linear(found: Found) -> None:
    """Whatever part of it is repeated, before whatever does not fit."""
    assert slow(found) is None


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (rb"<first-im\b[^>]*>(.+?)</first-im>", "search"),
        (r"\s*([,+=])\s*", "sub"),
        (r"(a+)+b", "match"),
        (r"a*a*b", "fullmatch"),
        (r"(?:x|xy?)*z", "match"),
        (r"<[^>]*>", "sub"),
    ],
)
def test_the_meter_finds_what_is_not(pattern: Any, method: str) -> None:  # Any: text or bytes
    """Squares and worse, of which each stood in a server once."""
    flags = re.DOTALL
    assert slow(Found("here", re.compile(pattern, flags), (method,))) is not None


def test_all_of_them_are_found() -> None:
    """Those with a name, and how they are applied; none is missed because it is applied elsewhere."""
    by_name = {found.where: found for found in PATTERNS}
    assert by_name["lyncpy.workloads.web.readers._DIGEST"].methods == ("fullmatch",)
    assert set(by_name["lyncpy.sip.grammar._SEMICOLONS"].methods) == set(METHODS)
    assert len(PATTERNS) > 40
