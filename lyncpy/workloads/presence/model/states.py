"""What is said of a person, read once: states and devices; and what the server makes of it. Pure.

Values only; the rules are the tables of `model`. Spec: the schemas of the categories
`state`, `device` and `services`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from lyncpy.contracts.names import Epid
from lyncpy.sip.enums import IdentityEnum


class StateKind(IdentityEnum):
    """The xsi:type of a `state` document."""

    USER = "userState"
    MACHINE = "machineState"
    CALENDAR = "calendarState"
    PHONE = "phoneState"
    CONFERENCE = "conferenceState"
    AGGREGATE = "aggregateState"
    AGGREGATE_MACHINE = "aggregateMachineState"


@dataclass(frozen=True, slots=True)
class Activity:
    """A word for what somebody does, shown while the availability lies in its closed range."""

    token: str = ""
    minimum: int = 0
    maximum: int = 18499
    custom: tuple[tuple[str, str], ...] = ()
    """(LCID, text), as the client wrote them."""


@dataclass(frozen=True, slots=True)
class StateDocument:
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
    endpoint_id: str = ""

    def is_valid(self, now: float) -> bool:
        """Tell whether the state holds at this time."""
        return (self.starts is None or self.starts <= now) and (self.ends is None or now < self.ends)


class Capability(NamedTuple):
    """What a device can do; the flags are as the client wrote them, empty when it did not."""

    name: str
    render: str = ""
    capture: str = ""
    publish: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """What a `device` document says."""

    endpoint_id: str = ""
    uri: str = ""
    preferred: bool = False
    capabilities: tuple[Capability, ...] = ()


class Input(NamedTuple):
    """A state on the board: who published it, and when."""

    state: StateDocument
    epid: Epid | None
    published: float


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The one state that others see."""

    availability: int
    activity: Activity | None = None
    last_active: float | None = None
    """When the person was last active, as far as others may know; None while they are."""

    device: str = ""
    location: str = ""
    zone: tuple[str, str, str] = ("", "", "")
    meeting_subject: str = ""
    meeting_location: str = ""


@dataclass(frozen=True, slots=True)
class AggregateMachine:
    """The most active machine, for the user's own endpoints; offline without any."""

    availability: int
    endpoint_id: str = ""
    device: str = ""
    location: str = ""
    zone: tuple[str, str, str] = ("", "", "")


class Service(NamedTuple):
    """What somebody can do on the best of his devices that can."""

    capability: Capability
    endpoint_id: str = ""
    availability: int | None = None
    """Of that device's machine. Like its id and `publish`, for the user's own endpoints only."""


@dataclass(frozen=True, slots=True)
class Services:
    """The union of what all devices can do."""

    uri: str
    services: tuple[Service, ...] = ()


@dataclass(frozen=True, slots=True)
class LegacyInterop:
    """What a watcher from before 2007 may be told."""

    availability: int
    token: str = ""


Value = str | Aggregate | AggregateMachine | Services | LegacyInterop
"""A publication's content: XML as a client wrote it, or what the server made."""
