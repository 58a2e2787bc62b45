"""The rules of presence, each as a table. Pure.

To be read from top to bottom beside [MS-PRES] and the enhanced presence documentation:

1. publications: how they are named, when they end, which categories there are;
2. containers: their members and access levels, and the order in which they are searched;
3. states: the scale of availability, and how machines, calendar, calls and manual states
   become one aggregate state (`DECISION`);
4. the words for old clients;
5. a board's parts, and the reasons for which a change is denied.

Nothing is evaluated here: `aggregate` evaluates the tables of 3 and 4, `audience` those of 2,
`board` and `levels` the rest. The values of states and devices are in `states`. Times are
wall-clock seconds since the epoch, because publications outlive the process.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from lyncpy.contracts.names import Aor, Epid
from lyncpy.sip.enums import IdentityEnum
from lyncpy.workloads.presence.model.states import Activity, Device, StateDocument, StateKind, Value

# --- 1. publications


class InstanceKey(NamedTuple):
    """The identity of a publication: an instance lives in exactly one container."""

    category: str
    instance: int
    """Opaque, unsigned, 32 bits; only the server's own numbers mean something here."""

    container: int


HIGHEST_INSTANCE, HIGHEST_CONTAINER = 0xFFFFFFFF, 32767


class Expire(IdentityEnum):
    """The expireType of a publication: when it ends by itself ([MS-PRES] 3.7.5)."""

    STATIC = "static"
    USER = "user"
    ENDPOINT = "endpoint"
    TIME = "time"


class ExpiryCause(IdentityEnum):
    """The events that end publications without a request to remove them."""

    LEFT = "the endpoint that published it is gone"
    LAST = "the user's last endpoint is gone"
    LAPSED = "its seconds are over"
    RESTART = "the server has started again, and no endpoint has come back yet"


ENDS: Final[Mapping[Expire, frozenset[ExpiryCause]]] = {
    Expire.STATIC:   frozenset(),
    Expire.TIME:     frozenset({ExpiryCause.LAPSED}),
    Expire.USER:     frozenset({ExpiryCause.LAST, ExpiryCause.RESTART}),
    Expire.ENDPOINT: frozenset({ExpiryCause.LEFT, ExpiryCause.LAST, ExpiryCause.RESTART}),
}  # fmt: skip
"""Type → the events that end such a publication ([MS-PRES] 3.7.5)."""

_OUTLIVE_RESTART: Final = frozenset(expire for expire, causes in ENDS.items() if ExpiryCause.RESTART not in causes)

AGGREGATE_INSTANCE, AGGREGATE_MACHINE_INSTANCE = 1, 0x10000000
"""The server's own instances of `state`; clients number theirs from 0x20000000."""

SERVICES_INSTANCE, LEGACY_INSTANCE = 0, 1

PRIVACY_INSTANCE: Final = 2
"""The instance of `otherOptions` by which the user asks to be seen by their contacts only (privacy mode)."""

DEFAULT, SELF, INPUT, INPUT_LOWERED = 0, 1, 2, 3
EXTERNAL, COLLEAGUES, WORKGROUP, FRIENDS, BLOCKED = 100, 200, 300, 400, 32000

VISIBLE: Final = (EXTERNAL, COLLEAGUES, WORKGROUP, FRIENDS)
"""The access levels in which watchers see the server's publications."""

_ALL: Final = None


@dataclass(frozen=True, slots=True)
class Category:
    """The server's rules for a category of publications; most have none."""

    shown: bool = True
    """Whether a watcher is ever told of it; the rest is for the user's own endpoints and the server."""

    made: bool = False
    """Whether the server alone publishes (part of) it."""

    made_instances: frozenset[int] | None = _ALL
    made_in: frozenset[int] | None = _ALL
    """Which part: these instances in these containers; None: all."""

    def is_made(self, instance: int, container: int) -> bool:
        """Tell whether a publication is one of the server's own, which no client may write."""
        return (
            self.made
            and (self.made_instances is _ALL or instance in self.made_instances)
            and (self.made_in is _ALL or container in self.made_in)
        )


CATEGORIES: Final[Mapping[str, Category]] = {
    "state":           Category(made=True, made_instances=frozenset({AGGREGATE_INSTANCE, AGGREGATE_MACHINE_INSTANCE}),
                                made_in=frozenset({INPUT, INPUT_LOWERED, *VISIBLE})),
    "contactCard":     Category(made=True, made_instances=frozenset({0}), made_in=frozenset({DEFAULT, *VISIBLE})),
    "services":        Category(made=True),
    "legacyInterop":   Category(made=True, shown=False),
    "userProperties":  Category(made=True, shown=False),
    "note":            Category(),
    "noteHistory":     Category(),
    "calendarData":    Category(),
    "workingHours":    Category(),
    "device":          Category(),
    "dndState":        Category(),
    "routing":         Category(shown=False),
    "userInformation": Category(shown=False),
    "otherOptions":    Category(shown=False),
    "alerts":          Category(shown=False),
    "rccOptions":      Category(shown=False),
    "mwi":             Category(shown=False),
}  # fmt: skip
"""The categories of Lync's clients and of the server; a setting admits others, which are `OTHER`."""

