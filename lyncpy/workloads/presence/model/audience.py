"""The audience to which a watcher belongs, and what an audience sees of a board. Pure.

A watcher sees nothing that their containers do not hold; the rules are in `audience`, `visible` and
`concerns`, over the tables of `tables`, and nowhere else. Spec: [MS-PRES] 3.5, containers.

*Blocked* is not *nothing*: a blocked watcher must not be able to tell it from a user who has
signed out. So they see what they would see if the user had signed out at the moment
of the block: from the level where the lists put them then, an offline state of that age, the notes
and calendars that were left (`absences`), no services; and the card of the directory as it is now.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lyncpy.contracts.names import Aor, bare
from lyncpy.workloads.presence.model.absences import LONG_GONE, SignedOutView
from lyncpy.workloads.presence.model.access import KIND_OF, NOWHERE
from lyncpy.workloads.presence.model.aggregate import for_audience
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.states import Aggregate, Services, StateKind
from lyncpy.workloads.presence.model.tables import (
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
    LOOKUP,
    NO_DELEGATES,
    OFFLINE,
    OTHER,
    VISIBLE,
    WORKGROUP,
    Container,
    ContainerMember,
    Expire,
    Instance,
    InstanceKey,
    MemberKind,
    Relation,
)
from lyncpy.workloads.presence.model.values import write_value

Levels = tuple[int, ...]
"""Containers in which a category is looked for, the first that holds it shows it; container 0 is
everybody's and not named. `BLOCKED` ends the search."""


@dataclass(frozen=True, slots=True)
class BlockedAudience:
    """The audience for which a user has signed out, whatever the user does: all blocked watchers who see the same."""

    at: float
    """When the user signed out (wall-clock seconds); 0: longer ago than is known."""

    last_active: float | None
    under: Levels
    """The levels in which they would be without the block."""

    remains: SignedOutView | None = None
    """What the user has left for them; None: that is not known."""

    ages: tuple[float, ...] = ()
    """When each of `VISIBLE` saw the user sign out, where they differ."""


Audience = Levels | BlockedAudience
"""An audience: equal for all watchers who see the same."""

OWNER: Final[Audience] = (FRIENDS, WORKGROUP, COLLEAGUES, EXTERNAL)
NOBODY: Final[Levels] = (BLOCKED,)
"""The audience of an address that is no user's: nothing at all is seen."""

STRANGER: Final[Levels] = (-1,)
"""Watchers whom privacy mode keeps out: they see the card of container 0, and nothing else."""

_CARD: Final = ("contactCard", DEFAULT)
_CARDS: Final = frozenset({"contactCard"})


def relation_of(watcher: str, domains: Collection[str], public_domains: Collection[str] = ()) -> Relation:
    """Give the relation of a watcher to the enterprise.

    Args:
        watcher: The watcher's address; one without a domain is anonymous.
        domains: The enterprise's domains, lower case.
        public_domains: The domains of public services, lower case.
    """
    domain = bare(watcher).rpartition("@")[2] if "@" in watcher else ""
    if not domain:
        return Relation.ANONYMOUS
    if domain in domains:
        return Relation.SAME_ENTERPRISE
    return Relation.PUBLIC_CLOUD if domain in public_domains else Relation.FEDERATED


def audience(board: Board, watcher: Aor, relation: Relation = Relation.SAME_ENTERPRISE) -> Audience:
    """Give the audience of a watcher: the containers in which a category is looked for.

    The lists are searched in the order of `LOOKUP`: those that name the watcher, the watcher's domain,
    the relation to the enterprise, everyone; of several of one kind the highest container. A list that
    blocks ends the search.

    Spec: [MS-PRES] 3.5, containers; "relationship level determination" of UCMA 4.0. A user whose
    client has not yet set up the two usual levels is seen as if it had, so that two new
    colleagues see each other at once.
    """
    return audiences({board.aor: board}, watcher, relation)[board.aor]


def audiences(boards: Mapping[Aor, Board], watcher: Aor, relation: Relation) -> dict[Aor, Audience]:
    """Give the audience of a watcher for many boards, see `audience`: most are looked at by many, of whom no list names one."""
    found: dict[Aor, Audience] = {}
    domain = watcher.rpartition("@")[2]
    for aor, board in boards.items():
        access, contacts = board.access, board.private_to
        if watcher == board.aor:
            found[aor] = OWNER
            continue
        if watcher in access.people or (contacts is not None and watcher in contacts):
            found[aor] = _searched(board, watcher, relation)
            continue
        # All others whom no list names are one audience, or one for each domain that a list does name.
        others = relation, domain if domain in access.domains else ""
        known = access.audiences.get(others)
        if known is not None:
            found[aor] = known
            continue
        seen_by = found[aor] = _searched(board, watcher, relation)
        if not isinstance(seen_by, BlockedAudience):
            access.audiences[others] = seen_by
    return found


