"""Where groups of the directory go in a user's list, and what changes when they do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lyncpy.contracts.names import Aor
from lyncpy.workloads.contacts.model import (
    GROUP_ID_MAXIMUM,
    LAST_ID,
    ContactBook,
    ContactGroup,
    Delta,
    Generated,
    difference,
)


def place(book: ContactBook, wanted: Sequence[Generated]) -> ContactBook:
    """Put groups of the directory into a list, in place of those that are there.

    Each keeps the id that it had; a new one gets the highest free id, so that they and the
    user's own groups, which begin below, seldom meet. When there is none, it is left out.
    A name that the user has given to a group of their own is told from it: two groups of one
    name would be one to a client.
    """
    ids = dict(book.ids)
    taken = {group.name.casefold() for group in book.own.groups.values()}
    placed: dict[int, Generated] = {}
    for one in wanted:
        id_ = ids.get(one.key)
        if id_ is None or id_ in book.own.groups or id_ in placed:
            id_ = _free_high_id(book.own.groups, ids, {other.key for other in wanted})
            if id_ is None:
                continue
            ids = {key: known for key, known in ids.items() if known != id_ and key != one.key}
            ids[one.key] = id_
        name = _distinct(one.name, taken)
        taken.add(name.casefold())
        placed[id_] = one if name == one.name else replace(one, name=name)
    return replace(book, ids=ids, generated=placed)


def regenerated(before: ContactBook, after: ContactBook) -> Delta:
    """Say what devices have to change when the generated half is another."""
    ids = before.generated.keys() | after.generated.keys()
    other = [id_ for id_ in ids if before.generated.get(id_) != after.generated.get(id_)]
    halves = [book.generated[id_].members for book in (before, after) for id_ in other if id_ in book.generated]
    return difference(before, after, frozenset[Aor]().union(*halves), other)


def _free_high_id(own: Mapping[int, ContactGroup], ids: Mapping[str, int], wanted: set[str]) -> int | None:
    """Choose an id for a generated group: a free one, else that of a group that is gone, the longest gone first."""
    kept = {*own, *ids.values()}
    free = (id_ for id_ in (*range(GROUP_ID_MAXIMUM, 0, -1), LAST_ID) if id_ not in kept)
    gone = (id_ for key, id_ in ids.items() if key not in wanted and id_ not in own)
    return next(free, None) or next(gone, None)


def _distinct(name: str, taken: set[str]) -> str:
    choices = (name, f"{name} (directory)", *(f"{name} ({number})" for number in range(2, LAST_ID + 3)))
    return next(choice for choice in choices if choice.casefold() not in taken)
