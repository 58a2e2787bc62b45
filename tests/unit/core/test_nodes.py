"""The shell's `nodes`."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock

from lyncpy import __version__
from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.bus import BusTimeout, OtherNode, Question
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.questions import NodeState
from lyncpy.contracts.workload import CommandCall
from lyncpy.core import nodes
from lyncpy.core.nodes import Nodes
from lyncpy.core.timers import Timers
from tests.kit.presence import FewEndpoints
from tests.kit.results import started

HERE = NodeName("here")


class Deployment(MemoryBus):
    """A bus with other nodes on it."""

    def __init__(self, clock: Clock, *others: str) -> None:
        super().__init__(HERE, clock)
        self._others = tuple(OtherNode(NodeName(name), 1.25, 3) for name in others)

    def others(self) -> Sequence[OtherNode]:
        """Give them."""
        return self._others

    async def ask(self, node: NodeName, question: Question, timeout: float) -> Any:  # Any: as the promise
        """Answer for others: the silent one does not."""
        if node == HERE:
            return await super().ask(node, question, timeout)
        if node == "silent":
            raise BusTimeout("silent did not answer")
        return NodeState("9.9", 7, 5)


def rows(*others: str, most: int = 100) -> list[tuple[object, ...]]:
    """Ask a node that has been up for a minute."""
    clock = Clock()
    bus = Deployment(clock, *others)
    command = Nodes(HERE, bus, FewEndpoints(), Timers(clock, lambda: 0.0))
    clock.advance(60.5)
    (declared,) = command.commands()
    found: list[tuple[object, ...]] = []

    async def ask() -> None:
        found.extend((await declared.run(CommandCall({}, {}))).rows)

    _ = started(ask())
    clock.advance(0)
    return found


def test_a_server_that_is_alone_says_how_it_is() -> None:
    """By the same question that others would ask it."""
    assert rows() == [("here", "this one", 0, __version__, 60, 0, "")]


def test_others_are_asked_and_one_that_does_not_answer_is_listed(monkeypatch: Any) -> None:
    """With when it was heard last, and what of it was lost; very many are not all asked."""
    monkeypatch.setattr(nodes, "ASKED_MOST", 2)
    assert rows("there", "silent", "third")[1:] == [
        ("there", "1.2 s ago", 3, "9.9", 7, 5, ""),
        ("silent", "1.2 s ago", 3, None, None, None, "silent did not answer"),
        ("third", "1.2 s ago", 3, None, None, None, "not asked: there are too many"),
    ]
