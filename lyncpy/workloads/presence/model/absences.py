"""What a blocked watcher goes on seeing: a user who signed out at the moment of the block. Pure.

Signing out removes what ends with devices; notes, calendars and cards that a client published
for good stay, and so does the access to them. What stays is kept with the block, once for all who
are blocked on the same board: what the user writes, removes or allows later does not change it. Only
time ends it, as it ends the publications of a user who is absent.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from lyncpy.workloads.presence.model.states import StateKind
from lyncpy.workloads.presence.model.tables import (
    BLOCKED,
    CATEGORIES,
    OTHER,
    PRIVATE_CONTAINERS,
    Container,
    ContainerMember,
    Instance,
    InstanceKey,
    MemberKind,
)

_REFERENCE_BYTES: Final = 16
"""Bytes that count for a publication beside its text, which may be on the board itself."""


@dataclass(frozen=True, slots=True)
class SignedOutView:
    """The publications of a user that are still seen after a sign-out, and the access to them."""

    instances: tuple[Instance, ...] = ()
    """In order of keys; only what clients published for good or for a time."""

    lists: tuple[tuple[int, frozenset[ContainerMember]], ...] = ()
    """(container, its members), without members by name."""

    private: bool = False
    """Whether only contacts saw the user."""

    def __hash__(self) -> int:
        """Hash without the texts: absences that this distinguishes began at the same moment."""
        return hash((len(self.instances), self.private))

    def at(self, category: str, container: int) -> Iterator[Instance]:
        """Give the publications in a category and a container, in order of their keys."""
        return (one for one in self.instances if one.key.category == category and one.key.container == container)


class Absence(NamedTuple):
    """The sign-out that a blocked watcher sees in place of the user's presence."""

    at: float
    """When the user signed out, as this watcher sees it (wall-clock seconds); 0: longer ago than is known."""

    last_active: float | None = None
    listed: tuple[int, ...] = ()
    """Containers whose lists named them at the block: clients move whom they block, and a lower level would tell of it."""

    remains: SignedOutView | None = None
    """What the user has left for them; None: that is not known, and they see the card alone, by the present lists."""

    contact: bool = False
    """Whether they were a contact; it counts only where nobody else saw the user."""

    ages: tuple[float, ...] = ()
    """When each access level saw the user sign out, in the order of `VISIBLE`; empty: all at the same time."""

    def since(self, now: float) -> "Absence":
        """Give the same for a process that knows of it from now on only (wall-clock seconds)."""
        return self._replace(at=now, ages=())


Absences = Mapping[ContainerMember, Absence]
"""Blocked member → what they see; the newest last."""

LONG_GONE: Final = Absence(0.0)


def remains_of(
    instances: Mapping[InstanceKey, Instance], containers: Mapping[int, Container], known: Absences, *, private: bool
) -> SignedOutView:
    """Give what stays of a user who has just signed out; an equal value that is kept already is given itself.

    Args:
        instances: All publications on the board at that time.
        containers: The lists before the block.
        known: The absences of members who were blocked before.
        private: Whether only contacts see the user.
    """
    before = _distinct(known)
    shared = {members: members for one in before for _, members in one.lists}
    kept = tuple(one for _, one in sorted(instances.items()) if _stays(one))
    lists = []
    for id_, container in sorted(containers.items()):
        members = frozenset(member for member in container.members if member.kind is not MemberKind.USER)
        if id_ != BLOCKED:
            lists.append((id_, shared.get(members, members)))
    found = SignedOutView(kept, tuple(lists), private)
    return next((one for one in before if one == found), found)


def _stays(one: Instance) -> bool:
    if not one.is_durable or one.key.container in (*PRIVATE_CONTAINERS, BLOCKED):
        return False
    if one.state is not None and one.state.kind is not StateKind.AGGREGATE:
        return False  # what aggregates are made of is never seen itself
    return CATEGORIES.get(one.key.category, OTHER).shown


def lapsed(absences: Absences, now: float) -> Absences:
    """Remove the publications that have expired (`now` in wall-clock seconds); the same mapping, if none has."""
    if all(until > now for until in ends(absences)):
        return absences

    def left(kept: SignedOutView) -> SignedOutView:
        return replace(kept, instances=tuple(one for one in kept.instances if one.until is None or one.until > now))

    return _each(absences, left)


def ends(absences: Absences) -> Iterator[float]:
    """Give the times (wall-clock seconds) at which publications that are kept expire."""
    return (one.until for kept in _distinct(absences) for one in kept.instances if one.until is not None)


def carried(absences: Absences, by_s: float) -> Absences:
    """Move all times by the seconds by which the wall clock was set, as those of the publications on a board."""
    found = each(absences, lambda one: one.carried(by_s))
    return {
        member: one._replace(at=one.at + by_s if one.at else one.at, ages=tuple(age + by_s for age in one.ages))
        for member, one in found.items()
    }


def each(absences: Absences, become: Callable[[Instance], Instance]) -> Absences:
    """Replace each of the publications that are kept."""

    def with_each(kept: SignedOutView) -> SignedOutView:
        return replace(kept, instances=tuple(map(become, kept.instances)))

    return _each(absences, with_each)


def bounded(absences: Absences, instances: Collection[Instance], room_bytes: int) -> Absences:
    """Drop what is kept for those who were blocked first, until the rest fits; the same mapping, if all fits.

    Args:
        absences: What is kept.
        instances: The publications on the board, whose bytes are counted there.
        room_bytes: The bytes that may be kept beside them.
    """
    counted = set(map(id, instances))
    full = dict[int, SignedOutView | None]()
    for kept in reversed(_distinct(absences)):
        listed = sum(_REFERENCE_BYTES + sum(len(one.value) for one in members) for _, members in kept.lists)
        size = sum(_REFERENCE_BYTES + (0 if id(one) in counted else _size(one)) for one in kept.instances)
        if listed + size <= room_bytes:
            room_bytes -= listed + size
            counted.update(map(id, kept.instances))
        else:
            full[id(kept)] = replace(kept, instances=()) if listed <= room_bytes else None
            room_bytes -= min(listed, room_bytes)
    return _each(absences, lambda kept: full.get(id(kept), kept)) if full else absences


def _size(one: Instance) -> int:
    return len(one.value.encode()) if isinstance(one.value, str) else 0


def _each(absences: Absences, become: Callable[[SignedOutView], SignedOutView | None]) -> Absences:
    """Replace each kept value once, so that all who share it share the new one."""
    found = {id(kept): become(kept) for kept in _distinct(absences)}
    return {
        member: one if one.remains is None else one._replace(remains=found[id(one.remains)])
        for member, one in absences.items()
    }


def _distinct(absences: Absences) -> Sequence[SignedOutView]:
    """Give each kept value once, the oldest first; members who see the same share one object."""
    return tuple({id(one.remains): one.remains for one in absences.values() if one.remains is not None}.values())
