"""Questions that wait for a server or a thread, bounded in all and for each network address; addresses take turns. Pure."""

from typing import Final, Generic, Protocol, TypeVar

from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.turns import FairQueue

PLACE: Final = "place"
"""The name of the bound that is one address's."""


class Placed(Protocol):
    """A question."""

    @property
    def place(self) -> str:
        """The network address that asks, as `network_of` gives it."""

    @property
    def amount(self) -> int:
        """How much of the bounds it takes."""


P = TypeVar("P", bound=Placed)


class PlaceQueue(Generic[P]):
    """What waits. A question keeps its room after its turn has come, until it is said to be done.

    Args:
        name: What operators call the bound.
        most: The bound on all that wait or are under way.
        of_place: The bound on those of one address.
    """

    def __init__(self, name: str, most: int, of_place: int) -> None:
        self._shares = Shares(most, {PLACE: of_place}, {TOTAL: name, PLACE: f"{name}_per_address"})
        self._waiting: FairQueue[P] = FairQueue()

    def __len__(self) -> int:
        """Give how many wait for their turn."""
        return len(self._waiting)

    def excess(self, place: str, amount: int = 1) -> str:
        """Tell which bound stands in the way of a question: `PLACE`, TOTAL of `Shares`, or "" for none."""
        return self._shares.excess({PLACE: place}, amount)

    def put(self, asked: P) -> str:
        """Have a question wait; give the bound that prevents it, and do nothing then."""
        excess = self._shares.reserve({PLACE: asked.place}, asked.amount)
        if not excess:
            self._waiting.put(asked.place, asked)
        return excess

    def take(self) -> P:
        """Give the question whose turn it is."""
        return self._waiting.take()

    def done(self, asked: P) -> None:
        """Give the room of a question to others; once, and not while it waits."""
        self._shares.release({PLACE: asked.place}, asked.amount)
