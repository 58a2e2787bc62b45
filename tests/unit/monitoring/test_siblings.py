"""What several processes of a machine say of themselves is one page."""

import json
import zlib
from collections.abc import Sequence
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.internet.task import Clock

from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.openmetrics import OpenMetrics
from lyncpy.contracts.bus import BusTimeout, Question
from lyncpy.contracts.http import HttpAnswer, HttpAsked
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.questions import HealthOfNode, NodeHealth, NodeMeters
from lyncpy.contracts.workload import Reason
from lyncpy.core.conditions import Condition
from lyncpy.workloads.monitoring.pages import MonitoringPages
from lyncpy.workloads.monitoring.siblings import Sibling, Siblings, joined_meters
from tests.kit.results import started

LATE = Condition(Reason("directory", "it cannot be read", good=False, remedy="start it"), 1.7e9)
FULL = Condition(Reason("store", "it fails: full", good=False, grave=True), 1.7e9)


def meters(value: float) -> bytes:
    """Give the meters of a process."""
    meter = OpenMetrics()
    meter.counter("lyncpy_messages_total", "Messages.", method="INVITE").add(value)
    meter.gauge("lyncpy_flows_count", "Connections; {curly}.", lambda: value)
    return meter.render()


class Machine(MemoryBus):
    """The bus of process 1 of three: the second answers what it is told to, the third is silent."""

    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__(NodeName("n1"), self.clock)
        self.second: dict[str, Any] = {
            "MetersOfNode": NodeMeters(zlib.compress(meters(2.0))),
            "HealthOfNode": NodeHealth("[]", works=True),
        }

    async def ask(self, node: NodeName | None, question: Question, timeout: float) -> Any:
        """Answer."""
        if node == "n1":
            return await super().ask(node, question, timeout)
        if node == "n2":
            return self.second[type(question).__name__]
        raise BusTimeout(f"{node} did not answer")


def page(path: str, found: Sequence[Condition] = (), machine: Machine | None = None, count: int = 3) -> HttpAnswer:
    """Ask process 1 for a page."""
    machine = Machine() if machine is None else machine
    processes = [Sibling(1, "n1", 1, "runs"), Sibling(2, "n2", 3, "runs"), Sibling(3, "", 2, "is starting")][:count]
    siblings = Siblings(machine, lambda: processes, lambda: meters(1.0), lambda: found)
    pages = {one.path: one for one in MonitoringPages(lambda: b"", lambda: found, siblings).rows()}
    answers: list[HttpAnswer] = []

    async def ask() -> None:
        answers.append(await pages[path].answer(HttpAsked("GET", "", path)))

    _ = started(ask())
    machine.clock.advance(0.0)
    return answers[0]


def test_meters_of_all_are_one_page() -> None:
    """Each family once, each sample with its process; one that does not answer is said. Prometheus reads it."""
    text = page("/metrics").body.decode()
    families = {one.name: one for one in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]  # the library has no types
    found = {
        (sample.name, sample.labels["process"]): sample.value for one in families.values() for sample in one.samples
    }
    assert found["lyncpy_messages_total", "1"] == 1.0
    assert found["lyncpy_messages_total", "2"] == 2.0
    assert found["lyncpy_flows_count", "2"] == 2.0
    assert [found["lyncpy_process_answering_count", one] for one in "123"] == [1.0, 1.0, 0.0]
    assert [found["lyncpy_process_starts_total", one] for one in "123"] == [1.0, 3.0, 2.0]
    assert families["lyncpy_messages"].samples[0].labels == {"method": "INVITE", "process": "1"}


def test_meters_that_cannot_be_read_are_no_answer() -> None:
    """Whatever they are."""
    machine = Machine()
    machine.second["MetersOfNode"] = NodeMeters(b"nonsense")
    assert 'lyncpy_process_answering_count{process="2"} 0' in page("/metrics", machine=machine).body.decode()


def test_labels_are_added_to_every_kind_of_sample() -> None:
    """With labels, without, with none in braces."""
    text = '# TYPE a gauge\na 1\na{} 2\na{b="{"} 3 # {x="y"} 1\n# EOF\n'
    lines = joined_meters({7: text}, ()).splitlines()
    assert lines[1:4] == ['a{process="7"} 1', 'a{process="7"} 2', 'a{process="7",b="{"} 3 # {x="y"} 1']


def test_what_is_wrong_with_any_is_told_with_whose_it_is() -> None:
    """What several have is there once; while one works, clients may come."""
    machine = Machine()
    second = json.loads(page("/health", [LATE], count=1).body)["conditions"][0]
    del second["processes"]
    machine.second["HealthOfNode"] = NodeHealth(json.dumps([second]), works=True)
    answer = page("/health", [FULL, LATE], machine)
    told = json.loads(answer.body)
    assert (answer.status, told["status"]) == (200, "error")
    assert told["processes"] == [
        {"process": 1, "answers": True, "status": "error"},
        {"process": 2, "answers": True, "status": "warning"},
        {"process": 3, "answers": False, "status": "is starting"},
    ]
    assert [(one["concern"], one["processes"]) for one in told["conditions"]] == [("store", [1]), ("directory", [1, 2])]
    assert page("/readyz", [FULL], machine).status == 200


def test_a_machine_on_which_none_works_sends_clients_away() -> None:
    """Silent or broken."""
    machine = Machine()
    machine.second["HealthOfNode"] = NodeHealth("{", works=True)
    assert page("/health", [FULL], machine).status == 503
    assert page("/readyz", [FULL], machine).status == 503
    assert json.loads(page("/health", [], machine).body)["status"] == "warning"
    assert json.loads(page("/health", [], Machine(), count=2).body)["status"] == "ok"


def test_each_answers_the_others() -> None:
    """As it would itself."""
    machine = Machine()
    page("/health", [FULL], machine)
    health: list[NodeHealth] = []

    async def ask() -> None:
        health.append(await machine.ask(NodeName("n1"), HealthOfNode(), 1.0))

    _ = started(ask())
    machine.clock.advance(0.0)
    assert not health[0].works
