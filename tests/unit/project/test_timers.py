"""Deadlines are set and cleared by `core.deadline`, not by hand."""

import ast
from pathlib import Path
from typing import Final

from tests.kit.trees import nodes_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"

BY_HAND: Final = {
    "app/tap.py": "made before there are timers",
    "backends/media_engines.py": "a neighbour of core",
    "backends/nats/bus.py": "a neighbour of core, which it never meets",
    "backends/nats/link.py": "a neighbour of core",
    "backends/retention.py": "a neighbour of core",
    "wire/certificate.py": "a neighbour of core",
    "wire/flows.py": "a neighbour of core",
    "wire/http.py": "a neighbour of core",
    "wire/stream.py": "a neighbour of core",
    "core/deadline.py": "here it is done",
    "core/timers.py": "the promise itself",
    "workloads/admin/ssh.py": "a transport of conch: login, idleness and farewell follow one another on it",
    "workloads/archive/keeper.py": "one line in the log, some time after the first",
}


def _keeps(file: Path) -> bool:
    """Tell whether a module names the type of a timer, as whoever keeps one has to."""
    names = (alias.name for node in nodes_of(file) if isinstance(node, ast.ImportFrom) for alias in node.names)
    return "ITimer" in names


def test_nobody_else_keeps_a_timer() -> None:
    """A time that moves or is not needed any more is a `Deadline`; times of many things are `Deadlines`."""
    found = {file.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*.py") if _keeps(file)}
    assert found - BY_HAND.keys() == set(), "use core.deadline"
    assert BY_HAND.keys() - found - {"core/deadline.py", "core/timers.py"} == set(), "it does by now"
