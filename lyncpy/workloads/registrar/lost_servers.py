"""What is left of a server that is lost: everybody who was signed in there is signed in there no more."""

from lyncpy.contracts.facts import EndpointGone, EndpointGoneReason, NodeLost
from lyncpy.contracts.names import kept_aor, node_of
from lyncpy.contracts.nodes import INodes
from lyncpy.contracts.store import IVolatileStore
from lyncpy.contracts.timers import ITimers
from lyncpy.core.leavings import Leavings
from lyncpy.core.slices import Slices
from lyncpy.workloads.registrar.bindings import HearsOfBindings
from lyncpy.workloads.registrar.endpoint_records import KIND, EndpointRecords


class LostServers:
    """Ends sign-ins at lost servers: each node knows of it at once, and one of them writes it down and tells it.

    Args:
        store: Keeps the records.
        records: What is known of them here.
        told: Writes down and tells that endpoints are gone.
        nodes: Whose duty that is.
        timers: When to look again.
    """

    def __init__(
        self, store: IVolatileStore, records: EndpointRecords, told: HearsOfBindings, nodes: INodes, timers: ITimers
    ) -> None:
        self._store = store
        self._records = records
        self._told = told
        self._timers = timers
        self._nodes = nodes
        self._leavings = Leavings(nodes, timers, self._end_lost, "ending the sign-ins of lost servers")

    def open(self) -> None:
        """End sign-ins at servers that were lost since this one has duties, before it listened for that."""
        self._leavings.open()
        for one in self._nodes.gone():
            self.node_lost(NodeLost(one.name))

    def close(self) -> None:
        """Look no more."""
        self._leavings.close()

    def node_lost(self, fact: NodeLost) -> None:
        """Know at once that nobody is signed in there; one node tells so, when it has written it down."""
        self._records.lose_node(fact.node)
        self._leavings.node_lost(fact)

    async def _end_lost(self) -> None:
        slices = Slices(self._timers, 500)
        for record in await self._store.scan(KIND):
            await slices.spend()
            aor = kept_aor(record.key)
            for one in self._records.endpoints_in(aor, record.value):
                if node_of(one.flow) in self._records.dead:
                    gone = EndpointGone(aor, one.epid, one.flow, EndpointGoneReason.CONNECTION_LOST, last=False)
                    self._told.tell(aor, gone)
