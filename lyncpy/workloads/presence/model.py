"""Boards, containers and versions: who has published what, for whom. Pure.

Every function takes a board and gives a new one; `compare` tells what is new on it. Times
are wall-clock seconds since the epoch, because publications outlive the process. How the
states of all endpoints become one is in `aggregate`, who sees what in `audience`.
Spec: [MS-PRES] 3.
"""

import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple

from lyncpy.contracts.names import Aor, Epid, Version
from lyncpy.workloads.presence.aggregate import (
    Aggregate,
    Input,
    State,
    StateKind,
    aggregate,
    is_active,
    moments,
)

DEFAULT, SELF, INPUT, INPUT_LOWERED = 0, 1, 2, 3
EXTERNAL, COLLEAGUES, WORKGROUP, FRIENDS, BLOCKED = 100, 200, 300, 400, 32000
HIGHEST_CONTAINER: Final = 32767
HIGHEST_INSTANCE: Final = 0xFFFFFFFF
AGGREGATE_INSTANCE: Final = 1
NEVER: Final = Version(0)

STANDARD_CONTAINERS: Final = (DEFAULT, EXTERNAL, COLLEAGUES, WORKGROUP, FRIENDS, BLOCKED)
"""Those that a client expects to hear of, also before anything is in them."""

AGGREGATE_FROM: Final[Mapping[int, int]] = {
    INPUT: INPUT, INPUT_LOWERED: INPUT_LOWERED,
    EXTERNAL: INPUT, COLLEAGUES: INPUT, WORKGROUP: INPUT_LOWERED, FRIENDS: INPUT,
}  # fmt: skip
"""Container that gets an aggregate state → container whose states it is made of."""

CATEGORIES: Final = frozenset(
    {
        "state", "note", "noteHistory", "contactCard", "calendarData", "workingHours", "device", "services",
        "routing", "dndState", "userProperties", "userInformation", "otherOptions",
        "alerts", "rccOptions", "legacyInterop", "mwi",
    }
)  # fmt: skip
"""What clients of Lync publish."""


class Expire(enum.Enum):
    """When a publication ends by itself."""

    STATIC = "static"
    USER = "user"
    ENDPOINT = "endpoint"
    TIME = "time"


DURABLE: Final = frozenset({Expire.STATIC, Expire.TIME})
"""What outlives a restart; the rest belongs to endpoints, and they do not."""

SIGNED_IN: Final = frozenset({Expire.USER, Expire.ENDPOINT})
"""What ends at the latest when the last endpoint is gone."""


class Key(NamedTuple):
    """What makes a publication the same one: an instance lives in exactly one container."""

    category: str
    instance: int
    container: int


@dataclass(frozen=True, slots=True)
class Publication:
    """One publication as a client asks for it."""

    key: Key
    version: int
    """The version that the client saw last; 0: none."""

    expire: Expire
    value: str = ""
    """The XML of the category's element, as the client wrote it."""

    expires_s: int | None = None
    """0 removes the publication; else only read for `time`."""

    state: State | None = None
    """What `value` says, when it is a state."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One publication on a board."""

    key: Key
    version: int
    expire: Expire
    value: str | Aggregate
    published: float
    epid: Epid | None = None
    """Who published it; None: the server."""

    until: float | None = None
    state: State | None = None

    @property
    def made(self) -> bool:
        """Tell whether the server made it; no client may overwrite that."""
        return self.epid is None

    @property
    def is_durable(self) -> bool:
        """Tell whether it has to be in the store."""
        return not self.made and self.expire in DURABLE


@dataclass(frozen=True, slots=True)
class Made:
    """A publication that the server makes of what the directory knows."""

    key: Key
    value: str


class MemberKind(enum.Enum):
    """Who is meant by an entry of a container's list."""

    USER = "user"
    DOMAIN = "domain"
    SAME_ENTERPRISE = "sameEnterprise"
    FEDERATED = "federated"
    PUBLIC_CLOUD = "publicCloud"
    EVERYONE = "everyone"


