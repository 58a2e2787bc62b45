"""What the wire tells of while somebody traces: each message as it is within TLS, and connections that begin and end."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from lyncpy.contracts.names import FlowName


class PassageKind(enum.Enum):
    """What has happened on a connection."""

    MESSAGE = enum.auto()
    OPENED = enum.auto()
    GARBLED = enum.auto()
    """What came could not be read; framing is intact."""

    CLOSED = enum.auto()


@dataclass(frozen=True, slots=True)
class Passage:
    """One thing that passed on a connection of this process."""

    kind: PassageKind
    flow: FlowName
    client: tuple[str, int]
    """Address and port of the client, as its relay names it."""

    server: tuple[str, int]
    is_inward: bool = True
    data: bytes = b""
    """The message; with its signature, where it leaves."""

    words: str = ""
    """Why it ended, or could not be read; with what it is encrypted."""


Tap = Callable[[Passage], None]
"""Is told at once, in the turn in which it happens; never raises, and takes no longer than it must."""
