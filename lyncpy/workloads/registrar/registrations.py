"""Who is signed in where, at this node and at all others: what `ILocator` gives.

Each node's own endpoints are in its `Bindings`, which are the truth of its flows. Where a user is signed in is a volatile record,
which every node reads and writes with the version that it has read. What is told of endpoints is told by whoever has
written it down, once; `last` is what the record then says. A node whose endpoint is not in the record any more has it
leave: another one has taken its place, or an operator has signed it out.

Of users who are signed in here, or were asked for lately, the record is kept in memory, as long as no fact and no sweep
says that there is a newer one.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.facts import EndpointArrived, EndpointGone, EndpointGoneReason, NodeLost
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, Epid, FlowName, NodeName, Version, named_by, node_of
from lyncpy.contracts.nodes import INodes
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import Conflict, IVolatileStore
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import TRIES
from lyncpy.sip.uri import Uri
from lyncpy.workloads.registrar.bindings import Binding, Bindings, end_of_gruu
from lyncpy.workloads.registrar.endpoint_record import write_record
from lyncpy.workloads.registrar.endpoint_records import (
    KIND,
    NONE,
    EndpointFact,
    EndpointRecords,
    KnownEndpoints,
    by_age,
)
from lyncpy.workloads.registrar.lost_servers import LostServers
from lyncpy.workloads.registrar.model import TAKEOVERS, EndpointConflict

LEFT_S: Final = 3600.0
"""How long a record outlives its last endpoint's time: it is written again by then if the endpoint is renewed."""

RETRY_S: Final = 2.0
"""After how long a record is written again that could not be."""


class _Writing:
    """A record that is being written."""

    __slots__ = ("facts", "heard", "is_wanted", "waiting")

    def __init__(self) -> None:
        self.facts: list[EndpointFact] = []
        self.heard = NONE
        """The highest version of which others have told meanwhile."""

        self.is_wanted = False
        self.waiting: list[Deferred[None]] = []


