"""What watchers are owed whose connections are full: of whom they have not heard, not what there was to hear.

A client that reads slowly gets the latest state of everybody when it reads on, instead of
all that was ever said. Nothing is kept but names, and never more than is watched.
"""

from collections.abc import Mapping

from lyncpy.contracts.names import Aor, FlowName
from lyncpy.core.notifier import Subscription

Debts = Mapping[tuple[Subscription, Aor], frozenset[str]]
"""Subscription and watched person → the categories of which there is news."""


class Owed:
    """Debts by connection. A connection that is full is not read from either, so that it cannot have more."""

    def __init__(self) -> None:
        """Begin without debts."""
        self._flows: dict[FlowName, dict[tuple[Subscription, Aor], frozenset[str]]] = {}

    def __len__(self) -> int:
        """Give the number of pairs of a subscription and a person."""
        return sum(map(len, self._flows.values()))

    def owes(self, flow: FlowName) -> bool:
        """Tell whether a connection is owed anything."""
        return flow in self._flows

    def put_off(self, subscription: Subscription, aor: Aor, categories: frozenset[str]) -> None:
        """Remember that there is news."""
        debts = self._flows.setdefault(subscription.flow, {})
        known = debts.get((subscription, aor))
        if known is None:
            debts[subscription, aor] = categories
        elif not categories <= known:
            debts[subscription, aor] = known | categories

    def settle(self, subscription: Subscription, aor: Aor) -> frozenset[str]:
        """Give what a watcher is owed of one person, and forget it: it is told now, together with what is new."""
        debts = self._flows.get(subscription.flow, {})
        found = debts.pop((subscription, aor), frozenset())
        if found and not debts:
            del self._flows[subscription.flow]
        return found

    def take(self, flow: FlowName) -> Debts:
        """Give what a connection is owed, the oldest first, and forget it: it is to be told now, or to be put off."""
        return self._flows.pop(flow, {})
