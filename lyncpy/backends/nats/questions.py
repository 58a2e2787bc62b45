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
from lyncpy.backends.nats.frames import Delivery, is_subject
from lyncpy.backends.nats.link import NatsLink
from lyncpy.contracts.bus import BusTimeout, Question
from lyncpy.contracts.names import NodeName

ASKED_MOST: Final = 10_000
ANSWERING_MOST: Final = 1_000
"""Questions of this node that wait for an answer, and of others that are being answered."""

ANSWER_S: Final = 30.0
"""That an answer may take here; who asked has given up by then."""

NO_RESPONDERS: Final = 503


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
        self._numbers = count(1)
        self._answering = 0

    def open(self) -> None:
        """Hear questions and answers."""
        self._link.subscribe(f"{self._prefix}.ask.{self._node}", self._asks)
        self._link.subscribe(f"{self._prefix}.answer.{self._node}.*", self._answered)

    def answered_here(self, kind: type[Question]) -> None:
        """Note that questions of this kind are answered here."""
        self._kinds[kind.__name__] = kind

    def fail_all(self, reason: str) -> None:
        """Tell all who wait for an answer that none will come."""
        asked, self._asked = self._asked, {}
        for question, answer in asked.values():
            answer.errback(Failure(BusTimeout(f"{type(question).__name__} is not answered: {reason}")))

    async def ask(
        self, node: NodeName, question: Question, timeout: float
    ) -> Any:  # Any: a question defines its answer
        """Ask another node; raises BusTimeout."""
        kind, reply = type(question).__name__, f"{self._prefix}.answer.{self._node}.{next(self._numbers)}"
        if len(self._asked) >= ASKED_MOST:
            raise BusTimeout(f"{node} is not asked {kind}: {ASKED_MOST} questions wait for an answer")
        try:
            data = write_question(self._node, question)
        except MessageTooLarge as error:
            raise BusTimeout(f"{node} is not asked {kind}: {error}") from None
        if not is_node_name(node) or not self._link.publish(f"{self._prefix}.ask.{node}", data, reply):
            raise BusTimeout(f"{node} cannot be asked {kind}: {self._link.trouble or 'the NATS server takes nothing'}")
        answer: Deferred[Any] = Deferred()
        self._asked[reply] = question, answer
        try:
            return await answer.addTimeout(timeout, self._reactor)
        except DeferredTimeout:
            raise BusTimeout(f"{node} did not answer {kind} within {timeout} s") from None
        finally:
            self._asked.pop(reply, None)

    def _answered(self, delivery: Delivery) -> None:
        # A second answer to the same question, or one that comes too late, is nobody's.
        question, answer = self._asked.pop(delivery.subject, (None, None))
        if question is None or answer is None:
            return
        kind = type(question).__name__
        if delivery.status == NO_RESPONDERS:
            answer.errback(Failure(BusTimeout(f"there is no such node to answer {kind}")))
            return
        try:
            given = read_answer(delivery.payload, question)
        except MessageUnreadable as error:
            answer.errback(Failure(BusTimeout(f"the answer to {kind} cannot be read: {error}")))
            return
        if given.refused:
            answer.errback(Failure(BusTimeout(f"{kind} is not answered: {given.refused}")))
        else:
            answer.callback(given.value)

    def _asks(self, delivery: Delivery) -> None:
        if not is_subject(delivery.reply):
            return
        try:
            asked = read_question(delivery.payload, self._kinds)
        except MessageUnreadable as error:
            self._link.publish(delivery.reply, write_refusal(self._node, str(error)))
            return
        if self._answering >= ANSWERING_MOST:
            self._link.publish(delivery.reply, write_refusal(self._node, "it has too much to answer"))
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
