"""Strangers in the order in which they came, and who of them makes room. Pure.

Whoever comes late must get in, however many came before: the oldest makes room, of the
network that has sent the most. So a flood from twenty addresses throws out its own, and a
stranger who is alone at their address stays.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from lyncpy.contracts.networks import network_of

T = TypeVar("T", bound=Hashable)


class StrangersByNetwork(Generic[T]):
    """Strangers by network. Every call takes the same time, however many there are."""

    def __init__(self) -> None:
        # Ordered ones give their first in the same time also when thousands were taken off before it.
        self._networks: dict[str, OrderedDict[T, None]] = {}
        self._of: dict[T, str] = {}
        self._sizes: dict[int, OrderedDict[str, None]] = {}
        """How many → the networks that have so many; none of them is empty."""
        self._largest = 0

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, one: object) -> bool:
        return one in self._of

    @property
    def largest(self) -> int:
        """How many came from the network with the most of them."""
        return self._largest if self._of else 0

    def count(self, network: str) -> int:
        """Give how many came from a network."""
        return len(self._networks.get(network, ()))

    def add(self, one: T, network: str) -> None:
        """Add a newcomer, as the youngest."""
        self.remove(one)
        members = self._networks.setdefault(network, OrderedDict())
        self._resize(network, len(members), len(members) + 1)
        members[one] = None
        self._of[one] = network

    def remove(self, one: T) -> None:
        """Remove a member; unknown ones are ignored."""
        network = self._of.pop(one, None)
        if network is None:
            return
        members = self._networks[network]
        self._resize(network, len(members), len(members) - 1)
        del members[one]
        if not members:
            del self._networks[network]

    def members_of(self, network: str) -> tuple[T, ...]:
        """Give the members of one network, the oldest first."""
        return tuple(self._networks.get(network, ()))

    def eldest(self, network: str) -> T | None:
        """Give the oldest member of a network."""
        return next(iter(self._networks.get(network, ())), None)

    def first_to_go(self) -> T | None:
        """Give the member that makes room: the oldest of the network with the most; None: there is none."""
        networks = self._sizes.get(self._largest)
        return self.eldest(next(iter(networks))) if networks else None

    def _resize(self, network: str, before: int, after: int) -> None:
        if before:
            alike = self._sizes[before]
            del alike[network]
            if not alike:
                del self._sizes[before]
        if after:
            self._sizes.setdefault(after, OrderedDict())[network] = None
        if after > self._largest:
            self._largest = after
        elif before == self._largest and before not in self._sizes:
            self._largest = after  # sizes change by one: the network that left is among the largest now


class Strangers(Generic[T]):
    """Strangers of two kinds: those from where somebody has signed in before, and all others.

    Who comes from a known network is never thrown out for one who does not, as long as there is one
    of these left to go.

    Args:
        remembered: How many networks are remembered; of more, the least recently used is forgotten.
    """

    def __init__(self, *, remembered: int) -> None:
        self._remembered = remembered
        self._known: OrderedDict[str, None] = OrderedDict()
        self._strangers: StrangersByNetwork[T] = StrangersByNetwork()
        self._friends: StrangersByNetwork[T] = StrangersByNetwork()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._friends)

    def __contains__(self, one: object) -> bool:
        return one in self._strangers or one in self._friends

    @property
    def friends(self) -> int:
        """How many came from known networks."""
        return len(self._friends)

    @property
    def crowd(self) -> int:
        """How many came from the network with the most of them that is not known."""
        return self._strangers.largest

    def count_unknown(self, address: str) -> int:
        """Give how many came from the network of an address; none if that is known."""
        return self._strangers.count(network_of(address))

    def add(self, one: T, address: str) -> None:
        """Add a newcomer from this address."""
        network = network_of(address)
        self.remove(one)
        (self._friends if network in self._known else self._strangers).add(one, network)

    def remove(self, one: T) -> None:
        """Remove a member that signed in or is gone."""
        self._strangers.remove(one)
        self._friends.remove(one)

    def know(self, address: str) -> None:
        """Remember that a user has signed in from this address."""
        network = network_of(address)
        if self._known.pop(network, self) is self:
            for one in self._strangers.members_of(network):
                self._strangers.remove(one)
                self._friends.add(one, network)
        self._known[network] = None
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)

    def eldest(self, address: str) -> T | None:
        """Give who came first from the network of an address."""
        network = network_of(address)
        found = self._strangers.eldest(network)
        return self._friends.eldest(network) if found is None else found

    def first_to_go(self) -> T | None:
        """Give the member that makes room for another; None: there is none."""
        found = self._strangers.first_to_go()
        return self._friends.first_to_go() if found is None else found
