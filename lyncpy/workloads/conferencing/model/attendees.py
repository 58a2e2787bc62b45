"""Who takes part in a meeting: its values, and what may happen to them; pure.

The rules are in `meeting.py`. Documents are written from the meetings before and after
(`bodies/conference_info.py`); the changes are for whoever has to act on them: end a dialog, a leg in an
MCU, a row of the call records. `now` and every time here is monotonic seconds.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.owners import NOBODY, OwnerId
from lyncpy.workloads.conferencing.model.admission import JoinerRelation
from lyncpy.workloads.conferencing.model.conference import FOCUS, Conference, ConferenceRole


@dataclass(frozen=True, slots=True)
class MeetingPolicy:
    """What the house and the organizer's policy set for a meeting."""

    size: int = 250
    """People who may be in it at once."""

    lobby: int = 100
    """People who may wait at once."""

    devices: int = 8
    """Devices of one person that may take part at once."""

    guests: bool = True
    """Whether the organizer's policy lets guests in."""

    meeting_url: str = ""
    lobby_wait_s: float = 1800.0
    linger_s: float = 600.0
    """How long a meeting waits for those whose connections were all lost."""

    guests_alone_s: float = 5400.0
    """How long guests may wait for the first who has an account."""

    guests_left_s: float = 600.0
    """How long guests may stay after the last who has one."""

    idle_s: float = 86_400.0
    """How long a meeting runs without anybody with an account joining."""


@dataclass(frozen=True, slots=True)
class Joiner:
    """One device of somebody who wants in."""

    user: Aor
    epid: Epid
    entity: str
    """What his client calls this endpoint of his."""

    display_name: str = ""
    internal: bool = True
    """Whether he has an account of this enterprise."""

    guest: bool = False
    """Whether he has no account at all."""

    lobby_capable: bool = False
    gruu: str = ""
    client: str = ""
    """His User-Agent."""

    owner: OwnerId = NOBODY
    """Who he is, whatever his address; a guest is nobody."""


@dataclass(frozen=True, slots=True)
class RosterEndpoint:
    """One dialog of a participant: with the focus, or with one medium."""

    entity: str
    kind: str
    """"focus" or the kind of the medium: what rosters call the session type."""

    epid: Epid
    joined_at: float
    gruu: str = ""
    client: str = ""
    lobby_capable: bool = False


@dataclass(frozen=True, slots=True)
class Attendee:
    """One person in the meeting or in its lobby."""

    user: Aor
    display_name: str
    role: ConferenceRole
    relation: JoinerRelation
    internal: bool
    waits: bool
    """Whether he is in the lobby; then he has no medium."""

    since: float
    """When he came in, or began to wait."""

    endpoints: tuple[RosterEndpoint, ...]
    """In the order of joining; at least one is with the focus."""

    owner: OwnerId = NOBODY
    written: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    """How documents show this very value, once one did: in a large meeting each joiner is shown all the others."""

    @property
    def guest(self) -> bool:
        """Whether he has no account."""
        return self.relation is JoinerRelation.GUEST

    @property
    def devices(self) -> tuple[RosterEndpoint, ...]:
        """His devices: their endpoints at the focus."""
        return tuple(end for end in self.endpoints if end.kind == FOCUS)

    def at(self, epid: Epid, kind: str = FOCUS) -> RosterEndpoint | None:
        """Give the endpoint of one of his devices."""
        return next((end for end in self.endpoints if end.kind == kind and end.epid == epid), None)


@dataclass(frozen=True, slots=True)
class Meeting:
    """One occurrence of a conference."""

    conference: Conference
    instance: str
    meeting_policy: MeetingPolicy = MeetingPolicy()
    organizer_name: str = ""
    attendees: Mapping[Aor, Attendee] = field(default_factory=dict)
    """In the order of joining; both who is in and who waits."""

    locked: bool = False
    begun: bool = False
    """Whether somebody has been in."""

    ended: bool = False
    granted: Mapping[Aor, ConferenceRole] = field(default_factory=dict)
    kept: frozenset[Aor] = frozenset()
    """Who was lost, and may come back though the door has been shut since."""

    ejected: frozenset[Aor] = frozenset()
    called: frozenset[Aor] = frozenset()
    """Whom presenters had called in, and who has not come yet: they count as invited."""

    meant: Mapping[Aor, OwnerId] = field(default_factory=dict)
    """Who those are who are granted a role, kept, ejected or called."""

    empty_since: float | None = None
    """Since when nobody is in it who had been."""

    alone_since: float | None = None
    """Since when guests only are in it."""

    account_at: float | None = None
    """When somebody with an account last joined."""

    @property
    def inside(self) -> tuple[Attendee, ...]:
        """Who is in it."""
        return tuple(attendee for attendee in self.attendees.values() if not attendee.waits)

    @property
    def lobby(self) -> tuple[Attendee, ...]:
        """Who waits."""
        return tuple(attendee for attendee in self.attendees.values() if attendee.waits)

    def presenters(self) -> tuple[Attendee, ...]:
        """Give who leads it now."""
        return tuple(attendee for attendee in self.inside if attendee.role is ConferenceRole.PRESENTER)


# -- what happened ----------------------------------------------------------------------------


class Departure(enum.Enum):
    """Why somebody is no longer in a meeting."""

    LEFT = "left"
    LOST = "connection lost"
    EJECTED = "ejected"
    DENIED = "denied"
    """Turned away from the lobby."""

    WAITED = "lobby timeout"
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
class Change:
    """Something that happened in a meeting."""


@dataclass(frozen=True, slots=True)
class Arrived(Change):
    """A device came: into the meeting, or into the lobby where `waits`."""

    user: Aor
    endpoint: RosterEndpoint
    waits: bool
    first: bool
    """Whether it is the only one of its user."""

    replaced: RosterEndpoint | None = None
    """The same device's earlier dialog with the focus, which this one takes the place of."""


@dataclass(frozen=True, slots=True)
class Gone(Change):
    """A device is gone, with its media."""

    user: Aor
    endpoint: RosterEndpoint
    media: tuple[RosterEndpoint, ...]
    why: Departure
    last: bool
    """Whether its user is gone with it."""


@dataclass(frozen=True, slots=True)
class MediumJoined(Change):
    """A device takes part in a medium."""

    user: Aor
    endpoint: RosterEndpoint
    replaced: RosterEndpoint | None = None


@dataclass(frozen=True, slots=True)
class MediumLeft(Change):
    """A device does so no longer."""

    user: Aor
    endpoint: RosterEndpoint


@dataclass(frozen=True, slots=True)
class Admitted(Change):
    """Somebody was let in from the lobby, with all his devices."""

    user: Aor


@dataclass(frozen=True, slots=True)
class RoleChanged(Change):
    """Somebody has another role."""

    user: Aor
    role: ConferenceRole


@dataclass(frozen=True, slots=True)
class LockChanged(Change):
    """The door was shut or opened."""

    locked: bool


@dataclass(frozen=True, slots=True)
class Reformed(Change):
    """The conference has another subject, admission policy or invitation."""


@dataclass(frozen=True, slots=True)
class MeetingEnded(Change):
    """The meeting is over; everybody is gone, by changes before this one."""

    why: MeetingEnd


Step = tuple[Meeting, tuple[Change, ...]]
"""A meeting as it is afterwards, and what happened; nothing, when nothing did."""
