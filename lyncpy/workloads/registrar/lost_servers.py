"""What is left of a server that is lost: everybody who was signed in there is signed in there no more."""

from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.facts import EndpointGone, EndpointGoneReason, NodeLost
from lyncpy.contracts.names import kept_aor, node_of
from lyncpy.contracts.nodes import Duty, INodes
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import IVolatileStore
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn
from lyncpy.workloads.registrar.bindings import HearsOfBindings
from lyncpy.workloads.registrar.endpoint_records import KIND, EndpointRecords

LOST_LOOKS_S: Final = 2.0
LOST_LOOKS: Final = 15
"""How often, and how many times, a node looks whether it has to end what was of one that is lost: whoever had that duty may be lost, too."""


class LostServers:
    """Ends sign-ins at lost servers: each node knows of it at once, and one of them writes it down and tells it.

    Args:
        store: Keeps the records.
        records: What is known of them here.
        told: Writes down and tells that endpoints are gone.
        nodes: Whose duty that is.
        timers: When to look again.
    """

    log = Logger()

    def __init__(
        self, store: IVolatileStore, records: EndpointRecords, told: HearsOfBindings, nodes: INodes, timers: ITimers
    ) -> None:
        self._store = store
        self._records = records
        self._told = told
        self._nodes = nodes
        self._timers = timers
        self._looks = 0
        self._next_look = Deadline(timers, self._look)

    def close(self) -> None:
        """Look no more."""
        self._next_look.clear()

    def node_lost(self, fact: NodeLost) -> None:
        """Know at once that nobody is signed in there; one node tells so, when it has written it down."""
        self._records.lose_node(fact.node)
        self._looks = LOST_LOOKS
        self._look()

    def _look(self) -> None:
        """End what was of lost nodes, if that is this node's duty now."""
        if self._nodes.has_duty(Duty.LEAVINGS):
            spawn(self._end_lost(), self.log, "ending the sign-ins of lost servers")
        self._looks -= 1
        if self._looks > 0:
            self._next_look.set(LOST_LOOKS_S)

    async def _end_lost(self) -> None:
        try:
            records = await self._store.scan(KIND)
        except StoreUnavailable as error:
            self.log.warn("who was signed in at a lost server is not known yet: {reason}", reason=str(error))
            return
        slices = Slices(self._timers, 500)
        for record in records:
            await slices.spend()
            aor = kept_aor(record.key)
            for one in self._records.endpoints_in(aor, record.value):
                if node_of(one.flow) in self._records.dead:
                    gone = EndpointGone(aor, one.epid, one.flow, EndpointGoneReason.CONNECTION_LOST, last=False)
                    self._told.tell(aor, gone)
