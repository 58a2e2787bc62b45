"""One state of many: what a user's machines, calendar, calls and own words add up to. Pure.

Evaluates `DECISION` and the tables around it; nothing here has a rule of its own. What the
states of all endpoints are given in is a set: the order makes no difference. Spec:
[MS-PRES] 3.7 and the Lync 2013 developer documentation of the enhanced presence schemas
("aggregation script").
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, assert_never

from lyncpy.contracts.names import Epid
from lyncpy.workloads.presence.model.states import (
    Activity,
    Aggregate,
    AggregateMachine,
    Device,
    Input,
    LegacyInterop,
    Service,
    Services,
    StateDocument,
    StateKind,
)
from lyncpy.workloads.presence.model.tables import (
    AVAILABLE,
    BANDS,
    BUSY_INACTIVE,
    DECISION,
    IDLE,
    INACTIVE,
    LEGACY,
    LEGACY_TOKENS,
    MACHINES,
    OFFLINE,
    RAISES_BELOW,
    UNKNOWN_BELOW,
    URGENT,
    URGENT_ONLY,
    VOICES,
    Band,
    Detail,
    Instance,
    Legacy,
    MachineState,
    Result,
)

_BAND_ENDS: Final = [row[0] for row in BANDS]
_MACHINE_ENDS: Final = [row[0] for row in MACHINES]
_LEGACY_ENDS: Final = [row.below for row in LEGACY]

_RAISING: Final = frozenset(voice.kind for voice in VOICES if voice.raises)
_RANKS: Final = {machine: rank for rank, machine in enumerate(MachineState)}
_NO_MACHINE: Final = (len(_RANKS), None)
_PROVING: Final = frozenset(voice.kind for voice in VOICES if voice.proves)


class Weighed(NamedTuple):
    """What the decision is made of."""

    best: Input | None
    """The most active machine."""

    user: Input | None
    """What the person said last himself."""

    reach: int
    """The highest number that is said."""

    machine: MachineState
    """What counts as said by the machines."""


def band_of(availability: int) -> Band:
    """Give the class of an availability."""
    return BANDS[bisect_right(_BAND_ENDS, availability)][1]


def word_of(availability: int) -> str:
    """Give an availability in words, for an operator."""
    word = band_of(availability).name.lower().replace("_", " ")
    return f"{word}, inactive" if is_shaded(availability) else word


def is_shaded(availability: int) -> bool:
    """Tell whether an availability is the inactive shade of its class."""
    shade = BANDS[bisect_right(_BAND_ENDS, availability)][2]
    return shade is not None and availability >= shade


def machine_of(availability: int) -> MachineState:
    """Give what a machine's availability says about the person in front of it."""
    return MACHINES[bisect_right(_MACHINE_ENDS, availability)][1]


def most_active(inputs: Iterable[Input]) -> Input | None:
    """Give the machine that says most about where the person is; among equals the last to change."""
    ranked = [(_activeness(one), one) for one in inputs if one.state.kind is StateKind.MACHINE]
    if not ranked:
        return None
    first = min(rank for rank, _ in ranked)
    return min((one for rank, one in ranked if rank == first), key=_named)


def aggregate(
    inputs: Collection[Input], last_active: float | None, now: float, *, lower_dnd: bool = False
) -> Aggregate:
    """Make one state of the states of all endpoints.

    Args:
        inputs: The states of one container, of every kind, in any order.
        last_active: When somebody was last in front of a machine, or said that they appear offline; None: not known.
        now: Wall-clock seconds; calendar entries begin and end by it.
        lower_dnd: A person's own Do Not Disturb becomes Busy with urgent interruptions only.
            That is how the container that feeds the workgroup sees it.

    Spec: [MS-PRES] 3.7.5; "Aggregation 1" and "Aggregation 2" of the documentation.
    """
    valid = [one for one in inputs if one.state.is_valid(now)]
    best, user, reach, machine = weigh(valid, lower_dnd=lower_dnd)
    active = best is not None and machine_of(best.state.availability) is MachineState.ACTIVE
    if best is None:
        return Aggregate(OFFLINE, last_active=last_active)
    availability = _outcome(reach, machine, best.state.availability)
    if availability >= OFFLINE:
        # Who appears offline looks like somebody who signed out when they said so; then they are not seen leaving either.
        return Aggregate(OFFLINE, last_active=last_active)
    meeting = _meeting(valid)
    idle = not active and (is_shaded(availability) or band_of(availability) in IDLE)
    return Aggregate(
        availability,
        activity=_activity(user, valid, availability),
        last_active=last_active if idle else None,
        device=best.state.device or "computer",
        location=best.state.location,
        zone=best.state.zone,
        meeting_subject=meeting.meeting_subject if meeting else "",
        meeting_location=meeting.meeting_location if meeting else "",
    )


