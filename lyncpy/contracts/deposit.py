"""What the home of a thing leaves with the node of a client that takes part; `core/deposits.py` keeps it there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lyncpy.contracts.names import FlowName


@dataclass(frozen=True, slots=True)
class Deposit:
    """What a home has left with a client's node."""

    key: str
    """Of the home."""

    name: str
    """Which of those of the home; the same one again replaces it."""

    flow: FlowName
    """The client's connection."""

    owner: str
    """Whose it is: the client's user, by their address."""

    said: Mapping[str, Any]
    """What there is to say of it, in JSON's values."""

    data: bytes
