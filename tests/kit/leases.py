"""ILeases in memory: the nodes of one store, and what each of several processes does with them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import Fenced, Home, ILeases, INodePlaces, NodeLease
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.node_lease import OnlyNode
from tests.kit.fakes import Fragility

T = TypeVar("T")


class NodesOfStore:
    """What all processes see: nodes with the time at which their leases run out, and homes.

    Args:
        clock: The store's, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.leases: dict[NodeName, NodeLease] = {}
        self.until: dict[NodeName, float] = {}
        self.homes: dict[str, Home] = {}
        self.epochs = count(1)

    def is_alive(self, name: str) -> bool:
        """Tell whether a node is not known dead."""
        found = self.leases.get(NodeName(name))
        return found is not None and not found.is_ended

    def end(self, name: NodeName) -> bool:
        """End a lease; tell whether it was none of those that had ended."""
        if not self.is_alive(name):
            return False
        self.leases[name] = replace(self.leases[name], is_ended=True)
        return True


@implementer(ILeases)
class MemoryLeases:
    """One process at the nodes of a store."""

    def __init__(self, shared: NodesOfStore) -> None:
        self._shared = shared
        self._node: NodeName | None = None

    def is_over(self) -> bool:
        """Tell whether what this process writes is to be refused."""
        return self._node is not None and not self._shared.is_alive(self._node)

    def join(self, node: NodeName, place: str, seconds: float, *, is_connected: bool) -> Deferred[int]:
        """Begin the lease of this process."""
        self._node = node
        epoch = next(self._shared.epochs)
        self._shared.leases[node] = NodeLease(node, epoch, place, is_connected, 0.0, is_ended=False)
        self._shared.until[node] = self._shared.clock() + seconds
        return succeed(epoch)

    def renew(self, node: NodeName, seconds: float) -> Deferred[Sequence[NodeLease]]:
        """Have the lease end so many seconds from now."""
        if not self._shared.is_alive(node):
            return fail(Fenced(f"the lease of {node} is over"))
        self._shared.until[node] = self._shared.clock() + seconds
        return self.nodes().addCallback(lambda found: tuple(one for one in found if not one.is_ended))

    def nodes(self, names: Collection[NodeName] = ()) -> Deferred[Sequence[NodeLease]]:
        """Give these nodes, or all."""
        now, until = self._shared.clock(), self._shared.until
        found = [one for one in self._shared.leases.values() if not names or one.name in names]
        return succeed(tuple(replace(one, left_s=until[one.name] - now) for one in found))

    def end_leases(self, nodes: Collection[NodeLease]) -> Deferred[Sequence[NodeName]]:
        """End what has run out."""
        shared = self._shared
        lapsed = [one.name for one in nodes if shared.until[one.name] <= shared.clock()]
        return self._fenced(lambda: tuple(name for name in lapsed if shared.end(name)))

    def end_others(self, node: NodeName) -> Deferred[int]:
        """End all but one."""
        return self._fenced(lambda: sum(self._shared.end(name) for name in self._shared.leases if name != node))

    def leave(self, node: NodeName) -> Deferred[None]:
        """End the own one."""
        return self._fenced(lambda: self._shared.end(node)).addCallback(lambda _: None)

    def take_homes(self, keys: Collection[str], node: NodeName) -> Deferred[Sequence[Home]]:
        """Take those homes that are free."""
        return self._fenced(lambda: tuple(self._taken(key, node) for key in sorted(set(keys))))

    def give_up(self, home: Home) -> Deferred[None]:
        """Give it up, if it is as it was."""

        def given_up() -> None:
            if self._shared.homes.get(home.key) == home:
                self._shared.homes[home.key] = replace(home, node=NodeName(""))

        return self._fenced(given_up)

    def forget(self, key: str, node: NodeName) -> Deferred[None]:
        """Forget a home, unless another node that is alive has it."""

        def forgotten() -> None:
            has = self._shared.homes.get(key)
            if has is not None and (has.node == node or not self._shared.is_alive(has.node)):
                del self._shared.homes[key]

        return self._fenced(forgotten)

    def homes(self, prefix: str = "") -> Deferred[Sequence[Home]]:
        """Give those whose node is alive."""
        shared = self._shared
        found = [one for key, one in sorted(shared.homes.items()) if key.startswith(prefix)]
        return succeed(tuple(one for one in found if shared.is_alive(one.node)))

    def _taken(self, key: str, node: NodeName) -> Home:
        homes = self._shared.homes
        has = homes.get(key)
        if has is None or not self._shared.is_alive(has.node):
            homes[key] = Home(key, node, 1 if has is None else has.epoch + 1)
        return homes[key]

    def _fenced(self, do: Callable[[], T]) -> Deferred[T]:
        if self.is_over():
            return fail(Fenced(f"the lease of {self._node} is over"))
        return succeed(do())


class FragileLeases(MemoryLeases):
    """Leases in a store that is away when a test says so: renewals fail, and so a node does nothing else."""

    def __init__(self, shared: NodesOfStore, disk: Fragility) -> None:
        super().__init__(shared)
        self._disk = disk
        self.failing: list[str] = []
        """What fails the next time."""

    def renew(self, node: NodeName, seconds: float) -> Deferred[Sequence[NodeLease]]:
        """Renew, if it is there."""
        return self._disk.run(lambda: MemoryLeases.renew(self, node, seconds))

    def end_leases(self, nodes: Collection[NodeLease]) -> Deferred[Sequence[NodeName]]:
        """End what has run out, if nothing fails just then."""
        return self._failing("end") or super().end_leases(nodes)

    def take_homes(self, keys: Collection[str], node: NodeName) -> Deferred[Sequence[Home]]:
        """Take homes, if nothing fails just then."""
        return self._failing("take") or super().take_homes(keys, node)

    def _failing(self, call: str) -> Deferred[Any] | None:  # Any: each call has its own result
        if call not in self.failing:
            return None
        self.failing.remove(call)
        return fail(StoreUnavailable(f"the connection was lost: {call}"))


def only_node(node: str = "n1") -> OnlyNode:
    """Give the one node of a store that nobody else has."""
    return OnlyNode(NodeName(node), MemoryLeases(NodesOfStore(lambda: 0.0)), "here")


@implementer(INodePlaces)
class FewPlaces:
    """Where other nodes are, as a test says."""

    def __init__(self, **addresses: str) -> None:
        """Take the address of each node that takes more devices, the emptiest first."""
        self.addresses = addresses
        self.is_leaving = False

    def open_address(self, node: NodeName) -> str:
        """Give that of a node."""
        return self.addresses.get(node, "")

    def refuge(self) -> str:
        """Give the first."""
        return next(iter(self.addresses.values()), "")
