"""IBus of one server of several: what is told here is heard here at once, and by the others over NATS.

Facts of each kind are counted by who tells them. So a fact that comes twice or late is dropped, and one that does not
come is known to be lost, at the latest with the next sign of life of its node. Of kinds that are heard of some keys only that
cannot be told: what they are about has versions in the store. Who could not tell something says so with that sign, too.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.nats.encoding import (
    MessageTooLarge,
    MessageUnreadable,
    fact_subject,
    node_subject,
    read_fact,
    read_sign,
    write_fact,
    write_sign,
)
from lyncpy.backends.nats.frames import ReceivedMessage
from lyncpy.backends.nats.interests import FactSubscriptions
from lyncpy.backends.nats.link import NatsLink
from lyncpy.backends.nats.losses import Losses
from lyncpy.backends.nats.peers import Peers
from lyncpy.backends.nats.questions import Questions
from lyncpy.backends.nats.sending import Sending
from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts.bus import F, FactsLost, IBus, IListening, Interest, OtherNode, Q, Question
from lyncpy.contracts.facts import Fact
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.workload import IUnit, Reason

SIGNS_MISSED: Final = 3
"""Signs of life that do not come, before a node is listed no more."""


@implementer(IListening)
class _Listening:
    """One listener, and what was subscribed for it."""

    def __init__(self, local: IListening, left: Callable[[], None]) -> None:
        self._local = local
        self._left: Callable[[], None] | None = left

    def stop(self) -> None:
        """Stop listening; may be called twice."""
        self._local.stop()
        left, self._left = self._left, None
        if left is not None:
            left()


@implementer(IBus, IUnit)
class NatsBus:
    """The bus of a server that is not alone.

    Args:
        node: This process.
        settings: The section [bus].
        home: The folder that relative paths start from.
        reactor: Connects, and gives turns.
        timers: Signs of life.
        meter: Counts.
    """

    name = "bus"
    log = Logger()

    def __init__(
        self,
        node: NodeName,
        settings: Settings,
        home: Path,
        reactor: Any,  # Any: a reactor is several interfaces
        timers: ITimers,
        meter: IMeter,
    ) -> None:
        self._node = node
        self._reactor = reactor
        self._timers = timers
        self._prefix = settings.subject
        self._sign_s = settings.sign_s
        self._local = MemoryBus(node, reactor)
        self._link = NatsLink(node, settings, home, reactor, timers, self._ready, self._lost)
        self._told: dict[str, int] = {}
        self._facts = FactSubscriptions(
            self._prefix,
            settings.subscriptions,
            self._link,
            self._heard,
            timers,
            lambda kinds: self._local.tell(FactsLost(kinds)),
        )
        self._peers = Peers()
        self._sending = Sending(node, settings.subject, self._link, self._local)
        self._questions = Questions(node, settings.subject, self._link, self._local, reactor)
        self._unsent = 0
        self._losses = Losses(timers, lambda: self._local.tell(FactsLost()), meter)
        self._sign: ITimer | None = None
        self._closed = False
        self._count(meter)

    def _count(self, meter: IMeter) -> None:
        link = self._link
        self._sent = meter.counter("lyncpy_bus_told_total", "Facts published to other servers.")
        meter.total("lyncpy_bus_untold_total", "Facts that could not be published.", lambda: self._unsent)
        self._heard_facts = meter.counter("lyncpy_bus_heard_total", "Facts of other servers.")
        meter.total("lyncpy_bus_connections_total", "Connections to NATS servers.", lambda: link.connections)
        meter.gauge("lyncpy_bus_connected_count", "1 while a NATS server has us.", lambda: int(link.is_ready))
        meter.gauge("lyncpy_bus_round_trip_seconds", "To the NATS server and back.", lambda: link.round_trip_s)
        facts = self._facts
        meter.gauge("lyncpy_bus_keys_count", "Subscriptions to news of single users.", lambda: facts.keys_count)
        meter.gauge(
            "lyncpy_bus_shares_count",
            "Subscriptions to news of a 1,024th of all users, in place of too many single ones.",
            lambda: facts.shares_count,
        )
        meter.gauge("lyncpy_bus_nodes_count", "Other servers heard lately.", lambda: len(self.others()))

    def __len__(self) -> int:
        """Give the number of facts that wait to be heard here."""
        return len(self._local)

    def untold(self) -> int:
        """Give the number of facts that no NATS server took."""
        return self._unsent

    # --- facts

    def tell(self, fact: Fact) -> None:
        """Tell a fact to those who listen to its kind, here and elsewhere. Never fails, never waits."""
        self._local.tell(fact)
        kind = type(fact).__name__
        told = self._told.get(kind, 0)
        if not self._link.is_ready:
            # Nothing is written for nobody; it has its number all the same, so that others know what they have missed.
            self._told[kind] = told + 1
            self._unsent += 1
            return
        try:
            messages = write_fact(self._node, told + 1, fact)
        except MessageTooLarge as error:
            self._told[kind] = told + 1
            self._unsent += 1
            self.log.error("other servers are not told: {reason}", reason=str(error))
            return
        self._told[kind] = told + len(messages)
        subject = fact_subject(self._prefix, fact)
        for message in messages:
            if self._link.publish(subject, message):
                self._sent.add()
            else:
                self._unsent += 1

    def tell_here(self, fact: Fact) -> None:
        """Tell a fact to those who listen here."""
        self._local.tell(fact)

    def note(self, words: Callable[[], str], *about: str) -> None:
        """Tell whoever traces any of these, here, what has happened; where nobody does, `words` is not called."""
        self._local.note(words, *about)

    def listen(self, kind: type[F], hear: Callable[[F], Awaitable[None] | None], *about: Interest) -> IListening:
        """Call `hear` with every fact of exactly this kind, or with those about these keys, one after the other."""
        was_whole = self._facts.is_whole(kind)
        end = self._facts.begin(kind, about)
        if self._facts.is_whole(kind) is not was_whole:
            self._peers.forget(kind.__name__)

        def left() -> None:
            end()
            if not self._facts.is_whole(kind):
                self._peers.forget(kind.__name__)

        return _Listening(self._local.listen(kind, hear, *about), left)

    def _heard(self, delivery: ReceivedMessage) -> None:
        try:
            node, number, fact = read_fact(delivery.payload)
            _check(delivery, fact_subject(self._prefix, fact))
        except MessageUnreadable as error:
            self._losses.garbled(delivery.subject, str(error))
            return
        kind = type(fact)
        # With a share of all keys comes what nobody wants.
        if node == self._node or not self._local.wants(fact):
            return
        peer = self._peers.heard(node, self._timers.now(), tells=True)
        before = peer.lost
        if peer.takes(kind.__name__, number, is_whole=self._facts.is_whole(kind)):
            self._heard_facts.add()
            if not self._local.tell_from_afar(fact, len(delivery.payload)):
                self._losses.overflowed(node)
        self._losses.missed(node, peer.lost - before)

    # --- other nodes

    def others(self) -> Sequence[OtherNode]:
        """Give the other nodes that were heard lately, in the order of their names."""
        now = self._timers.now()
        return self._peers.since(now - self._sign_s * SIGNS_MISSED, now)

    def _signed(self, delivery: ReceivedMessage) -> None:
        try:
            sign = read_sign(delivery.payload)
            _check(delivery, node_subject(self._prefix, sign.node))
        except MessageUnreadable as error:
            self._losses.garbled(delivery.subject, str(error))
            return
        if sign.node == self._node:
            return
        peer = self._peers.heard(sign.node, self._timers.now(), tells=False)
        before = peer.lost
        for kind in self._facts.whole_kinds():
            peer.told(kind.__name__, sign.told.get(kind.__name__, 0))
        if peer.could_not_tell(sign.unsent):
            self._losses.untold()
        self._losses.missed(sign.node, peer.lost - before)

    def _give_sign(self) -> None:
        self._link.publish(node_subject(self._prefix, self._node), write_sign(self._node, self._told, self._unsent))
        self._sign = self._timers.later(self._sign_s, self._give_sign)

    # --- questions

    def answer(self, kind: type[Q], give: Callable[[Q], Awaitable[Any]]) -> None:
        """Register the function that answers questions of exactly this kind; the last one counts."""
        self._questions.answered_here(kind)
        self._local.answer(kind, give)

    async def ask(
        self, node: NodeName | None, question: Question, timeout: float
    ) -> Any:  # Any: a question defines its answer
        """Ask a node, this one or another; None: whichever has time.

        Raises:
            BusTimeout: There is no answer, or it is known that none will come.
        """
        asked = self._local if node == self._node else self._questions
        return await asked.ask(node, question, timeout)

    # --- what one node sends another

    def send(self, node: NodeName, data: bytes) -> bool:
        """Send bytes to one other node; False: they are known to be lost."""
        return self._sending.send(node, data)

    def receive(self, hear: Callable[[NodeName, bytes], None]) -> None:
        """Call `hear` with what other nodes send to this one."""
        self._local.receive(hear)

    # --- its life

    async def open(self) -> None:
        """Connect, and be there for others. Without a NATS server the start goes on: it is tried again."""
        self._questions.open()
        self._link.subscribe(f"{self._prefix}.node.*", self._signed)
        self._sending.open()
        await self._link.open()

    async def close(self) -> None:
        """Leave; the store is still open."""
        self._closed = True
        self._stop_signs()
        self._questions.leave()
        await self._link.close()
        self._questions.fail_all("the server ends")

    def conditions(self) -> Sequence[Reason]:
        """Say what is wrong with the bus."""
        trouble, refused = self._link.trouble, self._link.refused
        if self._closed or not (trouble or refused):
            return ()
        if trouble:
            key, finding = "away", f"no NATS server takes this one, and other servers hear nothing of it: {trouble}"
            remedy = "see [bus] url, and whether the NATS servers run"
        else:
            key, finding = "refused", f"the NATS server refuses something: {refused}"
            remedy = f'let the user of [bus] publish and subscribe to "{self._prefix}.>"'
        return (Reason("bus", finding, good=False, remedy=remedy, key=key),)

    def states(self) -> Sequence[tuple[str, object]]:
        """Give the rows of `status`."""
        return (
            ("bus", self._link.server or "no NATS server"),
            ("NATS servers known", len(self._link.known)),
            ("other servers", len(self.others())),
            ("subscriptions to single users", self._facts.keys_count),
            ("subscriptions to 1,024ths of all", self._facts.shares_count),
        )

    def _ready(self) -> None:
        self._stop_signs()
        # Nobody told us anything while there was no connection.
        self._local.tell(FactsLost())
        self._give_sign()

    def _lost(self) -> None:
        self._stop_signs()
        self._questions.fail_all("the connection to the NATS server is lost")

    def _stop_signs(self) -> None:
        if self._sign is not None:
            self._sign.cancel()
            self._sign = None


def _check(delivery: ReceivedMessage, subject: str) -> None:
    """Refuse what is on another subject than it belongs on: what the NATS server lets others publish goes by subjects."""
    if delivery.subject != subject:
        raise MessageUnreadable("it says something else than its subject")
