"""Who belongs to which audience, and what an audience sees. Pure.

Nobody sees what his containers do not hold; the rules are in `audience`, `visible` and
`concerns`, and nowhere else. Spec: [MS-PRES] containers.
"""

import enum
from collections.abc import Iterable, Mapping
from typing import Final

from lyncpy.contracts.names import Aor, bare
from lyncpy.workloads.presence.aggregate import Aggregate, StateKind
from lyncpy.workloads.presence.model import (
    BLOCKED,
    COLLEAGUES,
    DEFAULT,
    EXTERNAL,
    FRIENDS,
    INPUT,
    INPUT_LOWERED,
    SELF,
    WORKGROUP,
    Board,
    Instance,
    Member,
    MemberKind,
)

UNSEEN: Final = frozenset({"routing", "legacyInterop"})
"""Categories for the server; no watcher is ever told of them."""


class Relation(enum.Enum):
    """What a watcher's domain is to ours."""

    SAME_ENTERPRISE = MemberKind.SAME_ENTERPRISE
    FEDERATED = MemberKind.FEDERATED
    PUBLIC_CLOUD = MemberKind.PUBLIC_CLOUD


Audience = tuple[int, ...]
"""The containers that a watcher belongs to, in the order in which a category is looked for. Equal for all who see the same."""

OWNER: Final[Audience] = (FRIENDS, WORKGROUP, COLLEAGUES, EXTERNAL)
NOBODY: Final[Audience] = (BLOCKED,)

_IMPLIED: Final[Mapping[MemberKind, int]] = {MemberKind.SAME_ENTERPRISE: COLLEAGUES, MemberKind.FEDERATED: EXTERNAL}
"""What a client sets up when it first meets a board without it."""


def audience(board: Board, watcher: Aor, relation: Relation = Relation.SAME_ENTERPRISE) -> Audience:
    """Give the containers that a watcher belongs to.

    The first of these that lists him decides: himself, his domain, his relation, everyone.
    Several containers may list him alike; then the highest that holds a category shows it.
    Container 0 is everybody's.

    Spec: [MS-PRES] containers; "relationship level determination" of UCMA 4.0. A user whose
    client has not yet set up the two usual levels is seen as if it had, so that two new
    colleagues see each other at once.
    """
    if watcher == board.aor:
        return OWNER
    address = bare(watcher)
    kind = relation.value
    for member in (
        Member(MemberKind.USER, address),
        Member(MemberKind.DOMAIN, address.rpartition("@")[2]),
        Member(kind),
        Member(MemberKind.EVERYONE),
    ):
        ids = sorted((id_ for id_, one in board.containers.items() if member in one.members), reverse=True)
        seen = tuple(id_ for id_ in ids if id_ not in (DEFAULT, SELF, INPUT, INPUT_LOWERED))
        if seen:
            return NOBODY if seen[0] == BLOCKED else seen
        implied = _IMPLIED.get(kind) if member == Member(kind) else None
        if implied is not None and implied not in board.containers:
            return (implied,)
    return ()


def visible(board: Board, seen_by: Audience, category: str) -> tuple[Instance, ...]:
    """Give what an audience sees of a category; of the states, only the aggregate.

    Who is blocked sees nothing; it is for the writer of documents to call that offline.
    """
    if seen_by == NOBODY or category in UNSEEN:
        return ()
    for container in (*seen_by, DEFAULT):
        found = board.places.get((category, container), ())
        if category == "state":
            found = tuple(one for one in found if _is_aggregate(one))
        if found:
            return found
    return ()


def concerns(changes: Iterable[tuple[str, int]], seen_by: Audience) -> frozenset[str]:
    """Give the categories of which an audience may see something new after these changes."""
    if seen_by == NOBODY:
        return frozenset()
    own = {*seen_by, DEFAULT}
    return frozenset(category for category, container in changes if container in own and category not in UNSEEN)


def _is_aggregate(one: Instance) -> bool:
    return isinstance(one.value, Aggregate) or (one.state is not None and one.state.kind is StateKind.AGGREGATE)
