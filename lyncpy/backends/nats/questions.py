"""Questions between nodes: those of this one that wait for an answer, and those of others that are answered here."""

from itertools import count
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.nats.encoding import (
    MessageTooLarge,
    MessageUnreadable,
    is_node_name,
    read_answer,
    read_question,
    write_answer,
    write_question,
    write_refusal,
)
from lyncpy.backends.nats.frames import ReceivedMessage, is_subject
from lyncpy.backends.nats.link import NatsLink
from lyncpy.contracts.bus import BusTimeout, Question
from lyncpy.contracts.names import NodeName

ASKED_MOST: Final = 10_000
ANSWERING_MOST: Final = 1_000
"""Questions of this node that wait for an answer, and of others that are being answered."""

ANSWER_S: Final = 30.0
"""That an answer may take here; who asked has given up by then."""

NO_RESPONDERS: Final = 503

GROUP: Final = "any"
"""The queue group of all who answer questions of a kind: the broker gives each question to one of them."""

TRIES: Final = 3
"""Nodes that are asked one after the other while each has too much to answer."""

_BUSY: Final = "it has too much to answer"


class _Nobody(BusTimeout):
    """Nobody answers such questions."""


class _Busy(BusTimeout):
    """Who was asked has too much to answer."""


class Questions:
    """What this node asks others, and answers.

    Args:
        node: This process.
        prefix: What subjects begin with.
        link: Carries them.
        local: Has those who answer here.
        reactor: Times how long an answer takes.
    """

    log = Logger()

    def __init__(self, node: NodeName, prefix: str, link: NatsLink, local: MemoryBus, reactor: IReactorTime) -> None:
        self._node = node
        self._prefix = prefix
        self._link = link
        self._local = local
        self._reactor = reactor
        self._kinds: dict[str, type[Question]] = {}
        self._asked: dict[str, tuple[Question, Deferred[Any]]] = {}  # Any: a question defines its answer
        self._groups: list[int] = []
        """The subscriptions to questions for whichever node has time."""

        self._numbers = count(1)
        self._answering = 0

    def open(self) -> None:
        """Hear questions and answers."""
        self._link.subscribe(f"{self._prefix}.ask.{self._node}", self._asks)
        self._link.subscribe(f"{self._prefix}.answer.{self._node}.*", self._answered)

    def answered_here(self, kind: type[Question]) -> None:
        """Note that questions of this kind are answered here, whoever is asked."""
        if kind.__name__ not in self._kinds:
            self._groups.append(self._link.subscribe(self._group_subject(kind), self._asks, GROUP))
        self._kinds[kind.__name__] = kind

    def leave(self) -> None:
        """Have no more questions come that another node could answer."""
        groups, self._groups = self._groups, []
        for number in groups:
            self._link.unsubscribe(number)

    def _group_subject(self, kind: type[Question]) -> str:
        return f"{self._prefix}.any.{kind.__name__}"

    def fail_all(self, reason: str) -> None:
        """Tell all who wait for an answer that none will come."""
        asked, self._asked = self._asked, {}
        for question, answer in asked.values():
            answer.errback(Failure(BusTimeout(f"{type(question).__name__} is not answered: {reason}")))

    async def ask(
        self, node: NodeName | None, question: Question, timeout: float
    ) -> Any:  # Any: a question defines its answer
        """Ask another node, or whichever has time; raises BusTimeout."""
        if node is not None:
            return await self._ask(node, f"{self._prefix}.ask.{node}" if is_node_name(node) else "", question, timeout)
        for _ in range(TRIES):
            try:
                return await self._ask(NodeName("any node"), self._group_subject(type(question)), question, timeout)
            except _Busy:
                continue  # the broker takes another, by chance
            except _Nobody:
                return await self._local.ask(self._node, question, timeout)
        raise BusTimeout(f"{type(question).__name__} is not answered: all who were asked have too much to answer")

    async def _ask(self, node: NodeName, subject: str, question: Question, timeout: float) -> Any:  # Any: as above
        kind, reply = type(question).__name__, f"{self._prefix}.answer.{self._node}.{next(self._numbers)}"
        if len(self._asked) >= ASKED_MOST:
            raise BusTimeout(f"{node} is not asked {kind}: {ASKED_MOST} questions wait for an answer")
        try:
            data = write_question(self._node, question)
        except MessageTooLarge as error:
            raise BusTimeout(f"{node} is not asked {kind}: {error}") from None
        if not is_subject(subject) or not self._link.publish(subject, data, reply):
            raise BusTimeout(f"{node} cannot be asked {kind}: {self._link.trouble or 'the NATS server takes nothing'}")
        answer: Deferred[Any] = Deferred()
        self._asked[reply] = question, answer
        try:
            return await answer.addTimeout(timeout, self._reactor)
        except DeferredTimeout:
            raise BusTimeout(f"{node} did not answer {kind} within {timeout} s") from None
        finally:
            self._asked.pop(reply, None)

    def _answered(self, delivery: ReceivedMessage) -> None:
        # A second answer to the same question, or one that comes too late, is nobody's.
        question, answer = self._asked.pop(delivery.subject, (None, None))
        if question is None or answer is None:
            return
        kind = type(question).__name__
        if delivery.status == NO_RESPONDERS:
            answer.errback(Failure(_Nobody(f"there is no such node to answer {kind}")))
            return
        try:
            given = read_answer(delivery.payload, question)
        except MessageUnreadable as error:
            answer.errback(Failure(BusTimeout(f"the answer to {kind} cannot be read: {error}")))
            return
        if given.refused:
            refusal: type[BusTimeout] = _Busy if given.refused == _BUSY else BusTimeout
            answer.errback(Failure(refusal(f"{kind} is not answered: {given.refused}")))
        else:
            answer.callback(given.value)

    def _asks(self, delivery: ReceivedMessage) -> None:
        if not is_subject(delivery.reply):
            return
        try:
            asked = read_question(delivery.payload, self._kinds)
        except MessageUnreadable as error:
            self._link.publish(delivery.reply, write_refusal(self._node, str(error)))
            return
        if self._answering >= ANSWERING_MOST:
            self._link.publish(delivery.reply, write_refusal(self._node, _BUSY))
            return
        self._answering += 1
        answering = Deferred.fromCoroutine(self._give(asked.question, delivery.reply))
        _ = answering.addErrback(self._in_vain, delivery.reply).addBoth(self._no_more)

    async def _give(self, question: Question, reply: str) -> None:
        try:
            data = write_answer(self._node, question, await self._local.ask(self._node, question, ANSWER_S))
        except (BusTimeout, MessageTooLarge) as error:
            data = write_refusal(self._node, str(error))
        self._link.publish(reply, data)

    def _in_vain(self, failure: Failure, reply: str) -> None:
        self.log.failure("a question could not be answered", failure=failure)
        self._link.publish(reply, write_refusal(self._node, "it could not be answered"))

    def _no_more(self, _: object) -> None:
        self._answering -= 1
