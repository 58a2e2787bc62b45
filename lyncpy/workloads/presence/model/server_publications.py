"""The publications of the server itself. Pure.

Of all that a user's devices have published it makes aggregates, services and the words of old clients;
of what the directory knows about the user, contact cards: the higher the access level, the more phones.
Spec: [MS-PRES] 3.7.5; the tables of access levels and of contact card instances in the enhanced presence schemas.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.workloads.presence.model.aggregate import (
    aggregate_machine,
    aggregates,
    for_audience,
    interop_of,
    machine_of,
    most_active,
    services_of,
    services_told,
)
from lyncpy.workloads.presence.model.states import Aggregate, AggregateMachine, Input, LegacyInterop, Services, Value
from lyncpy.workloads.presence.model.tables import (
    AGGREGATE_INSTANCE,
    AGGREGATE_MACHINE_INSTANCE,
    AGGREGATED,
    BLOCKED,
    COLLEAGUES,
    DEFAULT,
    EXTERNAL,
    FRIENDS,
    INPUT,
    INPUT_LOWERED,
    LEGACY_INSTANCE,
    LEVELS,
    OFFLINE,
    SELF,
    SERVICES_INSTANCE,
    VISIBLE,
    WORKGROUP,
    Expire,
    Instance,
    InstanceKey,
    MachineState,
)
from lyncpy.workloads.presence.model.values import card_kinds, write_contact_card, write_user_properties

_MACHINE: Final = InstanceKey("state", AGGREGATE_MACHINE_INSTANCE, INPUT)
SOURCES: Final = frozenset({("state", INPUT), ("state", INPUT_LOWERED), ("device", INPUT)})
"""(category, container) of which aggregates are made; no other publication makes them anew."""

STATES: Final = {id_: InstanceKey("state", AGGREGATE_INSTANCE, id_) for id_ in AGGREGATED}
_SERVICES: Final = {id_: InstanceKey("services", SERVICES_INSTANCE, id_) for id_ in (INPUT, *VISIBLE)}
LEGACY: Final = {id_: InstanceKey("legacyInterop", LEGACY_INSTANCE, id_) for id_ in (*VISIBLE, BLOCKED)}
_BLOCKED_INTEROP: Final = LegacyInterop(OFFLINE)

_SHOWN: Final = tuple(
    (STATES[container], LEGACY.get(container), source == INPUT_LOWERED, LEVELS[container].told)
    for container, source in AGGREGATED.items()
)
"""For each container with an aggregate: where that is, where the words of old clients are, of which states, and how much of it."""

_Made = tuple[InstanceKey, Value, bool]
"""What the server publishes, and whether it does where there was none before."""

_FACTS: Final = frozenset({"company", "department", "title", "office"})
_CARDS: Final[Mapping[InstanceKey, tuple[frozenset[str], frozenset[str]]]] = {
    InstanceKey("contactCard", 0, DEFAULT): (frozenset(), frozenset()),
    InstanceKey("contactCard", 0, EXTERNAL): (frozenset({"company", "title"}), frozenset()),
    InstanceKey("contactCard", 0, COLLEAGUES): (_FACTS, frozenset({"work"})),
    InstanceKey("contactCard", 0, WORKGROUP): (_FACTS, frozenset({"work", "mobile"})),
    InstanceKey("contactCard", 0, FRIENDS): (_FACTS, frozenset({"work", "mobile", "home", "other"})),
}
"""Contact card → facts and kinds of phones on it; name and mail are on every one. The keys are those of all boards."""

_PROPERTIES: Final = InstanceKey("userProperties", 0, SELF)


@dataclass(frozen=True, slots=True)
class ServerPublication:
    """A publication that the server makes of what the directory knows."""

    key: InstanceKey
    value: str


def inputs_of(instances: Mapping[InstanceKey, Instance]) -> tuple[Mapping[int, Collection[Input]], Sequence[Instance]]:
    """Give the states of which each aggregate is made, by container, and the publications of devices.

    A client that knows one of the two containers only is seen by the workgroup too: what
    it publishes in the first counts in the second, unless the second has the same instance.
    """
    states: dict[int, dict[int, Input]] = {INPUT: {}, INPUT_LOWERED: {}}
    devices = []
    for key, one in instances.items():
        if one.epid is None:
            continue  # the server's own, which most are
        if one.state is not None and key.container in states:
            states[key.container][key.instance] = Input(one.state, one.epid, one.published)
        elif one.device is not None and key.container == INPUT:
            devices.append(one)
    devices.sort()  # by their keys, which differ
    plain, lowered = states[INPUT], states[INPUT_LOWERED]
    return {INPUT: plain.values(), INPUT_LOWERED: {**plain, **lowered}.values()}, devices


def was_active(instances: Mapping[InstanceKey, Instance]) -> bool:
    """Tell whether the person was at a machine, as far as watchers may know: one who appears offline counts as gone."""
    seen = instances.get(STATES[COLLEAGUES])
    if seen is not None and isinstance(seen.value, Aggregate) and seen.value.availability >= OFFLINE:
        return False
    one = instances.get(_MACHINE)
    return (
        one is not None
        and isinstance(one.value, AggregateMachine)
        and (machine_of(one.value.availability) is MachineState.ACTIVE)
    )


def make(
    aor: Aor, published: Mapping[InstanceKey, Instance], last_active: float | None, now: float
) -> tuple[list[InstanceKey], Mapping[InstanceKey, Instance]]:
    """Compute the server's publications of all that devices have published.

    Args:
        aor: The user's address.
        published: All publications on the board.
        last_active: When the person was last at a machine (wall-clock seconds); None: not known.
        now: Wall-clock seconds.

    Returns:
        The keys of the server's publications that changed, and all publications with these in their place.

    Spec: [MS-PRES] 3.7.5; "aggregation script".
    """
    instances = dict(published)
    inputs, devices = inputs_of(instances)
    plain, lowered = aggregates(inputs[INPUT], inputs[INPUT_LOWERED], last_active, now)
    made: list[_Made] = []

    # The machine is told to the user's own endpoints only, and first when there is one; after that it stays, as offline.
    described = {one.epid: one.device for one in devices if one.device is not None}
    best = most_active(inputs[INPUT])
    made.append((_MACHINE, aggregate_machine(best, described), best is not None))
    made.extend(_at_levels(plain, lowered))

    services = services_of(devices, inputs[INPUT], aor)
    if devices or _SERVICES[INPUT] in instances:
        made.append((_SERVICES[INPUT], services, True))
        # Who appears offline can be called on nothing, or watchers would see that they are there.
        is_there = plain.availability < OFFLINE
        told = services_told(services) if is_there and services.services else Services(aor)
        made.extend([(_SERVICES[container], told, bool(told.services)) for container in VISIBLE])
    return _put(instances, made, now), instances


def _at_levels(plain: Aggregate, lowered: Aggregate) -> Sequence[_Made]:
    """Make what each access level is shown of the aggregates: its own, of container 2 or 3 and cut, and the old clients' words."""
    made: list[_Made] = []
    # The same on nearly all levels; one value is kept, and written, once.
    known: dict[LegacyInterop, LegacyInterop] = {}
    for state, interop, is_lowered, told in _SHOWN:
        value = for_audience(lowered if is_lowered else plain, told)
        made.append((state, value, True))
        if interop is not None:
            words = interop_of(value)
            made.append((interop, known.setdefault(words, words), True))
    made.append((LEGACY[BLOCKED], _BLOCKED_INTEROP, True))
    return made