def weigh(valid: Collection[Input], *, lower_dnd: bool = False) -> Weighed:
    """Find the cell of `DECISION` that holds: what is said, and what the machines say to it.

    Args:
        valid: The states of one container that hold now.
        lower_dnd: As of `aggregate`.
    """
    best = most_active(valid)
    user = _user_state(valid, lower_dnd=lower_dnd)
    if best is None:
        return Weighed(None, user, OFFLINE, MachineState.OFF)
    reach = max(_base(user, best), *(_raised(one.state) for one in valid))
    return Weighed(best, user, reach, _presence(user, best, valid))


def aggregate_machine(best: Input | None, devices: Mapping[Epid | None, Device]) -> AggregateMachine:
    """Give the most active machine as the user's own endpoints are told of it; without any, it is off.

    Args:
        best: That machine.
        devices: Endpoint → what it says of its device; the id of the endpoint is there.
    """
    if best is None:
        return AggregateMachine(OFFLINE)
    state, device = best.state, devices.get(best.epid)
    endpoint = state.endpoint_id or (device.endpoint_id if device else "")
    return AggregateMachine(state.availability, endpoint.lower(), state.device, state.location, state.zone)


def moments(states: Iterable[StateDocument], now: float) -> Collection[float]:
    """Give the times after `now` at which one of these states begins or ends to hold."""
    return [at for state in states for at in (state.starts, state.ends) if at is not None and at > now]


def for_audience(whole: Aggregate, told: Detail) -> Aggregate:
    """Give as much of an aggregate state as an audience may know."""
    if told is Detail.NUMBER:
        return Aggregate(whole.availability)
    if told is Detail.NO_MEETING and (whole.meeting_subject or whole.meeting_location):
        return replace(whole, meeting_subject="", meeting_location="")
    return whole


def services_of(devices: Sequence[Instance], inputs: Iterable[Input], uri: str) -> Services:
    """Give the union of what devices can do, each on the best device that can.

    A preferred device is the best, then the one whose machine is the most active, then the
    one that was published last.

    Args:
        devices: Publications of `device`, in any order.
        inputs: States of the same container.
        uri: The user's own, for devices that name none.

    Spec: "aggregation script", services.
    """
    machines: dict[Epid | None, tuple[int, int]] = {}
    for one in inputs:
        if one.state.kind is StateKind.MACHINE:
            rank = (_RANKS[machine_of(one.state.availability)], one.state.availability)
            machines[one.epid] = min(machines.get(one.epid, rank), rank)
    ranked = []
    for publication in devices:
        device = publication.device or Device()
        order, number = machines.get(publication.epid, _NO_MACHINE)
        ranked.append(
            (not device.preferred, order, number or 0, -publication.published, publication.key, device, number)
        )
    found: dict[str, Service] = {}
    for *_, device, number in sorted(ranked, key=lambda row: row[:5]):
        uri = device.uri or uri
        endpoint = device.endpoint_id.lower()
        for capability in device.capabilities:
            if capability.name not in found:
                found[capability.name] = Service(capability, endpoint, number)
    return Services(uri, tuple(found[name] for name in sorted(found)))


def services_told(whole: Services) -> Services:
    """Give what watchers are told of services: neither which device, nor what only its owner may do with it."""
    told = (Service(one.capability._replace(publish="")) for one in whole.services)
    return Services(whole.uri, tuple(told))


def interop_of(value: Aggregate) -> LegacyInterop:
    """Give an aggregate state as the words for old clients are made of."""
    return LegacyInterop(value.availability, value.activity.token if value.activity else "")


def legacy_of(value: LegacyInterop) -> Legacy:
    """Give the words of older clients for an availability and what somebody does."""
    row = LEGACY[bisect_right(_LEGACY_ENDS, value.availability)]
    activity, substatus = LEGACY_TOKENS.get(value.token, (row.activity, row.substatus))
    return row._replace(activity=activity, substatus=substatus) if row.reachable else row


