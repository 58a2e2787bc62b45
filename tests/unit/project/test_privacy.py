"""Nobody reaches past what is public: tests, the kit and the benchmark ask services as the product's own rooms do."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).parents[3]
OURS: Final = {"self", "cls", "super"}
NOT_PRIVATE: Final = {
    "_replace": "a public method of named tuples",
    "_exit": "os._exit is public",
    "_Element": "the class of lxml's elements, which has no other name",
    "_parser": "Python's own reader of regular expressions",
}

BY_NAME: Final = {"attrgetter", "delattr", "getattr", "hasattr", "object", "setattr", "__getattribute__", "__setattr__"}
"""Calls that are given the name of an attribute as text; `object` is that of `unittest.mock.patch`."""

DOTTED: Final = re.compile(r"(?:lyncpy|tests)(?:\.\w+)*\.(_(?!_)\w+)")
"""The private name of something, with the module in which it stands."""


def _of_others(tree: ast.Module) -> Iterator[str]:
    """Give the private names that a module uses of what is not its own."""
    nodes = tuple(ast.walk(tree))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    own |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and _is_ours(node.value)}
    own |= {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            # What the module's own classes have is theirs.
            found = [node.attr] if node.attr not in own and not _is_ours(node.value) else []
        elif isinstance(node, ast.ImportFrom):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and _name_of(node.func) in BY_NAME:
            found = [ast.literal_eval(one).split(".")[-1] for one in node.args if _is_text(one)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = [match[1] for match in [DOTTED.fullmatch(node.value)] if match is not None]
        else:
            continue
        yield from (name for name in found if name.startswith("_") and not name.startswith("__"))


def _is_ours(value: ast.expr) -> bool:
    return _name_of(value.func if isinstance(value, ast.Call) and not value.args else value) in OURS


def _name_of(value: ast.expr) -> str:
    if isinstance(value, ast.Attribute):
        return value.attr
    return value.id if isinstance(value, ast.Name) else ""


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_nobody_else_reaches_inside() -> None:
    """A test that does fails with every change that no user can see."""
    found, excused = {}, set[str]()
    for path in sorted([*(TOP / "tests").rglob("*.py"), *(TOP / "bench").rglob("*.py")]):
        names = {*_of_others(ast.parse(path.read_text("utf-8")))}
        excused |= names & NOT_PRIVATE.keys()
        if names - NOT_PRIVATE.keys():
            found[str(path.relative_to(TOP))] = sorted(names - NOT_PRIVATE.keys())
    assert found == {}, "ask by what is public, or make it so"
    assert excused == NOT_PRIVATE.keys(), "an excuse that nobody needs would hide the next one of that name"


def test_what_reaches_inside_is_found() -> None:
    """An attribute, an import, and a name in a text; what is its own, or the language's, is not."""
    text = (
        "from lyncpy.app.log import _Plain\n"
        "class Own:\n    def __init__(self): self._mine = 1\n    def same(self, other): return self._mine == other._mine\n"
        "def test(monkeypatch, server):\n    server._table.clear()\n    monkeypatch.setattr(server, '_find', None)\n"
        "    server.__class__\n    patch('lyncpy.app.tap' '._MADE')\n    object.__setattr__(server, '_most', 2)\n"
    )
    assert sorted(_of_others(ast.parse(text))) == ["_MADE", "_Plain", "_find", "_most", "_table"]