def _put(instances: dict[InstanceKey, Instance], made: Iterable[_Made], now: float) -> list[InstanceKey]:
    """Put the server's publications among all others where they differ from those before; give their keys."""
    changed = []
    for key, value, always in made:
        before = instances.get(key)
        if before is None:
            if always:
                expire = Expire.STATIC if value is _BLOCKED_INTEROP else Expire.USER
                instances[key] = Instance(key, 1, expire, value, now)
                changed.append(key)
        elif before.value is not value and before.value != value:
            instances[key] = Instance(key, before.version + 1, before.expire, value, now)
            changed.append(key)
    return changed


def directory_publications(person: Person | None) -> tuple[ServerPublication, ...]:
    """Give the publications that the server makes of a person's directory entry; none for None."""
    if person is None:
        return ()
    said = frozenset(name for name in _FACTS if getattr(person, name))
    kinds = card_kinds(person)
    # Of a person of whom little is known, the cards are one text.
    texts: dict[tuple[frozenset[str], frozenset[str]], str] = {}
    cards = []
    for key, (facts, phones) in _CARDS.items():
        known = (facts & said, phones & kinds)
        if known not in texts:
            texts[known] = write_contact_card(person, *known)
        cards.append(ServerPublication(key, texts[known]))
    return (*cards, ServerPublication(_PROPERTIES, write_user_properties(person)))
