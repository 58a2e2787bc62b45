"""A coroutine that nobody awaits is started by `core.spawn`, which lets no failure be lost."""

import ast
from pathlib import Path
from typing import Final

from tests.kit.trees import nodes_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"

STARTS: Final = {
    "app/opened_store.py": "the one coroutine of a command line",
    "app/tap.py": "a reload's pull, of which the end is heard: another may have been asked for meanwhile",
    "backends/bus.py": "a neighbour of core, which it never meets",
    "backends/nats/questions.py": "a neighbour of core; its end is the answer to another node",
    "backends/retention.py": "a neighbour of core; cancelled when the server ends",
    "wire/http.py": "a neighbour of core; cancelled with its connection",
    "core/known_networks.py": "awaited together",
    "core/nodes.py": "awaited together",
    "core/spawn.py": "awaited together, and the end of who waits ends them",
    "workloads/monitoring/siblings.py": "as `nodes`: all processes are asked together, and whoever reads the page may go away",
    "core/record_queue.py": "its queue hears of its end",
    "core/unit.py": "awaited within a bound",
    "core/wallclock.py": "cancelled when the server ends",
    "workloads/admin/manhole.py": "its end goes on with the prompt",
    "workloads/admin/service.py": "awaited within a bound",
    "workloads/admin/shell.py": "its end is the answer to a line",
    "workloads/archive/gaps.py": "its queue hears of its end",
    "workloads/archive/service.py": "cancelled when the server ends",
    "workloads/contacts/list_refresh.py": "awaited together",
    "workloads/directory/records.py": "awaited together",
    "backends/directories.py": "all that were begun are awaited together",
    "workloads/directory/pull.py": "awaited within a bound",
    "workloads/web/readers.py": "its end is heard by who waits for it, or logged",
}


def test_nobody_else_starts_a_coroutine() -> None:
    """`Deferred.fromCoroutine` without an errback loses what went wrong until the garbage is collected."""
    found = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in nodes_of(file)
        if isinstance(node, ast.Attribute) and node.attr in ("fromCoroutine", "ensureDeferred")
    }
    assert found - STARTS.keys() == set(), "use core.spawn"
    assert STARTS.keys() - found == set(), "it does not any more"
