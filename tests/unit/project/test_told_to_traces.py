"""What traces alone hear is told by `IBus.note`, which puts nothing into words where nobody traces."""

import ast
from pathlib import Path
from typing import Final

from tests.kit.trees import calls_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def test_nobody_else_makes_the_fact() -> None:
    """Whoever did would have written its words for nobody."""
    made = {
        str(file.relative_to(SOURCE))
        for file in SOURCE.rglob("*.py")
        if any(_name(one) == "StateNoted" for one in calls_of(file))
    }
    assert made == {"backends/bus.py"}
