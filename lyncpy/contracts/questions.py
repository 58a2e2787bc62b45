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

    address: str = ""
    """Host and port at which clients reach it and no other; "": there is no such name."""

    is_leaving: bool = False
    moved: int = 0
    """Connections that it has closed since it began to leave, for their clients to go elsewhere."""

    to_move: int = 0
    """Those that are left."""


@dataclass(frozen=True, slots=True)
class HowIsNode(Question):
    """How is this node?"""

    answer_type: ClassVar[type[Any]] = NodeState


@dataclass(frozen=True, slots=True)
class DrainAnswer:
    """What a server says to who wants it to leave."""

    objection: str = ""
    """Why it does not, in a sentence; "": it does."""


@dataclass(frozen=True, slots=True)
class DrainNode(Question):
    """Will you leave: take nobody any more, have your devices go elsewhere, and end?"""

    is_cancelled: bool = False
    """Whether that is not wanted any more."""

    answer_type: ClassVar[type[Any]] = DrainAnswer
