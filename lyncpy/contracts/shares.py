"""A bound with shares: how much there may be in all, and how much of it may be one owner's. Pure.

A table with a bound in total alone belongs to whoever is quickest. Here every entry is
taken for its owners, one of each kind (a user, a device, an address), and what is over a
share hits its owner alone. `docs/limits.md` has the list of all tables.
"""

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Final

from lyncpy.contracts.limit import Limit

TOTAL: Final = "total"
"""The name of the bound that is everybody's."""

Owners = Mapping[str, Hashable]
"""Kind → whose; each kind has its share."""


class Shares:
    """How much of a table is in use, in total and by owner.

    Args:
        total: The bound on all owners together.
        each: The bound on one owner, for each kind of owner.
        names: What operators call each of them, by the kind, and by `TOTAL`; "section.key" of a setting.
    """

    def __init__(self, total: int, each: Mapping[str, int], names: Mapping[str, str]) -> None:
        self._total = total
        self._each = dict(each)
        self._taken: dict[str, dict[Hashable, int]] = {kind: {} for kind in each}
        self._count = 0
        self._limits = {
            kind: Limit(name, total if kind == TOTAL else each[kind], partial(self._fullest, kind))
            for kind, name in names.items()
        }

    def _fullest(self, kind: str) -> float:
        return self._count if kind == TOTAL else max(self._taken[kind].values(), default=0)

    def __len__(self) -> int:
        """Give how much is taken in all."""
        return self._count

    def excess(self, owners: Owners, amount: int = 1) -> str:
        """Tell which bound stands in the way of taking more: a kind of owner, `TOTAL`, or "" for none.

        An owner's own share is named first: whoever is over it need not know how full the table is.
        """
        for kind, owner in owners.items():
            if self._taken[kind].get(owner, 0) + amount > self._each[kind]:
                return self._reached(kind)
        return self._reached(TOTAL) if self._count + amount > self._total else ""

    def _reached(self, kind: str) -> str:
        if kind in self._limits:
            self._limits[kind].hit()
        return kind

    def reserve(self, owners: Owners, amount: int = 1) -> str:
        """Count an amount for these owners; give the bound that prevents it, and count nothing then."""
        excess = self.excess(owners, amount)
        if not excess:
            self.release(owners, -amount)
        return excess

    def add(self, owners: Owners, amount: int = 1) -> None:
        """Count an amount for these owners that `excess` has let pass before."""
        self.release(owners, -amount)

    def release(self, owners: Owners, amount: int = 1) -> None:
        """Stop counting an amount for these owners."""
        self._count -= amount
        for kind, owner in owners.items():
            taken = self._taken[kind]
            left = taken.get(owner, 0) - amount
            if left > 0:
                taken[owner] = left
            else:
                taken.pop(owner, None)
