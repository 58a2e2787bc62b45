"""How the house figures are counted: what a branch is, and when the usual function is too branchy."""

import ast
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "measure"


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    """Load the script, whose name has no ending."""
    loader = SourceFileLoader("measure", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look for their module there
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "branches"),
    [
        ("return a", 0),
        ("if a:\n  return b", 1),
        ("if a:\n  return b\nelif c:\n  return d\nelse:\n  return e", 2),
        ("for a in b:\n  pass", 1),
        ("while a:\n  pass", 1),
        ("try:\n  a()\nexcept B:\n  pass\nexcept C:\n  pass", 2),
        ("return a if b else c", 1),
        ("return a and b and c or d", 3),
        ("match a:\n  case 1:\n    pass\n  case 2:\n    pass", 2),
        ("return [a for a in b if a]", 0),
        ("return [a if c else d for a in b]", 1),
        ("return any(a or c for a in b)", 1),
        ("def inner():\n  if a:\n    pass\nreturn inner", 0),
        ("return lambda: a or b", 0),
    ],
)
def test_what_a_branch_is(measure: ModuleType, body: str, branches: int) -> None:
    """Each way on counts once; what is read as one value does not."""
    tree = ast.parse("def f():\n" + "\n".join(f"  {line}" for line in body.split("\n")))
    assert measure.branches(tree.body[0]) == branches


@pytest.mark.parametrize(
    ("values", "room", "passed"),
    [
        ([1] * 10, 0, False),
        ([1] * 9 + [5], -1, True),
        ([1] * 19 + [9], 0, False),
        ([1] * 18 + [5, 5], -1, True),
        ([1] * 95 + [9] * 5, 4, False),
    ],
)
def test_the_limit_of_the_p90_says_how_much_room_there_is(
    measure: ModuleType, values: list[int], room: int, passed: bool
) -> None:
    """Whoever adds a function sees before it is too much; whoever is over the limit, by how many."""
    figure = measure.Figure("branches", tuple(values), 15, "", 4)
    assert figure.room == room
    assert figure.passed == ((f"p90 of branches: {-room} too many",) if passed else ())
    assert f"limit 15, p90 4 (room for {room})" in str(figure)


def test_the_worst_value_is_told_by_its_name_alone(measure: ModuleType) -> None:
    """Both limits can be passed at once."""
    figure = measure.Figure("branches", (1, 1, 16), 15, "lyncpy/x.py:1 f", 4)
    assert figure.passed == ("branches", "p90 of branches: 1 too many")


def test_a_figure_without_values_passes(measure: ModuleType) -> None:
    """A tree without a table has none that is too long."""
    assert measure.Figure("lines of a table", (), 600).passed == ()
