"""What proves something is compared in a time that tells nothing of it: by `hmac.compare_digest`, never by `==`."""

import ast
from pathlib import Path
from typing import Final

from tests.kit.trees import nodes_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"

KEYED: Final = {"_mark", "_signature", "_stamp", "digest", "hex", "hexdigest", "mac", "seal", "stamp"}
"""What gives a code: a call of one of these names beside `==` is a mistake, unless it is below."""

PUBLIC: Final = {
    "app/backup.py": "the sum of a file that is there beside it",
    "workloads/archive/doubtful_refusals.py": "links of the archive's chain, which no key goes into",
    "workloads/archive/gaps.py": "the same",
}
"""Modules that compare what anybody could calculate, and why."""


def _is_code(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name in KEYED


def compared(text: str | Path) -> list[int]:
    """Give the lines on which a code is compared with `==`, `!=` or `in`."""
    nodes = ast.walk(ast.parse(text)) if isinstance(text, str) else nodes_of(text)
    return [
        one.lineno
        for one in nodes
        if isinstance(one, ast.Compare)
        and any(isinstance(way, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for way in one.ops)
        and any(_is_code(side) for side in (one.left, *one.comparators))
    ]


def test_codes_are_compared_in_constant_time() -> None:
    """A mark, a signature, a stamp; those that are no secret have their reason."""
    found = {str(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.py") if compared(file)}
    assert found - PUBLIC.keys() == set(), "use hmac.compare_digest"
    assert PUBLIC.keys() - found == set(), "its line above should go"


def test_the_look_finds_what_it_looks_for() -> None:
    """Whichever side it is on."""
    assert compared("x = mark == self._mark(a)\ny = hmac.digest(k, b, 'sha1') != z\n") == [1, 2]
    assert compared("x = hmac.compare_digest(mark, self._mark(a)); y = mark == other") == []
