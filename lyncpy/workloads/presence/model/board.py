"""A board, and its changes by publications, by endpoints that leave, and by time. Pure.

Every function takes a board and gives a new one with the differences. The rules are the
tables of `tables`; the access to a board is changed in `levels`. Spec: [MS-PRES] 3.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Final, NamedTuple

from lyncpy.contracts.names import Aor, Epid, Version
from lyncpy.workloads.presence.model.absences import Absences, bounded, ends, lapsed
from lyncpy.workloads.presence.model.access import AccessLists
from lyncpy.workloads.presence.model.aggregate import moments
from lyncpy.workloads.presence.model.quotas import Quotas, excess_of, is_too_long, size_of
from lyncpy.workloads.presence.model.server_publications import LEGACY, SOURCES, ServerPublication, make, was_active
from lyncpy.workloads.presence.model.states import StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    BLOCKED,
    CATEGORIES,
    DELEGATE_LEVEL,
    IMPLIED_LEVELS,
    NO_DELEGATES,
    OTHER,
    PRIVACY_INSTANCE,
    SELF,
    Container,
    Delegates,
    Denial,
    Expire,
    ExpiryCause,
    Instance,
    InstanceKey,
    Publication,
    Subscriber,
)

NEVER: Final = Version(0)

_PRIVACY: Final = InstanceKey("otherOptions", PRIVACY_INSTANCE, SELF)


@dataclass(frozen=True)
class Board:
    """All that one user has published, and the access of others to it."""

    aor: Aor
    version: Version = NEVER
    """Grows by one with every change of anything on the board."""

    instances: Mapping[InstanceKey, Instance] = field(default_factory=dict)
    containers: Mapping[int, Container] = field(default_factory=dict)
    """Another mapping whenever anything that decides on audiences has changed: an audience that is kept can be tested by it."""

    subscribers: tuple[Subscriber, ...] = ()
    last_active: float | None = None
    delegates: Delegates = NO_DELEGATES
    absences: Absences = field(default_factory=dict)
    """Blocked member → what they see; one who is missing here was blocked longer ago than is known."""

    private_to: frozenset[Aor] | None = None
    """The user's contacts, when nobody else may see them (privacy mode); else None. Not stored."""

    def having(self, **changes: Any) -> "Board":  # Any: the values of these fields
        """Give this board with other values of some of its fields, which are named.

        As `dataclasses.replace` does, at a third of its price, which each change of a board would pay several times. What
        is computed once for each board does not come along.
        """
        own, board = self.__dict__, object.__new__(Board)
        kept = board.__dict__
        for name in _FIELDS:
            kept[name] = own[name]
        kept.update(changes)
        if len(kept) != len(_FIELDS):
            raise TypeError(f"no fields of a board: {sorted(changes.keys() - set(_FIELDS))}")
        return board

    @cached_property
    def ordered(self) -> Sequence[Instance]:
        """Give all publications in order of their keys, which stand first in each and differ."""
        return sorted(self.instances.values())

    @cached_property
    def places(self) -> Mapping[tuple[str, int], tuple[Instance, ...]]:
        """Map category and container to the publications there, in order of their keys."""
        places: dict[tuple[str, int], tuple[Instance, ...]] = {}
        for one in self.ordered:
            category, _, container = one.key
            place = category, container
            # In most of them is one.
            places[place] = (*places[place], one) if place in places else (one,)
        return places

    @cached_property
    def access(self) -> AccessLists:
        """Give who is named where, and the audiences that are known; for as long as nothing on the board changes."""
        return AccessLists(self.containers, self.delegates)

    def instances_of(self, category: str) -> Iterator[Instance]:
        """Give every publication of a category, in all containers."""
        return (one for one in self.ordered if one.key.category == category)

    @property
    def born(self) -> float:
        """Give when this process first had the board: whatever never changes on it has this age."""
        one = self.instances.get(LEGACY[BLOCKED])
        return 0.0 if one is None else one.published

    @property
    def wants_privacy(self) -> bool:
        """Tell whether the user has asked to be seen by their contacts only."""
        one = self.instances.get(_PRIVACY)
        return one is not None and one.private


_FIELDS: Final = tuple(field.name for field in fields(Board))