class Member(NamedTuple):
    """An entry of a container's list; `value` is `user@domain` or a domain, lower case, else empty."""

    kind: MemberKind
    value: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """Who belongs to an audience."""

    version: int = 0
    members: frozenset[Member] = frozenset()


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Somebody who watches a user and whom the user has not yet been told of."""

    aor: Aor
    display_name: str = ""
    acknowledged: bool = False


@dataclass(frozen=True)
class Board:
    """All that one user has published, and who may see it."""

    aor: Aor
    version: Version = NEVER
    """Grows with every change of anything on the board."""

    instances: Mapping[Key, Instance] = field(default_factory=dict)
    containers: Mapping[int, Container] = field(default_factory=dict)
    subscribers: tuple[Subscriber, ...] = ()
    last_active: float | None = None

    @cached_property
    def places(self) -> Mapping[tuple[str, int], tuple[Instance, ...]]:
        """Map category and container to what is there, in order of publication keys."""
        places: dict[tuple[str, int], tuple[Instance, ...]] = {}
        for key, instance in sorted(self.instances.items()):
            place = (key.category, key.container)
            places[place] = (*places.get(place, ()), instance)
        return places

    def of(self, category: str) -> Iterator[Instance]:
        """Give every publication of a category, in all containers."""
        return (instance for key, instance in sorted(self.instances.items()) if key.category == category)

    def states(self, container: int) -> list[Input]:
        """Give the states that a container's aggregate is made of."""
        return [
            Input(one.state, one.epid, one.published)
            for one in self.places.get(("state", container), ())
            if one.state is not None
        ]


@dataclass(frozen=True, slots=True)
class Quotas:
    """How much one board may hold."""

    publications: int = 400
    value_bytes: int = 65536
    containers: int = 64
    members: int = 1000


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new on a board."""

    touched: frozenset[str] = frozenset()
    """Categories with anything new, a version included: for the user's own endpoints."""

    shown: frozenset[tuple[str, int]] = frozenset()
    """(category, container) whose content is new: for watchers."""

    members: frozenset[int] = frozenset()
    """Containers whose list is new."""

    durable: bool = False
    """The store has to know before this is acknowledged."""


@dataclass(frozen=True, slots=True)
class Published:
    """A board after a change, and what is new on it."""

    board: Board
    changes: Changes


