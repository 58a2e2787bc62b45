"""What holds for all tests."""

import gc
import importlib
import importlib.metadata
import os
import pkgutil
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from _pytest.terminal import TerminalReporter
from hypothesis import settings

import lyncpy
from tests.kit.bounds import concerns, is_of_a_whole_server
from tests.kit.soak import BRIEF, TIMES, many

# A change is judged by the same examples each time; whoever looks for new ones runs the tests without CI. How long one
# takes is no matter of these tests: the machine may be busy.
settings.register_profile("ci", max_examples=many(100), derandomize=True, deadline=None)
settings.register_profile("free", max_examples=many(100), derandomize=False, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") and TIMES == 1 else "free")

# Before each test pytest asks for the version of Twisted, which is read in a file each time.
importlib.metadata.version = cache(importlib.metadata.version)

TESTS = Path(__file__).parent

UNMEASURED = (
    "interop", "perf", "properties", "unit/project",
    "unit/test_clocks.py", "unit/test_conflicts.py", "unit/test_tables.py",
)  # fmt: skip
"""Whose tests run without coverage, where there is any; and those with inputs that are made up; and of the stories all but the first of each file.

They go thousands of times over lines that other tests have reached, or read the source without running it, and the
tracer would double what each time costs.
"""

LONGEST_IN_A_NAME = 50

FAILED = os.environ.pop("LYNCPY_FAILED", None)
"""The file that is to name what failed; no business of what a test starts."""


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a long value by its argument: keys and signatures differ from run to run, and names must not."""
    return argname if isinstance(val, str | bytes) and len(val) > LONGEST_IN_A_NAME else None


class Measurement:
    """Coverage's tracer, where what runs is measured: tests and fixtures, but nothing of pytest's own.

    The tracer looks at each line of whatever runs, and what pytest does around a test took as long again as most tests.
    """

    def __init__(self) -> None:
        """Begin where nothing is measured."""
        self.tracer: Any = None  # Any: a trace function

    @contextmanager
    def of(self, item: pytest.Item) -> Iterator[None]:
        """Trace nothing around a test, and within it only if it is measured."""
        # Not by the mark of pytest-cov: in a worker of xdist a tracer stays that it does not know of, and what it starts anew
        # afterwards is not what was taken away here: nothing would be measured from then on.
        trace = sys.gettrace()
        self.tracer = trace if _is_measured(item) else None
        sys.settrace(None)
        try:
            yield
        finally:
            self.tracer = None
            sys.settrace(trace)

    def running(self) -> Generator[None, object, object]:
        """Trace what a hook does; a test may ask for a fixture in its middle."""
        outside = sys.gettrace()
        sys.settrace(self.tracer)
        try:
            return (yield)
        finally:
            sys.settrace(outside)


MEASUREMENT = Measurement()


class Worker:
    """What a worker of xdist tells the process that counts: what was wrong, and what came of each test itself.

    That a fixture has begun and ended well is two more messages for each test, which both ends take as long to read and
    write as a usual test takes to run.
    """

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Do as pytest does, but for those messages."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in runtestprotocol(item, log=False, nextitem=nextitem):
            if report.when == "call" or not report.passed:
                item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


def pytest_configure(config: pytest.Config) -> None:
    """Be brief in a worker."""
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Worker())


def pytest_terminal_summary(terminalreporter: TerminalReporter, exitstatus: pytest.ExitCode) -> None:
    """Name what failed in the file that `scripts/test` asks for, which sees whether it fails alone as well."""
    if FAILED is not None and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        reports = terminalreporter.getreports("failed") + terminalreporter.getreports("error")
        Path(FAILED).write_text("".join(f"{name}\n" for name in dict.fromkeys(report.nodeid for report in reports)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """See to it that coverage measures what the first test of each line reaches, and that garbage is looked for once.

    What the tests of a file have left for good, such as trees of the source, would be looked through in each of the next.
    """
    try:
        with MEASUREMENT.of(item):
            return (yield)
    finally:
        if nextitem is None or nextitem.path != item.path:
            gc.collect()
            gc.freeze()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_fixture_setup() -> Generator[None, object, object]:
    """Measure what a fixture does."""
    return (yield from MEASUREMENT.running())


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Measure what a test does."""
    return (yield from MEASUREMENT.running())


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Measure what fixtures do after the test."""
    return (yield from MEASUREMENT.running())


def _is_measured(item: pytest.Item) -> bool:
    name = item.path.relative_to(TESTS).as_posix()
    is_made_up = getattr(getattr(item, "function", None), "is_hypothesis_test", False)
    return not (name.startswith(UNMEASURED) or is_made_up or item.get_closest_marker("untraced"))


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
    is_first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    if trace is not None and is_first and not session.config.pluginmanager.hasplugin("dsession"):
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
        # Scripts, which Alembic alone can run, and a program of the system's Python.
        if not {"migrations", "program"} & set(module.name.split(".")):
            importlib.import_module(module.name)


def pytest_collection_finish() -> None:
    """Have the collector of garbage pass by what stays: thousands of tests, and all that they import.

    It would look at all of it again and again, which took a sixth of the time of some properties; the server does the
    same with what it has built (app/tap.py).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
