"""Everything that may be told on the bus: frozen, in the past tense, small.

A fact carries names and versions, and what a listener needs to act without asking back. It may leave
this process: no secret is in it, and nothing that means something in one process alone.
"""

import enum
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, Epid, FlowName, NodeName, Version

_NOWHERE: Final = NodeName("")
_NOBODY: Final = Aor("")
_NONE_YET: Final = Version(0)


@dataclass(frozen=True, slots=True)
class Fact:
    """A thing that has happened; the base of all facts."""


@dataclass(frozen=True, slots=True)
class FlowClosed(Fact):
    """A client connection is gone."""

    flow: FlowName
    reason: str


@dataclass(frozen=True, slots=True)
class FlowDrained(Fact):
    """A client connection that was full has room again: updates that were put off may be sent."""

    flow: FlowName


@dataclass(frozen=True, slots=True)
class FlowSilent(Fact):
    """A client has not answered a request in time; it may not be there any more."""

    flow: FlowName


@dataclass(frozen=True, slots=True)
class EndpointArrived(Fact):
    """An endpoint signed in (not: refreshed)."""

    aor: Aor
    epid: Epid
    flow: FlowName
    version: Version = _NONE_YET
    """That of the record of where the user is signed in, from then on; 0: it could not be written."""


class EndpointGoneReason(enum.Enum):
    """Why an endpoint is signed in no more; the values are what call records and the log say."""

    SIGNED_OUT = "signed out"
    EXPIRED = "expired"
    CONNECTION_LOST = "connection lost"
    REPLACED = "replaced"
    QUOTA = "quota"
    DISABLED = "disabled"
    BY_OPERATOR = "signed out by operator"


@dataclass(frozen=True, slots=True)
class EndpointGone(Fact):
    """An endpoint signed out, lapsed or lost its connection; `last` when the user has no other."""

    aor: Aor
    epid: Epid
    flow: FlowName
    """The connection that it had signed in on, which may be there still."""

    reason: EndpointGoneReason
    last: bool
    version: Version = _NONE_YET
    """As of EndpointArrived."""


@dataclass(frozen=True, slots=True)
class PersonChanged(Fact):
    """The directory's facts about who has an address changed, or they have it no more.

    When an address goes from one to another, first that the one has lost it is told, then that another has it. What
    the directory says of them, their password hash too, is in `IPeople` and `IUserSecrets`.
    """

    aor: Aor
    is_known: bool
    """Whether somebody has the address from now on."""

    may_stay: bool
    """Whether what they are signed in with goes on; see `Person.may_stay`."""

    moved: Aor | None = None
    """Where nobody has it: the address that they have from now on."""

    @classmethod
    def from_person(cls, person: Person) -> "PersonChanged":
        """Give the fact of somebody who has come or changed."""
        return cls(person.aor, is_known=True, may_stay=person.may_stay)

    @classmethod
    def gone(cls, aor: Aor, moved: Aor | None = None) -> "PersonChanged":
        """Give the fact of somebody who has an address no more; `moved` is the one they have now."""
        return cls(aor, is_known=False, may_stay=False, moved=moved)


@dataclass(frozen=True, slots=True)
class AddressesChanged(Fact):
    """These addresses mean others than before: what names people by address has to ask `IOwners` again.

    Told after `PersonChanged`, and not of addresses that nobody ever had before.
    """

    aors: frozenset[Aor]


@dataclass(frozen=True, slots=True)
class GroupsChanged(Fact):
    """Groups of the directory were added, changed or removed: their keys, and those of the groups that hold them."""

    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class SecretChanged(Fact):
    """A user's password hash was set or removed."""

    aor: Aor


@dataclass(frozen=True, slots=True)
class CertificatesRevoked(Fact):
    """Certificates of a user were revoked by themselves: nothing else of the user's has ended."""

    aor: Aor
    digests: frozenset[str]
    """SHA-256 of each in DER, in hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class SignInFailed(Fact):
    """Somebody has tried in vain to sign in at a node; all count it, for the next try may come to another."""

    node: NodeName
    name: str
    """As whom: an address, or an account's name. There need not be anybody of that name."""

    place: str
    """The network that it came from."""

    device: str
    """The epid of a device that has signed in from there before; "": any other."""

    account: str
    """The account's name, where the password of another than `name` was guessed; "": it was not."""

    is_user: bool
    is_account_user: bool
    """Whether somebody has that name, and that account."""

    is_relayed: bool
    """It came from a relay, whose address is many people's."""


