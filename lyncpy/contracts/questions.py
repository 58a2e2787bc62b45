"""Everything that one node may ask another: frozen, small. As facts, they may leave this process."""

from dataclasses import dataclass
from typing import Any, ClassVar

from lyncpy.contracts.bus import Question
from lyncpy.contracts.names import NodeName


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

    load_percent: int = 0
    """Of one processor, since somebody asked last, or since its start."""

    place: str = ""
    """Where it runs, in words."""


@dataclass(frozen=True, slots=True)
class CommandPart:
    """A part of what a command of the shell has given."""

    text: str
    """The first line of the whole is a JSON object (trouble, columns, note, failed), each further one a row as a JSON array."""

    handle: int
    """By which the further parts are asked for."""

    parts: int
    """How many there are; 0: they are not kept any more."""


@dataclass(frozen=True, slots=True)
class RunCommand(Question):
    """Run a command of the shell there, for an operator who has been let in here."""

    answer_type: ClassVar[type[Any]] = CommandPart
    name: str
    args: str
    flags: str
    """Both as JSON objects of texts."""

    author: str
    key: str = ""
    """Of this use; see `CommandCall.key`. "": the server that asks is of a release that had none."""


@dataclass(frozen=True, slots=True)
class MoreOfCommand(Question):
    """Give a further part of an answer; the last is given once."""

    answer_type: ClassVar[type[Any]] = CommandPart
    handle: int
    part: int
    """From 1 on."""


@dataclass(frozen=True, slots=True)
class CommandProgress:
    """How far a command is."""

    words: str = ""
    """"": it has not said so, or is over."""


@dataclass(frozen=True, slots=True)
class ProgressOfCommand(Question):
    """How far is a command that this node was asked to run?"""

    answer_type: ClassVar[type[Any]] = CommandProgress
    key: str
    """Of its use; see `CommandCall.key`."""


@dataclass(frozen=True, slots=True)
class NodeMeters:
    """The meters of a server."""

    compressed: bytes
    """OpenMetrics text, by zlib."""


@dataclass(frozen=True, slots=True)
class MetersOfNode(Question):
    """What do the meters of this node show?"""

    answer_type: ClassVar[type[Any]] = NodeMeters


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """What is wrong with a server."""

    conditions: str
    """A JSON array of objects, the worst first."""

    works: bool
    """Whether none of it keeps the server from its work."""


@dataclass(frozen=True, slots=True)
class HealthOfNode(Question):
    """What is wrong with this node?"""

    answer_type: ClassVar[type[Any]] = NodeHealth


@dataclass(frozen=True, slots=True)
class HowIsNode(Question):
    """How is this node?"""

    answer_type: ClassVar[type[Any]] = NodeState


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """What a server knows of another."""

    is_dead: bool
    """Whether it is known dead, though it asks."""


@dataclass(frozen=True, slots=True)
class AmIDead(Question):
    """Is this node, which does not reach the store, known dead to you?"""

    node: NodeName
    answer_type: ClassVar[type[Any]] = NodeStanding


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
