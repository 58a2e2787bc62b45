"""Requests whose home is another node: they are taken there whole, with their sender proved, and their answers brought back.

The server transaction stays with the node that has the sender's connection: it repeats answers, and knows who has cancelled. The
home decides, as of a request that came to it: its `Arrival` has the name of the other node's flow. Who the sender is, is
believed of other nodes alone.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from math import inf, isfinite
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.names import FlowName, NodeName, aor_of, epid_of, node_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.dispatch import Dispatch
from lyncpy.core.node_channel import CARRIED_MOST, NodeChannels
from lyncpy.core.remote_flows import MessageReader, speaker_of
from lyncpy.core.tasks import Task
from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.sip.prepared import PreparedResponse

RELAYED_MOST: Final = 20_000
"""Requests of this node that wait for an answer of another, and of others that are being answered here."""

LOST: Final = Diagnostics(1, "The server that has this conversation cannot be reached")

TOO_LARGE: Final = Diagnostics(1, "The message is too large to be brought to the server that has this conversation")

UNSENT: Final = Diagnostics(1, "The answer of the server that has this conversation cannot be brought here")


class NodeUnreachable(Exception):
    """A request was not taken to its home, and nobody there has seen it."""


class NodeGone(Refused):
    """504: the node that was asked is lost; whether it has seen the request is not known."""

    def __init__(self) -> None:
        super().__init__(504, LOST)


class _Asked:
    """A request of this node that another one answers."""

    __slots__ = ("answer", "arrival", "node", "place")

    def __init__(self, node: NodeName, place: int, arrival: Arrival) -> None:
        self.node = node
        self.place = place
        """Its number among all that this node has sent there."""

        self.arrival = arrival
        self.answer: Deferred[Response] = Deferred()


class Relay:
    """Takes requests to other nodes.

    Args:
        channels: Carry them.
        timers: How long a sender's proof is good for.
        is_there: Tells whether there is such a node: clients write names of nodes, too.
        note: Takes which node knows of a connection from now on, and hears when it is gone.
    """

    def __init__(
        self,
        channels: NodeChannels,
        timers: ITimers,
        is_there: Callable[[NodeName], bool],
        note: Callable[[NodeName, FlowName], None],
    ) -> None:
        self._channels = channels
        self._is_there = is_there
        self._note = note
        self._timers = timers
        self._numbers = count(1)
        self._asked: dict[int, _Asked] = {}
        self._read = MessageReader()
        channels.hear("answered", self._answered)
        channels.on_lost(self._node_lost)
        channels.on_begun_anew(self._begun_anew)

    def __len__(self) -> int:
        """Give the number of requests that wait for another node."""
        return len(self._asked)

    async def ask(self, node: NodeName, arrival: Arrival) -> Response | None:
        """Have a request that was admitted here answered by another node; None for an ACK, which has no answer.

        Raises:
            NodeUnreachable: Nobody has seen it; it may be answered here.
            NodeGone: The node was lost; whether it has seen the request is not known.
            Refused: 503, too many wait already.
        """
        request, sender = arrival.request, arrival.sender
        if not self._is_there(node):
            raise NodeUnreachable(node)
        if len(self._asked) >= RELAYED_MOST:
            raise Refused(503, LOST, headers=[("Retry-After", "5")])
        number, left_s = next(self._numbers), arrival.proven_until - self._timers.now()
        said: dict[str, object] = {
            "id": number, "flow": arrival.flow, "peer": arrival.peer, "aor": sender.aor, "epid": sender.epid.written,
            "scheme": sender.scheme, "guest": sender.guest, "proven_s": left_s if isfinite(left_s) else None,
        }  # fmt: skip
        data = encode(request)
        if len(data) > CARRIED_MOST:
            raise Refused(513, TOO_LARGE)
        if not self._channels.send(node, "ask", data, share=sender.aor, **said):
            raise NodeUnreachable(node)
        self._note(node, arrival.flow)
        if request.method == "ACK":
            return None
        asked = self._asked[number] = _Asked(node, self._channels.last_sent(node), arrival)

        def cancel() -> None:
            self._channels.send(node, "cancel", id=number)

        arrival.on_cancel(cancel)
        try:
            return await asked.answer
        finally:
            arrival.forget(cancel)
            del self._asked[number]

    def _answered(self, node: NodeName, said: Mapping[str, Any], data: bytes) -> None:
        asked = self._asked.get(said["id"]) if type(said.get("id")) is int else None
        response = self._read(data)
        if asked is None or asked.node != node or asked.answer.called or not isinstance(response, Response):
            return
        if response.status < 200:
            asked.arrival.provisional(response)
        else:
            asked.answer.callback(response)

    def _node_lost(self, node: NodeName) -> None:
        self._fail([one for one in self._asked.values() if one.node == node])

    def _begun_anew(self, node: NodeName, taken: int) -> None:
        """Wait no more for answers of what was asked before: they were lost when the other node gave this one up."""
        self._fail([one for one in self._asked.values() if one.node == node and one.place <= taken])

    def _fail(self, lost: Sequence[_Asked]) -> None:
        for asked in lost:
            if not asked.answer.called:
                asked.answer.errback(NodeGone())


class RelayedRequests:
    """Answers requests that other nodes have taken here.

    Args:
        channels: Bring them.
        dispatch: Answers them.
        timers: Their time.
        answer_s: How long an answer may take, of what is no INVITE.
    """

    log = Logger()

    def __init__(self, channels: NodeChannels, dispatch: Dispatch, timers: ITimers, answer_s: float) -> None:
        self._channels = channels
        self._dispatch = dispatch
        self._timers = timers
        self._answer_s = answer_s
        self._under_way: dict[tuple[NodeName, int], Arrival] = {}
        self._read = MessageReader()
        channels.hear("ask", self._ask)
        channels.hear("cancel", self._cancel)
        channels.on_lost(self._node_lost)
        channels.on_begun_anew(lambda node, taken: self._node_lost(node))

    def __len__(self) -> int:
        """Give the number of other nodes' requests that are being answered."""
        return len(self._under_way)

    def _ask(self, node: NodeName, said: Mapping[str, Any], data: bytes) -> None:
        arrival, number = self._arrival(node, said, data), said.get("id")
        if arrival is None or type(number) is not int:
            self.log.warn("{node} relays what cannot be read", node=node)
            return
        if len(self._under_way) >= RELAYED_MOST:
            refused = Refused(503, LOST, headers=[("Retry-After", "5")])
            self._answer(node, number, arrival.request, refused.response(arrival.request))
            return
        arrival.provisional = partial(self._answer, node, number, arrival.request)
        self._under_way[node, number] = arrival
        answered, failed = partial(self._served, node, number), partial(self._failed, node, number)
        task = Task(self._dispatch.serve(arrival, is_proven=True), answered, failed, arrival.request)
        task.go_on()
        if arrival.request.method != "INVITE":
            task.cancel_after(self._answer_s, self._timers)

    def _arrival(self, node: NodeName, said: Mapping[str, Any], data: bytes) -> Arrival | None:
        request, proven_s = self._read(data), said.get("proven_s")
        texts = [said.get(name) for name in ("flow", "peer", "aor", "epid", "scheme")]
        if not isinstance(request, Request) or not all(isinstance(text, str) for text in texts):
            return None
        flow, peer, aor, epid, scheme = map(str, texts)
        if node_of(FlowName(flow)) != node:
            return None
        now = self._timers.now()
        who = Identity(aor_of(aor), epid_of(epid), scheme, guest=said.get("guest") is True)
        until = now + proven_s if isinstance(proven_s, int | float) else inf
        return Arrival(request, FlowName(flow), peer, now, who, proven_until=until)

    def _served(self, node: NodeName, number: int, response: Response | None) -> None:
        arrival = self._under_way.pop((node, number))
        if response is not None:
            self._answer(node, number, arrival.request, response)

    def _failed(self, node: NodeName, number: int, failure: Failure) -> None:
        request = self._under_way[node, number].request
        self.log.failure("{method} of {node} failed", failure, method=request.method, node=node)
        self._served(node, number, None if request.method == "ACK" else response_to(request, 500))

    def _answer(self, node: NodeName, number: int, request: Request, response: Response) -> None:
        data = response.encoded() if isinstance(response, PreparedResponse) else encode(response)
        is_sent = self._channels.send(node, "answered", data, share=speaker_of(response), id=number)
        if not is_sent and response.status >= 200:
            self.log.warn("{node} has not got the answer to a {method}", node=node, method=request.method)
            self._channels.send(node, "answered", encode(Refused(504, UNSENT).response(request)), id=number)

    def _cancel(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        number = said.get("id")
        arrival = self._under_way.get((node, number)) if type(number) is int else None
        if arrival is not None:
            arrival.cancel()

    def _node_lost(self, node: NodeName) -> None:
        for (origin, _), arrival in tuple(self._under_way.items()):
            if origin == node:
                arrival.cancel()
