"""The values of a running meeting, and the changes that may happen to it; pure.

The rules are in `meeting.py`. Documents are written from the meetings before and after
(`bodies/conference_info.py`); the changes are for whatever has to act on them: end a dialog, a leg in an
MCU, a row of the call records. `now` and every time here is monotonic seconds.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.owners import NOBODY, OwnerId
from lyncpy.workloads.conferencing.model.admission import JoinerRelation
from lyncpy.workloads.conferencing.model.conference import FOCUS, Conference, ConferenceDenied, ConferenceRole


@dataclass(frozen=True, slots=True)
class MeetingPolicy:
    """The limits of a meeting, from the settings and the organizer's policy."""

    size: int
    """People who may be in it at once."""

    lobby: int
    """People who may wait at once."""

    devices: int
    """Devices of one person that may take part at once."""

    guests: bool
    """Whether the organizer's policy lets guests in."""

    meeting_url: str
    lobby_wait_s: float
    """Seconds that somebody may wait in the lobby."""

    linger_s: float
    """Seconds that a meeting waits for participants whose connections were all lost."""

    guests_alone_s: float
    """Seconds that guests may wait for the first participant with an account."""

    guests_left_s: float
    """Seconds that guests may stay after the last participant with an account."""

    idle_s: float
    """Seconds that a meeting runs without anybody with an account joining."""


@dataclass(frozen=True, slots=True)
class Joiner:
    """One device whose user asks to join."""

    user: Aor
    epid: Epid
    entity: str
    """The name that the client gives this endpoint in rosters."""

    display_name: str = ""
    internal: bool = True
    """Whether they have an account in this enterprise."""

    guest: bool = False
    """Whether they have no account at all."""

    lobby_capable: bool = False
    gruu: str = ""
    client: str = ""
    """The User-Agent header of the device."""

    owner: OwnerId = NOBODY
    """The person behind the address; NOBODY for a guest."""


@dataclass(frozen=True, slots=True)
class RosterEndpoint:
    """One dialog of a participant: with the focus, or with one medium."""

    entity: str
    kind: str
    """FOCUS, or the kind of the medium: the session type in rosters."""

    epid: Epid
    joined_at: float
    gruu: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Attendee:
    """One person in the meeting or in its lobby."""

    user: Aor
    display_name: str
    role: ConferenceRole
    relation: JoinerRelation
    internal: bool
    waits: bool
    """Whether they are in the lobby; then they have no medium."""

    since: float
    """When they came in, or began to wait."""

    endpoints: tuple[RosterEndpoint, ...]
    """In the order of joining; at least one is with the focus."""

    owner: OwnerId
    """The person behind the address; NOBODY for a guest."""

    written: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    """The element that documents hold for this very value, once written: in a large meeting each joiner is shown all others."""

    @property
    def guest(self) -> bool:
        """Whether they have no account."""
        return self.relation is JoinerRelation.GUEST

    @property
    def devices(self) -> tuple[RosterEndpoint, ...]:
        """Their devices: the endpoints at the focus."""
        return tuple(end for end in self.endpoints if end.kind == FOCUS)

    def at(self, epid: Epid, kind: str = FOCUS) -> RosterEndpoint | None:
        """Find the endpoint of one of their devices; None: it has none of this kind."""
        return next((end for end in self.endpoints if end.kind == kind and end.epid == epid), None)


def departed_attendee(user: Aor) -> Attendee:
    """Return what stands for somebody of whom nothing is known but that they are no more in a meeting."""
    return Attendee(user, "", ConferenceRole.ATTENDEE, JoinerRelation.RETURNING, True, False, 0.0, (), NOBODY)  # noqa: FBT003