@implementer(ILocator)
class Registrations:
    """Where users are signed in.

    Args:
        node: This one.
        store: Keeps the records.
        bus: Told of endpoints once they are written down.
        timers: The clocks.
        nodes: Who is dead, and whose duty it is to end what was theirs.

    Attributes:
        own: The endpoints of this node.
        records: What is known of those of others, and whether they are.
    """

    log = Logger()

    def __init__(self, node: NodeName, store: IVolatileStore, bus: IBus, timers: ITimers, nodes: INodes) -> None:
        self._node = node
        self._store = store
        self._bus = bus
        self._timers = timers
        self.own: Final = Bindings(self, timers)
        self.records: Final = EndpointRecords(node, store, bus, timers, nodes, self.own.endpoints_of, self)
        self.known_of: Final = self.records.known_of
        self._writing: dict[Aor, _Writing] = {}
        self._owed = Deadlines[Aor](timers, self.want)
        self._trouble = ""
        """Why the last record could not be written; "": it was."""

        self._lost = LostServers(store, self.records, self, nodes, timers)
        self._listening: tuple[IListening, ...] = ()
        store.on_loss(self._all_lost)

    # --- ILocator

    async def endpoints(self, aor: Aor) -> Sequence[Endpoint]:
        """Give the user's endpoints, oldest first.

        Raises:
            StoreUnavailable: Nothing is known of them here.
        """
        known = self.records.known.get(aor)
        if known is None:
            known = await self.records.read(aor)
        mine = self.own.endpoints_of(aor)
        if known is None or not known.elsewhere:
            return mine
        return tuple(sorted((*mine, *known.elsewhere), key=by_age))

    async def by_uri(self, uri: Uri) -> Endpoint | None:
        """Give the endpoint that a GRUU names."""
        gruu_end = end_of_gruu(uri.opaque)
        if not gruu_end:
            return None
        aor = named_by(uri)
        found = self.own.by_gruu(aor, gruu_end)
        if found is not None:
            return found
        return next((one for one in await self.endpoints(aor) if one.gruu.endswith(gruu_end)), None)

    def all_endpoints(self) -> Sequence[Endpoint]:
        """Give every endpoint of this node, by user."""
        return self.own.all_endpoints()

    # --- for the registrar

    def contest(self, aor: Aor, epid: Epid) -> EndpointConflict:
        """Give the contest about a device's name, wherever it is signed in."""
        if self.own.endpoint(aor, epid) is not None:
            return self.own.contest(aor, epid)
        known = self.records.known.get(aor)
        return (
            EndpointConflict(TAKEOVERS)
            if known is None
            else known.contests.setdefault(epid, EndpointConflict(TAKEOVERS))
        )

    async def written(self, aor: Aor) -> None:
        """Wait until what was told of a user's endpoints is written down, or cannot be now."""
        writing = self._writing.get(aor)
        if writing is not None:
            written: Deferred[None] = Deferred()
            writing.waiting.append(written)
            await written

    def renewed(self, endpoint: Endpoint) -> None:
        """Have the record say that an endpoint of this node stays for longer, unless it says nearly that."""
        until = self.records.recorded.get(endpoint.aor, {}).get((endpoint.epid, endpoint.flow))
        if until is not None and endpoint.expires - until > LEFT_S / 2:
            self.want(endpoint.aor)

    def remove(self, endpoint: Endpoint, reason: EndpointGoneReason) -> bool:
        """Remove an endpoint of any node, and have it told; False when it is gone already."""
        if node_of(endpoint.flow) == self._node:
            return self.own.remove(endpoint, reason)
        known = self.records.known.get(endpoint.aor)
        if known is None or not any(one.flow == endpoint.flow and one.epid == endpoint.epid for one in known.elsewhere):
            return False
        self.tell(endpoint.aor, EndpointGone(endpoint.aor, endpoint.epid, endpoint.flow, reason, last=False))
        return True

    def drop(self, aor: Aor, epid: Epid, flow: FlowName) -> Binding | None:
        """Remove an endpoint of this node that the record does not have any more; None: it is gone already."""
        self.records.leave(aor, (epid, flow))
        dropped = self.own.drop(aor, epid, flow)
        self.records.note(aor)
        return dropped

    def tell(self, aor: Aor, *facts: EndpointFact) -> None:
        """Have changes written down, and told then."""
        writing = self._writing.get(aor)
        if writing is not None:
            writing.facts += facts
            return
        self._begin(aor).facts += facts
        spawn(self._write(aor), self.log, "the record of a user's endpoints")

    # --- its life

    def open(self) -> None:
        """Listen to what other nodes tell, and end what those left that were lost while this one was starting."""
        self._listening = (
            self._bus.listen(EndpointArrived, self.records.heard, self.known_of),
            self._bus.listen(EndpointGone, self.records.heard, self.known_of),
            self._bus.listen(NodeLost, self._lost.node_lost),
        )
        self._lost.open()

    def close(self) -> None:
        """Stop listening."""
        for listening in self._listening:
            listening.stop()
        self._lost.close()
        self._owed.clear_all()

    # --- writing

    def want(self, aor: Aor) -> None:
        """Have a record written, though nothing is to be told."""
        writing = self._writing.get(aor)
        if writing is not None:
            writing.is_wanted = True
            return
        self._begin(aor)
        spawn(self._write(aor), self.log, "the record of a user's endpoints")

    def _begin(self, aor: Aor) -> _Writing:
        writing = self._writing[aor] = _Writing()
        return writing

    def is_writing(self, aor: Aor) -> bool:
        """Tell whether a record is being written: whoever does so sees what others wrote."""
        return aor in self._writing

    def heard_meanwhile(self, aor: Aor, version: Version) -> bool:
        """Note of which version others have told while a record is being written; False: it is not."""
        writing = self._writing.get(aor)
        if writing is None:
            return False
        writing.heard = max(writing.heard, version)
        return True

    async def _write(self, aor: Aor) -> None:
        """Write a record, and tell what it says then, until nothing more has come meanwhile."""
        writing = self._writing[aor]
        try:
            while True:
                facts, writing.facts, writing.is_wanted = writing.facts, [], False
                self._tell_all(aor, await self._written(aor, facts))
                if not writing.facts and not writing.is_wanted:
                    break
        finally:
            del self._writing[aor]
            self.records.note(aor)
            # Others may have written between this node's commit and its answer.
            self.records.heard_version(aor, writing.heard)
            for waiting in writing.waiting:
                waiting.callback(None)

    def _tell_all(self, aor: Aor, facts: Sequence[EndpointFact]) -> None:
        known = self.records.known.get(aor)
        version = NONE if known is None else known.told
        is_last = not self.own.endpoints_of(aor) and not (known is not None and known.elsewhere)
        for fact in facts:
            if isinstance(fact, EndpointGone):
                self._bus.tell(replace(fact, last=is_last, version=version))
            else:
                self._bus.tell(replace(fact, version=version))

    async def _written(self, aor: Aor, facts: Sequence[EndpointFact]) -> Sequence[EndpointFact]:
        """Write where a user is signed in; give what is to be told: these, and whom they have replaced elsewhere."""
        for _ in range(TRIES):
            try:
                known = self.records.known.get(aor) or await self.records.read(aor)
                if known is not None:
                    told = await self._put(aor, known, facts)
                    self._writable()
                    return told
            except Conflict:
                self.records.expire(aor)
                continue
            except StoreUnavailable as error:
                self._unwritable(str(error))
            break
        # Whoever is connected here goes on; others learn of it when it can be written.
        self._owed.set_first(aor, RETRY_S)
        return facts

    def _unwritable(self, reason: str) -> None:
        """Say once, for all users, that where they are signed in cannot be written down."""
        if not self._trouble:
            self.log.warn(
                "where users are signed in cannot be written down now, and is tried again: {reason}", reason=reason
            )
        self._trouble = reason

    def _writable(self) -> None:
        if self._trouble:
            self._trouble = ""
            self.log.info("where users are signed in can be written down again")

    async def _put(self, aor: Aor, known: KnownEndpoints, facts: Sequence[EndpointFact]) -> Sequence[EndpointFact]:
        mine, recorded = self.own.endpoints_of(aor), self.records.recorded.get(aor)
        if recorded and not recorded.keys() <= known.own:
            arrived = {(fact.epid, fact.flow) for fact in facts if isinstance(fact, EndpointArrived)}
            leaving = recorded.keys() - known.own - arrived
            mine = tuple([one for one in mine if (one.epid, one.flow) not in leaving])
        left, told = _merged(aor, known, mine, facts)
        if mine or left or len(left) < len(known.elsewhere):
            # Whoever's endpoints were removed elsewhere has to see that, and not that the record is lost.
            until = max([one.expires for one in (*mine, *left)], default=self._timers.now()) + LEFT_S
            offset_s = self.records.offset_s()
            value = partial(write_record, (*mine, *left), offset_s)
            version = await self._store.write(KIND, aor, value, known.version, until + offset_s)
            self.records.remember(aor, version, mine, left)
        else:
            await self._store.remove(KIND, aor, known.version)
            after = self.records.remember(aor, NONE, (), ())
            after.seen, after.told = known.version, Version(known.version + 1)
        if mine:
            self.records.recorded[aor] = {(one.epid, one.flow): one.expires for one in mine}
        else:
            self.records.recorded.pop(aor, None)
        return (*told, *facts)

    def _all_lost(self) -> None:
        """Write all of it again: the store has lost every record."""
        self.records.lose()
        spawn(self._write_all(), self.log, "writing down again who is signed in")

    async def _write_all(self) -> None:
        slices = Slices(self._timers, 100)
        for aor in {one.aor for one in self.own.all_endpoints()}:
            await slices.spend()
            self.want(aor)


def _merged(
    aor: Aor, known: KnownEndpoints, mine: Sequence[Endpoint], facts: Sequence[EndpointFact]
) -> tuple[tuple[Endpoint, ...], Sequence[EndpointFact]]:
    """Give which endpoints of other nodes are left beside this node's, and what is to be told of those that are not."""
    if not known.elsewhere and not known.lost:
        return (), ()
    names = {one.epid for one in mine}
    gone = {(fact.epid, fact.flow) for fact in facts if isinstance(fact, EndpointGone)}
    left = tuple([one for one in known.elsewhere if one.epid not in names and (one.epid, one.flow) not in gone])
    lost = [
        _gone(aor, one, EndpointGoneReason.CONNECTION_LOST) for one in known.lost if (one.epid, one.flow) not in gone
    ]
    replaced = [_gone(aor, one, EndpointGoneReason.REPLACED) for one in known.elsewhere if one.epid in names]
    return left, (*lost, *replaced)


def _gone(aor: Aor, endpoint: Endpoint, reason: EndpointGoneReason) -> EndpointGone:
    return EndpointGone(aor, endpoint.epid, endpoint.flow, reason, last=False)
