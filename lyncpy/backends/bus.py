"""IBus of a server of one process.

No reactor is needed; what waits, waits for the clock that was given.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.bus import BusTimeout, F, FactsLost, IBus, IListening, Interest, OtherNode, Q, Question
from lyncpy.contracts.facts import Fact, StateNoted, key_of
from lyncpy.contracts.names import NodeName

BEHIND_BOUND: Final = 50_000
"""Facts that wait for one listener; one that never ends its hearing must not fill the memory."""

FAR_BYTES: Final = 4_194_304
"""Of messages of other nodes whose facts wait to be heard, in all; a fact takes up to twenty times as much memory as its message."""

HEARING_S: Final = 0.001
"""Seconds in one turn of the reactor for what one listener hears, about: a network that is lost is thousands of facts."""


class _Room:
    """What waits of other nodes, in bytes."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, size: int) -> bool:
        """Take so much of it; False: there is not so much."""
        if self._taken + size > FAR_BYTES:
            return False
        self._taken += size
        return True

    def give(self, size: int) -> None:
        """Give so much of it back."""
        self._taken -= size


class _FromAfar(NamedTuple):
    """A fact of another node, which takes room while it waits."""

    fact: Fact
    size: int
    room: _Room


def _out(waited: Fact | _FromAfar) -> Fact:
    """Give the fact of what waits no more, and its room back."""
    if not isinstance(waited, _FromAfar):
        return waited
    waited.room.give(waited.size)
    return waited.fact


