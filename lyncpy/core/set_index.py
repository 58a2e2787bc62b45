"""Indexes: what belongs to a key is a set, and a key to which nothing belongs is not in the index."""

from collections.abc import Hashable, MutableMapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
M = TypeVar("M", bound=Hashable)


def remove_member(index: MutableMapping[K, set[M]], key: K, member: M) -> None:
    """Remove a member from the set of a key, and the key with its last one; what is not there is passed over."""
    members = index.get(key)
    if members is None:
        return
    members.discard(member)
    if not members:
        del index[key]
