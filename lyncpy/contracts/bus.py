"""Facts to all who listen, questions to one node, and bytes for one."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from zope.interface import Interface

from lyncpy.contracts.facts import Fact
from lyncpy.contracts.names import NodeName

F = TypeVar("F", bound=Fact)


SENT_MOST: Final = 1_000_000
"""Bytes that one node may send another at once, at most."""


class BusTimeout(Exception):
    """A question was not answered in time, or is known not to be."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one node asks another; the base of all questions. As a fact, it may leave this process."""

    answer_type: ClassVar[type[Any]]
    """What an answer is; it is made of what facts are made of."""


Q = TypeVar("Q", bound=Question)


@dataclass(frozen=True, slots=True)
class OtherNode:
    """Another server on the bus, as it was heard last."""

    name: NodeName
    heard_s: float
    """Seconds since it was heard."""

    lost: int
    """Facts of it that are known to be lost on the way."""


@dataclass(frozen=True, slots=True)
class FactsLost(Fact):
    """Facts of other nodes have been lost, or may have: what is held here may be older than it seems.

    The bus itself tells it, and within this process alone.
    """

    kinds: frozenset[type[Fact]] = frozenset()
    """Of which kinds; none: of any."""


class _Observer(NamedTuple):
    added: Callable[[str], None]
    discarded: Callable[[str], None]


class Interest:
    """The addresses, or connections, of which somebody here wants to hear; it grows and shrinks.

    A node hears of no others, as far as the bus between nodes can keep them apart.
    """

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self._observers: list[_Observer] = []

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._keys))

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str) -> None:
        """Hear of a key from now on."""
        if key not in self._keys:
            self._keys[key] = None
            for observer in tuple(self._observers):
                observer.added(key)

    def discard(self, key: str) -> None:
        """Hear of a key no more."""
        if key in self._keys:
            del self._keys[key]
            for observer in tuple(self._observers):
                observer.discarded(key)

    def clear(self) -> None:
        """Hear of nobody."""
        for key in self:
            self.discard(key)

    def observe(self, added: Callable[[str], None], discarded: Callable[[str], None]) -> Callable[[], None]:
        """Have each key told that comes or goes from now on; give what ends it. For a bus."""
        observer = _Observer(added, discarded)
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)


class SharedInterest(Interest):
    """The interest of many at once: a key is heard of until each that has added it has discarded it."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()

    def add(self, key: str) -> None:
        """Hear of a key for one more."""
        self._counts[key] += 1
        super().add(key)

    def discard(self, key: str) -> None:
        """Hear of a key for one less."""
        left = self._counts.pop(key, 0) - 1
        if left > 0:
            self._counts[key] = left
        else:
            super().discard(key)


class IListening(Interface):
    """A subscription to a kind of fact."""

    def stop() -> None:
        """Stop listening; may be called twice."""


class IBus(Interface):
    """Facts to all who listen: at most once, in order per sender and kind.

    A fact is heard in a later turn than it was told, also by the process that told it. A
    listener that fails is logged and stays subscribed. A bus may lose a fact of another node: whoever
    depends on one re-reads the store. What a node tells itself is lost only by who hears too slowly.
    """

    def tell(fact: Fact) -> None:
        """Tell a fact. Never fails, never waits."""

    def tell_here(fact: Fact) -> None:
        """Tell a fact to those who listen in this process, and to no other node."""

    def note(words: Callable[[], str], *about: str) -> None:
        """Tell whoever traces any of these, here, what has happened; where nobody does, it is not even put into words.

        Args:
            words: Gives them, in a sentence without a full stop; called at once or never.
            about: Each once, see `StateNoted`.
        """

    def listen(kind: type[F], hear: Callable[[F], Awaitable[None] | None], *about: Interest) -> IListening:
        """Call `hear` with every fact of exactly this kind, one after the other; it gives what has to be awaited first.

        Args:
            kind: Of the facts.
            hear: Is called with each.
            about: Hear those alone whose `key_of` is in any of these when they are told; none: hear all.
        """

    def ask(
        node: NodeName | None, question: Question, timeout: float
    ) -> Awaitable[Any]:  # Any: a question defines its answer
        """Ask a question of one node, and wait for its answer.

        Args:
            node: Who is asked; None: one of those that answer such questions, whichever has time, and this one only where there is
                no other.
            question: What is asked.
            timeout: Seconds that the answer may take.

        Raises:
            BusTimeout: There is no answer; at once where there is no such node.
        """

    def answer(kind: type[Q], give: Callable[[Q], Awaitable[Any]]) -> None:  # Any: as above
        """Register the function that answers questions of exactly this kind; the last one counts.

        What it raises is logged, and whoever asked gets no answer. Who asks may do so twice, and an answer may be lost.
        """

    def send(node: NodeName, data: bytes) -> bool:
        """Send bytes to one other node: at most once, in order per sender. Never fails, never waits.

        False: they are known to be lost, for there is no such node, it cannot be reached now, or they are more than `SENT_MOST`.
        """

    def receive(hear: Callable[[NodeName, bytes], None]) -> None:
        """Call `hear` with what other nodes send to this one, and with who sent it; the last one registered counts.

        What it raises is logged.
        """

    def others() -> Sequence[OtherNode]:
        """Give the other nodes that were heard lately, in the order of their names."""
