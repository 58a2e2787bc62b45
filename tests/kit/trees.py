"""The product's source, parsed once for all tests that look at it."""

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(file: Path) -> ast.Module:
    """Give the syntax tree of a module; nobody changes it."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def nodes_of(file: Path) -> tuple[ast.AST, ...]:
    """Give all nodes of a module."""
    return tuple(ast.walk(tree_of(file)))


@cache
def calls_of(file: Path) -> tuple[ast.Call, ...]:
    """Give all calls of a module."""
    return tuple(node for node in nodes_of(file) if isinstance(node, ast.Call))
