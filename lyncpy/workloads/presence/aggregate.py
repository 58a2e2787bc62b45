"""One state of many: what a user's machines, calendar, calls and own words add up to. Pure.

Read `TABLE` first. Times are wall-clock seconds since the epoch, because they are written
into documents and outlive the process. Spec: [MS-PRES] 3.7 and the Lync 2013 developer
documentation of the enhanced presence schemas ("aggregation script").
"""

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lyncpy.contracts.names import Epid

OFFLINE: Final = 18500
AVAILABLE: Final = 3500
INACTIVE: Final = 5000
BUSY_INACTIVE: Final = 7500
URGENT_ONLY: Final = 6900


class StateKind(enum.Enum):
    """The xsi:type of a `state` document."""

    USER = "userState"
    MACHINE = "machineState"
    CALENDAR = "calendarState"
    PHONE = "phoneState"
    CONFERENCE = "conferenceState"
    AGGREGATE = "aggregateState"
    AGGREGATE_MACHINE = "aggregateMachineState"


class Band(enum.Enum):
    """The classes of the availability scale."""

    AVAILABLE = enum.auto()
    BUSY = enum.auto()
    DO_NOT_DISTURB = enum.auto()
    BE_RIGHT_BACK = enum.auto()
    AWAY = enum.auto()
    OFFLINE = enum.auto()


class Machine(enum.Enum):
    """What the most active machine says about the person in front of it."""

    ACTIVE = enum.auto()
    INACTIVE = enum.auto()
    AWAY = enum.auto()
    OFF = enum.auto()


class Result(enum.Enum):
    """How a cell of the table gives the availability."""

    KEEP = "what the person, his calendar and his calls say"
    SHADE = "the same band, shaded as inactive"
    MACHINE = "what the machine says"
    OFF = "offline"


@dataclass(frozen=True, slots=True)
class Activity:
    """A word for what somebody does, shown while the availability lies in its closed range."""

    token: str = ""
    minimum: int = 0
    maximum: int = OFFLINE - 1
    custom: tuple[tuple[str, str], ...] = ()
    """(LCID, text), as the client wrote them."""


@dataclass(frozen=True, slots=True)
class State:
    """What a `state` document says; fields that it lacks are empty."""

    kind: StateKind
    availability: int
    manual: bool = False
    activity: Activity | None = None
    starts: float | None = None
    ends: float | None = None
    """Valid from `starts` until before `ends`; None: no bound."""

    device: str = ""
    location: str = ""
    zone: tuple[str, str, str] = ("", "", "")
    """Bias, name and abbreviation of the time zone."""

    meeting_subject: str = ""
    meeting_location: str = ""

    def is_valid(self, now: float) -> bool:
        """Tell whether the state holds at this time."""
        return (self.starts is None or self.starts <= now) and (self.ends is None or now < self.ends)


