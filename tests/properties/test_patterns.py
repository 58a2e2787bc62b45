"""Regular expressions: none costs more than in proportion to what it is given."""

import importlib
import re
from pathlib import Path
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


def test_all_of_them_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with a name, and how they are applied; none is missed because it is applied elsewhere."""
    rules = 'import re\nDIGEST = re.compile("d")\nCOMMAS = re.compile(",")\nIDLE = re.compile("i")\n'
    uses = 'import re\nfrom house.rules import COMMAS, DIGEST\nDIGEST.fullmatch("")\nCOMMAS.match("")\nrepr(COMMAS)\nre.sub("x+", "", "")\n'
    folder = tmp_path / "house"
    folder.mkdir()
    for name, text in (("__init__", ""), ("rules", rules), ("uses", uses)):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = {one.where: {*one.methods} for one in all_patterns(importlib.import_module("house"))}
    assert found == {
        "house.rules.DIGEST": {"fullmatch"},
        "house.rules.COMMAS": {*METHODS},
        "house.rules.IDLE": {*METHODS},
        "house.uses:6": {"sub"},
    }
    assert len(PATTERNS) > 40