class MeetingState(enum.Enum):
    """Where a meeting is; the table of its moves is in `lifetime.py`."""

    OPENED = "opened"
    """Nobody has been inside; somebody may wait in the lobby."""

    RUNNING = "running"
    """Somebody with an account is inside."""

    GUESTS_ALONE = "guests_alone"
    """Only guests are inside."""

    EMPTY = "empty"
    """Nobody is inside, after somebody was: it waits for those who were lost, also with the process."""

    ABANDONED = "abandoned"
    """It has ended before anybody was inside; no record tells of it."""

    TERMINATED = "terminated"
    """It has ended."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """One occurrence of a conference."""

    conference: Conference
    instance: str
    meeting_policy: MeetingPolicy
    organizer_name: str
    attendees: Mapping[Aor, Attendee] = field(default_factory=dict)
    """In the order of joining; those inside and those in the lobby."""

    state: MeetingState = MeetingState.OPENED
    state_since: float = 0.0
    """When it came into this state; of no interest in OPENED."""

    locked: bool = False
    granted: Mapping[Aor, ConferenceRole] = field(default_factory=dict)
    """Roles that presenters gave or took, for as long as the meeting lasts."""

    kept: frozenset[Aor] = frozenset()
    """Those whose connection was lost: they may return though the meeting has been locked since."""

    ejected: frozenset[Aor] = frozenset()
    """Those whom a presenter removed: invitations and granted roles do not count for them any more."""

    called: frozenset[Aor] = frozenset()
    """Those whom presenters had called and who have not joined yet: they count as invited."""

    meant: Mapping[Aor, OwnerId] = field(default_factory=dict)
    """The persons behind the addresses in `granted`, `kept`, `ejected` and `called`."""

    account_at: float | None = None
    """When somebody with an account last joined; None: nobody has."""

    @property
    def begun(self) -> bool:
        """Whether somebody has been inside."""
        return self.state not in (MeetingState.OPENED, MeetingState.ABANDONED)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state in (MeetingState.ABANDONED, MeetingState.TERMINATED)

    @property
    def inside(self) -> tuple[Attendee, ...]:
        """Those who are in the meeting, not in its lobby."""
        return tuple(attendee for attendee in self.attendees.values() if not attendee.waits)

    @property
    def lobby(self) -> tuple[Attendee, ...]:
        """Those who wait in the lobby."""
        return tuple(attendee for attendee in self.attendees.values() if attendee.waits)

    def presenters(self) -> tuple[Attendee, ...]:
        """Return the presenters who are inside."""
        return tuple(attendee for attendee in self.inside if attendee.role is ConferenceRole.PRESENTER)


# -- what happened ----------------------------------------------------------------------------


class Departure(enum.Enum):
    """Why somebody is no longer in a meeting."""

    LEFT = "left"
    LOST = "connection lost"
    EJECTED = "ejected"
    DENIED = "denied"
    """Refused from the lobby by a presenter."""

    WAITED = "lobby timeout"
    """Waited in the lobby for longer than `MeetingPolicy.lobby_wait_s`."""

    ENDED = "meeting ended"


class MeetingEnd(enum.Enum):
    """Why a meeting is over."""

    BY_PRESENTER = "ended by a presenter"
    BY_OPERATOR = "ended by an operator"
    DELETED = "the conference was deleted"
    LAST_LEFT = "the last participant left"
    NOBODY_CAME_BACK = "nobody came back"
    GUESTS_ALONE = "only guests were left"
    IDLE = "nobody joined for too long"


@dataclass(frozen=True, slots=True)
class MeetingChange:
    """Something that happened in a meeting."""


@dataclass(frozen=True, slots=True)
class Arrived(MeetingChange):
    """A device joined: the meeting, or its lobby where `waits`."""

    user: Aor
    endpoint: RosterEndpoint
    waits: bool
    first: bool
    """Whether it is the only one of its user."""

    replaced: RosterEndpoint | None = None
    """The same device's earlier dialog with the focus, which this one replaces."""


@dataclass(frozen=True, slots=True)
class Gone(MeetingChange):
    """A device left the meeting, with its media."""

    user: Aor
    endpoint: RosterEndpoint
    media: tuple[RosterEndpoint, ...]
    why: Departure
    last: bool
    """Whether it was the last device of its user."""


@dataclass(frozen=True, slots=True)
class MediumJoined(MeetingChange):
    """A device joined a medium."""

    user: Aor
    endpoint: RosterEndpoint
    replaced: RosterEndpoint | None
    """The same device's earlier endpoint in the medium."""


@dataclass(frozen=True, slots=True)
class MediumLeft(MeetingChange):
    """A device left a medium."""

    user: Aor
    endpoint: RosterEndpoint


@dataclass(frozen=True, slots=True)
class Admitted(MeetingChange):
    """Somebody was let in from the lobby, with all their devices."""

    user: Aor


@dataclass(frozen=True, slots=True)
class RoleChanged(MeetingChange):
    """Somebody has another role."""

    user: Aor
    role: ConferenceRole


@dataclass(frozen=True, slots=True)
class LockChanged(MeetingChange):
    """The meeting was locked or unlocked."""

    locked: bool


@dataclass(frozen=True, slots=True)
class ConferenceEdited(MeetingChange):
    """The conference has another subject, admission policy or invitation."""


@dataclass(frozen=True, slots=True)
class MeetingEnded(MeetingChange):
    """The meeting has ended; everybody has left it, by changes before this one."""

    why: MeetingEnd


MeetingStep = tuple[Meeting, tuple[MeetingChange, ...]]
"""A meeting afterwards, and its changes in order; none, when nothing happened."""

Rule = Callable[[Meeting], MeetingStep | ConferenceDenied]
"""Decides the step of a meeting, with its time and its other arguments bound."""
