"""What is defined is used: by the product itself, not by tests alone."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.kit.trees import nodes_of

TOP = Path(__file__).parents[3]
SOURCES: Final = tuple(
    file
    for file in sorted((*TOP.glob("lyncpy/**/*.py"), *TOP.glob("twisted/plugins/*.py")))
    if "migrations" not in file.parts
)

EXCUSED: Final = {
    "lyncpy": "twisted's plugin, found by being there",
    "synopsis longdesc optParameters opt_set makeService": "twistd reads the options of a tap",
    "model_config": "pydantic",
    "impl cache_ok process_bind_param process_result_value": "SQLAlchemy calls a column's type",
    "user1_endpoint user2_endpoint user_endpoint started_by_server ended_by_server replaced_session referred_by "
    "on_behalf_of user_instance from_pstn started_at counted_at": "columns of call detail records: written as they are, read by others' reports",
    "noisy credentialInterfaces requestFactory": "Twisted reads it of a subclass",
    "request_pty_req request_window_change request_shell request_exec": "conch calls it by the name of the request",
    "candidate_addresses": "ldap3 asks a server for it",
    "_respondToBadRequestAndDisconnect _type": "overrides or answers what Twisted has",
    "makefile": "http.client reads from a socket by it",
    "is_trimmed": "matched by a pattern, which names it as a keyword",
    "workstation": "a field of the message, so that what is read of it can be looked at whole",
    "ALL_RULES": "scripts/draw-machines draws them, and properties hold for each",
    "is_stranger": "what a test has to be able to see of a table",
    "EXAMPLE": "`lyncpy settings` writes it by the name of the field's class",
    "INVALID_STATIC AGGREGATE_MACHINE": "values of the specification; a client may send them",
}
NAMES: Final = frozenset(" ".join(EXCUSED).split())


def _is_called_from_outside(name: str, node: ast.AST) -> bool:
    """Tell whether it is a dunder, a Twisted method, or what a decorator of pydantic has registered."""
    if name.startswith("__") or (name != name.lower() and name != name.upper() and name[:1].islower()):
        return True
    decorators = getattr(node, "decorator_list", ())
    return any("validator" in ast.unparse(one) for one in decorators)


def _definitions(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        if not isinstance(node, ast.Module | ast.ClassDef):
            continue
        for inner in node.body:
            targets = inner.targets if isinstance(inner, ast.Assign) else [getattr(inner, "target", None)]
            yield from ((target.id, inner) for target in targets if isinstance(target, ast.Name))


def _uses(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.id if isinstance(node, ast.Name) else node.attr


@cache
def _used() -> frozenset[str]:
    return frozenset(name for file in SOURCES for name in _uses(nodes_of(file)))


@cache
def _defined() -> tuple[tuple[Path, str, ast.AST], ...]:
    return tuple((file, name, node) for file in SOURCES for name, node in _definitions(nodes_of(file)))


def test_nothing_is_defined_that_nothing_uses() -> None:
    """A name that the product never reads is joined to it, or removed with its tests: settings are among these."""
    dead = {
        f"{file.relative_to(TOP)}: {name}"
        for file, name, node in _defined()
        if name not in _used() and name not in NAMES and not _is_called_from_outside(name, node)
    }
    assert dead == set(), "use it, or remove it; what something outside calls is excused above, with a reason"


def test_what_is_excused_is_still_there() -> None:
    """An excuse for what is gone would hide the next one of that name."""
    assert NAMES - {name for _, name, _ in _defined()} == set()
    assert NAMES & _used() == set(), "it is used by now"
