"""Who belongs to which audience, and what an audience sees. Pure.

Nobody sees what his containers do not hold; the rules are in `audience`, `visible` and
`concerns`, over the tables of `model`, and nowhere else. Spec: [MS-PRES] containers.

*Blocked* is not *nothing*: who is shut out must not be able to tell it from a user who has
signed out. So a blocked watcher sees the user as on the level where the other lists put that
watcher, as if the user had signed out at the moment of the block: the card of that level, an
offline state of that age, no services. What the user says (note, calendar, working hours …)
is not shown: it is that of somebody who has said nothing.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from lyncpy.contracts.names import Aor, bare
from lyncpy.workloads.presence.aggregate import for_audience
from lyncpy.workloads.presence.board import Board
from lyncpy.workloads.presence.model import (
    AGGREGATE_INSTANCE,
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
    LONG_GONE,
    LOOKUP,
    OFFLINE,
    OTHER,
    PRIVATE_CONTAINERS,
    VISIBLE,
    WORKGROUP,
    Container,
    Expire,
    Instance,
    Key,
    Member,
    MemberKind,
    Relation,
)
from lyncpy.workloads.presence.states import Aggregate, Services, StateKind
from lyncpy.workloads.presence.values import write_value

Audience = tuple[int, ...]
"""The containers in which a category is looked for, the first that holds it shows it; container 0 is
everybody's and not named. `BLOCKED` ends the search. Equal for all who see the same.

Of somebody who is blocked: `BLOCKED`, the microseconds since when the user is away for them and when
the user was last active (`NEVER`: nobody knows), then the containers in which the card is looked for.
"""

NEVER: Final = -1
MICRO: Final = 1_000_000

OWNER: Final[Audience] = (FRIENDS, WORKGROUP, COLLEAGUES, EXTERNAL)
NOBODY: Final[Audience] = (BLOCKED,)
"""Sees nothing at all: there is no such user."""

STRANGER: Final[Audience] = (-1,)
"""Somebody whom privacy mode keeps out: he sees who the user is, and nothing else."""

_UNDER: Final = 3
"""Position in a blocked audience from which the containers stand."""

_CARD: Final = ("contactCard", DEFAULT)
_CARDS: Final = frozenset({"contactCard"})
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
            if not found:
                return _away(board, entry(kind, watcher, relation), watcher, relation)
            return (*found, BLOCKED)
        found.extend(id_ for id_ in ids if id_ not in found)
    if board.private_to is not None and not found:
        return STRANGER
    return tuple(found)


def is_blocked(seen_by: Audience) -> bool:
    """Tell whether an audience is shut out, which it must not be able to tell."""
    return seen_by[:1] == NOBODY


def _away(board: Board, member: Member | None, watcher: Aor, relation: Relation) -> Audience:
    """Give the audience of a watcher whom this entry blocks."""
    absence = LONG_GONE if member is None else board.absences.get(member, LONG_GONE)
    last = NEVER if absence.last_active is None else round(absence.last_active * MICRO)
    others = {id_: one for id_, one in board.containers.items() if id_ != BLOCKED}
    for id_ in absence.listed:
        found = others.get(id_, Container())
        others[id_] = replace(found, members=found.members | ({member} if member is not None else set()))
    under = audience(replace(board, containers=others), watcher, relation)
    return (BLOCKED, round(absence.at * MICRO), last, *under)


def visible(board: Board, seen_by: Audience, category: str) -> tuple[Instance, ...]:
    """Give what an audience sees of a category; of the states, only the aggregate.

    Who sees no state is shown none here; it is for the writer of documents to call that offline.
    """
    if not CATEGORIES.get(category, OTHER).shown:
        return ()
    if is_blocked(seen_by):
        return _visible_away(board, seen_by, category)
    if seen_by == STRANGER:
        if category == "state":
            return (_offline(EXTERNAL, board.born, None),)
        return tuple(one for one in board.places.get(_CARD, ()) if one.made) if category == _CARD[0] else ()
    found = next((found for _, found in _search(board, seen_by, category) if found), ())
    return () if category == "services" and all(_is_empty(one) for one in found) else found


def _visible_away(board: Board, seen_by: Audience, category: str) -> tuple[Instance, ...]:
    """Give what a blocked audience sees: the card, and a user who went when it was blocked."""
    if seen_by == NOBODY:
        return ()
    at, last, under = seen_by[1], seen_by[2], seen_by[_UNDER:]
    if category in _CARDS:
        # What the user's devices put there later would tell that somebody is at them.
        shown = visible(board, under, category)
        return tuple(one for one in shown if one.made or one.published <= at / MICRO)
    if category != "state":
        return ()
    level = EXTERNAL if under == STRANGER else next((one for one in under if one in VISIBLE), None)
    return (
        () if level is None else (_offline(level, at / MICRO or board.born, None if last == NEVER else last / MICRO),)
    )


def _offline(level: int, at: float, last_active: float | None) -> Instance:
    """Give the state of somebody who signed out, as it is made for a level."""
    value = for_audience(Aggregate(OFFLINE, last_active=last_active), LEVELS[level].told)
    return Instance(Key("state", AGGREGATE_INSTANCE, level), 1, Expire.USER, value, at)


def concerns(
    board: Board,
    changes: Collection[tuple[str, int]],
    seen_by: Audience,
    furnished: Collection[tuple[str, int]] = (),
) -> frozenset[str]:
    """Give the categories of which an audience may see something new.

    What changed behind the container that is shown is not seen, and nobody is told that there was something.

    Args:
        board: As it is now.
        changes: Category and container of all that became another since the audience was told last.
        seen_by: The audience; it was the same then.
        furnished: Those of the changes where what the directory says is new.
    """
    if is_blocked(seen_by):
        # Whoever has signed out does nothing; but the directory may give them another card all the same.
        under = seen_by[_UNDER:]
        return concerns(board, furnished, under) & _CARDS if furnished and seen_by != NOBODY else frozenset()
    if seen_by == STRANGER:
        return frozenset({_CARD[0]}) if _CARD in changes else frozenset()
    return frozenset(
        category
        for category in {category for category, _ in changes}
        if CATEGORIES.get(category, OTHER).shown
        and any((category, container) in changes for container, _ in _search(board, seen_by, category))
    )


def differs(board: Board, before: Audience, after: Audience, categories: Collection[str]) -> frozenset[str]:
    """Give the categories of which two audiences see different things.

    Whoever changes from one to the other is told of these alone: somebody who is blocked hears what they
    would hear if the user signed out, and nothing if the user had done so before.
    """
    return frozenset(name for name in categories if _shown(board, before, name) != _shown(board, after, name))


def _shown(board: Board, seen_by: Audience, category: str) -> list[tuple[int, int, str]]:
    """Give what is read of it: times to the second, because a float has no last digit to rely on."""
    found = visible(board, seen_by, category)
    return [(one.key.instance, round(one.published), write_value(one)) for one in found]


def _is_empty(one: Instance) -> bool:
    return isinstance(one.value, Services) and not one.value.services


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
