"""What the server and its probes both have to write is written in one place: a namespace, and the name of a bound."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.kit.trees import calls_of, tree_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"
FORMS: Final = ("http://docs.oasis-open.org/", "http://www.w3.org/", "http://schemas.")

SAID_OTHERWISE: Final = {"admin.connections"}
"""Bounds of several tables that stand beside one another, in one module."""


def _constants(file: Path) -> Iterator[str]:
    """Give the namespaces to which a module gives a name."""
    for node in tree_of(file).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, str) and value.startswith(FORMS):
                yield value


def _limits(file: Path) -> Iterator[str]:
    """Give the names of the `Limit`s that a module makes."""
    for call in calls_of(file):
        if isinstance(call.func, ast.Name) and call.func.id == "Limit" and call.args:
            first = call.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def test_a_namespace_has_one_name() -> None:
    """Two would be changed one without the other."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in sorted(SOURCE.rglob("*.py")):
        for one in _constants(file):
            found[one].append(str(file.relative_to(SOURCE)))
    assert len(found) > 5
    assert {one: where for one, where in found.items() if len(where) > 1} == {}


def test_a_bound_is_kept_to_in_one_place() -> None:
    """Two of one name would each count a part of what is used of it."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in sorted(SOURCE.rglob("*.py")):
        for one in _limits(file):
            found[one].append(str(file.relative_to(SOURCE)))
    twice = {one for one, where in found.items() if len(where) > 1}
    assert twice == SAID_OTHERWISE
