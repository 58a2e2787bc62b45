"""What the whole server shares, in two objects: each workload is given them, and beside them what is its own.

Promises that only some workloads need (who is blocked, what is archived, the IM MCU) are not here: each
of those is kept by another workload, and assembly introduces the two by name.
"""

from dataclasses import dataclass

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import IGroups, IPeople
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import INodes
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.records import IRecording, IRecords
from lyncpy.contracts.store import IStore, IVolatileStore
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deposits import Deposits
from lyncpy.core.forward import Forward
from lyncpy.core.homes import Homes
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.notifier import Notifier
from lyncpy.core.relay import Relay
from lyncpy.core.sweep import Sweep


@dataclass(frozen=True, slots=True)
class Platform:
    """What keeps state, tells of changes, and knows people and their devices."""

    node: NodeName
    """This process, and this start of it."""

    nodes: INodes
    """The other servers of the store, and which duties are this one's."""

    store: IStore
    """What is kept under a key, with a version."""

    volatile: IVolatileStore
    """The same for what ends with the deployment."""

    sweep: Sweep
    """Finds what other processes wrote and nobody told."""

    records: IRecords
    """Call detail records, to be read, and to be closed where another start left them open."""

    recording: IRecording
    """Has call detail records written; it is open longer than any workload."""

    bus: IBus
    """Facts, heard in a later turn."""

    writers: KeyedLock
    """One writer at a time for each name."""

    timers: ITimers
    """Deadlines, and the clocks."""

    meter: IMeter
    """Counters and gauges."""

    people: IPeople
    """Everybody in the directory."""

    owners: IOwners
    """Who has which address, and who had it."""

    groups: IGroups
    """Groups of the directory, and their members."""

    policies: IPolicies
    """What each user may."""

    locator: ILocator
    """The devices that are signed in."""


@dataclass(frozen=True, slots=True)
class Signaling:
    """What reaches devices over SIP."""

    flows: IFlows
    """Connections: who is silent, and closing one."""

    outbound: IOutbound
    """Requests of the server's own, and their answers."""

    notifier: Notifier
    """Subscriptions, and what is told to them."""

    forward: Forward
    """Requests from one user's device to another's."""

    relay: Relay
    """Requests whose home is another node."""

    homes: Homes
    """What has its home at this node."""

    deposits: Deposits
    """What homes leave with the nodes of clients, for the next home."""