@implementer(IListening)
class _Listening:
    """One listener, and the facts that wait for it.

    It hears one fact at a time, in order, each in a later turn than it was told, for a
    millisecond in each turn: what is told while it hears waits for the next turn, so that two
    listeners who answer each other's facts do not keep the reactor for themselves.
    """

    log = Logger()

    def __init__(
        self,
        hear: Callable[[Any], Awaitable[None] | None],
        about: Sequence[Interest],
        turns: "_Turns",
        left: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._hear = hear
        self._about = about
        self._turns = turns
        self._left = left
        self._lost = lost
        self._waiting: deque[Fact | _FromAfar] = deque()
        self._busy = self._stopped = self._behind = False

    def __len__(self) -> int:
        return len(self._waiting)

    def stop(self) -> None:
        """Stop listening; may be called twice."""
        if not self._stopped:
            self._stopped = True
            while self._waiting:
                _out(self._waiting.popleft())
            self._left()

    def wants(self, fact: Fact) -> bool:
        """Tell whether the listener wants to hear a fact."""
        return not self._about or self.wants_of(key_of(fact))

    def wants_of(self, key: str | None) -> bool:
        """Tell whether the listener wants to hear what is about this address, connection or node."""
        return not self._about or any(key in one for one in self._about)

    def told(self, fact: Fact | _FromAfar) -> bool:
        """Queue a fact for the listener; False: it is lost, for the listener is too far behind."""
        if len(self._waiting) >= BEHIND_BOUND:
            if not self._behind:
                self._behind = True
                self.log.error("{hear} is {count} facts behind; what follows is lost", hear=self._hear, count=len(self))
            return False
        self._waiting.append(fact)
        if not self._busy:
            self._busy = True
            self._turns.call_next(self._begin)
        return True

    def _begin(self) -> None:
        until = self._turns.now() + HEARING_S
        for number in range(len(self._waiting)):
            # Stopped meanwhile, or others should have their turn.
            if not self._waiting or (number and self._turns.now() >= until):
                break
            heard = self._hear_next()
            if heard is not None and not heard.called:
                _ = heard.addCallback(lambda _: self._go_on())
                return
        self._go_on()

    def _hear_next(self) -> Deferred[None] | None:
        """Have the listener hear the first fact that waits; give what ends when it has heard, unless it has by now."""
        waited = self._waiting.popleft()
        fact = _out(waited) if isinstance(waited, _FromAfar) else waited
        try:
            awaitable = self._hear(fact)
        except Exception:  # noqa: BLE001 - a listener that fails is logged and stays
            self._in_vain(fact)
            return None
        return None if awaitable is None else Deferred.fromCoroutine(self._await(awaitable, fact))

    async def _await(self, awaitable: Awaitable[None], fact: Fact) -> None:
        try:
            await awaitable
        except Exception:  # noqa: BLE001 - as above
            self._in_vain(fact)

    def _in_vain(self, fact: Fact) -> None:
        self.log.failure("{fact} was heard in vain by {hear}", fact=type(fact).__name__, hear=self._hear)

    def _go_on(self) -> None:
        if self._waiting:
            self._turns.call_next(self._begin)
        else:
            was_behind, self._behind, self._busy = self._behind, False, False
            if was_behind:
                self._lost()


class _Turns:
    """The turns of the reactor, with one timer for all who begin to hear in the next one."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._next: list[Callable[[], None]] = []

    def now(self) -> float:
        """Give monotonic seconds."""
        return self._clock.seconds()

    def call_next(self, call: Callable[[], None]) -> None:
        """Call in the next turn; what is called never fails."""
        self._next.append(call)
        if len(self._next) == 1:
            self._clock.callLater(0, self._call_all)

    def _call_all(self) -> None:
        calls, self._next = self._next, []
        for call in calls:
            call()


@implementer(IBus)
class MemoryBus:
    """The bus of a server that is one process. Holds its listeners and the facts that wait for them."""

    log = Logger()

    def __init__(self, node: NodeName, clock: IReactorTime) -> None:
        self._node = node
        self._clock = clock
        self._turns = _Turns(clock)
        self._room = _Room()
        self._listening: dict[type[Fact], list[_Listening]] = {}
        self._answers: dict[type[Question], Callable[[Any], Awaitable[Any]]] = {}
        self._receiver: Callable[[NodeName, bytes], None] | None = None

    def __len__(self) -> int:
        """Give the number of facts that wait to be heard."""
        return sum(len(listening) for all_of_kind in self._listening.values() for listening in all_of_kind)

    def tell(self, fact: Fact) -> None:
        """Tell a fact to those who listen to its kind now. Never fails, never waits."""
        for listening in self._listening.get(type(fact), ()):
            if listening.wants(fact):
                listening.told(fact)

    def tell_here(self, fact: Fact) -> None:
        """Tell a fact: there is no other node."""
        self.tell(fact)

    def note(self, words: Callable[[], str], *about: str) -> None:
        """Tell whoever traces any of these what has happened; where nobody does, `words` is not called."""
        listening = self._listening.get(StateNoted)
        if not listening:
            return
        wanted = [one for one in dict.fromkeys(about) if any(who.wants_of(one) for who in listening)]
        if wanted:
            said = words()
            for one in wanted:
                self.tell(StateNoted(one, said))

    def wants(self, fact: Fact) -> bool:
        """Tell whether anybody listens who wants to hear a fact."""
        return any(listening.wants(fact) for listening in self._listening.get(type(fact), ()))

    def tell_from_afar(self, fact: Fact, size: int) -> bool:
        """Tell a fact of another node.

        Args:
            size: Bytes of its message.

        Returns: Whether it waits for all who listen; what is told of elsewhere waits within FAR_BYTES.
        """
        waits = True
        for listening in self._listening.get(type(fact), ()):
            if not listening.wants(fact):
                continue
            if not self._room.take(size):
                return False
            if not listening.told(_FromAfar(fact, size, self._room)):
                self._room.give(size)
                waits = False
        return waits

    def listen(self, kind: type[F], hear: Callable[[F], Awaitable[None] | None], *about: Interest) -> IListening:
        """Call `hear` with every fact of exactly this kind, or with those about these keys, one after the other."""
        all_of_kind = self._listening.setdefault(kind, [])
        listening = _Listening(
            hear, about, self._turns, lambda: all_of_kind.remove(listening), lambda: self.tell(FactsLost())
        )
        all_of_kind.append(listening)
        return listening

    def answer(self, kind: type[Q], give: Callable[[Q], Awaitable[Any]]) -> None:
        """Register the function that answers questions of exactly this kind; the last one counts."""
        self._answers[kind] = give

    async def ask(
        self, node: NodeName | None, question: Question, timeout: float
    ) -> Any:  # Any: a question defines its answer
        """Ask this node, in a later turn; any other does not exist, which is known at once.

        Raises:
            BusTimeout: Nobody answered in time.
        """
        give = self._answers.get(type(question))
        if node not in (None, self._node) or give is None:
            raise BusTimeout(f"{node} does not answer {type(question).__name__}")
        await deferLater(self._clock, 0)
        answer = Deferred.fromCoroutine(_awaited(give(question)))
        _ = answer.addErrback(self._in_vain, question)
        try:
            return await answer.addTimeout(timeout, self._clock)
        except DeferredTimeout:
            raise BusTimeout(f"{node} did not answer {type(question).__name__} within {timeout} s") from None

    def _in_vain(self, failure: Failure, question: Question) -> Failure:
        kind = type(question).__name__
        if failure.check(CancelledError) is not None:
            return failure
        self.log.failure("{question} could not be answered", failure=failure, question=kind)
        return Failure(BusTimeout(f"{self._node} could not answer {kind}"))

    def send(self, node: NodeName, data: bytes) -> bool:
        """Send nothing: there is no other node."""
        return False

    def receive(self, hear: Callable[[NodeName, bytes], None]) -> None:
        """Note who hears what other nodes send, for a bus that has others."""
        self._receiver = hear

    def receive_from_afar(self, node: NodeName, data: bytes) -> None:
        """Hand over what another node has sent."""
        if self._receiver is not None:
            received = maybeDeferred(self._receiver, node, data)
            _ = received.addErrback(lambda why: self.log.failure("{node} has sent in vain", failure=why, node=node))

    def others(self) -> Sequence[OtherNode]:
        """Give the other nodes: there are none."""
        return ()


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
