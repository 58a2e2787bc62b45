"""The health page says what is wrong, and by its status whether the server does its work."""

import json

from lyncpy.contracts.http import HttpAsked, HttpReaderKind
from lyncpy.contracts.workload import Reason
from lyncpy.core.conditions import Condition
from lyncpy.workloads.monitoring.health import HealthPage
from tests.kit.results import answer_of

LATE = Condition(Reason("directory", "it cannot be read", good=False, remedy="start it"), 1.7e9)
FULL = Condition(Reason("store", "it fails: full", good=False, grave=True), 1.7e9)


def test_what_is_wrong_is_told() -> None:
    """A warning is no reason to send clients elsewhere."""
    found: list[Condition] = []
    (resource,) = HealthPage(lambda: found).rows()
    assert resource.readers == {HttpReaderKind.NAMED}
    asked = HttpAsked("GET", "", "/health")
    answer = answer_of(resource.answer(asked))
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok", "conditions": []})
    found.append(LATE)
    answer = answer_of(resource.answer(asked))
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
    answer = answer_of(resource.answer(asked))
    assert (answer.status, json.loads(answer.body)["status"]) == (503, "error")
