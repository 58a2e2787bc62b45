"""The aggregation of the states of a user's machines, calendar, calls and manual choice into one. Pure.

Evaluates `DECISION` and the tables around it, and has no rule of its own. The order in which
states are given makes no difference. Spec: [MS-PRES] 3.7 and the Lync 2013 developer
documentation of the enhanced presence schemas ("aggregation script").
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar, assert_never

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
    DecisionCell,
    Detail,
    Instance,
    Legacy,
    MachineState,
)

R = TypeVar("R", float, Epid)

_BAND_ENDS: Final = [row[0] for row in BANDS]
_MACHINE_ENDS: Final = [row[0] for row in MACHINES]
_LEGACY_ENDS: Final = [row.below for row in LEGACY]

_RAISING: Final = frozenset(voice.kind for voice in VOICES if voice.raises)
_RANKS: Final = {machine: rank for rank, machine in enumerate(MachineState)}
_NO_MACHINE: Final = (len(_RANKS), None)
_PROVING: Final = frozenset(voice.kind for voice in VOICES if voice.proves)


class WeighedStates(NamedTuple):
    """The inputs of the decision."""

    best: Input | None
    """The most active machine."""

    user: Input | None
    """The manual state that the person chose last."""

    reach: int
    """The highest availability that any state raises to."""

    machine: MachineState
    """The presence at the machines, as it counts."""


def band_of(availability: int) -> Band:
    """Give the class of an availability."""
    return BANDS[bisect_right(_BAND_ENDS, availability)][1]


def word_of(availability: int) -> str:
    """Give the words for an availability that an operator is shown."""
    word = band_of(availability).name.lower().replace("_", " ")
    return f"{word}, inactive" if is_shaded(availability) else word


def is_shaded(availability: int) -> bool:
    """Tell whether an availability is the inactive shade of its class."""
    shade = BANDS[bisect_right(_BAND_ENDS, availability)][2]
    return shade is not None and availability >= shade


def machine_of(availability: int) -> MachineState:
    """Give the presence of a person at a machine of this availability."""
    return MACHINES[bisect_right(_MACHINE_ENDS, availability)][1]


def most_active(inputs: Iterable[Input]) -> Input | None:
    """Give the most active machine; among equals, the last to change; None: there is no machine."""
    return _most_active([one for one in inputs if one.state.kind is StateKind.MACHINE])


def _most_active(machines: Sequence[Input]) -> Input | None:
    if len(machines) < 2:
        return machines[0] if machines else None
    ranked = [(_activeness(one), one) for one in machines]
    first = min(rank for rank, _ in ranked)
    return min((one for rank, one in ranked if rank == first), key=_named)


def aggregate(
    inputs: Collection[Input], last_active: float | None, now: float, *, lower_dnd: bool = False
) -> Aggregate:
    """Compute the aggregate state of the states of all endpoints.

    Args:
        inputs: The states of one container, of every kind, in any order.
        last_active: When the person was last at a machine, or said that they appear offline; None: not known.
        now: Wall-clock seconds; calendar entries begin and end by it.
        lower_dnd: Whether a Do Not Disturb that was chosen by hand becomes Busy with urgent interruptions only,
            as for the container that feeds the workgroup's level.

    Spec: [MS-PRES] 3.7.5; "Aggregation 1" and "Aggregation 2" of the documentation.
    """
    valid = [one for one in inputs if (one.state.starts is None and one.state.ends is None) or one.state.is_valid(now)]
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


def aggregates(
    plain: Collection[Input], lowered: Collection[Input], last_active: float | None, now: float
) -> tuple[Aggregate, Aggregate]:
    """Compute the aggregate states of both containers: of one, and of that which feeds the workgroup's level.

    A client publishes the same in both, so that one computation is enough, unless the person does not want to be disturbed.

    Args:
        plain: The states of the one, as for `aggregate`.
        lowered: The states of the other.
        last_active: As for `aggregate`.
        now: Wall-clock seconds.
    """
    whole = aggregate(plain, last_active, now)
    if list(plain) == list(lowered) and not any(_is_lowered(one) for one in plain if one.state.manual):
        return whole, whole
    return whole, aggregate(lowered, last_active, now, lower_dnd=True)


def weigh(valid: Collection[Input], *, lower_dnd: bool = False) -> WeighedStates:
    """Find the row and the column of `DECISION`: the presence at the machines, and the availability that is said.

    Args:
        valid: The states of one container that are valid now.
        lower_dnd: As for `aggregate`.
    """
    machines: list[Input] = []
    chosen: list[Input] = []
    raised, is_proved = 0, False
    for one in valid:
        state = one.state
        kind = state.kind
        if kind is StateKind.MACHINE:
            machines.append(one)
        elif kind is StateKind.USER and state.manual and state.availability >= UNKNOWN_BELOW:
            chosen.append(one)
        if kind in _RAISING and state.availability < RAISES_BELOW:
            raised = max(raised, state.availability)
        is_proved = is_proved or kind in _PROVING
    best = _most_active(machines)
    user = _newest(chosen, lower_dnd=lower_dnd)
    if best is None:
        return WeighedStates(None, user, OFFLINE, MachineState.OFF)
    machine = machine_of(best.state.availability)
    if machine is not MachineState.OFF and (is_proved or (user is not None and _is_at_machine(user, machines))):
        machine = MachineState.ACTIVE
    return WeighedStates(best, user, max(_base(user, best), raised), machine)


def aggregate_machine(best: Input | None, devices: Mapping[Epid | None, Device]) -> AggregateMachine:
    """Give the most active machine as it is shown to the user's own endpoints; offline when there is none.

    Args:
        best: The machine.
        devices: Endpoint → its device, which has the endpoint's id.
    """
    if best is None:
        return AggregateMachine(OFFLINE)
    state, device = best.state, devices.get(best.epid)
    endpoint = state.endpoint_id or (device.endpoint_id if device else "")
    return AggregateMachine(state.availability, endpoint.lower(), state.device, state.location, state.zone)


def moments(states: Iterable[StateDocument], now: float) -> Collection[float]:
    """Give the times after `now` at which one of these states begins or ends to be valid (wall-clock seconds)."""
    return [at for state in states for at in (state.starts, state.ends) if at is not None and at > now]


def for_audience(whole: Aggregate, told: Detail) -> Aggregate:
    """Give the part of an aggregate state that an access level shows."""
    if told is Detail.NUMBER:
        return Aggregate(whole.availability)
    if told is Detail.NO_MEETING and (whole.meeting_subject or whole.meeting_location):
        return whole._replace(meeting_subject="", meeting_location="")
    return whole


def services_of(devices: Sequence[Instance], inputs: Iterable[Input], uri: str) -> Services:
    """Compute the union of the devices' capabilities, each on the best device that has it.

    The preferred device comes first, then the one whose machine is the most active, then the one
    that was published last.

    Args:
        devices: Publications of `device`, in any order.
        inputs: States of the same container.
        uri: The user's URI, for devices that name none.

    Spec: "aggregation script", services.
    """
    machines: dict[Epid | None, tuple[int, int]] = {}
    for one in inputs:
        # An endpoint has one machine state; where it has published several, its most active one counts.
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
    # The best device first: a capability is the first device's that has it. The keys in the fifth place are
    # distinct, so neither a device nor a missing number is ever compared.
    found: dict[str, Service] = {}
    for *_, device, number in sorted(ranked, key=lambda row: row[:5]):
        uri = device.uri or uri
        endpoint = device.endpoint_id.lower()
        for capability in device.capabilities:
            if capability.name not in found:
                found[capability.name] = Service(capability, endpoint, number)
    return Services(uri, tuple(found[name] for name in sorted(found)))


def services_told(whole: Services) -> Services:
    """Give the services that watchers see: without the ids of devices, and without the right to publish."""
    told = (Service(one.capability._replace(publish="")) for one in whole.services)
    return Services(whole.uri, tuple(told))


def interop_of(value: Aggregate) -> LegacyInterop:
    """Give the availability and the token of an aggregate state, of which the words for old clients are made."""
    return LegacyInterop(value.availability, value.activity.token if value.activity else "")


def legacy_of(value: LegacyInterop) -> Legacy:
    """Give the words of older clients for an availability and an activity."""
    row = LEGACY[bisect_right(_LEGACY_ENDS, value.availability)]
    activity, substatus = LEGACY_TOKENS.get(value.token, (row.activity, row.substatus))
    return row._replace(activity=activity, substatus=substatus) if row.reachable else row


# --- inside


def _newest(chosen: Sequence[Input], *, lower_dnd: bool) -> Input | None:
    """Give the manual state that was published last; a time-bound Busy may stand beside the static one."""
    if not chosen:
        return None
    newest = chosen[0]
    if len(chosen) > 1:
        newest = max(chosen, key=lambda one: (one.published, one.state.availability, _named(one)))
    if lower_dnd and _is_lowered(newest):
        return newest._replace(state=newest.state._replace(availability=URGENT_ONLY, activity=URGENT))
    return newest


def _is_lowered(chosen: Input) -> bool:
    """Tell whether a state is another one for the workgroup: a Do Not Disturb that was chosen by hand."""
    return chosen.state.manual and band_of(chosen.state.availability) is Band.DO_NOT_DISTURB


def _activeness(one: Input) -> tuple[int, int, float]:
    number = one.state.availability
    return _RANKS[machine_of(number)], number, -one.published


def _named(one: Input) -> tuple[object, ...]:
    """Give a key that orders equal states, so that the order in which they are found makes no difference."""
    state, activity = one.state, one.state.activity or Activity()
    said = activity.token, activity.minimum, activity.maximum, activity.custom
    return one.epid or "", state.device, state.location, state.zone, state.endpoint_id, said


def _base(user: Input | None, best: Input) -> int:
    if user is not None:
        return user.state.availability
    number = best.state.availability
    return number if UNKNOWN_BELOW <= number < RAISES_BELOW else AVAILABLE


def _is_at_machine(user: Input, machines: Iterable[Input]) -> bool:
    """Tell whether a state that a person chose by hand proves that they are there: it wins over machine states before it.

    Only while the endpoint that said so is here: else "available", said at home, would outlive the home computer and
    cover the idle one at work.
    """
    is_here = False
    for one in machines:
        if user.published <= one.published:
            return False
        is_here = is_here or one.epid == user.epid
    return is_here


def _outcome(reach: int, machine: MachineState, machine_number: int) -> int:
    band = band_of(reach)
    match result := DECISION[machine][band]:
        case DecisionCell.KEEP:
            return reach
        case DecisionCell.SHADE:
            floor = INACTIVE if band is Band.AVAILABLE else BUSY_INACTIVE
            is_shade = band_of(machine_number) is band and machine_of(machine_number) is machine
            return max(reach, machine_number if is_shade else floor)
        case DecisionCell.MACHINE:
            return machine_number
        case DecisionCell.OFF:
            return OFFLINE
        case _:
            assert_never(result)


def _meeting(valid: Iterable[Input]) -> StateDocument | None:
    """Give the meeting whose subject is shown: the one that was published last."""
    found = [one for one in valid if one.state.meeting_subject or one.state.meeting_location]
    order = max(
        found, key=lambda one: (one.published, one.state.meeting_subject, one.state.meeting_location), default=None
    )
    return order.state if order else None


def _activity(user: Input | None, valid: Iterable[Input], availability: int) -> Activity | None:
    # Of the manual states only the newest speaks, and perhaps in other words (`lower_dnd`).
    voiced = [one for one in valid if one.state.activity is not None and one.state.kind is not StateKind.USER]
    if user is not None and user.state.activity is not None:
        voiced.append(user)
    if not voiced:
        return None
    found: dict[StateKind, list[tuple[float, tuple[object, ...], Activity]]] = {}
    for one in voiced:
        _add_activity(found, one, availability)
    # An activity counts while the aggregate lies in its range; of several, the first voice's, and there the newest.
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
