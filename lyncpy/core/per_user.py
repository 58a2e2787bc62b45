"""Which connections are whose: a user has a share of them, and the oldest goes beyond it. Pure."""

from collections import OrderedDict
from collections.abc import Sequence

from lyncpy.contracts.names import Aor, FlowName


class ConnectionsPerUser:
    """Connections on which somebody has signed in, by user.

    Args:
        most: How many one user may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[Aor, OrderedDict[FlowName, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def add(self, aor: Aor, flow: FlowName) -> Sequence[FlowName]:
        """Add a connection on which a user has signed in; give the user's connections over the bound, the oldest first."""
        mine = self._of.setdefault(aor, OrderedDict())
        mine[flow] = None
        return [mine.popitem(last=False)[0] for _ in range(len(mine) - self._most)]

    def remove(self, aor: Aor, flow: FlowName) -> None:
        """Remove a connection that is gone; one that was too many is not known any more."""
        mine = self._of.get(aor)
        if mine is not None:
            mine.pop(flow, None)
            if not mine:
                del self._of[aor]
