"""What holds for all tests."""

import gc
import importlib
import os
import pkgutil
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

import lyncpy
from tests.kit.bounds import concerns, is_of_a_whole_server
from tests.kit.soak import BRIEF, TIMES, many

# A change is judged by the same examples each time; whoever looks for new ones runs the tests without CI. How long one
# takes is no matter of these tests: the machine may be busy.
settings.register_profile("ci", max_examples=many(100), derandomize=True, deadline=None)
settings.register_profile("free", max_examples=many(100), derandomize=False, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") and TIMES == 1 else "free")

TESTS = Path(__file__).parent

UNMEASURED = (
    "interop", "perf", "properties", "unit/project",
    "unit/test_clocks.py", "unit/test_conflicts.py", "unit/test_tables.py",
)  # fmt: skip
"""Whose tests run without coverage, where there is any; and of the stories all but the first of each file.

They go thousands of times over lines that other tests have reached, or read the source without running it, and the
tracer would double what each time costs.
"""

LONGEST_IN_A_NAME = 50


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a long value by its argument: keys and signatures differ from run to run, and names must not."""
    return argname if isinstance(val, str | bytes) and len(val) > LONGEST_IN_A_NAME else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """See to it that coverage measures what the first test of each line reaches, and that garbage is looked for once.

    What the tests of a file have left for good, such as trees of the source, would be looked through in each of the next.
    """
    # Not by the mark of pytest-cov: in a worker of xdist a tracer stays that it does not know of, and what it starts anew
    # afterwards is not what was taken away here: nothing would be measured from then on.
    trace = sys.gettrace()
    if not _is_measured(item):
        sys.settrace(None)
    try:
        return (yield)
    finally:
        if not _is_measured(item):
            sys.settrace(trace)
        if nextitem is None or nextitem.path != item.path:
            gc.collect()
            gc.freeze()


def _is_measured(item: pytest.Item) -> bool:
    name = item.path.relative_to(TESTS).as_posix()
    return not name.startswith(UNMEASURED) and item.get_closest_marker("untraced") is None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what has nothing to do with the versions of libraries, when these are what it is about."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if BRIEF and is_test and not concerns(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have coverage measure the first of each file's stories; keep what is about libraries, when tests are to be brief.

    What a library does in one whole server it does in all: those that tell it have a mark.
    """
    firsts: dict[Path, str] = {}
    left: list[pytest.Item] = []
    for item in items:
        if is_of_a_whole_server(item.path):
            if item.name != firsts.setdefault(item.path, item.name):
                item.add_marker("untraced")
            if item.get_closest_marker("libraries") is None:
                left.append(item)
    if BRIEF:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Read the tests, which makes no garbage and reaches no line of the product that reading it would not.

    Who looked for the one all the time, or for the other, took as long again as the reading.
    """
    trace = sys.gettrace()
    if trace is not None and not session.config.pluginmanager.hasplugin("dsession"):
        _read_the_product()
    sys.settrace(None)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        sys.settrace(trace)


def _read_the_product() -> None:
    """Import each module, for the lines that run once: what defines its classes and functions."""
    for module in pkgutil.walk_packages(lyncpy.__path__, "lyncpy."):
        # Scripts, which Alembic alone can run.
        if ".migrations" not in module.name:
            importlib.import_module(module.name)


def pytest_collection_finish() -> None:
    """Have the collector of garbage pass by what stays: thousands of tests, and all that they import.

    It would look at all of it again and again, which took a sixth of the time of some properties; the server does the
    same with what it has built (app/tap.py).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
