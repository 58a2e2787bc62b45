"""The servers that work with one store: who is there, who is known dead, and whose is what has one home.

A *node* is one start of one server. It holds a *lease* in the store, by the store's clock, and renews it a few times within
its length. A lease that has run out is not ended yet: whoever comes back from a hiccup renews it, as long as no other
node has written down that it is over. That is when a node is known dead: its endpoints are gone, what it left open is ended by others,
its homes are free, and whatever it still writes is refused by the store.

A *home* is a name that one node has at a time: a conference, a periodic duty. It has no clock of its own: it is lost when its node is
dead, or gives it up. Its epoch grows with each other node that has it.
"""

import enum
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from zope.interface import Attribute, Interface

from lyncpy.contracts.names import NodeName
from lyncpy.contracts.refusal import StoreUnavailable


class Fenced(StoreUnavailable):
    """This node is known dead to the others: what it writes is refused, and it has to begin anew under another name."""


@dataclass(frozen=True, slots=True)
class NodeLease:
    """A node as the store has it."""

    name: NodeName
    epoch: int
    """How many nodes have joined this store with it; of two nodes, the later one has the higher."""

    place: str
    """Where it runs, in words."""

    is_connected: bool
    """Whether it hears other nodes over a bus."""

    left_s: float
    """Seconds until its lease runs out, by the store's clock; negative: since it did."""

    is_ended: bool
    """Whether it is known dead, or has left."""


@dataclass(frozen=True, slots=True)
class Home:
    """Which node has a name."""

    key: str
    node: NodeName
    epoch: int
    """Grows with each change of the node."""


class ILeases(Interface):
    """Leases of nodes, and homes. Every method may raise StoreUnavailable; then nothing was written.

    All that writes, `join` aside, raises Fenced once the lease of this process is over.
    """

    def join(node: NodeName, place: str, seconds: float, *, is_connected: bool) -> Awaitable[int]:
        """Begin the lease of this process; give its epoch. Whatever it writes from here on is refused once that is over."""

    def renew(node: NodeName, seconds: float) -> Awaitable[Sequence[NodeLease]]:
        """Have the lease end so many seconds from now, though it may have run out; give the nodes that are not known dead, as `nodes` does.

        Raises:
            Fenced: It is over.
        """

    def nodes(names: Collection[NodeName] = ()) -> Awaitable[Sequence[NodeLease]]:
        """Give these nodes in the order of their epochs, those too that ended within a day; without names, all."""

    def end_leases(nodes: Collection[NodeLease]) -> Awaitable[Sequence[NodeName]]:
        """Write down that leases are over which have run out as they were; give those of which this call did so.

        One that was renewed meanwhile goes on, and so may one of whose node a write is under way; nobody waits for that.
        """

    def end_others(node: NodeName) -> Awaitable[int]:
        """Write down that all leases but one are over, whatever time they have; give their number.

        For who knows that no other server can be there.
        """

    def leave(node: NodeName) -> Awaitable[None]:
        """End the lease of this process, in order."""

    def take_homes(keys: Collection[str], node: NodeName) -> Awaitable[Sequence[Home]]:
        """Make a node the home of each name that none has, or one that is dead; give which node has each then, which may be another.

        However many there are, it is one statement; give them by key.
        """

    def give_up(home: Home) -> Awaitable[None]:
        """Have a home be nobody's, if it still is as it was."""

    def forget(key: str, node: NodeName) -> Awaitable[None]:
        """Forget a name that there is nothing of any more, and its epoch, unless another node that is alive has it."""

    def homes(prefix: str = "") -> Awaitable[Sequence[Home]]:
        """Give the homes whose key begins so and whose node is alive, by key."""


class Duty(enum.Enum):
    """What one node does for all, from time to time. The values are the keys of their homes, behind DUTIES."""

    LEAVINGS = "leavings"
    """Ends what a dead node has left open."""

    DIRECTORY = "directory"
    """Pulls the directory; what it has found the others read in the store."""

    RETENTION = "retention"
    """Removes from the store what is older than the settings allow."""

    ARCHIVE = "archive"
    """Removes from the archive what is older than the settings allow."""


DUTIES: Final = "duty "
"""What the keys of duties begin with."""


class INodePlaces(Interface):
    """Where clients reach each node by itself, and which of them takes more devices; as old as the last reports, some seconds.

    All of it spares work, or makes a departure smooth: who believes an old report is sent to a node that sends them on.
    """

    is_leaving: bool = Attribute("Whether this node is on its way out, and takes nobody any more.")

    def open_address(node: NodeName) -> str:
        """Give host and port of another node that takes more devices; "" where there is no such node, or it has no name of its own."""

    def refuge() -> str:
        """Give host and port of the other node with the fewest devices that takes more; "" where there is none."""


class INodes(Interface):
    """The nodes as this one knows them; what is given at once is as old as the last renewal of its lease, a second or two."""

    node: NodeName = Attribute("This node.")
    epoch: int = Attribute("Its own; 0 before it has joined.")
    is_alone: bool = Attribute(
        "Whether there can be no other: then everything has its home here, and the store is not asked."
    )

    def others() -> Sequence[NodeLease]:
        """Give the other nodes that are not known dead, in the order of their epochs."""

    def gone() -> Sequence[NodeLease]:
        """Give the nodes that are known dead, or have left, since this one is here; those of last."""

    def find_dead(names: Collection[NodeName]) -> Awaitable[frozenset[NodeName]]:
        """Ask the store which of these nodes are known dead. Names that stand in what was stored belong to nodes that have joined."""

    def has_duty(duty: Duty) -> bool:
        """Tell whether a duty is this node's now; at most one node is told so. Whoever has one may lose it at any time."""

    def lapsed_s() -> float:
        """Give for how long the lease may have been over, for all that this node knows; negative: for how long it surely holds."""

    def is_held() -> bool:
        """Tell whether nobody can take this node for dead, as far as it knows.

        It cannot know while the store is away: then nobody writes down that it is dead. It is not held from when this process
        has slept for longer than its lease until the store has said that it is renewed.
        """

    def doubt() -> None:
        """Note that another node takes this one for dead: it is not held until the store has said that it is."""

    def take_home(key: str) -> Awaitable[Home]:
        """Make this node the home of a name, unless a living one is; give which node is."""

    def take_homes(keys: Collection[str]) -> Awaitable[Sequence[Home]]:
        """Make this node the home of each name of which no living one is, all at once; give which node is, by key."""

    def give_up(home: Home) -> Awaitable[None]:
        """Have a home of this node be nobody's."""

    def forget(key: str) -> Awaitable[None]:
        """Forget a name that there is nothing of any more."""

    def all_homes(prefix: str = "") -> Awaitable[Sequence[Home]]:
        """Give the homes whose key begins so, those of other nodes too."""


class IHomed(Interface):
    """Things of one sort, each of which has one home: what is asked about one is answered there, whichever node it comes to."""

    app: str = Attribute("Start of `opaque=app:…` of their URIs.")

    def key_of(uri: str) -> str:
        """Give the key of the home of what a Request-URI is about; "": of nothing that could have one."""

    def is_known(key: str) -> Awaitable[bool]:
        """Tell whether there is such a thing; no other is given a home."""

    def begin(home: Home) -> Awaitable[None]:
        """Go on with one here, whose home this node has just become. What it raises is the answer to whoever asked."""

    def home_ended(key: str) -> None:
        """Note that this node is the home of one no more."""

    def is_running(key: str) -> bool:
        """Tell whether it needs its home beyond the request that is being answered."""