class BoardDelta(NamedTuple):
    """The differences between two boards."""

    touched: frozenset[str] = frozenset()
    """Categories with anything new, a version included: for the user's own endpoints."""

    shown: frozenset[tuple[str, int]] = frozenset()
    """(category, container) with another content: for watchers."""

    furnished: frozenset[tuple[str, int]] = frozenset()
    """Those of `shown` where the server's own publication has changed, which the user has not done."""

    members: frozenset[int] = frozenset()
    """Containers with another list, or with other implicit members."""

    subscribers: bool = False
    delegates: bool = False
    absences: bool = False
    """Whether a blocked watcher sees something else."""

    durable: bool = False
    """Whether it is to be written to the store before it is acknowledged."""

    volatile: bool = False
    """Whether other servers are to know it, though it is not kept."""


_NO_DELTA: Final = BoardDelta()


@dataclass(frozen=True, slots=True)
class Published:
    """A board after a change, and the differences."""

    board: Board
    changes: BoardDelta


@dataclass(frozen=True, slots=True)
class VersionFault:
    """One operation whose version is out of date."""

    index: int
    """Position in the request, from 1."""

    key: InstanceKey | int | None
    """The publication or the container; None: the list of delegates."""

    version: int
    current: int


@dataclass(frozen=True, slots=True)
class StaleVersions:
    """Nothing was changed: these operations have old versions."""

    faults: tuple[VersionFault, ...]


@dataclass(frozen=True, slots=True)
class PublicationDenied:
    """Nothing was changed: the change is denied."""

    denial: Denial


Outcome = Published | StaleVersions | PublicationDenied


def publish(
    board: Board,
    publications: Sequence[Publication],
    by: Epid,
    now: float,
    quotas: Quotas,
    refused: Mapping[InstanceKey | int, int] | None = None,
) -> Outcome:
    """Apply one endpoint's publications to its user's board.

    All or nothing: one stale version leaves the board as it was. A publication with
    `expires` 0 removes its instance; removing what is not there does nothing, whatever
    its version. The aggregate states are computed last.

    Args:
        board: The user's board.
        publications: In document order; a fault counts them from 1.
        by: The publishing endpoint.
        now: Wall-clock seconds.
        quotas: The board's bounds.
        refused: The stale versions that this endpoint sent last and was refused for, by key; None: there are none.

    Returns:
        The new board and the differences; or every operation that was stale; or the reason of a denial.

    Spec: [MS-PRES] 3.7. Client: it may know a category, but not the instance of it that it
    publishes; then it discards the current version that a fault gives and sends version 0 again,
    without end. So 0 is accepted for an endpoint's own publication, and so is a stale version that
    an endpoint sends again after a fault.
    """
    instances = dict(board.instances)
    faults = []
    for index, one in enumerate(publications, 1):
        found = _apply(one, instances, by, now, quotas, refused or {})
        if isinstance(found, Denial):
            return PublicationDenied(found)
        # All operations are looked at before anything is refused: the fault names each that is stale.
        if found is not None:
            faults.append(VersionFault(index, one.key, one.version, found))
    if faults:
        return StaleVersions(tuple(faults))
    denial = excess_of(board.instances, instances, quotas)
    if denial is not None:
        return PublicationDenied(denial)
    return with_aggregates(
        board,
        roomy(board.having(instances=instances), quotas),
        now,
        [one.key for one in publications],
    )


def _apply(
    one: Publication,
    instances: dict[InstanceKey, Instance],
    by: Epid,
    now: float,
    quotas: Quotas,
    refused: Mapping[InstanceKey | int, int],
) -> int | Denial | None:
    """Apply one publication to instances; return None, the current version if its own is stale, or why it is denied."""
    old = instances.get(one.key)
    removes = one.expires_s == 0
    # Removal is idempotent: a client repeats it with whatever version it has, and there is nothing to protect.
    if old is None and removes:
        return None
    # An aggregate, the services and the directory's card are the server's alone ([MS-PRES] 3.7.5): neither
    # one that is there nor one that is not made yet may be a client's.
    category, instance, container = one.key
    if (old is not None and old.epid is None) or CATEGORIES.get(category, OTHER).is_made(instance, container):
        return Denial.READ_ONLY
    # The version is that which the publisher saw last, 0 for a new instance ([MS-PRES] 3.7).
    current = old.version if old else 0
    own = one.version == 0 and old is not None and old.epid == by
    if one.version != current and not own and refused.get(one.key) != one.version:
        return current
    if removes:
        del instances[one.key]
        return None
    if is_too_long(one.value, quotas):
        return Denial.TOO_LONG
    # Under the key that the board has: each request brings one of its own.
    key = one.key if old is None else old.key
    instances[key] = _instance(key, one, current + 1, by, now)
    return None