OTHER: Final = Category()


# --- 2. containers


class MemberKind(IdentityEnum):
    """The type of a container's member."""

    USER = "user"
    DOMAIN = "domain"
    SAME_ENTERPRISE = "sameEnterprise"
    FEDERATED = "federated"
    PUBLIC_CLOUD = "publicCloud"
    EVERYONE = "everyone"


class ContainerMember(NamedTuple):
    """A member of a container; `value` is `user@domain` or a domain, lower case, or empty for the other kinds."""

    kind: MemberKind
    value: str = ""


class Relation(IdentityEnum):
    """The relation of a watcher to a user's enterprise."""

    SAME_ENTERPRISE = MemberKind.SAME_ENTERPRISE
    FEDERATED = MemberKind.FEDERATED
    PUBLIC_CLOUD = MemberKind.PUBLIC_CLOUD
    ANONYMOUS = MemberKind.EVERYONE  # nobody knows who reads; no list but that of everyone is asked


LOOKUP: Final = tuple(MemberKind)
"""The order in which the kinds of members are searched for a watcher; of several containers with the same kind, the
highest first. Container 0 is last.

Spec: "relationship level determination"; a container that does not hold the category is
passed over, so the search is for each category.
"""


class Detail(IdentityEnum):
    """The part of an aggregate state that an access level shows."""

    NUMBER = "the availability"
    NO_MEETING = "all but what a meeting is about and where"
    WHOLE = "all"


@dataclass(frozen=True, slots=True)
class ContainerLevel:
    """The purpose of a container."""

    name: str
    visible: bool = False
    """Whether watchers may belong to it."""

    blocked: bool = False
    made_of: int | None = None
    """The container whose states its aggregate is made of."""

    told: Detail = Detail.WHOLE
    closed: frozenset[str] = frozenset()
    """Categories that end here, also when they are not held: a Lync client publishes them empty at this level."""


LEVELS: Final[Mapping[int, ContainerLevel]] = {
    DEFAULT:       ContainerLevel("default"),
    SELF:          ContainerLevel("self"),
    INPUT:         ContainerLevel("aggregation 1", made_of=INPUT),
    INPUT_LOWERED: ContainerLevel("aggregation 2", made_of=INPUT_LOWERED),
    EXTERNAL:      ContainerLevel("external contacts", visible=True, made_of=INPUT, told=Detail.NUMBER,
                         closed=frozenset({"note", "noteHistory", "calendarData", "workingHours", "device"})),
    COLLEAGUES:    ContainerLevel("colleagues", visible=True, made_of=INPUT, told=Detail.NO_MEETING),
    WORKGROUP:     ContainerLevel("workgroup", visible=True, made_of=INPUT_LOWERED),
    FRIENDS:       ContainerLevel("friends", visible=True, made_of=INPUT),
    BLOCKED:       ContainerLevel("blocked", visible=True, blocked=True),
}  # fmt: skip
"""The containers of Communicator and Lync; any other up to 32767 is an audience of a client's own."""

STANDARD_CONTAINERS: Final = (DEFAULT, *VISIBLE, BLOCKED)
"""Those that a client expects to hear of, also before anything is in them."""

PRIVATE_CONTAINERS: Final = frozenset({SELF, INPUT, INPUT_LOWERED})
"""For the user's own endpoints; nobody else is ever in one."""

AGGREGATED: Final = {id_: level.made_of for id_, level in LEVELS.items() if level.made_of is not None}
"""Container that gets an aggregate state → container whose states it is made of."""

IMPLIED: Final[Mapping[MemberKind, int]] = {MemberKind.SAME_ENTERPRISE: COLLEAGUES, MemberKind.FEDERATED: EXTERNAL}
"""What a client sets up when it first meets a board without it; until then it counts as set up."""

IMPLIED_LEVELS: Final = frozenset(IMPLIED.values())

CONTACT_LEVELS: Final[Mapping[Relation, int]] = {
    Relation.SAME_ENTERPRISE: COLLEAGUES, Relation.FEDERATED: EXTERNAL, Relation.PUBLIC_CLOUD: EXTERNAL,
}  # fmt: skip
"""Where a contact is whom no list names, when only contacts may see the user (privacy mode)."""

