"""What docstrings name is there: the quick part of what pydoctor finds, without pydoctor.

pydoctor reads every docstring as a document, twice, which takes a minute of a processor; only who builds the
site waits for it. What goes wrong in docstrings with time is that they name what was renamed: a module, a class, an
argument. That is seen in the syntax trees at once, by a test. Where no API reference is built, this gives in its place the names that
pages may link to:

    python -m docs.site.docstrings FILE
"""

import ast
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from docs.site.source import TOP, modules

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Function = ast.FunctionDef | ast.AsyncFunctionDef

FULL_NAME: Final = re.compile(r"`(lyncpy(?:\.\w+)+)`")
_SECTION: Final = re.compile(r"^( *)Args:\n((?:\1 +.*\n|\s*\n)*)", re.MULTILINE)
_ARGUMENT: Final = re.compile(r"^( *)(\*{0,2}\w+(?:, \*{0,2}\w+)*):(?: |$)", re.MULTILINE)


def faults() -> Iterator[str]:
    """Give a sentence for each thing that a docstring names and that there is not."""
    known = names()
    for module in modules():
        for node in module.nodes:
            for line, text in _docstrings(node):
                where = f"{module.path.relative_to(TOP)}:{line}"
                yield from (
                    f"{where}: there is no {name}" for name in FULL_NAME.findall(text) if not _is_there(name, known)
                )
                if isinstance(node, Function):
                    missing = set(_described(text)) - set(_arguments(node))
                    yield from (f"{where}: {node.name} has no argument {name}" for name in sorted(missing))


def _docstrings(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Give what is said of a node, and of the attributes in it, each with its line."""
    for statement in node.body if isinstance(node, Documented) else ():
        match statement:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield statement.lineno, text


def _described(text: str) -> Iterator[str]:
    """Give the arguments that a docstring describes."""
    for section in _SECTION.findall(f"{text}\n"):
        entries = _ARGUMENT.findall(section[1])
        depth = min((len(indent) for indent, _ in entries), default=0)
        for indent, named in entries:
            if len(indent) == depth:
                yield from (one.strip(" *") for one in named.split(","))


def _arguments(node: Function) -> Iterator[str]:
    given = node.args
    found = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    yield from (one.arg for one in found if one is not None)


def _is_there(name: str, known: Mapping[str, frozenset[str]]) -> bool:
    """Tell whether a full name is a module, or something in one, or in a class of one."""
    if name in known:
        return True
    parts = name.split(".")
    return any(
        ".".join(parts[at:]) in known[".".join(parts[:at])] for at in range(len(parts)) if ".".join(parts[:at]) in known
    )


def names() -> Mapping[str, frozenset[str]]:
    """Give each module with what is in it, as `Class.method`."""
    found = {one.name: frozenset({*_members(one.tree, ""), *one.imported}) for one in modules()}
    return {"lyncpy": frozenset(), **found}


def _members(node: ast.AST, before: str) -> Iterator[str]:
    for statement in ast.iter_child_nodes(node):
        if isinstance(statement, ast.ClassDef | Function):
            yield before + statement.name
            if isinstance(statement, ast.ClassDef):
                yield from _members(statement, f"{before}{statement.name}.")
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (before + one.id for one in targets if isinstance(one, ast.Name))


def objects() -> bytes:
    """Give the modules that pages may link to, as an inventory of Sphinx's (version 2)."""
    paths = sorted(path.relative_to(TOP).with_suffix("") for path in (TOP / "lyncpy").rglob("*.py"))
    lines = "".join(f"{'.'.join(path.parts).removesuffix('.__init__')} py:module -1 $.html -\n" for path in paths)
    head = "# Sphinx inventory version 2\n# Project: lyncpy\n# Version: \n"
    return f"{head}# The remainder of this file is compressed using zlib.\n".encode() + zlib.compress(lines.encode())


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(objects())