@dataclass(frozen=True, slots=True)
class Input:
    """A state on the board: who published it, and when."""

    state: State
    epid: Epid | None
    published: float


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The one state that others see."""

    availability: int
    activity: Activity | None = None
    last_active: float | None = None
    """When the person was last active; None while he is, or says that he is not here."""

    device: str = ""
    location: str = ""
    zone: tuple[str, str, str] = ("", "", "")
    meeting_subject: str = ""
    meeting_location: str = ""


def _row(*results: Result) -> Mapping[Band, Result]:
    return dict(zip(Band, results, strict=True))


_KEEP, _SHADE, _MACHINE, _OFF = Result

TABLE: Final[Mapping[Machine, Mapping[Band, Result]]] = {
    # What is said:         Available  Busy    DND    BRB    Away   Offline
    # A person in front of a machine is what he says he is.
    Machine.ACTIVE:    _row(_KEEP,    _KEEP,  _KEEP, _KEEP, _KEEP, _OFF),
    # Available and Busy have inactive shades; the other bands say enough.
    Machine.INACTIVE:  _row(_SHADE,   _SHADE, _KEEP, _KEEP, _KEEP, _OFF),
    # Available ends when nobody is there. Busy is sticky and only shaded: a meeting goes on without the computer.
    Machine.AWAY:      _row(_MACHINE, _SHADE, _KEEP, _KEEP, _KEEP, _OFF),
    # No endpoint, or none that admits to be one: he cannot be reached, whatever was said last.
    Machine.OFF:       _row(_OFF,     _OFF,   _OFF,  _OFF,  _OFF,  _OFF),
}  # fmt: skip
"""Machine of the most active endpoint, band of what is said → availability."""

_BANDS: Final = (
    (6000, Band.AVAILABLE),
    (9000, Band.BUSY),
    (12000, Band.DO_NOT_DISTURB),
    (15000, Band.BE_RIGHT_BACK),
    (18000, Band.AWAY),
)

_MACHINES: Final = (
    # Some clients write the person's own state into machineState too: Busy there means that he is there.
    (3000, Machine.ACTIVE),
    (4500, Machine.ACTIVE),
    (6000, Machine.INACTIVE),
    (7500, Machine.ACTIVE),
    (9000, Machine.INACTIVE),
    (12000, Machine.ACTIVE),
    (18000, Machine.AWAY),
)

_UNKNOWN_BELOW: Final = 3000
"""Numbers below say nothing about a person; such a machine ranks between inactive and away."""

_SPEAKERS: Final = (StateKind.PHONE, StateKind.CONFERENCE, StateKind.CALENDAR, StateKind.USER)
"""Whose activity is shown, the first that fits."""

_CALLS: Final = (StateKind.PHONE, StateKind.CONFERENCE)

_SHADES: Final = ((4500, 6000), (7500, 9000))
"""The inactive parts of Available and Busy."""

_IDLE: Final = (*_SHADES, (15000, 18000))
"""Where it is told since when nobody is active."""

_URGENT: Final = Activity("urgent-interruptions-only", URGENT_ONLY, 8999)


def band_of(availability: int) -> Band:
    """Give the class of an availability."""
    return next((band for below, band in _BANDS if availability < below), Band.OFFLINE)


def word_of(availability: int) -> str:
    """Give an availability in words, for an operator."""
    idle = any(low <= availability < high for low, high in _SHADES)
    word = band_of(availability).name.lower().replace("_", " ")
    return f"{word}, inactive" if idle else word


def machine_of(availability: int) -> Machine:
    """Give what a machine's availability says about the person in front of it."""
    return next((machine for below, machine in _MACHINES if availability < below), Machine.OFF)


def is_active(inputs: Iterable[Input]) -> bool:
    """Tell whether somebody is in front of one of these machines."""
    return any(
        one.state.kind is StateKind.MACHINE and machine_of(one.state.availability) is Machine.ACTIVE for one in inputs
    )


def aggregate(inputs: Sequence[Input], last_active: float | None, now: float, *, lower_dnd: bool = False) -> Aggregate:
    """Make one state of the states of all endpoints.

    Args:
        inputs: The states of one container, of every kind, in any order.
        last_active: When somebody was last in front of a machine; None: not known.
        now: Wall-clock seconds; calendar entries begin and end by it.
        lower_dnd: A person's own Do Not Disturb becomes Busy with urgent interruptions only.
            That is how the container that feeds the workgroup sees it.

    Spec: [MS-PRES] 3.7.5; "Aggregation 1" and "Aggregation 2" of the documentation.
    """
    valid = [one for one in inputs if one.state.is_valid(now)]
    machines = [one for one in valid if one.state.kind is StateKind.MACHINE]
    user = _user_state(valid, lower_dnd=lower_dnd)
    said_offline = user is not None and band_of(user.state.availability) is Band.OFFLINE
    best = min(machines, key=_most_active_first, default=None)
    if best is None:
        # Who appeared offline before must not be seen leaving.
        return Aggregate(OFFLINE, last_active=None if said_offline else last_active)

    reach = max(_base(user, best), *(_contribution(one.state) for one in valid))
    availability = _outcome(reach, _presence(user, best, machines, valid), best.state.availability)
    if availability >= OFFLINE:
        return Aggregate(OFFLINE, last_active=None if said_offline or is_active(machines) else last_active)
    meeting = next((one.state for one in valid if one.state.meeting_subject or one.state.meeting_location), None)
    idle = any(low <= availability < high for low, high in _IDLE) and not is_active(machines)
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


