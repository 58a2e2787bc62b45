"""Facts to all who listen."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from zope.interface import Interface

from lyncpy.contracts.facts import Fact
from lyncpy.contracts.names import NodeName

F = TypeVar("F", bound=Fact)


class BusTimeout(Exception):
    """A question was not answered in time."""


class IListening(Interface):
    """A subscription to a kind of fact."""

    def stop() -> None:
        """Stop listening; may be called twice."""


class IBus(Interface):
    """Facts to all who listen: at most once, in order per sender and kind.

    A fact is heard in a later turn than it was told, also by the process that told it. A
    listener that fails is logged and stays subscribed. A bus may lose a fact: whoever
    depends on one re-reads the store.
    """

    def tell(fact: Fact) -> None:
        """Tell a fact. Never fails, never waits."""

    def listen(kind: type[F], hear: Callable[[F], Awaitable[None] | None]) -> IListening:
        """Call `hear` with every fact of exactly this kind, one after the other; it gives what has to be awaited first."""

    def ask(node: NodeName, question: Any, timeout: float) -> Awaitable[Any]:  # Any: a question defines its answer
        """Ask a question of one node, and wait for its answer; raises BusTimeout."""