def _searched(board: Board, watcher: Aor, relation: Relation) -> Audience:
    """Search the lists for a watcher."""
    found: list[int] = []
    for kind in LOOKUP:
        ids = listing(board, kind, watcher, relation)
        # A narrower entry wins: a watcher listed by name sees that level first, and a wider block ends the search
        # behind it. Blocked before any list, they see a sign-out.
        if BLOCKED in ids:
            member = entry(kind, watcher, relation)
            if not found and member is not None:
                return _away(board, member, watcher, relation)
            return (*found, BLOCKED)
        found.extend(id_ for id_ in ids if id_ not in found)
    if board.private_to is not None and not found:
        return STRANGER
    return tuple(found)


def is_blocked(seen_by: Audience) -> bool:
    """Tell whether an audience is blocked, which its watchers must not be able to tell."""
    return isinstance(seen_by, BlockedAudience) or seen_by[:1] == NOBODY


def _away(board: Board, member: ContainerMember, watcher: Aor, relation: Relation) -> Audience:
    """Give the audience of a watcher whom this entry blocks."""
    absence = board.absences.get(member, LONG_GONE)
    remains = absence.remains
    if remains is None:
        others = {id_: one for id_, one in board.containers.items() if id_ != BLOCKED}
        open_ = board.having(containers=others)
    else:
        others = {id_: Container(0, members) for id_, members in remains.lists}
        contacts = _contacts(board, remains, member, watcher, contact=absence.contact)
        open_ = board.having(containers=others, delegates=NO_DELEGATES, private_to=contacts)
    for id_ in absence.listed:
        found = others.get(id_, Container())
        others[id_] = replace(found, members=found.members | {member})
    under = audience(open_, watcher, relation)
    return BlockedAudience(
        absence.at, absence.last_active, () if isinstance(under, BlockedAudience) else under, remains, absence.ages
    )


def _contacts(
    board: Board, remains: SignedOutView, member: ContainerMember, watcher: Aor, *, contact: bool
) -> frozenset[Aor] | None:
    """Give the contacts who alone see what a user has left; None: not only contacts see it.

    The user's wish counts as it was then; but a policy of privacy mode counts for the absent, too.
    """
    if not remains.private:
        return None if board.wants_privacy else board.private_to
    if member.kind is MemberKind.USER:
        return frozenset({watcher} if contact else ())
    return board.private_to or frozenset()


def visible(board: Board, seen_by: Audience, category: str) -> tuple[Instance, ...]:
    """Give the publications of a category that an audience sees; of the states, only the aggregate.

    An audience that sees no state gets none here; the writers of documents write offline then.
    """
    if not CATEGORIES.get(category, OTHER).shown:
        return ()
    # A blocked watcher is shown a sign-out in the levels that they would have; one whom privacy mode keeps out, name
    # and address with an offline state. Neither can be told from a user who is away.
    if isinstance(seen_by, BlockedAudience):
        if seen_by.under == STRANGER:
            return visible(board, STRANGER, category)
        return next((found for _, found in _search(_left(board, seen_by), seen_by.under, category) if found), ())
    if seen_by == STRANGER:
        if category == "state":
            return (_offline(EXTERNAL, board.born, None),)
        return tuple(one for one in board.places.get(_CARD, ()) if one.made) if category == _CARD[0] else ()
    found = next((found for _, found in _search(_places(board), seen_by, category) if found), ())
    return () if category == "services" and all(_is_empty(one) for one in found) else found


def call_rules(board: Board, seen_by: Audience) -> tuple[Instance, ...]:
    """Give the rules for calls of an audience, which no watcher is ever told; none for who is blocked.

    Whom privacy mode keeps out has those of everybody who is in no container.

    Spec: [MS-SIPRE], routing.
    """
    if isinstance(seen_by, BlockedAudience):
        return ()
    levels = () if seen_by == STRANGER else seen_by
    return next((found for _, found in _search(_places(board), levels, "routing") if found), ())


def work_hours(board: Board) -> str:
    """Give the document in which a user tells when they work, whoever may see it; "" for none."""
    written = (
        write_value(one) for container in sorted(LEVELS) for one in board.places.get(("calendarData", container), ())
    )
    return next((text for text in written if "WorkingHours" in text), "")


_Places = Callable[[str, int], tuple[Instance, ...]]
"""Gives the publications in a category and a container, in order of their keys."""


def _places(board: Board) -> _Places:
    return lambda category, container: board.places.get((category, container), ())


def _left(board: Board, seen_by: BlockedAudience) -> _Places:
    """Give the publications by category and container for an audience that sees the user signed out."""

    def found(category: str, container: int) -> tuple[Instance, ...]:
        left = [] if seen_by.remains is None else list(seen_by.remains.at(category, container))
        if category in _CARDS:
            # What the directory knows is not the user's doing. Where it is not known what was left, what the
            # user's devices put there later would tell that somebody is at them.
            old = seen_by.remains is None
            cards = board.places.get((category, container), ())
            left += [one for one in cards if one.made or (old and one.published <= seen_by.at)]
        elif category == "state" and container in VISIBLE:
            at = seen_by.ages[VISIBLE.index(container)] if seen_by.ages else seen_by.at
            left.append(_offline(container, at or board.born, seen_by.last_active))
        return tuple(sorted(left, key=lambda one: one.key))

    return found


