"""How much one board may hold. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quotas:
    """How much one board may hold; beyond it, 413."""

    publications: int = 400
    value_bytes: int = 65536
    containers: int = 64
    members: int = 1000
    delegates: int = 25
    subscribers: int = 1000
    """Acknowledged ones; beyond it the oldest is forgotten, and asked about again."""

    board_bytes: int = 262_144
    """Of all that clients published on one board: it goes whole to whoever may see it."""

    members_in_all: int = 4000
    """In all containers together."""