def leave(board: Board, epid: Epid, now: float, *, last: bool) -> Published:
    """Remove the publications of an endpoint that has left, and with the last one those that end with the user's presence.

    Spec: [MS-PRES] 3.7.5, expiry by type.
    """

    def ends(one: Instance) -> bool:
        endings = one.endings
        return not one.made and (
            (ExpiryCause.LEFT in endings and one.epid == epid) or (last and ExpiryCause.LAST in endings)
        )

    return _without(board, ends, now)


def expire(board: Board, now: float) -> Published:
    """Remove the publications that have expired at `now` (wall-clock seconds), and let meetings begin and end."""
    kept = {key: one for key, one in board.instances.items() if one.until is None or one.until > now}
    return with_aggregates(board, _seen_by_blocked(board.having(instances=kept), lapsed(board.absences, now)), now)


def _seen_by_blocked(board: Board, absences: Absences) -> Board:
    """Replace what the blocked see, if the mapping is another one; then the audiences are computed anew."""
    if absences is board.absences:
        return board
    return board.having(absences=absences, containers=dict(board.containers))


def roomy(board: Board, quotas: Quotas) -> Board:
    """Reduce what is kept for the blocked to the bytes that the board has left."""
    if not board.absences:
        return board
    room = quotas.board_bytes - size_of(board.instances)
    return _seen_by_blocked(board, bounded(board.absences, board.instances.values(), room))


def reset(board: Board, now: float) -> Published:
    """Remove the states that the person chose by hand, so that machines and calendar count again.

    `dndState` goes with them: it repeats a Do Not Disturb for callers.
    """

    def ends(one: Instance) -> bool:
        chosen = one.state is not None and one.state.kind is StateKind.USER and one.state.manual
        return chosen or one.key.category == "dndState"

    return _without(board, ends, now)


def deadline(board: Board, now: float) -> float | None:
    """Give the time (wall-clock seconds) at which `expire` will next change something; None: never."""
    lapses: list[float] = []
    states: list[StateDocument] = []
    for one in board.instances.values():
        if one.epid is None:
            continue  # the server's own, which most are
        if one.until is not None:
            lapses.append(one.until)
        if one.state is not None:
            states.append(one.state)
    return min((*lapses, *ends(board.absences), *moments(states, now)), default=None)


def publish_directory_facts(board: Board, made: Collection[ServerPublication], now: float) -> Published:
    """Publish what the server makes of the directory, in place of what it published before."""
    kept = {key: one for key, one in board.instances.items() if not one.made or not isinstance(one.value, str)}
    for one in made:
        old = board.instances.get(one.key)
        new = Instance(one.key, old.version + 1 if old else 1, Expire.STATIC, one.value, now)
        kept[one.key] = old if old is not None and old.value == one.value else new
    keys = board.instances.keys() - kept.keys() | {one.key for one in made}
    return with_aggregates(board, board.having(instances=kept), now, keys)


def with_aggregates(old: Board, new: Board, now: float, keys: Collection[InstanceKey] | None = None) -> Published:
    """Compute what the server publishes on a changed board, and the differences.

    Args:
        old: The board before.
        new: The same with other publications, members, subscribers or delegates.
        now: Wall-clock seconds.
        keys: The only publications that may differ; None: any, and time has passed.
    """
    if keys is None:
        keys = old.instances.keys() | new.instances.keys()
        anew = True
    else:
        anew = not old.version or any((key.category, key.container) in SOURCES for key in keys)
    last_active = now if was_active(old.instances) else old.last_active
    made: list[InstanceKey] = []
    instances = new.instances
    if anew:
        made, instances = make(new.aor, new.instances, last_active, now)
    if len(instances) > len(old.instances):
        # Once for each that is new: whoever needs them in order finds them in order then, which is quickly seen.
        instances = dict(sorted(instances.items()))
    settled = new.having(version=Version(old.version + 1), instances=instances, last_active=last_active)
    changes = compare(old, settled, keys)
    if made:
        # Each has another value, and none is written to the store.
        changes = changes._replace(
            touched=changes.touched.union([key.category for key in made]),
            shown=changes.shown.union([(key.category, key.container) for key in made]),
        )
    if changes == _NO_DELTA and old.version:
        return Published(old, changes)
    return Published(settled, changes)


