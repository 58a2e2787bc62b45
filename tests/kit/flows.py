"""A wire that sends nothing and keeps which connections were closed, and no other node."""

from zope.interface import implementer

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.flows import FlowFacts, FlowGone, IFlows, IRemoteFlows
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.contracts.tapping import Tap
from lyncpy.core.relay import NodeUnreachable
from lyncpy.sip.message import Request, Response
from lyncpy.sip.prepared import Prepared


@implementer(IRemoteFlows)
class NoOtherNodes:
    """What a node has that is alone: all flows but its own are gone, and all answers are its own."""

    node = NodeName("n1")

    def send(self, flow: FlowName, message: Request | Response | Prepared) -> None:
        """Nothing is sent."""
        raise FlowGone(flow)

    def is_full(self, flow: FlowName) -> bool:
        """Nobody is there who could be."""
        return False

    def close_flow(self, flow: FlowName, reason: str) -> None:
        """Nothing is closed."""

    def hand_back(self, node: NodeName, flow: FlowName, response: Response) -> None:
        """Nobody else has asked."""

    def was_silent(self, flow: FlowName) -> None:
        """Nobody else has it."""

    async def ask(self, node: NodeName, arrival: Arrival) -> Response | None:
        """Nobody else answers."""
        raise NodeUnreachable(node)


@implementer(IFlows)
class StillFlows:
    """Connections by name; `closed` has what was closed, in order."""

    def __init__(self, *facts: FlowFacts) -> None:
        """Take the connections there are."""
        self._facts = facts
        self.closed: list[FlowName] = []

    def send(self, flow: FlowName, message: Request | Response | Prepared) -> None:
        """Send nothing."""

    def is_full(self, flow: FlowName) -> bool:
        """Everybody has room."""
        return False

    def send_raw(self, flow: FlowName, data: bytes) -> None:
        """Send nothing."""

    def close_flow(self, flow: FlowName, reason: str) -> None:
        """Keep it."""
        self.closed.append(flow)

    def vouch(self, flow: FlowName, known: bool) -> None:
        """Nobody asks here."""

    def peer(self, flow: FlowName) -> str:
        """Everybody is at home."""
        return "127.0.0.1"

    def tap_with(self, tap: Tap | None) -> None:
        """Nobody traces here."""

    def names(self) -> tuple[FlowName, ...]:
        """Give their names."""
        return tuple(fact.name for fact in self._facts)

    def facts(self) -> tuple[FlowFacts, ...]:
        """Give them."""
        return self._facts

    def silent(self, since: float) -> tuple[FlowName, ...]:
        """Everybody was just heard."""
        return ()

    def is_silent(self, flow: FlowName, since: float) -> bool:
        """Everybody was just heard."""
        return False

    def pause_reading(self, flow: FlowName) -> None:
        """Nobody is read from."""

    def resume_reading(self, flow: FlowName) -> None:
        """Nobody is read from."""