def moments(states: Iterable[State], now: float) -> Collection[float]:
    """Give the times after `now` at which one of these states begins or ends to hold."""
    return [at for state in states for at in (state.starts, state.ends) if at is not None and at > now]


def _user_state(valid: Sequence[Input], *, lower_dnd: bool) -> Input | None:
    """Give what the person said last himself; several, because Busy may be bound in time beside the static one."""
    manual = [
        one
        for one in valid
        if one.state.kind is StateKind.USER and one.state.manual and one.state.availability >= _UNKNOWN_BELOW
    ]
    newest = max(manual, key=lambda one: (one.published, one.state.availability), default=None)
    if newest is not None and lower_dnd and band_of(newest.state.availability) is Band.DO_NOT_DISTURB:
        return replace(newest, state=replace(newest.state, availability=URGENT_ONLY, activity=_URGENT))
    return newest


def _most_active_first(machine: Input) -> tuple[bool, int, float]:
    number = machine.state.availability
    # Active < Inactive < Unknown < Away < Off; among equals the last to change.
    place = number if number >= _UNKNOWN_BELOW else 12000
    return machine_of(number) is Machine.OFF, place, -machine.published


def _base(user: Input | None, best: Input) -> int:
    if user is not None:
        return user.state.availability
    number = best.state.availability
    return number if _UNKNOWN_BELOW <= number < 12000 else AVAILABLE


def _contribution(state: State) -> int:
    """Give what a meeting or a call adds; numbers grow with "less reachable", so the highest wins below Be Right Back.

    Out of office (12000 and more) lends its word to an absence, but makes nobody absent.
    """
    if state.kind in (StateKind.CALENDAR, *_CALLS) and state.availability < 12000:
        return state.availability
    return 0


def _presence(user: Input | None, best: Input, machines: Sequence[Input], valid: Sequence[Input]) -> Machine:
    machine = machine_of(best.state.availability)
    if machine is Machine.OFF:
        return machine
    if any(one.state.kind in _CALLS for one in valid):
        return Machine.ACTIVE  # who talks is there, whatever the keyboard says
    # What a person says himself wins over machine states before it. Only while the endpoint that said so is
    # here: else "available", said at home, would outlive the home computer and cover the idle one at work.
    is_newest = user is not None and all(user.published > one.published for one in machines)
    is_here = user is not None and any(one.epid == user.epid for one in machines)
    return Machine.ACTIVE if is_newest and is_here else machine


def _outcome(reach: int, machine: Machine, machine_number: int) -> int:
    band = band_of(reach)
    match TABLE[machine][band]:
        case Result.KEEP:
            return reach
        case Result.SHADE:
            floor = INACTIVE if band is Band.AVAILABLE else BUSY_INACTIVE
            shaded = machine_number if band_of(machine_number) is band and machine_of(machine_number) is machine else 0
            return max(reach, shaded or floor)
        case Result.MACHINE:
            return machine_number
        case Result.OFF:
            return OFFLINE


def _activity(user: Input | None, valid: Sequence[Input], availability: int) -> Activity | None:
    for kind in _SPEAKERS:
        speakers = [one for one in valid if one.state.kind is kind] if kind is not StateKind.USER else [user]
        for one in sorted(filter(None, speakers), key=lambda one: -one.published):
            activity = one.state.activity
            if activity is not None and activity.minimum <= availability <= activity.maximum:
                return activity
    return None
