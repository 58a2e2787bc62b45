"""Regular expressions: none costs more than in proportion to what it is given."""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import lyncpy
from tests.kit.patterns import METHODS, Found, all_patterns, slow

(SOURCE,) = map(Path, lyncpy.__path__)
ROOMS = sorted(
    one.relative_to(SOURCE.parent).as_posix().replace("/", ".")
    for one in (*SOURCE.glob("*/"), *SOURCE.glob("workloads/*/"))
    if (one / "__init__.py").exists() and one.name != "workloads"
)


@cache
def _patterns() -> list[Found]:
    """Give all of them: they are looked for by who tries them, not by each worker that gathers tests."""
    return all_patterns()


@pytest.mark.parametrize("room", ROOMS)
def test_a_pattern_is_linear(room: str) -> None:
    """Whatever part of it is repeated, before whatever does not fit."""
    found = [slow(one) for one in _patterns() if one.where.startswith((f"{room}.", f"{room}:"))]
    assert found == [None] * len(found)


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


def test_each_belongs_to_a_room() -> None:
    """So that all of them are tried."""
    everywhere = _patterns()
    assert len(everywhere) > 40
    inside = tuple(f"{room}{sign}" for room in ROOMS for sign in ".:")
    assert [one.where for one in everywhere if not one.where.startswith(inside)] == []
