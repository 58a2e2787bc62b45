"""Names of meters: one scheme, which tells a counter from a gauge by its name."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

from lyncpy.backends.openmetrics import OpenMetrics
from tests.kit.trees import calls_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"
ROOMS: Final = (
    "bus",
    "core",
    "directory",
    "registrar",
    "wire",
    "web",
    "archive",
    "conferencing",
    "contacts",
    "im",
    "media",
    "presence",
    "records",
    "store",
    "voice",
)
QUEUE: Final = re.compile(r"lyncpy_\{\w+\}_")
"""A queue of `core.group_commit` names its meters after itself."""

COUNTER: Final = re.compile(rf"lyncpy_({'|'.join(ROOMS)})(_[a-z0-9]+)+_total")
GAUGE: Final = re.compile(rf"lyncpy_({'|'.join(ROOMS)})(_[a-z0-9]+)*_(count|bytes|seconds)")


@cache
def _meters() -> frozenset[tuple[str, str]]:
    """Give each meter's kind and name, as the source has them."""
    found = set[tuple[str, str]]()
    for file in SOURCE.rglob("*.py"):
        for call in calls_of(file):
            if (
                isinstance(call.func, ast.Attribute)
                and call.func.attr in ("counter", "total", "gauge", "histogram")
                and call.args
            ):
                name = ast.unparse(call.args[0]).strip("f'\"")
                if name.startswith("lyncpy_"):
                    found.add((call.func.attr, QUEUE.sub("lyncpy_store_", name)))
    return frozenset(found)


def test_meters_are_named_by_the_scheme() -> None:
    """Whoever writes a dashboard knows by the name whether to take a rate of it, and in what it is measured."""
    others = [
        f"{kind} {name}"
        for kind, name in sorted(_meters())
        if not (GAUGE if kind in ("gauge", "histogram") else COUNTER).fullmatch(name)
    ]
    assert others == [], "lyncpy_<room>_<thing>_<unit>"


def test_the_meters_are_found() -> None:
    """The scheme would hold for none of them, otherwise."""
    assert {"counter", "total", "gauge", "histogram"} <= {kind for kind, _ in _meters()}
    assert len(_meters()) > 30


def test_what_is_collected_has_the_name_that_the_source_has() -> None:
    """The library ends counters in `_total` by itself; so do we, and nobody has to know."""
    meter = OpenMetrics()
    meter.counter("lyncpy_core_requests_total", "Requests.").add()
    meter.total("lyncpy_wire_sent_bytes_total", "Bytes sent.", lambda: 7)
    meter.gauge("lyncpy_wire_connections_count", "Connections.", lambda: 1)
    values = [line for line in meter.render().decode().splitlines() if line.startswith("lyncpy_")]
    assert sorted(values) == [
        "lyncpy_core_requests_total 1.0",
        "lyncpy_wire_connections_count 1.0",
        "lyncpy_wire_sent_bytes_total 7.0",
    ]
