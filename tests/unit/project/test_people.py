"""People are "they" in what lyncpy says of itself."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LYNCPY: Final = Path(__file__).parents[3] / "lyncpy"

GENDERED: Final = re.compile(r"\b(?:he|him|his|himself|she|her|hers|herself)\b", re.IGNORECASE)


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Give each comment, and each text that stands for itself (a docstring of anything), with its line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from enumerate(node.value.value.split("\n"), node.lineno)


def _found(text: str) -> list[int]:
    # Most texts have no such word anywhere: nobody has to know what in them is prose.
    if not GENDERED.search(text):
        return []
    return sorted({line for line, words in _prose(text) if GENDERED.search(words)})


def test_people_are_they() -> None:
    """No docstring and no comment knows whether somebody is a man or a woman."""
    paths = sorted(LYNCPY.rglob("*.py"))
    assert len(paths) > 100
    found = [f"{path.relative_to(LYNCPY.parent)}:{line}" for path in paths for line in _found(path.read_text("utf-8"))]
    assert found == [], 'write "they"'


def test_what_is_said_of_people_is_found() -> None:
    """In docstrings of modules, functions and attributes and in comments; not in values, and not within words."""
    text = '"""His."""\nA = 1\n"""What\nshe is."""\nB = "her"  # there\ndef f():\n    pass  # as he likes\n'
    assert _found(text) == [1, 4, 7]