@dataclass(frozen=True, slots=True)
class Fault:
    """One operation whose version is out of date."""

    index: int
    """Position in the request, from 1."""

    key: Key | int
    """The publication, or the container."""

    version: int
    current: int


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing was changed: these operations were made on an old version."""

    faults: tuple[Fault, ...]


class Denial(enum.Enum):
    """Why a well-formed change is not made."""

    READ_ONLY = "the server's own publication"
    TOO_MANY_PUBLICATIONS = "too many publications"
    TOO_LONG = "a publication is too long"
    TOO_MANY_CONTAINERS = "too many containers"
    TOO_MANY_MEMBERS = "too many members in a container"
    NO_SUBSCRIBER = "no such subscriber"


@dataclass(frozen=True, slots=True)
class Denied:
    """Nothing was changed: this is not allowed."""

    denial: Denial


Outcome = Published | Stale | Denied


def publish(
    board: Board,
    publications: Sequence[Publication],
    by: Epid,
    now: float,
    quotas: Quotas,
    insisted: Mapping[Key | int, int] | None = None,
) -> Outcome:
    """Apply one client's publications to its user's board.

    All or nothing: one stale version leaves the board as it was. A publication with
    `expires` 0 removes its instance; removing what is not there does nothing, whatever
    its version. The aggregate states are computed last.

    Args:
        board: The user's board.
        publications: In document order; a fault counts them from 1.
        by: The publishing endpoint.
        now: Wall-clock seconds.
        quotas: The board's bounds.
        insisted: What this endpoint was refused for last: key → the version that it sent.

    Returns:
        The new board and what changed, or every operation that was stale, or why not.

    Spec: [MS-PRES] 3.7. Client: it may know a category, but not the instance of it that it
    publishes; then it throws the current version of a fault away and sends version 0 again,
    without end. So 0 is accepted for an endpoint's own publication, and whatever version an
    endpoint insists on after a fault.
    """
    instances = dict(board.instances)
    faults = []
    for index, one in enumerate(publications, 1):
        old = instances.get(one.key)
        if old is not None and old.made:
            return Denied(Denial.READ_ONLY)
        removes = one.expires_s == 0
        if old is None and removes:
            continue
        current = old.version if old else 0
        own = one.version == 0 and old is not None and old.epid == by
        if one.version != current and not own and (insisted or {}).get(one.key) != one.version:
            faults.append(Fault(index, one.key, one.version, current))
            continue
        if removes:
            del instances[one.key]
            continue
        if len(one.value.encode()) > quotas.value_bytes:
            return Denied(Denial.TOO_LONG)
        until = now + (one.expires_s or 0) if one.expire is Expire.TIME else None
        instances[one.key] = Instance(one.key, current + 1, one.expire, one.value, now, by, until, one.state)
    if faults:
        return Stale(tuple(faults))
    if sum(not one.made for one in instances.values()) > quotas.publications:
        return Denied(Denial.TOO_MANY_PUBLICATIONS)
    if len({key.container for key in instances}) > quotas.containers:
        return Denied(Denial.TOO_MANY_CONTAINERS)
    return settle(board, replace(board, instances=instances), now)


def leave(board: Board, epid: Epid, now: float, *, last: bool) -> Published:
    """Take off what an endpoint published that is gone; with the last one, what was bound to the user.

    Spec: [MS-PRES] 3.7.5, expiry by type.
    """

    def stays(one: Instance) -> bool:
        return one.made or not (
            (one.expire is Expire.ENDPOINT and one.epid == epid) or (last and one.expire in SIGNED_IN)
        )

    return settle(board, replace(board, instances=_only(board, stays)), now)


def elapse(board: Board, now: float) -> Published:
    """Take off what has lapsed, and let meetings begin and end."""
    kept = _only(board, lambda one: one.until is None or one.until > now)
    return settle(board, replace(board, instances=kept), now)


def deadline(board: Board, now: float) -> float | None:
    """Give the time at which `elapse` will next change something; None: never."""
    lapses = [one.until for one in board.instances.values() if one.until is not None]
    states = [one.state for one in board.instances.values() if one.state is not None]
    return min((*lapses, *moments(states, now)), default=None)


def furnish(board: Board, made: Iterable[Made], now: float) -> Published:
    """Put up what the server itself publishes, in place of what it published before."""
    kept = _only(board, lambda one: not one.made or isinstance(one.value, Aggregate))
    for one in made:
        old = board.instances.get(one.key)
        if old is not None and old.value == one.value:
            kept[one.key] = old
        else:
            kept[one.key] = Instance(one.key, old.version + 1 if old else 1, Expire.STATIC, one.value, now)
    return settle(board, replace(board, instances=kept), now)


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One container of a request to change members."""

    container: int
    version: int
    add: frozenset[Member]
    remove: frozenset[Member]


