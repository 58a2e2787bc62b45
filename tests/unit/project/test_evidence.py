"""Pages that promise something name the test that shows it, and the test is there."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from docs.site import staging

TOP: Final = Path(__file__).resolve().parents[3]
PAGES: Final = [page for page, _ in staging.pages()]

SHOWN: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PAGE: Final = re.compile(r"\]\([\w.-]+\.md(?:#[^)]*)?\)")
ANSWERED: Final = 28
"""Of what people ask for."""


@functools.cache
def names_in(file: str) -> frozenset[str]:
    """Give the tests of a file; none if it is not there."""
    path = TOP / file
    nodes = ast.parse(path.read_text("utf-8")).body if path.is_file() else []
    return frozenset(one.name for one in nodes if isinstance(one, ast.FunctionDef) and one.name.startswith("test_"))


def rows(page: str) -> Iterator[str]:
    """Give the rows of a page's tables, without their heads."""
    lines = (TOP / page).read_text("utf-8").splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("| ") and before.startswith("|"):
            yield line


@pytest.mark.parametrize("page", PAGES)
def test_a_test_that_a_page_names_is_there(page: str) -> None:
    """Whoever renames a test renames it on the page, too."""
    named = SHOWN.findall((TOP / page).read_text("utf-8"))
    assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []


def test_every_line_of_the_threat_model_has_its_test() -> None:
    """What nothing shows is no promise."""
    found = list(rows("docs/threats.md"))
    assert len(found) > 40
    assert [row for row in found if not SHOWN.search(row)] == []


def test_what_people_ask_for_is_answered_or_said_not_to_be() -> None:
    """Each wish has a number, an answer, and a test or a page that shows it; most are answered."""
    found = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows("docs/asked.md")]
    assert [int(number) for number, *_ in found] == list(range(1, 33))
    assert {re.split(r"[: ]", answer)[0] for _, _, answer, _ in found} <= {"yes", "in", "no"}
    assert [number for number, _, _, shown in found if not (SHOWN.search(shown) or PAGE.search(shown))] == []
    assert len([answer for _, _, answer, _ in found if answer.startswith("yes")]) >= ANSWERED
    missing = (TOP / "docs/asked.md").read_text("utf-8").partition("## What is missing")[2]
    assert [
        number for number, _, answer, _ in found if not answer.startswith("yes") and f"({number})" not in missing
    ] == []
