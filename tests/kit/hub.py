"""A bus between the servers of a play, in memory: each has its own, which is that of one process, and the hub carries between them.

What goes from one to another is written and read again as it is for NATS, so that nothing is told which could not be. The
hub is as good as a play wants it: it delays, loses, or has a server cut off.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.nats.encoding import (
    MessageTooLarge,
    read_answer,
    read_fact,
    read_question,
    write_answer,
    write_fact,
    write_question,
)
from lyncpy.contracts.bus import SENT_MOST, BusTimeout, F, IBus, IListening, Interest, OtherNode, Q, Question
from lyncpy.contracts.facts import Fact
from lyncpy.contracts.names import NodeName
from tests.kit.clocks import StageClock

Loses = Callable[[NodeName, NodeName, object], bool]
"""Tells whether what one server says to another is lost: a fact, a question, or bytes."""


@implementer(IBus)
class HubBus:
    """The bus of one server of several."""

    def __init__(self, hub: "Hub", node: NodeName, clock: StageClock) -> None:
        """Take where everybody is, and the reactor of this server."""
        self.node = node
        self.clock = clock
        self.kinds: dict[str, type[Question]] = {}
        self.told = 0
        self.local = MemoryBus(node, clock)
        self._hub = hub

    def tell(self, fact: Fact) -> None:
        """Tell a fact here at once, and to the others as the hub will."""
        self.local.tell(fact)
        self._hub.tell(self, fact)

    def tell_here(self, fact: Fact) -> None:
        """Tell a fact here alone."""
        self.local.tell(fact)

    def note(self, words: Callable[[], str], *about: str) -> None:
        """Tell who traces here."""
        self.local.note(words, *about)

    def listen(self, kind: type[F], hear: Callable[[F], Awaitable[None] | None], *about: Interest) -> IListening:
        """Hear what is told here, and what comes from others."""
        listening: IListening = self.local.listen(kind, hear, *about)
        return listening

    def answer(self, kind: type[Q], give: Callable[[Q], Awaitable[Any]]) -> None:
        """Answer, whoever asks."""
        self.kinds[kind.__name__] = kind
        self.local.answer(kind, give)

    async def ask(self, node: NodeName | None, question: Question, timeout: float) -> Any:  # Any: a question defines it
        """Ask this server or another; None: whichever answers."""
        node = self._hub.one_of(self, question) if node is None else node
        if node == self.node:
            return await self.local.ask(node, question, timeout)
        return await self._hub.ask(self, node, question, timeout)

    def send(self, node: NodeName, data: bytes) -> bool:
        """Send bytes to another."""
        return self._hub.send(self, node, data)

    def receive(self, hear: Callable[[NodeName, bytes], None]) -> None:
        """Hear what others send."""
        self.local.receive(hear)

    def others(self) -> Sequence[OtherNode]:
        """Give who else is there, and not cut off."""
        return self._hub.others(self)


class Hub:
    """Carries between servers.

    Attributes:
        delay_s: What everything takes on its way from now on.
        loses: Tells what is lost.
        copies: How often bytes for one server arrive.
    """

    def __init__(self) -> None:
        """Begin without servers, and lose nothing."""
        self.delay_s = 0.0
        self.copies = 1
        self.loses: Loses = lambda sender, receiver, said: False
        self._buses: dict[NodeName, HubBus] = {}
        self._cut: set[NodeName] = set()
        self._turn = 0

    def bus(self, node: NodeName, clock: StageClock) -> HubBus:
        """Give a server its bus."""
        bus = self._buses[node] = HubBus(self, node, clock)
        return bus

    def leave(self, node: NodeName) -> None:
        """Have a server be there no more; its name is never used again."""
        self._buses.pop(node, None)

    def cut(self, node: NodeName) -> None:
        """Let nothing through to a server, and nothing from it."""
        self._cut.add(node)

    def mend(self, node: NodeName) -> None:
        """Let everything through again; what was said meanwhile is lost."""
        self._cut.discard(node)

    def others(self, of: HubBus) -> Sequence[OtherNode]:
        """Give all whom a server hears."""
        names = sorted(node for node in self._buses if node != of.node and self._connects(of.node, node))
        return tuple(OtherNode(node, 0.0, 0) for node in names)

    def tell(self, sender: HubBus, fact: Fact) -> None:
        """Bring a fact to all other servers."""
        try:
            messages = write_fact(sender.node, sender.told + 1, fact)
        except MessageTooLarge:
            return
        sender.told += len(messages)
        for other in tuple(self._buses.values()):
            if other is not sender and other.local.wants(fact) and not self._is_lost(sender.node, other.node, fact):
                for data in messages:
                    self._later(other, _tell, other, data)

    def send(self, sender: HubBus, node: NodeName, data: bytes) -> bool:
        """Bring bytes to another server."""
        other = self._buses.get(node)
        if sender.node in self._cut or len(data) > SENT_MOST or other is sender:
            return False  # a server knows whether it is connected; it does not know who else is
        if other is not None and not self._is_lost(sender.node, node, data):
            for _ in range(self.copies):
                self._later(other, other.local.receive_from_afar, sender.node, data)
        return True

    def one_of(self, sender: HubBus, question: Question) -> NodeName:
        """Give one of those who answer a question, in turn; the one that asks only where there is no other."""
        kind = type(question).__name__
        others = [one for one in self.others(sender) if kind in self._buses[one.name].kinds]
        self._turn += 1
        return others[self._turn % len(others)].name if others else sender.node

    async def ask(self, sender: HubBus, node: NodeName, question: Question, timeout: float) -> Any:  # Any: as above
        """Bring a question to another server, and its answer back; one that is lost is waited for."""
        other = self._buses.get(node)
        if other is None or type(question).__name__ not in other.kinds:
            raise BusTimeout(f"there is no {node} to answer {type(question).__name__}")
        answered: Deferred[bytes] = Deferred()
        if not self._is_lost(sender.node, node, question):
            self._later(other, self._asked, sender, other, write_question(sender.node, question), answered, timeout)
        try:
            data = await answered.addTimeout(timeout, sender.clock)
        except Exception as error:
            raise BusTimeout(str(error)) from None
        return read_answer(data, question).value

    def _asked(self, sender: HubBus, other: HubBus, data: bytes, answered: "Deferred[bytes]", timeout: float) -> None:
        async def give() -> None:
            question = read_question(data, other.kinds).question
            answer = write_answer(other.node, question, await other.local.ask(other.node, question, timeout))
            if not self._is_lost(other.node, sender.node, question):
                self._later(sender, _answer, answered, answer)

        _ = Deferred.fromCoroutine(give()).addErrback(lambda _: None)

    def _is_lost(self, sender: NodeName, receiver: NodeName, said: object) -> bool:
        return not self._connects(sender, receiver) or self.loses(sender, receiver, said)

    def _connects(self, one: NodeName, other: NodeName) -> bool:
        return one not in self._cut and other not in self._cut

    def _later(self, receiver: HubBus, call: Callable[..., None], *args: object) -> None:
        receiver.clock.callLater(self.delay_s, self._if_there, receiver, call, args)

    def _if_there(self, receiver: HubBus, call: Callable[..., None], args: Sequence[object]) -> None:
        if self._buses.get(receiver.node) is receiver:
            call(*args)


def _tell(receiver: HubBus, data: bytes) -> None:
    receiver.local.tell_from_afar(read_fact(data).fact, len(data))


def _answer(answered: "Deferred[bytes]", data: bytes) -> None:
    if not answered.called:
        answered.callback(data)
