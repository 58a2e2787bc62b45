"""What is known here of where users are signed in: their records, as they were read or written last.

Of users who are signed in here, or were asked for lately, the record is kept, as long as no fact and no sweep says that there is
a newer one. A node whose endpoint is not in the record any more has it leave: another one has taken its place, or an
operator has signed it out.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.bus import IBus, Interest
from lyncpy.contracts.facts import EndpointArrived, EndpointGone, EndpointGoneReason
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, FlowName, NodeName, Version, kept_aor, node_of
from lyncpy.contracts.nodes import INodes
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import IVolatileStore
from lyncpy.contracts.timers import ITimers
from lyncpy.core.spawn import spawn
from lyncpy.workloads.registrar.endpoint_record import RecordUnreadable, read_record
from lyncpy.workloads.registrar.model import EndpointConflict

KIND: Final = "endpoints"

NONE: Final = Version(0)

ASKED_MOST: Final = 20_000
"""Users who are not signed in here and whose record is kept; the one first asked for goes."""

DEAD_MOST: Final = 1_000
"""Nodes that are remembered as dead; what their records still say was ended long ago."""

EndpointFact = EndpointArrived | EndpointGone
EndpointName = tuple[Epid, FlowName]
"""Of a user's endpoints."""


class KnownEndpoints:
    """What a user's record says."""

    __slots__ = ("contests", "elsewhere", "lost", "own", "seen", "told", "version")

    def __init__(self, version: Version, own: frozenset[EndpointName], elsewhere: tuple[Endpoint, ...]) -> None:
        self.version = version
        self.seen = version
        """The last version that there was, of a record that is removed, too."""

        self.told = version
        """What others are told: who removes a record tells the version that comes after it."""

        self.own = own
        """This node's endpoints that were in it."""

        self.elsewhere = elsewhere
        """Those of other nodes, oldest first."""

        self.lost: tuple[Endpoint, ...] = ()
        """Those of nodes that are dead: whoever writes the record next tells that they are gone."""

        self.contests: dict[Epid, EndpointConflict] = {}
        """How often each was taken from one node by another, as far as this one has seen it."""


class WritesRecords(Protocol):
    """Who writes records."""

    def want(self, aor: Aor) -> None:
        """Have a record written, though nothing is to be told."""

    def is_writing(self, aor: Aor) -> bool:
        """Tell whether a record is being written: whoever does so sees what others wrote."""

    def heard_meanwhile(self, aor: Aor, version: Version) -> bool:
        """Note of which version others have told while a record is being written; False: it is not."""


class _Reading:
    """A record that is being read, once for all who ask for it meanwhile."""

    __slots__ = ("failure", "found", "is_stale", "waiting")

    def __init__(self) -> None:
        self.is_stale = True
        """Whether it has changed since the store was asked."""

        self.found: KnownEndpoints | None = None
        self.failure = "whoever read it was interrupted"
        """Why there is nothing found."""

        self.waiting: list[Deferred[None]] = []


