"""The other nodes on the bus, and how far the facts of each were heard."""

from collections.abc import Iterable, Sequence
from typing import Final

from lyncpy.contracts.bus import OtherNode
from lyncpy.contracts.names import NodeName

NODES_MOST: Final = 4_096
"""Other servers that are remembered; each start of one is another node."""

JUMP_MOST: Final = 100_000
"""Facts of one kind that may be lost between two that are heard. After a larger gap
counting begins anew: the one number or the other was not the node's, or was spoiled."""

LATE_MOST: Final = 1_000
"""How far behind the newest fact one of the same node may come. One with a
smaller number is no late fact: that newest one was not the node's, or its number was spoiled."""


class Peer:
    """Another node.

    Args:
        at: Monotonic seconds at which it was heard.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self.lost = 0
        """Facts that were told and not heard, of kinds that somebody listens to."""

        self._unsent = 0
        self._heard: dict[str, int] = {}
        self._doubted: set[str] = set()
        """Kinds of which its last sign of life has said less than was heard."""

    def takes(self, kind: str, number: int, *, is_whole: bool = True) -> bool:
        """Note a fact; False: it was heard, or one that came after it.

        Args:
            kind: Of the fact.
            number: How many of this kind the node has told with it.
            is_whole: Whether all facts of the kind are subscribed to: of others nobody knows which were for us.
        """
        before = self._heard.get(kind, number - 1)
        if before - LATE_MOST <= number <= before:
            return False
        if is_whole:
            self._reached(kind, number - 1)
        self._heard[kind] = number
        return True

    def told(self, kind: str, number: int) -> None:
        """Note how many the node has told by now, as its sign of life says: those between were lost.

        One that says less may have been overtaken. The next that says so is right: what was heard was not the node's.
        """
        if number >= self._heard.get(kind, number):
            self._doubted.discard(kind)
            self._reached(kind, number)
        elif kind in self._doubted:
            self._doubted.remove(kind)
            self._heard[kind] = number
        else:
            self._doubted.add(kind)

    def could_not_tell(self, number: int) -> bool:
        """Note how many facts the node could tell nobody, as its sign of life says; give whether there are more by now."""
        before, self._unsent = self._unsent, number
        return number > before

    def _reached(self, kind: str, number: int) -> None:
        before = self._heard.get(kind, number)
        # Beyond that it counts nothing that was ever told.
        if before < number <= before + JUMP_MOST:
            self.lost += number - before
        self._heard[kind] = number

    def forget(self, kind: str) -> None:
        """Forget how far a kind was heard: nobody listens to it any more."""
        self._heard.pop(kind, None)
        self._doubted.discard(kind)


class Peers:
    """All of them. When there are too many, one goes that was heard longest ago, of those that have told nothing if there are any.

    Names cost nothing to invent: many of them must not make a server forgotten of whose facts it is known which were heard.
    """

    def __init__(self) -> None:
        self._telling: dict[NodeName, Peer] = {}
        self._silent: dict[NodeName, Peer] = {}

    def heard(self, node: NodeName, now: float, *, tells: bool) -> Peer:
        """Give a node that was heard just now.

        Args:
            tells: Whether a fact was heard, and not a sign of life.
        """
        telling = self._telling.pop(node, None)
        peer = telling or self._silent.pop(node, None) or Peer(now)
        peer.at = now
        # The one heard last is at the end.
        (self._telling if tells or telling else self._silent)[node] = peer
        while len(self._telling) + len(self._silent) > NODES_MOST:
            among = self._silent or self._telling
            del among[next(iter(among))]
        return peer

    def forget(self, kind: str) -> None:
        """Forget how far a kind was heard of all."""
        for _, peer in self._all():
            peer.forget(kind)

    def since(self, begin: float, now: float) -> Sequence[OtherNode]:
        """Give those that were heard since then, in the order of their names."""
        return tuple(
            OtherNode(name, now - peer.at, peer.lost) for name, peer in sorted(self._all()) if peer.at >= begin
        )

    def _all(self) -> Iterable[tuple[NodeName, Peer]]:
        return (*self._telling.items(), *self._silent.items())
