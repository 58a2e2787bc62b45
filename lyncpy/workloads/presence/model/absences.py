"""What somebody who is blocked goes on seeing: a user who signed out at that moment. Pure.

Signing out takes away what is bound to devices; notes, calendars and cards that a client put up for
good stay, and so does who may see them. What stays is kept with the block, once for all who are
blocked on the same board: whatever the user writes, takes off or allows later, is not theirs. Only
time ends it, as it ends what somebody has left who is away.
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
"""What keeping one more publication costs beside its text, which may be on the board itself."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What of a user stays to be seen after a sign-out, and who may see it."""

    instances: tuple[Instance, ...] = ()
    """In order of keys; only what clients published for good or for a time."""

    lists: tuple[tuple[int, frozenset[ContainerMember]], ...] = ()
    """Container → whom its list meant, people by name left out."""

    private: bool = False
    """Whether only contacts saw the user."""

    def __hash__(self) -> int:
        """Spare the texts: whoever is told apart by this has been blocked in the same moment."""
        return hash((len(self.instances), self.private))

    def at(self, category: str, container: int) -> Iterator[Instance]:
        """Give what is at a place, in order of keys."""
        return (one for one in self.instances if one.key.category == category and one.key.container == container)


class Absence(NamedTuple):
    """As what somebody who was blocked sees the user from then on: as somebody who signed out at that moment."""

    at: float
    """When the user went, for this watcher; 0: longer ago than anybody knows."""

    last_active: float | None = None
    listed: tuple[int, ...] = ()
    """Containers whose lists named them until then: clients move whom they block, and a level that fell would tell."""

    remains: Remains | None = None
    """None: nobody knows; then they see the card alone, by the lists as they are."""

    contact: bool = False
    """Whether they were a contact, when only contacts saw the user."""

    ages: tuple[float, ...] = ()
    """When each of the levels saw the user go, in the order of `VISIBLE`; empty: all at the same time."""

    def since(self, now: float) -> "Absence":
        """Give the same for who knows of it from now on only: the process that kept it has ended."""
        return self._replace(at=now, ages=())


Absences = Mapping[ContainerMember, Absence]
"""Entry of the list of who is blocked → what it sees; the newest last."""

LONG_GONE: Final = Absence(0.0)


def remains_of(
    instances: Mapping[InstanceKey, Instance], containers: Mapping[int, Container], known: Absences, *, private: bool
) -> Remains:
    """Give what stays of a user who has just signed out; the same value as before, if it is the same.

    Args:
        instances: All that is on their board then.
        containers: The lists as they were before anybody was blocked now.
        known: Who was blocked before, and sees what.
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
    found = Remains(kept, tuple(lists), private)
    return next((one for one in before if one == found), found)


def _stays(one: Instance) -> bool:
    if not one.is_durable or one.key.container in (*PRIVATE_CONTAINERS, BLOCKED):
        return False
    if one.state is not None and one.state.kind is not StateKind.AGGREGATE:
        return False  # what aggregates are made of is never seen itself
    return CATEGORIES.get(one.key.category, OTHER).shown


def lapsed(absences: Absences, now: float) -> Absences:
    """Let end what was published for a time; the same mapping, if nothing ends."""
    if all(until > now for until in ends(absences)):
        return absences

    def left(kept: Remains) -> Remains:
        return replace(kept, instances=tuple(one for one in kept.instances if one.until is None or one.until > now))

    return _each(absences, left)


def ends(absences: Absences) -> Iterator[float]:
    """Give the times at which something of what is kept ends."""
    return (one.until for kept in _distinct(absences) for one in kept.instances if one.until is not None)


def carried(absences: Absences, by_s: float) -> Absences:
    """Take absences along when the wall clock was set, as the publications on a board are."""

    def moved(kept: Remains) -> Remains:
        return replace(kept, instances=tuple(one.carried(by_s) for one in kept.instances))

    found = _each(absences, moved)
    return {
        member: one._replace(at=one.at + by_s if one.at else one.at, ages=tuple(age + by_s for age in one.ages))
        for member, one in found.items()
    }


def bounded(absences: Absences, instances: Collection[Instance], room_bytes: int) -> Absences:
    """Let go of what is kept for those who were blocked first, as far as there is no room; the same mapping, if there is.

    Args:
        absences: What is kept.
        instances: What is on the board, and counted there.
        room_bytes: How much may be kept beside that.
    """
    counted = set(map(id, instances))
    full = dict[int, Remains | None]()
    for kept in reversed(_distinct(absences)):
        listed = sum(_REFERENCE_BYTES + sum(len(one.value) for one in members) for _, members in kept.lists)
        size = sum(_REFERENCE_BYTES + (0 if id(one) in counted else _size(one)) for one in kept.instances)
        if listed + size <= room_bytes:
            room_bytes -= listed + size
            counted.update(map(id, kept.instances))
        elif kept.instances or listed > room_bytes:
            full[id(kept)] = replace(kept, instances=()) if listed <= room_bytes else None
            room_bytes -= min(listed, room_bytes)
    return _each(absences, lambda kept: full.get(id(kept), kept)) if full else absences


def _size(one: Instance) -> int:
    return len(one.value.encode()) if isinstance(one.value, str) else 0


def _each(absences: Absences, become: Callable[[Remains], Remains | None]) -> Absences:
    """Replace what is kept, each once: it stays the same value for all who share it."""
    found = {id(kept): become(kept) for kept in _distinct(absences)}
    return {
        member: one if one.remains is None else one._replace(remains=found[id(one.remains)])
        for member, one in absences.items()
    }


def _distinct(absences: Absences) -> Sequence[Remains]:
    """Give what is kept, each once, the oldest first: whoever sees the same shares one object."""
    return tuple({id(one.remains): one.remains for one in absences.values() if one.remains is not None}.values())