class EndpointRecords:
    """The records that are known, by user.

    Args:
        node: This one.
        store: Keeps the records.
        bus: Told of endpoints that have to leave.
        timers: The clocks.
        nodes: Who is dead.
        own: Gives a user's endpoints of this node.
        writer: Writes them.

    Attributes:
        known_of: Whose endpoints are known here, for who tells of them.
        known: What is known.
        recorded: This node's endpoints that were written down, and until when.
    """

    log = Logger()

    def __init__(
        self,
        node: NodeName,
        store: IVolatileStore,
        bus: IBus,
        timers: ITimers,
        nodes: INodes,
        own: Callable[[Aor], Sequence[Endpoint]],
        writer: WritesRecords,
    ) -> None:
        self._node = node
        self._store = store
        self._bus = bus
        self._timers = timers
        self._nodes = nodes
        self._own = own
        self._writer = writer
        self.known_of: Final = Interest()
        self.recorded: Final[dict[Aor, dict[EndpointName, float]]] = {}
        self.known: Final[dict[Aor, KnownEndpoints]] = {}
        self._visitors: OrderedDict[Aor, None] = OrderedDict()
        """Those of them who are not signed in here."""

        self._reading: dict[Aor, _Reading] = {}
        self.dead: Final[OrderedDict[NodeName, None]] = OrderedDict()

    def expire(self, aor: Aor) -> None:
        """Have a record be read again when it is asked for: somebody has written a later one."""
        self.known.pop(aor, None)
        self._changed(aor)

    def _changed(self, aor: Aor) -> None:
        """Have a read that is under way be done again: what it brings may be older than what there is."""
        reading = self._reading.get(aor)
        if reading is not None:
            reading.is_stale = True

    def lose(self) -> None:
        """Note that the store has lost all of them."""
        self.known.clear()
        self.recorded.clear()
        for reading in self._reading.values():
            reading.is_stale = True

    def leave(self, aor: Aor, name: EndpointName) -> bool:
        """Note that an endpoint of this node is in its record no more; False: it was not."""
        mine = self.recorded.get(aor)
        if mine is None or mine.pop(name, None) is None:
            return False
        if not mine:
            del self.recorded[aor]
        return True

    def is_back(self, fact: EndpointFact) -> bool:
        """Tell whether an endpoint that has gone is in the record all the same, which is as new: it came back as another one.

        A device that registers again with another instance keeps its epid and its connection.
        """
        known = self.known.get(fact.aor)
        return known is not None and fact.version <= known.told and (fact.epid, fact.flow) in known.own

    def heard(self, fact: EndpointFact) -> None:
        """Read a record again of which somebody has written a later version."""
        is_own = isinstance(fact, EndpointGone) and node_of(fact.flow) == self._node
        if is_own and self.is_back(fact):
            return
        if is_own and not self.leave(fact.aor, (fact.epid, fact.flow)):
            return  # this node has written so
        self._changed(fact.aor)
        if not self._writer.heard_meanwhile(fact.aor, fact.version):
            self.heard_version(fact.aor, fact.version)

    def heard_version(self, aor: Aor, version: Version) -> None:
        """Read a record again if this version is later than the one that is known."""
        known = self.known.get(aor)
        if known is None or version <= known.seen:
            return
        self.expire(aor)
        if known.own or self._own(aor):
            # It may be that one of them has to leave.
            spawn(self._read_again(aor), self.log, "reading where a user is signed in")

    async def _read_again(self, aor: Aor) -> None:
        try:
            await self.read(aor)
        except StoreUnavailable:
            self._writer.want(aor)

    async def read(self, aor: Aor) -> KnownEndpoints | None:
        """Read a record; None: it cannot be, and somebody is signed in here of whom this is not known."""
        try:
            return await self._read(aor)
        except StoreUnavailable:
            if self._own(aor):
                return None
            raise

    async def _read(self, aor: Aor) -> KnownEndpoints:
        """Read a record, or wait for who does so already: two that keep what they found would keep the older one."""
        self.note(aor)
        reading = self._reading.get(aor)
        if reading is not None:
            done: Deferred[None] = Deferred()
            reading.waiting.append(done)
            await done
            if reading.found is None:
                raise StoreUnavailable(reading.failure)
            return reading.found
        reading = self._reading[aor] = _Reading()
        try:
            reading.found = await self._read_for_all(aor, reading)
        except StoreUnavailable as error:
            reading.failure = str(error)
            raise
        finally:
            self._reading.pop(aor, None)
            for waiting in reading.waiting:
                waiting.callback(None)
        return reading.found

    async def _read_for_all(self, aor: Aor, reading: _Reading) -> KnownEndpoints:
        while reading.is_stale:
            reading.is_stale = False
            record = await self._store.read(KIND, aor)
            found = () if record is None else self.endpoints_in(aor, record.value)
            await self._find_dead(found)
        if record is None:
            if self.recorded.pop(aor, None):
                self._writer.want(aor)  # it is lost, or nobody has renewed it in time
            return self.remember(aor, NONE, (), ())
        mine = [one for one in found if node_of(one.flow) == self._node]
        others = tuple(sorted([one for one in found if node_of(one.flow) != self._node], key=by_age))
        known = self.remember(aor, record.version, mine, others)
        self._have_leave(aor, known, found)
        return known

    def _have_leave(self, aor: Aor, known: KnownEndpoints, found: Sequence[Endpoint]) -> None:
        """Have endpoints of this node leave whose place another one has taken, or that were signed out elsewhere."""
        for epid, flow in self.recorded.get(aor, {}).keys() - known.own:
            taken = any(one.epid == epid for one in found)
            reason = EndpointGoneReason.REPLACED if taken else EndpointGoneReason.QUOTA
            self._bus.tell_here(EndpointGone(aor, epid, flow, reason, last=not found, version=known.version))

    def endpoints_in(self, aor: Aor, value: bytes) -> tuple[Endpoint, ...]:
        """Give what a record says; one that cannot be read says nothing."""
        try:
            return read_record(aor, value, self.offset_s())
        except RecordUnreadable as error:
            self.log.warn("where {aor} is signed in cannot be read: {reason}", aor=aor, reason=str(error))
            return ()

    async def _find_dead(self, found: Sequence[Endpoint]) -> None:
        """Find out which nodes of a record are dead, of those that this one has never heard of."""
        named = {node_of(one.flow) for one in found} - {self._node} - self.dead.keys()
        if named:
            named -= {one.name for one in self._nodes.others()}
        if named:
            for node in await self._nodes.find_dead(named):
                self.note_dead(node)

    def remember(
        self, aor: Aor, version: Version, mine: Sequence[Endpoint], others: tuple[Endpoint, ...]
    ) -> KnownEndpoints:
        """Keep what a record says: endpoints of this node, and those of others, oldest first."""
        self._changed(aor)
        former = self.known.get(aor)
        own = frozenset([(one.epid, one.flow) for one in mine])
        known = self.known[aor] = KnownEndpoints(version, own, others)
        if others and any(node_of(one.flow) in self.dead for one in others):
            self._part(known)
        if former is not None:
            known.contests = former.contests
        return known

    def _part(self, known: KnownEndpoints) -> None:
        """Take endpoints of dead nodes for lost."""
        known.lost += tuple(one for one in known.elsewhere if node_of(one.flow) in self.dead)
        known.elsewhere = tuple(one for one in known.elsewhere if node_of(one.flow) not in self.dead)

    def note(self, aor: Aor) -> None:
        """Hear of a user's endpoints from now on."""
        self.known_of.add(aor)
        if self._own(aor):
            self._visitors.pop(aor, None)
            return
        self._visitors[aor] = None
        self._visitors.move_to_end(aor)
        if len(self._visitors) > ASKED_MOST:
            self._forget(self._visitors.popitem(last=False)[0])

    def _forget(self, aor: Aor) -> None:
        self.known.pop(aor, None)
        self.known_of.discard(aor)

    def offset_s(self) -> float:
        """Give what lies between the clock of records and the monotonic one, in seconds."""
        return self._timers.steady() - self._timers.now()

    def note_dead(self, node: NodeName) -> None:
        """Remember that a node is dead: nobody is signed in there any more."""
        self.dead[node] = None
        if len(self.dead) > DEAD_MOST:
            self.dead.popitem(last=False)

    def lose_node(self, node: NodeName) -> None:
        """Know at once that nobody is signed in at a node any more."""
        self.note_dead(node)
        for known in self.known.values():
            if any(node_of(one.flow) == node for one in known.elsewhere):
                self._part(known)

    # --- Held, for the sweep

    def held(self) -> Iterable[str]:
        """Give the users whose record is in memory."""
        return tuple(self.known)

    def version_of(self, key: str) -> Version | None:
        """Give the version of a record that is in memory; None: it is not."""
        known = self.known.get(kept_aor(key))
        return None if known is None or self._writer.is_writing(kept_aor(key)) else known.version

    async def renew(self, key: str) -> None:
        """Read a record again, and tell what is new in it to whoever listens here."""
        aor = kept_aor(key)
        before = self.known.get(aor)
        if before is None or self._writer.is_writing(aor):
            return
        # What is known stays until there is something newer: if this fails, the next sweep has to find it older still.
        after = await self._read(aor)
        now = after.elsewhere
        names = {(one.epid, one.flow) for one in now}
        former = {(one.epid, one.flow) for one in before.elsewhere}
        is_last = not now and not self._own(aor)
        for epid, flow in sorted(former - names):
            self._bus.tell_here(EndpointGone(aor, epid, flow, EndpointGoneReason.CONNECTION_LOST, last=is_last))
        for epid, flow in sorted(names - former):
            self._bus.tell_here(EndpointArrived(aor, epid, flow))


def by_age(endpoint: Endpoint) -> tuple[float, str]:
    """Give what puts endpoints in order, oldest first, the same at every node."""
    return endpoint.since, endpoint.flow