def _offline(level: int, at: float, last_active: float | None) -> Instance:
    """Make the aggregate state of a user who has signed out, as an access level shows it."""
    value = for_audience(Aggregate(OFFLINE, last_active=last_active), LEVELS[level].told)
    return Instance(InstanceKey("state", AGGREGATE_INSTANCE, level), 1, Expire.USER, value, at)


def concerns(
    board: Board,
    changes: Collection[tuple[str, int]],
    seen_by: Audience,
    furnished: Collection[tuple[str, int]] = (),
) -> frozenset[str]:
    """Give the categories in which an audience may see something new.

    What changed in a container behind the one that is shown is not seen, and is not told.

    Args:
        board: The board as it is now.
        changes: Category and container of everything that has changed since the audience was told last.
        seen_by: The audience; it was the same then.
        furnished: Those of the changes where the server's own publication has changed.
    """
    places = _places(board)
    if isinstance(seen_by, BlockedAudience):
        # Whoever has signed out does nothing; but the directory may give them another card all the same.
        changes = [one for one in furnished if one[0] in _CARDS]
        places, seen_by = _left(board, seen_by), seen_by.under
    if seen_by == STRANGER:
        return frozenset({_CARD[0]}) if _CARD in changes else frozenset()
    return frozenset(
        category
        for category in {category for category, _ in changes}
        if CATEGORIES.get(category, OTHER).shown
        and any((category, container) in changes for container, _ in _search(places, seen_by, category))
    )


def differs(board: Board, before: Audience, after: Audience, categories: Collection[str]) -> frozenset[str]:
    """Give the categories of which two audiences see different things.

    A watcher who changes from one to the other is told of these alone: a blocked watcher is told what they
    would be told if the user signed out, and nothing if the user had signed out before.
    """
    # While somebody is blocked, another time can only be that of a clock which was set.
    timed = not (is_blocked(before) and is_blocked(after))
    return frozenset(
        name
        for name in categories
        if _shown(board, before, name, timed=timed) != _shown(board, after, name, timed=timed)
    )


def _shown(board: Board, seen_by: Audience, category: str, *, timed: bool) -> list[tuple[int, int, str]]:
    """Give the values that an audience reads, with times to the second: the last digits of a float are not reliable."""
    found = visible(board, seen_by, category)
    return [(one.key.instance, round(one.published) if timed else 0, write_value(one)) for one in found]


def _is_empty(one: Instance) -> bool:
    return isinstance(one.value, Services) and not one.value.services


def _search(places: _Places, seen_by: Levels, category: str) -> Iterator[tuple[int, tuple[Instance, ...]]]:
    """Give the containers that are searched for a category, with the publications there; the last one is shown."""
    for container in (*seen_by, DEFAULT):
        if container == BLOCKED:
            return
        found = places(category, container)
        if category == "state":
            found = tuple(one for one in found if _is_aggregate(one))
        yield container, found
        if found or (container in LEVELS and category in LEVELS[container].closed):
            return


def listing(board: Board, kind: MemberKind, watcher: Aor, relation: Relation) -> Levels:
    """Give the containers that list a watcher by one kind of member, the highest first.

    Implicit membership counts: that of a delegate, of a contact in privacy mode, and in the usual two levels.
    """
    member = entry(kind, watcher, relation)
    if member is None:
        return NOWHERE
    ids = board.access.lists.get(member, NOWHERE)
    # By the role `delegate` of the container manifest they are in one level, unless the user has chosen another.
    if kind is MemberKind.USER:
        if not ids and any(one.aor == watcher for one in board.delegates.members):
            return (DELEGATE_LEVEL,)
        return ids
    if board.private_to is not None:
        # Only who was placed by name counts, and who is a contact; a list may still keep somebody out.
        if BLOCKED in ids:
            return NOBODY
        level = CONTACT_LEVELS.get(relation) if kind is KIND_OF[relation] else None
        return (level,) if level is not None and watcher in board.private_to else NOWHERE
    # Until a client has written these lists at its first sign-in, they count as it will write them ([MS-PRES] 3.5).
    implied = IMPLIED.get(kind)
    return (implied,) if not ids and implied is not None and implied not in board.containers else ids


def entry(kind: MemberKind, watcher: Aor, relation: Relation) -> ContainerMember | None:
    """Give the member by which a watcher would be listed in this kind; None: the kind does not apply to the watcher."""
    if kind is MemberKind.EVERYONE or kind is KIND_OF[relation]:
        return ContainerMember(kind)
    if relation is Relation.ANONYMOUS:
        return None
    if kind is MemberKind.USER:
        return ContainerMember(kind, bare(watcher))
    if kind is MemberKind.DOMAIN:
        return ContainerMember(kind, bare(watcher).rpartition("@")[2])
    return None


def _is_aggregate(one: Instance) -> bool:
    return isinstance(one.value, Aggregate) or (one.state is not None and one.state.kind is StateKind.AGGREGATE)
