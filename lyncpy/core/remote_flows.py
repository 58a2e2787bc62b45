"""Flows of other nodes: what is sent to one is carried to its node, signed there and written; what its client answers comes back.

`RemoteFlows` is for whoever sends, `FlowHost` for the flows of this node that others send to. Client transactions stay with
the node that sends: the branch of its Via names it. So nobody asks a table, and nobody waits.

Sending is a promise to try. That a flow is gone is heard later, as `FlowClosed`, which whoever sends treats as `FlowGone`.
A flow's node says so to those that have sent to it or answered it, and to no other: most flows are nobody's business elsewhere.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import FlowClosed, FlowDrained, FlowSilent, NodeLost
from lyncpy.contracts.flows import CannotCarry, FlowGone, IFlows, IRemoteFlows
from lyncpy.contracts.names import FlowName, NodeName, node_of
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.deadline import Deadlines
from lyncpy.core.node_channel import CARRIED_MOST, NodeChannels
from lyncpy.core.outbound import PLAIN, Outbound
from lyncpy.core.told_templates import TemplatesHeard, TemplatesTold, size_of
from lyncpy.sip.decoder import Decoder, DecoderLimits
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.message import Message, Request, Response
from lyncpy.sip.prepared import Prepared

FULL: Final = 65_536
"""Bytes under way to one flow above which it is full, as one of this node is."""

BEHIND_MOST: Final = 2_097_152
"""Bytes under way to one flow above which it is closed: its client does not read."""

TAKEN_STEP: Final = 16_384
"""Bytes after which a flow's node says that it has taken them."""

DRAINED_S: Final = 5.0
"""After how long a full flow of which nothing was heard is taken for drained; it may be found full again."""

ANSWERS_EACH: Final = 16
"""Answers to one request that are handed back: provisional ones, a final one, and repetitions of it."""

ANSWERS_MOST: Final = 4_096
"""Answers of one client that one node may be owed."""

FLOWS_MOST: Final = 100_000
"""Flows of which it is known how much is under way; the one first sent to goes."""


BODY_MOST: Final = CARRIED_MOST - 65_536
"""The largest body that is carried to another node; the rest is for the head."""

UNANSWERED: Final = frozenset({"ACK", "BENOTIFY"})
"""Requests that nobody answers."""


class _UnderWay:
    """What one flow of another node has not taken yet."""

    __slots__ = ("is_waited_for", "size")

    def __init__(self) -> None:
        self.size = 0
        self.is_waited_for = False


