"""A default of a constructor is one that the server uses: else it is a second behaviour, which tests alone see."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.kit.trees import nodes_of

LYNCPY: Final = Path(__file__).parents[3] / "lyncpy"

A_LIBRARY: Final = "lyncpy/sip/"
"""Values and machines that are used by whoever likes; their defaults are the protocol's."""


@dataclass
class _Constructor:
    """A constructor with defaults, and how the product's own calls use them."""

    positions: list[str]
    defaults: set[str]
    calls: int = 0
    given: dict[str, int] = field(default_factory=dict)

    def count(self, call: ast.Call) -> None:
        """Note which arguments a call gives; one that hands on several at once may give any, and says nothing."""
        if any(isinstance(one, ast.Starred) for one in call.args) or any(one.arg is None for one in call.keywords):
            self.defaults = set()
        self.calls += 1
        for name in {*self.positions[: len(call.args)], *(one.arg for one in call.keywords if one.arg)}:
            self.given[name] = self.given.get(name, 0) + 1

    def unused(self) -> Iterator[str]:
        """Give the arguments that no call gives, or that every call gives."""
        for name in sorted(self.defaults) if self.calls else ():
            if self.given.get(name, 0) in (0, self.calls):
                yield name


def _constructors(modules: Mapping[str, Iterable[ast.AST]]) -> dict[str, _Constructor]:
    """Find each class's own `__init__` that has defaults; a name that stands for two classes is left out."""
    found: dict[str, _Constructor] = {}
    several: set[str] = set()
    for path, nodes in modules.items():
        for node in nodes:
            if not isinstance(node, ast.ClassDef) or path.startswith(A_LIBRARY):
                continue
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    several |= {node.name} & found.keys()
                    args = method.args
                    names = [one.arg for one in args.args][1:]
                    defaults = set(names[len(names) - len(args.defaults) :]) if args.defaults else set()
                    keywords = zip(args.kwonlyargs, args.kw_defaults, strict=True)
                    defaults |= {one.arg for one, default in keywords if default is not None}
                    found[node.name] = _Constructor(names, defaults)
    return {name: one for name, one in found.items() if one.defaults and name not in several}


def _unused(modules: Mapping[str, Sequence[ast.AST]]) -> list[str]:
    """Give each default that no caller leaves to itself, or that all leave to itself."""
    constructors = _constructors(modules)
    for nodes in modules.values():
        for node in nodes:
            if isinstance(node, ast.Call):
                callee, call = node.func, node
                if ast.unparse(callee) == "partial" and node.args:
                    callee, call = node.args[0], ast.Call(node.args[0], node.args[1:], node.keywords)
                name = ast.unparse(callee).rpartition(".")[2].partition("[")[0]
                if name in constructors:
                    constructors[name].count(call)
    return [f"{name}: {argument}" for name, one in sorted(constructors.items()) for argument in one.unused()]


def test_each_default_is_used_by_the_server() -> None:
    """Some caller in lyncpy leaves it out, and some other gives another value."""
    modules = {str(path.relative_to(LYNCPY.parent)): nodes_of(path) for path in sorted(LYNCPY.rglob("*.py"))}
    assert len(modules) > 100
    assert _unused(modules) == [], "give it always and have no default, or leave it out altogether"


def test_what_is_never_given_and_what_is_always_given_is_found() -> None:
    """By position, by name and through `partial`; what one caller gives and another does not is in order."""
    text = (
        "class A:\n    def __init__(self, a, b=1, *, c=2, d=3): ...\n"
        "class B:\n    def __init__(self, e=1): ...\n"
        "A(1, 2, d=4)\npartial(A, 1, 2)\nB(*x)\n"
    )
    assert _unused({"lyncpy/x.py": tuple(ast.walk(ast.parse(text)))}) == ["A: b", "A: c"]
