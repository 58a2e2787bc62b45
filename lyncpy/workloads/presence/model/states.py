"""Values of states and devices: as clients publish them, and as the server computes them. Pure.

All of them are tuples, because each change of a state makes some and compares many. The rules are the tables of
`tables`. Spec: the enhanced presence schemas of the categories
`state`, `device` and `services`.
"""

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


class Activity(NamedTuple):
    """A word for an activity, shown while the availability lies in its closed range."""

    token: str = ""
    minimum: int = 0
    maximum: int = 18499
    custom: tuple[tuple[str, str], ...] = ()
    """(LCID, text), as the client wrote them."""


class StateDocument(NamedTuple):
    """The fields of a `state` document; one that the document lacks is empty."""

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
        """Tell whether the state is valid at a time (wall-clock seconds)."""
        return (self.starts is None or self.starts <= now) and (self.ends is None or now < self.ends)


class Capability(NamedTuple):
    """One capability of a device; the flags are as the client wrote them, "" where it wrote none."""

    name: str
    render: str = ""
    capture: str = ""
    publish: str = ""
    version: str = ""


class Device(NamedTuple):
    """The fields of a `device` document."""

    endpoint_id: str = ""
    uri: str = ""
    preferred: bool = False
    capabilities: tuple[Capability, ...] = ()


class Input(NamedTuple):
    """A published state, with its endpoint and its time of publication (wall-clock seconds)."""

    state: StateDocument
    epid: Epid | None
    published: float


class Aggregate(NamedTuple):
    """The one state of a user that watchers see."""

    availability: int
    activity: Activity | None = None
    last_active: float | None = None
    """When the person was last active (wall-clock seconds), as far as watchers may know; None while they are."""

    device: str = ""
    location: str = ""
    zone: tuple[str, str, str] = ("", "", "")
    meeting_subject: str = ""
    meeting_location: str = ""


class AggregateMachine(NamedTuple):
    """The most active machine of a user, for their own endpoints; offline when there is none."""

    availability: int
    endpoint_id: str = ""
    device: str = ""
    location: str = ""
    zone: tuple[str, str, str] = ("", "", "")


class Service(NamedTuple):
    """One capability of a user, on the best device that has it."""

    capability: Capability
    endpoint_id: str = ""
    availability: int | None = None
    """The availability of that device's machine. Like its id and `publish`, for the user's own endpoints only."""


class Services(NamedTuple):
    """The capabilities of all devices of a user."""

    uri: str
    services: tuple[Service, ...] = ()


class LegacyInterop(NamedTuple):
    """The availability and the word for it that a watcher from before 2007 may see."""

    availability: int
    token: str = ""


Value = str | Aggregate | AggregateMachine | Services | LegacyInterop
"""The value of a publication: XML as a client wrote it, or a value of the server's own."""
