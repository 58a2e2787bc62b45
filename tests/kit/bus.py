"""A bus on which nobody listens."""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.facts import Fact, StateNoted


@implementer(IBus)
class ToldBus:
    """A bus that remembers."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def tell(self, fact: Fact) -> None:
        """Remember."""
        self.facts.append(fact)

    def tell_here(self, fact: Fact) -> None:
        """Remember."""
        self.facts.append(fact)

    def note(self, words: Callable[[], str], *about: str) -> None:
        """Remember."""
        self.facts += [StateNoted(one, words()) for one in about]

    def listen(self, kind: object, hear: object, *about: object) -> IListening:
        """Nobody listens here."""
        raise AssertionError

    def answer(self, kind: object, give: object) -> None:
        """Nobody answers here."""
        raise AssertionError

    def send(self, node: object, data: bytes) -> bool:
        """Nobody else is there."""
        return False

    def receive(self, hear: object) -> None:
        """Nobody sends anything."""

    def others(self) -> tuple[()]:
        """Nobody else is there."""
        return ()

    def ask(self, node: object, question: object, timeout: float) -> Deferred[object]:
        """Nobody asks here."""
        raise AssertionError