def set_members(board: Board, wishes: Sequence[MemberChange], now: float, quotas: Quotas) -> Outcome:
    """Change who belongs to containers. All or nothing.

    A wish that is already true changes nothing, whatever its version: clients learn of the
    new version from a notification, and may ask again before it comes.

    Spec: [MS-PRES] 3.6; the list of container 0 is fixed.
    """
    containers = dict(board.containers)
    faults = []
    for index, wish in enumerate(wishes, 1):
        if wish.container == DEFAULT:
            return Denied(Denial.READ_ONLY)
        old = containers.get(wish.container, Container())
        members = (old.members - wish.remove) | wish.add
        if members == old.members:
            continue
        if wish.version != old.version:
            faults.append(Fault(index, wish.container, wish.version, old.version))
            continue
        if len(members) > quotas.members:
            return Denied(Denial.TOO_MANY_MEMBERS)
        containers[wish.container] = Container(old.version + 1, members)
    if faults:
        return Stale(tuple(faults))
    if len(containers) > quotas.containers:
        return Denied(Denial.TOO_MANY_CONTAINERS)
    if containers == board.containers:
        return Published(board, Changes())
    return settle(board, replace(board, containers=containers), now)


def acknowledge(board: Board, subscribers: Collection[Aor], now: float) -> Published | Denied:
    """Mark subscribers as known to the user ([MS-PRES] 3.6, setSubscribers)."""
    if not set(subscribers) <= {one.aor for one in board.subscribers}:
        return Denied(Denial.NO_SUBSCRIBER)
    kept = tuple(replace(one, acknowledged=one.acknowledged or one.aor in subscribers) for one in board.subscribers)
    return settle(board, replace(board, subscribers=kept), now)


def settle(old: Board, new: Board, now: float) -> Published:
    """Compute the aggregate states of a changed board and tell what is new on it."""
    last_active = now if is_active(old.states(INPUT)) else old.last_active
    instances = dict(new.instances)
    inputs = {source: new.states(source) for source in (INPUT, INPUT_LOWERED)}
    if not any(one.state.kind is StateKind.MACHINE for one in inputs[INPUT_LOWERED]):
        inputs[INPUT_LOWERED] = inputs[INPUT]  # a client that knows one container only is seen by the workgroup too
    results = {
        source: aggregate(found, last_active, now, lower_dnd=source == INPUT_LOWERED)
        for source, found in inputs.items()
    }
    for container, source in AGGREGATE_FROM.items():
        key = Key("state", AGGREGATE_INSTANCE, container)
        before, value = instances.get(key), _for_audience(results[source], container)
        if before is None or before.value != value:
            instances[key] = Instance(key, before.version + 1 if before else 1, Expire.USER, value, now)
    settled = replace(new, instances=instances, last_active=last_active)
    changes = compare(old, settled)
    if changes == Changes() and old.version:
        return Published(old, changes)
    return Published(replace(settled, version=Version(old.version + 1)), changes)


def compare(old: Board, new: Board) -> Changes:
    """Tell what is new on a board."""
    touched, shown, durable = set(), set(), old.subscribers != new.subscribers
    for key in old.instances.keys() | new.instances.keys():
        before, after = old.instances.get(key), new.instances.get(key)
        if before is after:
            continue
        touched.add(key.category)
        if before is None or after is None or before.value != after.value:
            shown.add((key.category, key.container))
        durable = durable or any(one is not None and one.is_durable for one in (before, after))
    members: frozenset[int] = frozenset()
    if old.containers is not new.containers:
        ids = old.containers.keys() | new.containers.keys()
        members = frozenset(id_ for id_ in ids if old.containers.get(id_) != new.containers.get(id_))
    return Changes(frozenset(touched), frozenset(shown), members, durable or bool(members))


def _only(board: Board, stays: Callable[[Instance], bool]) -> dict[Key, Instance]:
    return {key: one for key, one in board.instances.items() if stays(one)}


def _for_audience(whole: Aggregate, container: int) -> Aggregate:
    """Give as much of an aggregate state as an audience may know.

    Spec: the table of containers in the enhanced presence documentation: external contacts
    see a number, colleagues not what a meeting is about.
    """
    if container == EXTERNAL:
        return Aggregate(whole.availability)
    if container == COLLEAGUES:
        return replace(whole, meeting_subject="", meeting_location="")
    return whole
