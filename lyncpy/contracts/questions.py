"""Everything that one node may ask another: frozen, small. As facts, they may leave this process."""

from dataclasses import dataclass
from typing import Any, ClassVar

from lyncpy.contracts.bus import Question


@dataclass(frozen=True, slots=True)
class NodeState:
    """How a server is."""

    version: str
    up_s: int
    """Whole seconds since it was built."""

    endpoints: int
    """Devices that are signed in at it."""


@dataclass(frozen=True, slots=True)
class HowIsNode(Question):
    """How is this node?"""

    answer_type: ClassVar[type[Any]] = NodeState
