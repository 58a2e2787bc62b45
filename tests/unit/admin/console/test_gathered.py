"""What several servers say, put together."""

from collections.abc import Mapping, Sequence

from twisted.internet.task import Clock

from lyncpy.contracts.workload import Table
from lyncpy.core.timers import Timers
from lyncpy.core.timestamps import moment
from lyncpy.workloads.admin.console.gathered import FRESH_S, HOUR, PAGE, Gathering, NodeAnswer, summed
from tests.kit.directory import done
from tests.kit.results import result_of

AT = 1_780_000_000.0


def _history(*rows: tuple[int, float, float]) -> Table:
    return Table(("at", "people", "loop_delay_s"), [(moment(AT + at), people, delay) for at, people, delay in rows])


def test_people_are_added_and_of_delays_the_worst_counts() -> None:
    """By the same moments at all servers."""
    answers: Sequence[NodeAnswer] = [
        ("n1", _history((-20, 3, 0.1), (-10, 4, 0.1), (0, 5, 0.1)), ""),
        ("n2", _history((-20, 1, 0.3), (-10, 1, 0.0)), ""),
        ("n3", None, "it has not answered"),
    ]
    series = done(summed(answers, HOUR, AT))
    # The last one is not whole: the second server has not told it yet.
    assert series["people"].points == [(AT - 20, 4.0), (AT - 10, 5.0)]
    assert series["loop_delay_s"].points == [(AT - 20, 0.3), (AT - 10, 0.1)]
    assert (series["people"].begin, series["people"].end) == (AT - 3600, AT)


class Servers:
    """Two servers, and what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def ask(self, name: str, flags: Mapping[str, str]) -> Sequence[NodeAnswer]:
        """Answer."""
        self.asked.append((name, flags))
        columns = {
            "endpoints": ("user", "epid"),
            "conditions": ("severity", "concern", "since", "condition", "remedy"),
            "conferences": ("id", "state", "people"),
            "refusals": ("at", "user"),
            "nodes": ("node",),
            "history": ("at", "people"),
        }[name]
        rows: dict[str, list[tuple[object, ...]]] = {
            "endpoints": [(f"u{number:03}", "e") for number in range(0, 200, 2)],
            "conditions": [("warning", "disk", "2026-01-02", "it is full", ""), ("error", "x", "2026-01-03", "y", "z")],
            "conferences": [("A", "kept", 9), ("B", "running", 2), ("C", "running", 5)],
        }
        others = [(f"u{number:03}", "e") for number in range(1, 200, 2)] if name == "endpoints" else rows.get(name, [])
        first = Table(columns, rows.get(name, []), counts={"rows": 1000, "running": 70})
        return [("n1", first, ""), ("n2", Table(columns, others), ""), ("", None, "n3 should be there")]


def test_people_of_all_servers_stand_in_one_order() -> None:
    """Of each only as many are asked for as may be on the page."""
    servers = Servers()
    found = result_of(Gathering(servers.ask, Timers(Clock(), lambda: AT)).people("u", 2))
    assert servers.asked == [("endpoints", {"limit": str(2 * PAGE), "find": "u"})]
    assert [one["user"] for one in found.rows] == [f"u{number:03}" for number in range(PAGE, 2 * PAGE)]
    assert {str(one["server"]) for one in found.rows} == {"n1", "n2"}
    assert found.total == 1100
    assert list(found.troubles) == ["n3 should be there"]


def test_the_first_page_says_once_what_all_say_and_asks_no_more_often_than_need_be() -> None:
    """However many consoles are open."""
    servers, clock = Servers(), Clock()
    gathering = Gathering(servers.ask, Timers(clock, lambda: AT))
    found = result_of(gathering.overview(HOUR))
    assert [(one["severity"], one["server"]) for one in found.conditions.rows] == [
        ("error", "n1, n2"),
        ("warning", "n1, n2"),
    ]
    assert [one["id"] for one in found.conferences.rows] == ["C", "C", "B", "B"]
    # Of which each server gives those with most people alone.
    assert found.conferences.total == 70 + 3
    assert found.troubles == ("n3 should be there",)
    asked = len(servers.asked)
    assert ("conditions", {"known": "true"}) in servers.asked
    assert result_of(gathering.overview(HOUR)) is found
    assert len(servers.asked) == asked
    clock.advance(FRESH_S)
    result_of(gathering.overview(HOUR))
    assert len(servers.asked) == 2 * asked
