"""Bytes that one node sends another, over NATS: on a subject of the receiver that ends with the sender."""

from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.nats.encoding import is_node_name, sent_subject
from lyncpy.backends.nats.frames import ReceivedMessage
from lyncpy.backends.nats.link import NatsLink
from lyncpy.contracts.bus import SENT_MOST
from lyncpy.contracts.names import NodeName


class Sending:
    """What this node sends others, and they send it.

    Args:
        node: This process.
        prefix: What subjects begin with.
        link: Carries them.
        local: Has who receives here.
    """

    def __init__(self, node: NodeName, prefix: str, link: NatsLink, local: MemoryBus) -> None:
        self._node = node
        self._prefix = prefix
        self._link = link
        self._local = local

    def open(self) -> None:
        """Hear what others send."""
        self._link.subscribe(sent_subject(self._prefix, self._node, "*"), self._sent)

    def send(self, node: NodeName, data: bytes) -> bool:
        """Send bytes to one other node; False: they are known to be lost."""
        if node == self._node or len(data) > SENT_MOST or not is_node_name(node):
            return False
        # Whoever sends does so again: facts, which nobody repeats, are not to be lost for what users say.
        return self._link.publish(sent_subject(self._prefix, node, self._node), data, is_repeated=True)

    def _sent(self, delivery: ReceivedMessage) -> None:
        sender = delivery.subject.rpartition(".")[2]
        if is_node_name(sender) and sender != self._node and len(delivery.payload) <= SENT_MOST:
            self._local.receive_from_afar(NodeName(sender), delivery.payload)