@dataclass(frozen=True, slots=True)
class SignInForgiven(Fact):
    """Somebody has signed in at a node after failures, which count no more."""

    node: NodeName
    name: str
    place: str
    device: str
    """As in `SignInFailed`."""


@dataclass(frozen=True, slots=True)
class BoardChanged(Fact):
    """A user's board has a new version; `categories` names the touched categories."""

    aor: Aor
    version: Version
    categories: frozenset[str]
    by: Epid | None
    """The publishing endpoint, or None for the server itself."""

    shown: frozenset[tuple[str, int]] = frozenset()
    """(category, container) whose content is new: what watchers may see of the change."""

    furnished: frozenset[tuple[str, int]] = frozenset()
    """Those of them where what the directory says is new, and not the user."""

    members: frozenset[int] = frozenset()
    """Containers whose list of members is new, or who sees which is decided anew."""

    subscribers: bool = False
    delegates: bool = False
    """Whether these lists of the user are new."""

    serial: int = 0
    """The number of this change among all that its process has told of boards; it only grows, whatever the versions do."""

    node: NodeName = _NOWHERE
    """That process. For others the fact says only that the board is another one: they read its records again."""

    record: Version = _NONE_YET
    volatile: Version = _NONE_YET
    """The versions of the board's two records; whoever has the board as of these knows the change. 0: there is none."""


@dataclass(frozen=True, slots=True)
class AccessChanged(Fact):
    """Who may see what of a user is decided anew; told beside `BoardChanged`, whose `members` names the containers.

    Each process tells it to itself, once its own board says so.
    """

    aor: Aor


@dataclass(frozen=True, slots=True)
class ContactsChanged(Fact):
    """A user's contact list has a new version; `delta` is the contactDelta document, whole."""

    aor: Aor
    delta_num: int
    delta: bytes
    """Empty: what changed is not known, because it did while nobody looked, or elsewhere; the list is to be read anew."""

    by: Epid | None


@dataclass(frozen=True, slots=True)
class ConferenceChanged(Fact):
    """A conference was made, modified or deleted; what its meeting remembers while it runs is not told.

    Told of each address by which others know it: its organizer's, and the one that its links have.
    """

    key: str
    """Of its record."""

    version: Version
    """That of the record from then on; 0: there is none any more."""

    aor: Aor = _NOBODY
    """One of those addresses."""


@dataclass(frozen=True, slots=True)
class PoliciesChanged(Fact):
    """Policies, or who they are for, have changed; anybody's may be another."""


@dataclass(frozen=True, slots=True)
class StateNoted(Fact):
    """Something has happened to a user, a call or a conference that nobody but who traces them need know.

    Told within the process where it happened, by `IBus.note` alone: a trace runs in each.
    """

    about: str
    """An address, or what `about_call` and `about_conference` give."""

    words: str
    """What, and why, in a sentence without a full stop."""


def about_call(call_id: str) -> str:
    """Give what a fact is about that tells of a dialog."""
    return f"call {call_id}"


def about_conference(key: str) -> str:
    """Give what a fact is about that tells of a conference, whose id is given as `conference_key` writes it."""
    return f"conference {key}"


def key_of(fact: Fact) -> str | None:
    """Give the address, the connection or else the node that a fact is about; None: it is about many, or about all."""
    found = getattr(fact, "aor", None) or getattr(fact, "flow", None) or getattr(fact, "node", None)
    return found or getattr(fact, "about", None)


@dataclass(frozen=True, slots=True)
class NodeLost(Fact):
    """Another node is known dead, or has left: nothing of it will come any more. Each process finds that out by itself."""

    node: NodeName


@dataclass(frozen=True, slots=True)
class NodeReported(Fact):
    """A node has said how it is, as each does every few seconds, and when it begins to leave."""

    node: NodeName
    address: str
    """Host and port at which clients reach this node and no other; "": there is no such name."""

    endpoints: int
    """Devices that are signed in at it."""

    has_room: bool
    """Whether more may sign in."""

    is_leaving: bool = False


KINDS: Final[tuple[type[Fact], ...]] = (
    FlowClosed,
    FlowDrained,
    FlowSilent,
    EndpointArrived,
    EndpointGone,
    PersonChanged,
    AddressesChanged,
    GroupsChanged,
    SecretChanged,
    CertificatesRevoked,
    SignInFailed,
    SignInForgiven,
    BoardChanged,
    AccessChanged,
    ContactsChanged,
    ConferenceChanged,
    PoliciesChanged,
    NodeReported,
)
"""Every kind of fact that one process may tell another."""
