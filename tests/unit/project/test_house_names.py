"""Names that are found: a class has one of its own, and a method says what it does.

Whoever looks for one finds that, and needs no alias where two of them meet.
"""

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.kit.trees import tree_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"

OF_EVERY_ROOM: Final = {"Commands", "Routes", "Settings"}
"""What each room has by the same name: in its `commands.py`, its `routes.py`, its `settings.py`."""


def test_no_two_modules_have_a_class_of_one_name() -> None:
    """Those that a module keeps to itself may be called alike."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(SOURCE.rglob("*.py")):
        for one in tree_of(file).body:
            if isinstance(one, ast.ClassDef) and not one.name.startswith("_"):
                found[one.name].append(file.relative_to(SOURCE).as_posix())
    assert {name: files for name, files in found.items() if len(files) > 1 and name not in OF_EVERY_ROOM} == {}


SAY_LITTLE: Final = {"all", "end", "keep", "of"}
"""Words that forty methods would have for as many things; there is a verb of the field for each."""

TYPED: Final = {"workloads/im/commands.py: Commands.end"}
"""What operators type."""


def test_a_method_says_what_it_does() -> None:
    """So that whoever looks for its callers finds these alone."""
    found = {
        f"{file.relative_to(SOURCE).as_posix()}: {one.name}.{method.name}"
        for file in SOURCE.rglob("*.py")
        for one in tree_of(file).body
        if isinstance(one, ast.ClassDef) and not one.name.startswith("_")
        for method in one.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name in SAY_LITTLE
    }
    assert found == TYPED