@implementer(IRemoteFlows)
class RemoteFlows:
    """Flows of other nodes, as `wire` uses them when a flow is none of its own.

    Args:
        node: This node; a flow of it that is unknown is gone.
        channels: Carry what is sent.
        bus: Told when a flow is gone or has drained.
        timers: When a full flow is asked again.
    """

    log = Logger()

    def __init__(self, node: NodeName, channels: NodeChannels, bus: IBus, timers: ITimers) -> None:
        self.node = node
        self._channels = channels
        self._bus = bus
        self._under_way: OrderedDict[FlowName, _UnderWay] = OrderedDict()
        self._owed: dict[FlowName, dict[NodeName, int]] = {}
        """Of flows of this node: who knows of each, and how many answers its client may still give to them."""

        self._templates = TemplatesTold()
        self._waits = Deadlines[FlowName](timers, self._drained)
        channels.hear("taken flow", self._taken)
        channels.hear("gone flow", self._gone)
        channels.hear("silent flow", self._silent)
        channels.on_lost(self._node_lost)
        channels.on_begun_anew(lambda node, _: self._templates.forget(node))

    def __len__(self) -> int:
        """Give the number of flows that were sent to."""
        return len(self._under_way)

    def send(self, flow: FlowName, message: Message | Prepared) -> None:
        """Have a message carried to a flow's node, and signed and written there.

        Raises:
            FlowGone: It cannot be carried there.
            CannotCarry: It never can, for it is too large.
        """
        node = node_of(flow)
        if node == self.node:
            raise FlowGone(flow)
        found = self._under_way.get(flow)
        if found is None:
            found = self._new(flow)
        if found.size > BEHIND_MOST:
            self.close_flow(flow, "its client does not read")
            self._forget(flow)
            raise FlowGone(flow)
        if len(message.body) > BODY_MOST:
            raise CannotCarry(flow)
        if isinstance(message, Prepared) and not message.template.status:
            found.size += self._tell(node, flow, message)
            return
        data = message.encoded() if isinstance(message, Prepared) else encode(message)
        if len(data) > CARRIED_MOST:
            raise CannotCarry(flow)
        if not self._channels.send(node, "send", data, share=speaker_of(message), flow=flow):
            raise FlowGone(flow)
        found.size += len(data)

    def _tell(self, node: NodeName, flow: FlowName, prepared: Prepared) -> int:
        """Send a request by its template and what is its own; give the bytes that it takes."""
        number, text = self._templates.number(node, prepared.template)
        said: dict[str, object] = {"flow": flow, "t": number, "c": prepared.number, "via": prepared.vias}
        if prepared.lines:
            said["x"] = prepared.lines
        if text:
            said["h"] = len(text)
        body, share = text + prepared.body if text else prepared.body, prepared.template.speaker
        if not self._channels.send(node, "tell", body, share=share, **said):
            # The next one has to tell its template, whoever is sent it.
            self._templates.forget(node)
            raise FlowGone(flow)
        return size_of(prepared)

    def is_full(self, flow: FlowName) -> bool:
        """Tell whether so much is under way that other messages should wait; `FlowDrained` says when they need not.

        Under way to the flow, or to its node: what has no room there would be refused, and its flow taken for gone.
        """
        found = self._under_way.get(flow)
        if (found is None or found.size <= FULL) and not self._channels.is_behind(node_of(flow)):
            return False
        if found is None:
            found = self._new(flow)
        found.is_waited_for = True
        self._waits.set_first(flow, DRAINED_S)
        return True

    def close_flow(self, flow: FlowName, reason: str) -> None:
        """Have a flow's node close it; one of this node is gone already."""
        if node_of(flow) != self.node:
            self._channels.send(node_of(flow), "close flow", flow=flow, reason=reason[:200])

    def hand_back(self, node: NodeName, flow: FlowName, response: Response) -> None:
        """Give what a client of this node has answered to the node that asked it; one that did not ask has nothing coming.

        Which node it was, is what the client writes.
        """
        owed = self._owed.get(flow, {})
        left = owed.get(node, 0)
        if not left:
            return
        owed[node] = left - 1
        branch = response.via.branch or ""
        if branch.endswith(PLAIN) and 200 <= response.status < 300:
            self._channels.send(node, "done", flow=flow, branch=branch, status=response.status)
        else:
            self._channels.send(node, "answer", encode(response), share=flow, flow=flow)

    def note(self, node: NodeName, flow: FlowName, answers: int = 0) -> None:
        """Note that a node knows of a flow of this one, and that so many more answers of its client may go there."""
        owed = self._owed.setdefault(flow, {})
        owed[node] = min(owed.get(node, 0) + answers, ANSWERS_MOST)

    def was_silent(self, flow: FlowName) -> None:
        """Have a flow's node look whether its client is there."""
        self._channels.send(node_of(flow), "silent flow", flow=flow)

    def owe_no_more(self, node: NodeName) -> None:
        """Owe a node that is known dead no answers."""
        for flow, owed in tuple(self._owed.items()):
            owed.pop(node, None)
            if not owed:
                del self._owed[flow]

    def flow_closed(self, flow: FlowName) -> None:
        """Forget a flow that is gone; one of this node is gone for all who know of it."""
        for node in self._owed.pop(flow, ()):
            self._channels.send(node, "gone flow", flow=flow)
        self._forget(flow)

    def _new(self, flow: FlowName) -> _UnderWay:
        if len(self._under_way) >= FLOWS_MOST:
            self._forget(next(iter(self._under_way)))
        found = self._under_way[flow] = _UnderWay()
        return found

    def _forget(self, flow: FlowName) -> None:
        self._waits.clear(flow)
        self._under_way.pop(flow, None)

    def _taken(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        flow, size = said.get("flow"), said.get("bytes")
        found = self._under_way.get(FlowName(str(flow)))
        if found is None or type(size) is not int or node_of(FlowName(str(flow))) != node:
            return
        found.size = max(0, found.size - size)
        if found.is_waited_for and found.size <= FULL:
            self._waits.clear(FlowName(str(flow)))
            self._told_drained(FlowName(str(flow)), found)

    def _drained(self, flow: FlowName) -> None:
        """Take a full flow for drained of which nothing was heard: what it took may have been said to nobody."""
        found = self._under_way[flow]
        found.size = 0
        self._told_drained(flow, found)

    def _told_drained(self, flow: FlowName, found: _UnderWay) -> None:
        found.is_waited_for = False
        self._bus.tell_here(FlowDrained(flow))

    def _gone(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        flow = FlowName(str(said.get("flow")))
        if node_of(flow) == node:
            self._bus.tell_here(FlowClosed(flow, "connection lost"))

    def _silent(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        flow = FlowName(str(said.get("flow")))
        if node_of(flow) == self.node:
            self._bus.tell_here(FlowSilent(flow))

    def _node_lost(self, node: NodeName) -> None:
        self._templates.forget(node)
        # Here alone: its clients, and other nodes, may well hear it, and go on.
        for flow in [flow for flow in self._under_way if node_of(flow) == node]:
            self._forget(flow)
            self._bus.tell_here(FlowClosed(flow, "its server is lost"))


@implementer(IUnit)
class FlowHost:
    """The flows of this node, for the nodes that send to them, and answers that others' clients have given to this node.

    Args:
        channels: Bring what others send.
        flows: Write it.
        outbound: Awaits answers.
        remote: Forgets flows that are gone.
        bus: Tells which are.
    """

    name = "flow host"
    log = Logger()

    def __init__(
        self, node: NodeName, channels: NodeChannels, flows: IFlows, outbound: Outbound, remote: RemoteFlows, bus: IBus
    ) -> None:
        self._node = node
        self._channels = channels
        self._flows = flows
        self._outbound = outbound
        self._remote = remote
        self._bus = bus
        self._untold: dict[FlowName, dict[NodeName, int]] = {}
        """Bytes that were taken for a flow, and of which their sender has not heard."""

        self._read = MessageReader()
        self._templates = TemplatesHeard()
        self._listening: tuple[Any, ...] = ()  # Any: IListening has no class
        channels.hear("send", self._sent)
        channels.hear("tell", self._told)
        channels.hear("done", self._done)
        channels.hear("close flow", self._close)
        channels.hear("answer", self._answered)

    def note(self, node: NodeName, flow: FlowName) -> None:
        """Note that a node answers what has come on a flow of this one, if that is still there."""
        if self._flows.peer(flow):
            self._remote.note(node, flow)

    async def open(self) -> None:
        """Begin to hear of flows that are gone or have drained, and of nodes that are lost."""
        self._listening = (
            self._bus.listen(FlowClosed, self._flow_closed),
            self._bus.listen(FlowDrained, self._flow_drained),
            self._bus.listen(NodeLost, self._node_lost),
        )

    async def close(self) -> None:
        """Hear no more."""
        for one in self._listening:
            one.stop()

    def _sent(self, node: NodeName, said: Mapping[str, Any], data: bytes) -> None:
        flow = FlowName(str(said.get("flow")))
        message = self._read(data)
        if message is None:
            self.log.warn("{node} has sent what is no message to {flow}", node=node, flow=flow)
            return
        if isinstance(message, Request):
            message = self._outbound.addressed(flow, message)
        is_answered = isinstance(message, Request) and message.method not in UNANSWERED
        self._pass_on(node, flow, message, len(data), is_answered=is_answered)

    def _told(self, node: NodeName, said: Mapping[str, Any], data: bytes) -> None:
        """Make of a template and its holes what another node sends."""
        flow, number, text = FlowName(str(said.get("flow"))), said.get("t"), said.get("h", 0)
        if text and type(text) is int and type(number) is int:
            request = self._read(data[:text])
            if isinstance(request, Request):
                self._templates.put(node, number, request)
            data = data[text:]
        template, cseq = self._templates.get(node, number), said.get("c")
        if template is None or type(cseq) is not int:
            self.log.warn("{node} has sent what is no message to {flow}", node=node, flow=flow)
            return
        message = Prepared(template, cseq, data, str(said.get("x", "")), str(said.get("via", "")))
        size = size_of(message)
        self._outbound.address(flow, message)
        self._pass_on(node, flow, message, size, is_answered=template.method not in UNANSWERED)

    def _pass_on(
        self, node: NodeName, flow: FlowName, message: Message | Prepared, size: int, *, is_answered: bool
    ) -> None:
        """Write a message of another node on a flow of this one."""
        try:
            if node_of(flow) != self._node:
                raise FlowGone(flow)
            self._flows.send(flow, message)
        except FlowGone:
            self._channels.send(node, "gone flow", flow=flow)
            return
        except LocalProtocolError:
            self.log.failure("what {node} has sent to {flow} cannot be written", node=node, flow=flow)
            return
        self._remote.note(node, flow, ANSWERS_EACH if is_answered else 0)
        untold = self._untold.setdefault(flow, {})
        untold[node] = untold.get(node, 0) + size
        if untold[node] >= TAKEN_STEP and not self._flows.is_full(flow):
            self._tell_taken(flow, node, untold.pop(node))

    def _tell_taken(self, flow: FlowName, node: NodeName, size: int) -> None:
        self._channels.send(node, "taken flow", flow=flow, bytes=size)

    def _close(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        flow = FlowName(str(said.get("flow")))
        if node_of(flow) == self._node:
            self._flows.close_flow(flow, str(said.get("reason")))

    def _answered(self, node: NodeName, said: Mapping[str, Any], data: bytes) -> None:
        flow, response = FlowName(str(said.get("flow"))), self._read(data)
        if not isinstance(response, Response) or node_of(flow) != node:
            return
        try:
            self._outbound.receive_response(flow, response)
        except RemoteProtocolError as error:
            self.log.debug("a broken answer on {flow}: {reason}", flow=flow, reason=error.reason)

    def _done(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        flow, status = FlowName(str(said.get("flow"))), said.get("status")
        if node_of(flow) == node and type(status) is int and 200 <= status < 300:
            self._outbound.done(flow, str(said.get("branch")), status)

    def _flow_closed(self, fact: FlowClosed) -> None:
        self._untold.pop(fact.flow, None)
        self._remote.flow_closed(fact.flow)
        if node_of(fact.flow) != self._node:
            self._outbound.closed(fact.flow)

    def _node_lost(self, fact: NodeLost) -> None:
        self._templates.forget(fact.node)
        self._channels.bury(fact.node)
        self._remote.owe_no_more(fact.node)

    def _flow_drained(self, fact: FlowDrained) -> None:
        for node, size in self._untold.pop(fact.flow, {}).items():
            self._tell_taken(fact.flow, node, size)


def speaker_of(message: Message | Prepared) -> str:
    """Give who says a message, for their share of what is under way: as this server vouches for them, not as they name themselves."""
    if isinstance(message, Prepared):
        return message.template.speaker
    return message.headers.get("P-Asserted-Identity") or message.from_.uri


class MessageReader:
    """Reads whole SIP messages, one at a time."""

    def __init__(self) -> None:
        self._decoder = Decoder(READ_LIMITS)

    def __call__(self, data: bytes) -> Message | None:
        """Read a message; None: it is none, or not whole."""
        try:
            items = self._decoder.feed(data)
        except RemoteProtocolError:
            items = []
        if not self._decoder.idle or self._decoder.lost is not None:
            self._decoder = Decoder(READ_LIMITS)
            return None
        return items[0] if len(items) == 1 and isinstance(items[0], Request | Response) else None


READ_LIMITS: Final = DecoderLimits(line_bytes=262_144, head_bytes=1_048_576, headers=4_096, body_bytes=1_048_576)
"""What the largest settings of another node allow."""
