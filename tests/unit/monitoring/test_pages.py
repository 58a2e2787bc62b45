"""What programs that watch the server are shown: meters, what is wrong, and whether it does its work."""

import json
from collections.abc import Sequence

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReaderKind
from lyncpy.contracts.workload import Reason
from lyncpy.core.conditions import Condition
from lyncpy.workloads.monitoring.pages import MonitoringPages
from tests.kit.results import answer_of

LATE = Condition(Reason("directory", "it cannot be read", good=False, remedy="start it"), 1.7e9)
FULL = Condition(Reason("store", "it fails: full", good=False, grave=True), 1.7e9)


def asked(found: Sequence[Condition], path: str, reader: HttpReaderKind) -> HttpAnswer:
    """Ask for a page as such a reader."""
    pages = {one.path: one for one in MonitoringPages(lambda: b"# EOF\n", lambda: found, None).rows()}
    assert pages[path].readers == {reader}
    return answer_of(pages[path].answer(HttpAsked("GET", "", path)))


def test_what_is_wrong_is_told() -> None:
    """A warning is no reason to send clients elsewhere."""
    found: list[Condition] = []
    answer = asked(found, "/health", HttpReaderKind.NAMED)
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok", "conditions": []})
    found.append(LATE)
    answer = asked(found, "/health", HttpReaderKind.NAMED)
    assert (answer.status, json.loads(answer.body)["status"]) == (200, "warning")
    assert json.loads(answer.body)["conditions"] == [
        {
            "severity": "warning",
            "concern": "directory",
            "since": "2023-11-14T22:13:20Z",
            "condition": "it cannot be read",
            "remedy": "start it",
        }
    ]
    found.insert(0, FULL)
    answer = asked(found, "/health", HttpReaderKind.NAMED)
    assert (answer.status, json.loads(answer.body)["status"]) == (503, "error")


def test_a_load_balancer_learns_yes_or_no() -> None:
    """It shows no token, and is told nothing of what is wrong."""
    assert asked([LATE], "/readyz", HttpReaderKind.ANONYMOUS).status == 200
    answer = asked([FULL, LATE], "/readyz", HttpReaderKind.ANONYMOUS)
    assert (answer.status, answer.body) == (503, b"not ready\n")
    assert asked([FULL], "/healthz", HttpReaderKind.ANONYMOUS).status == 200


def test_meters_are_shown_to_who_has_a_token() -> None:
    """In the form that Prometheus asks for first."""
    answer = asked([], "/metrics", HttpReaderKind.NAMED)
    assert (answer.content_type.split(";")[0], answer.body) == ("application/openmetrics-text", b"# EOF\n")
