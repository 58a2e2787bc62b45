"""Who belongs to which audience, and what an audience sees. Pure.

Nobody sees what his containers do not hold; the rules are in `audience`, `visible` and
`concerns`, over the tables of `model`, and nowhere else. Spec: [MS-PRES] containers.
"""

from collections.abc import Collection, Iterator
from typing import Final

from lyncpy.contracts.names import Aor, bare
from lyncpy.workloads.presence.board import Board
from lyncpy.workloads.presence.model import (
    BLOCKED,
    CATEGORIES,
    COLLEAGUES,
    CONTACT_LEVELS,
    DEFAULT,
    DELEGATE_LEVEL,
    EXTERNAL,
    FRIENDS,
    IMPLIED,
    LEVELS,
    LOOKUP,
    OTHER,
    PRIVATE_CONTAINERS,
    WORKGROUP,
    Instance,
    Member,
    MemberKind,
    Relation,
)
from lyncpy.workloads.presence.states import Aggregate, StateKind

Audience = tuple[int, ...]
"""The containers in which a category is looked for, the first that holds it shows it; container 0 is
everybody's and not named. `BLOCKED` ends the search. Equal for all who see the same."""

OWNER: Final[Audience] = (FRIENDS, WORKGROUP, COLLEAGUES, EXTERNAL)
NOBODY: Final[Audience] = (BLOCKED,)

STRANGER: Final[Audience] = (-1,)
"""Somebody whom privacy mode keeps out: he sees who the user is, and nothing else."""

_CARD: Final = ("contactCard", DEFAULT)
_NEVER_LOOKED_IN: Final = PRIVATE_CONTAINERS | {DEFAULT}


def relation_of(watcher: str, domains: Collection[str], public_domains: Collection[str] = ()) -> Relation:
    """Tell what a watcher is to the enterprise.

    Args:
        watcher: His address; without a domain he is anonymous.
        domains: The enterprise's own, lower case.
        public_domains: Those of public services, lower case.
    """
    domain = bare(watcher).rpartition("@")[2] if "@" in watcher else ""
    if not domain:
        return Relation.ANONYMOUS
    if domain in domains:
        return Relation.SAME_ENTERPRISE
    return Relation.PUBLIC_CLOUD if domain in public_domains else Relation.FEDERATED


def audience(board: Board, watcher: Aor, relation: Relation = Relation.SAME_ENTERPRISE) -> Audience:
    """Give the containers in which a category is looked for when this watcher asks.

    His own lists come first, in the order of `LOOKUP`: those that name him, his domain, his
    relation, everyone; of several alike the highest container. A list that blocks ends it.

    Spec: [MS-PRES] containers; "relationship level determination" of UCMA 4.0. A user whose
    client has not yet set up the two usual levels is seen as if it had, so that two new
    colleagues see each other at once.
    """
    if watcher == board.aor:
        return OWNER
    found: list[int] = []
    for kind in LOOKUP:
        ids = listing(board, kind, watcher, relation)
        if BLOCKED in ids:
            return (*found, BLOCKED)
        found.extend(id_ for id_ in ids if id_ not in found)
    if board.private_to is not None and not found:
        return STRANGER
    return tuple(found)


def visible(board: Board, seen_by: Audience, category: str) -> tuple[Instance, ...]:
    """Give what an audience sees of a category; of the states, only the aggregate.

    Who is blocked sees nothing; it is for the writer of documents to call that offline.
    """
    if not CATEGORIES.get(category, OTHER).shown:
        return ()
    if seen_by == STRANGER:
        return tuple(one for one in board.places.get(_CARD, ()) if one.made) if category == _CARD[0] else ()
    return next((found for _, found in _search(board, seen_by, category) if found), ())


def concerns(board: Board, changes: Collection[tuple[str, int]], seen_by: Audience) -> frozenset[str]:
    """Give the categories of which an audience may see something new.

    What changed behind the container that is shown is not seen, and nobody is told that there was something.

    Args:
        board: As it is now.
        changes: Category and container of all that became another since the audience was told last.
        seen_by: The audience; it was the same then.
    """
    if seen_by == STRANGER:
        return frozenset({_CARD[0]}) if _CARD in changes else frozenset()
    return frozenset(
        category
        for category in {category for category, _ in changes}
        if CATEGORIES.get(category, OTHER).shown
        and any((category, container) in changes for container, _ in _search(board, seen_by, category))
    )


def _search(board: Board, seen_by: Audience, category: str) -> Iterator[tuple[int, tuple[Instance, ...]]]:
    """Give the containers that are looked into, and what is found there: the last one is shown, or nothing is."""
    for container in (*seen_by, DEFAULT):
        if container == BLOCKED:
            return
        found = board.places.get((category, container), ())
        if category == "state":
            found = tuple(one for one in found if _is_aggregate(one))
        yield container, found
        if found or (container in LEVELS and category in LEVELS[container].closed):
            return


def listing(board: Board, kind: MemberKind, watcher: Aor, relation: Relation) -> list[int]:
    """Give the containers that list a watcher in one way, the highest first.

    Also those that count as listing him: of a delegate, of a contact in privacy mode, of the usual two levels.
    """
    member = entry(kind, watcher, relation)
    if member is None:
        return []
    named = (id_ for id_, one in board.containers.items() if member in one.members)
    ids = sorted((id_ for id_ in named if id_ not in _NEVER_LOOKED_IN), reverse=True)
    if kind is MemberKind.USER:
        if not ids and any(one.aor == watcher for one in board.delegates.members):
            return [DELEGATE_LEVEL]
        return ids
    if board.private_to is not None:
        # Only who was placed by name counts, and who is a contact; a list may still keep somebody out.
        if BLOCKED in ids:
            return [BLOCKED]
        level = CONTACT_LEVELS.get(relation) if kind is relation.value else None
        return [level] if level is not None and watcher in board.private_to else []
    implied = IMPLIED.get(kind)
    return [implied] if not ids and implied is not None and implied not in board.containers else ids


def entry(kind: MemberKind, watcher: Aor, relation: Relation) -> Member | None:
    """Give the entry that would list a watcher in this way; None: none can."""
    if kind is MemberKind.EVERYONE or kind is relation.value:
        return Member(kind)
    if relation is Relation.ANONYMOUS:
        return None
    if kind is MemberKind.USER:
        return Member(kind, bare(watcher))
    if kind is MemberKind.DOMAIN:
        return Member(kind, bare(watcher).rpartition("@")[2])
    return None


def _is_aggregate(one: Instance) -> bool:
    return isinstance(one.value, Aggregate) or (one.state is not None and one.state.kind is StateKind.AGGREGATE)
