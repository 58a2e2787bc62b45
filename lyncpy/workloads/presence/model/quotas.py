"""The bounds of one board. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lyncpy.workloads.presence.model.tables import Denial, Instance, InstanceKey


@dataclass(frozen=True, slots=True)
class Quotas:
    """The bounds of one board; what exceeds them is refused with 413."""

    publications: int
    value_bytes: int
    containers: int
    members: int
    delegates: int
    subscribers: int
    """Acknowledged subscribers; of more, the oldest is forgotten, and asked about again."""

    board_bytes: int
    """Bytes of all that clients published: all of it may go to each watcher."""

    members_in_all: int
    """Members of all containers together."""


def excess_of(
    before: Mapping[InstanceKey, Instance], after: Mapping[InstanceKey, Instance], quotas: Quotas
) -> Denial | None:
    """Give the quota that publications would pass; growth alone is refused, for a bound may have been lowered."""
    if len(after) > len(before):
        clients = [key for key, one in after.items() if one.epid is not None]
        if len(clients) > quotas.publications:
            return Denial.TOO_MANY_PUBLICATIONS
        if len({key.container for key in clients}) > quotas.containers:
            return Denial.TOO_MANY_CONTAINERS
    size = size_of(after)
    if size > quotas.board_bytes and size > size_of(before):
        return Denial.BOARD_FULL
    return None


def size_of(instances: Mapping[InstanceKey, Instance]) -> int:
    """Give the bytes of all texts that clients published."""
    texts = [one.value for one in instances.values() if one.epid is not None and isinstance(one.value, str)]
    return sum([len(text) if text.isascii() else len(text.encode()) for text in texts])


def is_too_long(text: str, quotas: Quotas) -> bool:
    """Tell whether a value is; characters first, so that a text that is far too long is not encoded to be refused."""
    return len(text) > quotas.value_bytes or (not text.isascii() and len(text.encode()) > quotas.value_bytes)
