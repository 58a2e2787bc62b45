"""What all connections of a user have under way and waiting, and what they may have.

Kept for `Intake`, which lets requests begin.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import FlowName
from lyncpy.core.limits import Bucket
from lyncpy.core.settings import Settings
from lyncpy.sip.message import Request
from lyncpy.sip.transaction import Key

BESIDE_BYTES: Final = 1_000
"""What a request takes in memory beside its text, about."""

WAITING_SHARES: Final = 16
"""One owner's part of what may wait in all: one of so many."""

OVER: Final = 4
"""A full server has room for a quarter more, for those who have little under way."""


class Requester:
    """A user, or the strangers of a network address: what all of their connections have under way."""

    __slots__ = ("flows", "name", "pending", "ringing", "size", "starved")

    def __init__(self, name: str) -> None:
        self.name = name
        self.flows = 0
        """Connections that are open."""
        self.pending = self.ringing = 0
        self.size = 0
        """Bytes of all that waits, about."""
        self.starved: dict[FlowName, Queue] = {}
        """Connections that wait for nothing but their owner's share."""

    @property
    def under_way(self) -> int:
        """Give the number of requests that wait for their answer."""
        return self.pending + self.ringing


class Queue:
    """The requests of one connection: those that wait, and how many are pending."""

    __slots__ = (
        "bucket", "flow", "held", "in_lane", "invites", "owner", "pending", "ringing", "running", "size", "waiting",
    )  # fmt: skip

    def __init__(self, flow: FlowName, owner: Requester, bucket: Bucket) -> None:
        self.flow = flow
        self.owner = owner
        self.bucket = bucket
        self.pending = 0
        """Requests under way, INVITEs not counted."""
        self.ringing = 0
        """INVITEs under way."""
        self.waiting: OrderedDict[Key, Request] = OrderedDict()
        """In the order in which they came."""
        self.invites: dict[Key, tuple[Request, float]] = {}
        """INVITEs that found no room, and until when they wait."""
        self.in_lane: dict[Key, InLane] = {}
        """Those that may begin, and wait until it is the turn of their kind."""
        self.size = 0
        """Bytes of all that waits, about."""
        self.held = False
        self.running = False

    def __len__(self) -> int:
        return len(self.waiting) + len(self.invites) + len(self.in_lane)

    @property
    def under_way(self) -> int:
        """Give the number of requests that wait for their answer."""
        return self.pending + self.ringing


class InLane:
    """A request that waits in a lane, for as long as it is this one that its connection has under the request's key."""

    __slots__ = ("key", "queue", "request")

    def __init__(self, queue: Queue, key: Key, request: Request) -> None:
        self.queue = queue
        self.key = key
        self.request = request


class Requesters:
    """The owners of open connections and pending requests, by name."""

    def __init__(self) -> None:
        self._owners: dict[str, Requester] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def __iter__(self) -> Iterator[Requester]:
        """Give all of them."""
        return iter(self._owners.values())

    def enter(self, name: str) -> Requester:
        """Count a new connection for its owner; give the owner."""
        owner = self._owners.setdefault(name, Requester(name))
        owner.flows += 1
        return owner

    def leave(self, owner: Requester) -> None:
        """Stop counting a connection for its owner."""
        owner.flows -= 1
        self.remove_idle(owner)

    def remove_idle(self, owner: Requester) -> None:
        """Forget an owner who has nothing open and nothing under way."""
        if not owner.flows and not owner.under_way and self._owners.get(owner.name) is owner:
            del self._owners[owner.name]


class RequestShares:
    """How much is under way and waits, of each owner and in all, and whether one more may begin."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.under_way = 0
        self.size = 0
        """Bytes of all that waits, about."""
        self._busy = 0
        """Owners who have something under way."""

    def begun(self, queue: Queue, request: Request) -> None:
        """Count a request that begins."""
        owner = queue.owner
        self.under_way += 1
        if not owner.pending and not owner.ringing:
            self._busy += 1
        if request.method == "INVITE":
            queue.ringing += 1
            owner.ringing += 1
        else:
            queue.pending += 1
            owner.pending += 1

    def ended(self, queue: Queue, request: Request) -> None:
        """Count a request that has ended."""
        owner = queue.owner
        self.under_way -= 1
        if request.method == "INVITE":
            queue.ringing -= 1
            owner.ringing -= 1
        else:
            queue.pending -= 1
            owner.pending -= 1
        if not owner.pending and not owner.ringing:
            self._busy -= 1

    def add(self, queue: Queue, sign: int) -> None:
        """Count what a connection has for its owner, or (`sign` -1) no more."""
        owner = queue.owner
        before = bool(owner.under_way)
        owner.pending += sign * queue.pending
        owner.ringing += sign * queue.ringing
        owner.size += sign * queue.size
        self._busy += bool(owner.under_way) - before

    def has_room(self, queue: Queue, request: Request) -> bool:
        """Tell whether a request may begin."""
        settings = self._settings
        if self.under_way >= settings.pending_total and not self.house_has_room(queue):
            return False
        if request.method == "INVITE":
            return self.has_own_room(queue, request)
        return queue.pending < settings.pending_per_flow and queue.owner.pending < settings.pending_per_user

    def has_own_room(self, queue: Queue, request: Request) -> bool:
        """Tell whether neither the connection nor its owner has as much under way as they may."""
        settings, owner = self._settings, queue.owner
        if request.method == "INVITE":
            return queue.ringing < settings.pending_per_flow and owner.ringing < settings.pending_per_user
        return queue.pending < settings.pending_per_flow and owner.pending < settings.pending_per_user

    def house_has_room(self, queue: Queue) -> bool:
        """Tell whether a request may begin; in a full server only if its owner has less than a share."""
        total = self._settings.pending_total
        if self.under_way < total:
            return True
        return self.under_way < total + max(1, total // OVER) and queue.owner.under_way < total // (self._busy + 1)

    def is_crowded(self, owner: Requester) -> bool:
        """Tell whether too much waits, in all or of one owner."""
        most = self._settings.waiting_bytes
        return self.size > most or owner.size > most // WAITING_SHARES

    def count(self, queue: Queue, size: int) -> None:
        """Count bytes that wait, or (below 0) do no more."""
        queue.size += size
        queue.owner.size += size
        self.size += size


class ReadingHolds:
    """Reads no more from a connection while too much of it waits."""

    def __init__(
        self,
        room: RequestShares,
        flows: IFlows,
        settings: Settings,
        meter: IMeter,
        on_held: Callable[[Queue], None],
    ) -> None:
        self._on_held = on_held
        self._room = room
        self._flows = flows
        self._settings = settings
        self._holds = meter.counter("lyncpy_core_flows_held_total", "Times that a connection was read from no more.")

    def hold(self, queue: Queue, request: Request) -> None:
        """Count a request that waits; when too much does, read no more from its connection."""
        self._room.count(queue, size_of(request))
        too_much = queue.size > self._settings.waiting_bytes_per_flow or self._room.is_crowded(queue.owner)
        if too_much and not queue.held:
            queue.held = True
            self._holds.add()
            self._on_held(queue)
            self._flows.pause_reading(queue.flow)

    def relieve(self, queue: Queue) -> None:
        """Read again when half of what may wait is gone."""
        if not queue.held or queue.size > self._settings.waiting_bytes_per_flow // 2:
            return
        if queue.size and self._room.is_crowded(queue.owner):
            return
        queue.held = False
        self._flows.resume_reading(queue.flow)


def size_of(request: Request) -> int:
    """Give the bytes that a request takes in memory, about."""
    return BESIDE_BYTES + len(request.body) + sum(map(len, request.headers.lines))
