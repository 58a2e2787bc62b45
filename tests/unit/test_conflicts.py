"""Who answers to another writer who was first: one module does, so that nobody else decides how often to try again."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import lyncpy
from tests.kit.trees import nodes_of

TOP: Final = Path(lyncpy.__file__).parent

HOME: Final = "core/versioned.py"

OTHERS: Final[Mapping[str, tuple[int, str]]] = {
    "workloads/admin/console/tickets.py": (1, "a ticket never changes: whoever was first has taken it, or ended it"),
    "workloads/archive/commands.py": (1, "tells an operator, who may try again; a torn chain is not mended twice"),
    "workloads/archive/keeper.py": (
        4,
        "an entry of many: the gap's doubt ends with the last try, and each tells the next how to try; "
        "a purge that finds another at it leaves it to that",
    ),
    "workloads/directory/accounts.py": (
        1,
        "whoever was first has the address, which is told; nothing is decided again",
    ),
    "workloads/registrar/registrations.py": (
        1,
        "what others wrote of the same user is read, and after the last try written later: whoever is connected stays",
    ),
}
"""How many handlers stand elsewhere, and why none of them could be `uncontended` or a table of `core/versioned`."""


def handlers(nodes: Iterable[ast.AST]) -> Iterator[ast.ExceptHandler]:
    """Find what catches a Conflict, alone or among others, under whatever name of a module."""
    for node in nodes:
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            names = {
                one.id if isinstance(one, ast.Name) else one.attr
                for one in ast.walk(node.type)
                if isinstance(one, ast.Name | ast.Attribute)
            }
            if "Conflict" in names:
                yield node


def test_one_module_answers_to_another_writer() -> None:
    """A retry loop of one's own tries too often or too rarely, and forgets to read again."""
    found = Counter(
        {
            name: count
            for path in TOP.rglob("*.py")
            if (name := path.relative_to(TOP).as_posix()) != HOME
            and (count := sum(1 for _ in handlers(nodes_of(path))))
        }
    )
    assert found == {name: count for name, (count, _) in OTHERS.items()}
    assert any(handlers(nodes_of(TOP / HOME)))


def test_every_spelling_is_found() -> None:
    """Alone, in a tuple, and by its module."""
    text = "try: f()\nexcept Conflict: g()\n"
    for caught in ("Conflict", "(A, Conflict)", "store.Conflict", "(A, store.Conflict)"):
        assert any(handlers(ast.walk(ast.parse(text.replace("Conflict", caught, 1)))))
    assert not any(handlers(ast.walk(ast.parse(text.replace("Conflict", "Refused", 1)))))
