"""A class has a name of its own: whoever looks for it finds one thing, and needs no alias where two of them meet."""

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