DELEGATE_LEVEL: Final = WORKGROUP
"""Where a delegate is whom no list names (role `delegate` of the container manifest)."""


# --- 3. states


AVAILABLE, INACTIVE, URGENT_ONLY, BUSY_INACTIVE, OFFLINE = 3500, 5000, 6900, 7500, 18500
UNKNOWN_BELOW: Final = 3000
"""Numbers below say nothing about a person; such a machine ranks between inactive and away."""


class Band(IdentityEnum):
    """The classes of the availability scale."""

    AVAILABLE = enum.auto()
    BUSY = enum.auto()
    DO_NOT_DISTURB = enum.auto()
    BE_RIGHT_BACK = enum.auto()
    AWAY = enum.auto()
    OFFLINE = enum.auto()


BANDS: Final = (
    # below   band                  shaded as inactive from
    (6000,  Band.AVAILABLE,       4500),
    (9000,  Band.BUSY,            7500),
    (12000, Band.DO_NOT_DISTURB,  None),
    (15000, Band.BE_RIGHT_BACK,   None),
    (18000, Band.AWAY,            None),
    (65536, Band.OFFLINE,         None),
)  # fmt: skip


class MachineState(IdentityEnum):
    """The presence of a person at a machine, the most active first."""

    ACTIVE = 0
    INACTIVE = 1
    UNKNOWN = 2
    AWAY = 3
    OFF = 4


MACHINES: Final = (
    (3000,  MachineState.UNKNOWN),
    (4500,  MachineState.ACTIVE),
    (6000,  MachineState.INACTIVE),
    # Some clients write the person's own state into machineState too: Busy there means that they are at the machine.
    (7500,  MachineState.ACTIVE),
    (9000,  MachineState.INACTIVE),
    (12000, MachineState.ACTIVE),
    (18000, MachineState.AWAY),
    (65536, MachineState.OFF),
)  # fmt: skip
"""Availability of a machineState below → what it says."""


class DecisionCell(IdentityEnum):
    """The availability that a cell of `DECISION` gives."""

    KEEP = "what the person, their calendar and their calls say"
    SHADE = "the same band, shaded as inactive"
    MACHINE = "what the machine says"
    OFF = "offline"


def _row(*results: DecisionCell) -> Mapping[Band, DecisionCell]:
    return dict(zip(Band, results, strict=True))


_KEEP, _SHADE, _MACHINE, _OFF = DecisionCell

DECISION: Final[Mapping[MachineState, Mapping[Band, DecisionCell]]] = {
    # What is said:         Available  Busy    DND    BRB    Away   Offline
    # A person who is at a machine is what they say they are.
    MachineState.ACTIVE:    _row(_KEEP,    _KEEP,  _KEEP, _KEEP, _KEEP, _OFF),
    # Available and Busy have inactive shades; the other bands say enough.
    MachineState.INACTIVE:  _row(_SHADE,   _SHADE, _KEEP, _KEEP, _KEEP, _OFF),
    # A machine that cannot tell whether somebody is there makes nobody idle.
    MachineState.UNKNOWN:   _row(_KEEP,    _KEEP,  _KEEP, _KEEP, _KEEP, _OFF),
    # Available ends when nobody is there. Busy is sticky and only shaded: a meeting goes on without the computer.
    MachineState.AWAY:      _row(_MACHINE, _SHADE, _KEEP, _KEEP, _KEEP, _OFF),
    # No endpoint, or none that admits to be one: the person cannot be reached, whatever was said last.
    MachineState.OFF:       _row(_OFF,     _OFF,   _OFF,  _OFF,  _OFF,  _OFF),
}  # fmt: skip
"""The most active machine, and the band of the highest number that is said → availability.

What is said is the newest manual userState (else the machine's own number while it is one
of a person who is there), raised by what `VOICES` says of calendar and calls. A manual state
newer than every machine state counts as `ACTIVE`, as long as the endpoint that said it is
signed in; so does a call.
"""


class StateContribution(NamedTuple):
    """The effect of a kind of state beside the machines' states."""

    kind: StateKind
    raises: bool
    """Whether its number counts; the highest wins, because numbers grow with "less reachable"."""

    proves: bool
    """Whether it proves that somebody is there, however long the keyboard has been idle."""


VOICES: Final = (
    StateContribution(StateKind.PHONE,      raises=True,  proves=True),
    StateContribution(StateKind.CONFERENCE, raises=True,  proves=True),
    StateContribution(StateKind.CALENDAR,   raises=True,  proves=False),
    StateContribution(StateKind.USER,       raises=False, proves=False),
)  # fmt: skip
"""In the order in which their activities are shown: the first whose range holds the result."""