def compare(old: Board, new: Board, keys: Iterable[InstanceKey] | None = None) -> BoardDelta:
    """Find the differences between two boards.

    Args:
        old: The board before.
        new: The board after.
        keys: The only publications that may differ; None: any.

    Returns:
        The differences; durable if any of them is to be written to the store before it is acknowledged.
    """
    if keys is None:
        keys = old.instances.keys() | new.instances.keys()
    touched, shown, furnished, durable, volatile = _other_instances(old.instances, new.instances, keys)
    subscribers = old.subscribers is not new.subscribers and old.subscribers != new.subscribers
    delegates = old.delegates is not new.delegates and old.delegates != new.delegates
    members = _other_lists(old, new)
    durable = durable or subscribers or delegates or bool(members)
    # Delegates and, in privacy mode, contacts are members of these levels without being named on their lists.
    if delegates:
        members |= {DELEGATE_LEVEL}
    if old.private_to != new.private_to:
        members |= IMPLIED_LEVELS
    absences = old.absences is not new.absences and old.absences != new.absences
    return BoardDelta(
        frozenset(touched),
        frozenset(shown),
        frozenset(furnished),
        members,
        subscribers,
        delegates,
        absences,
        durable or absences,
        volatile,
    )


# --- inside


def _other_instances(
    old: Mapping[InstanceKey, Instance], new: Mapping[InstanceKey, Instance], keys: Iterable[InstanceKey]
) -> tuple[set[str], set[tuple[str, int]], set[tuple[str, int]], bool, bool]:
    """Find the publications that differ.

    Returns:
        The categories with anything new; the categories and containers with another value, and those of them whose
        value is the directory's; and whether any of it has to be in the store, and any in its volatile record.
    """
    touched, shown, furnished, durable, volatile = set(), set(), set(), False, False
    for key in keys:
        before, after = old.get(key), new.get(key)
        if before is after:
            continue
        # The user's own endpoints hear of every new version, because they publish on it; watchers see no versions,
        # and hear of another value alone ([MS-PRES] 3.4).
        touched.add(key.category)
        if before is None or after is None or before.value != after.value:
            place = (key.category, key.container)
            shown.add(place)
            # A text of the server's own is what the directory says.
            one = after or before
            if one is not None and one.epid is None and isinstance(one.value, str):
                furnished.add(place)
        for one in (before, after):
            if one is None or one.epid is None or (durable and volatile):
                continue
            if one.is_durable:
                durable = True
            else:
                volatile = True
    return touched, shown, furnished, durable, volatile


def _other_lists(old: Board, new: Board) -> frozenset[int]:
    """Find the containers whose members, or version, differ.

    Another mapping with the same lists says that who sees what is decided anew; nobody is told of a list then.
    """
    if old.containers is new.containers:
        return frozenset()
    ids = old.containers.keys() | new.containers.keys()
    return frozenset(id_ for id_ in ids if old.containers.get(id_) != new.containers.get(id_))


def _instance(key: InstanceKey, one: Publication, version: int, by: Epid, now: float) -> Instance:
    until = now + (one.expires_s or 0) if one.expire is Expire.TIME else None
    return Instance(key, version, one.expire, one.value, now, by, until, one.state, one.device, one.private)


def _without(board: Board, ends: Callable[[Instance], bool], now: float) -> Published:
    gone = [key for key, one in board.instances.items() if ends(one)]
    kept = {key: one for key, one in board.instances.items() if key not in gone} if gone else board.instances
    return with_aggregates(board, board.having(instances=kept), now, gone)