# --- inside


def _user_state(valid: Iterable[Input], *, lower_dnd: bool) -> Input | None:
    """Give what the person said last himself; several, because Busy may be bound in time beside the static one."""
    manual = [
        one
        for one in valid
        if one.state.kind is StateKind.USER and one.state.manual and one.state.availability >= UNKNOWN_BELOW
    ]
    newest = max(manual, key=lambda one: (one.published, one.state.availability, _named(one)), default=None)
    if newest is not None and lower_dnd and band_of(newest.state.availability) is Band.DO_NOT_DISTURB:
        return newest._replace(state=replace(newest.state, availability=URGENT_ONLY, activity=URGENT))
    return newest


def _activeness(one: Input) -> tuple[int, int, float]:
    number = one.state.availability
    return _RANKS[machine_of(number)], number, -one.published


def _named(one: Input) -> tuple[object, ...]:
    """Order what is otherwise alike, so that the order in which states are found makes no difference."""
    state, activity = one.state, one.state.activity or Activity()
    said = activity.token, activity.minimum, activity.maximum, activity.custom
    return one.epid or "", state.device, state.location, state.zone, state.endpoint_id, said


def _base(user: Input | None, best: Input) -> int:
    if user is not None:
        return user.state.availability
    number = best.state.availability
    return number if UNKNOWN_BELOW <= number < RAISES_BELOW else AVAILABLE


def _raised(state: StateDocument) -> int:
    """Give what a meeting or a call adds."""
    return state.availability if state.kind in _RAISING and state.availability < RAISES_BELOW else 0


def _presence(user: Input | None, best: Input, valid: Collection[Input]) -> MachineState:
    machine = machine_of(best.state.availability)
    if machine is MachineState.OFF:
        return machine
    if any(one.state.kind in _PROVING for one in valid):
        return MachineState.ACTIVE
    if user is None:
        return machine
    # What a person says himself wins over machine states before it. Only while the endpoint that said so is
    # here: else "available", said at home, would outlive the home computer and cover the idle one at work.
    machines = [one for one in valid if one.state.kind is StateKind.MACHINE]
    is_newest = all(user.published > one.published for one in machines)
    is_here = any(one.epid == user.epid for one in machines)
    return MachineState.ACTIVE if is_newest and is_here else machine


def _outcome(reach: int, machine: MachineState, machine_number: int) -> int:
    band = band_of(reach)
    match result := DECISION[machine][band]:
        case Result.KEEP:
            return reach
        case Result.SHADE:
            floor = INACTIVE if band is Band.AVAILABLE else BUSY_INACTIVE
            is_shade = band_of(machine_number) is band and machine_of(machine_number) is machine
            return max(reach, machine_number if is_shade else floor)
        case Result.MACHINE:
            return machine_number
        case Result.OFF:
            return OFFLINE
        case _:
            assert_never(result)


def _meeting(valid: Iterable[Input]) -> StateDocument | None:
    """Give the meeting whose subject is told: of several, the one that was published last."""
    found = [one for one in valid if one.state.meeting_subject or one.state.meeting_location]
    order = max(
        found, key=lambda one: (one.published, one.state.meeting_subject, one.state.meeting_location), default=None
    )
    return order.state if order else None


def _activity(user: Input | None, valid: Iterable[Input], availability: int) -> Activity | None:
    found: dict[StateKind, list[tuple[float, tuple[object, ...], Activity]]] = {}
    for one in valid:
        if one.state.kind is StateKind.USER:
            continue
        _add_activity(found, one, availability)
    if user is not None:
        _add_activity(found, user, availability)
    for voice in VOICES:
        fitting = found.get(voice.kind)
        if fitting:
            return max(fitting, key=lambda one: one[:2])[2]
    return None


def _add_activity(
    found: dict[StateKind, list[tuple[float, tuple[object, ...], Activity]]], one: Input, availability: int
) -> None:
    activity = one.state.activity
    if activity is not None and activity.minimum <= availability <= activity.maximum:
        bounds = (activity.token, activity.minimum, activity.maximum, activity.custom)
        found.setdefault(one.state.kind, []).append((one.published, bounds, activity))