RAISES_BELOW: Final = 12000
"""Out of office (12000 and more) lends its word to an absence, but makes nobody absent."""

IDLE: Final = frozenset({Band.AWAY})
"""Bands, beside the shades, in which it is told since when nobody is active."""


URGENT: Final = Activity("urgent-interruptions-only", URGENT_ONLY, 8999)
"""What the workgroup sees of Do Not Disturb that was chosen by hand."""


# --- 4. old clients


class Legacy(NamedTuple):
    """An availability in the words of older clients."""

    below: int
    reachable: int
    activity: int
    substatus: str
    """`availability` and `activity` of a presentity; `msnsubstatus` of an XPIDF document."""


LEGACY: Final = (
    Legacy(3000,  0,   0,   "unknown"),
    Legacy(4500,  300, 400, "online"),
    Legacy(6000,  300, 200, "idle"),
    Legacy(12000, 300, 600, "busy"),
    Legacy(15000, 300, 300, "berightback"),
    Legacy(18000, 300, 100, "away"),
    Legacy(65536, 0,   0,   "unknown"),
)  # fmt: skip

LEGACY_TOKENS: Final[Mapping[str, tuple[int, str]]] = {"on-the-phone": (500, "onthephone")}
"""Token → activity and substatus in place of those of the number."""


# --- 5. on a board


class Publication(NamedTuple):
    """One publication as a client requests it."""

    key: InstanceKey
    version: int
    """The version that the client saw last; 0: none."""

    expire: Expire
    value: str = ""
    """The XML of the category's element, as the client wrote it."""

    expires_s: int | None = None
    """0 removes the publication; else only read for `time`."""

    state: StateDocument | None = None
    device: Device | None = None
    private: bool = False
    """What `value` says, when it is a state, a device or the wish to be seen by contacts only."""


class Instance(NamedTuple):
    """One publication on a board. All are made anew with a change of state, many at once: therefore a tuple."""

    key: InstanceKey
    version: int
    expire: Expire
    value: Value
    published: float
    epid: Epid | None = None
    """Who published it; None: the server."""

    until: float | None = None
    state: StateDocument | None = None
    device: Device | None = None
    private: bool = False

    @property
    def made(self) -> bool:
        """Tell whether the server published it; no client may overwrite that."""
        return self.epid is None

    @property
    def is_durable(self) -> bool:
        """Tell whether it is written to the store."""
        if self.epid is None or self.expire not in _OUTLIVE_RESTART:
            return False
        return self.state is None or self.state.kind is not StateKind.MACHINE  # see `endings`

    @property
    def endings(self) -> frozenset[ExpiryCause]:
        """Give the events that end it.

        The state of a machine ends with its endpoint, whatever expireType its client asked for: a machine that is
        not connected says nothing about the person.
        """
        is_machine = self.state is not None and self.state.kind is StateKind.MACHINE
        return ENDS[self.expire] | ENDS[Expire.ENDPOINT] if is_machine else ENDS[self.expire]

    def carried(self, by_s: float) -> "Instance":
        """Give the publication with its times moved by `by_s` seconds, by which the wall clock was set."""
        until = None if self.until is None else self.until + by_s
        return self._replace(published=self.published + by_s, until=until)


@dataclass(frozen=True, slots=True)
class Container:
    """The list of an access level's members."""

    version: int = 0
    members: frozenset[ContainerMember] = frozenset()


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A watcher of a user who is none of their contacts; the user is prompted once ([MS-PRES] 2.2.2.6.1)."""

    aor: Aor
    display_name: str = ""
    acknowledged: bool = False
    context: str = ""
    """The XML of the subscription context that the watcher sent, "" for none; only the user's client reads it."""


class Delegate(NamedTuple):
    """A delegate of a user, with the rights beyond that ([MS-PRES] 2.2.2.10)."""

    aor: Aor
    publish: bool = False
    redelegate: bool = False


@dataclass(frozen=True, slots=True)
class Delegates:
    """The list of a user's delegates."""

    version: int = 0
    members: tuple[Delegate, ...] = ()


NO_DELEGATES: Final = Delegates()


class Denial(IdentityEnum):
    """The reasons for which a well-formed change is denied."""

    READ_ONLY = "the server's own publication"
    TOO_MANY_PUBLICATIONS = "too many publications"
    TOO_LONG = "a publication is too long"
    BOARD_FULL = "all publications together are too long"
    TOO_MANY_CONTAINERS = "too many containers"
    TOO_MANY_MEMBERS = "too many members in a container"
    TOO_MANY_DELEGATES = "too many delegates"
    NO_SUBSCRIBER = "no such subscriber"
