"""Which connections are whose: a user has a share of them, and the oldest goes beyond it. Pure."""

from collections.abc import Sequence

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.names import Aor, FlowName


class ConnectionsPerUser:
    """Connections on which somebody has signed in, by user.

    Args:
        most: How many one user may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[Aor, tuple[FlowName, ...]] = {}
        self._limit = Limit("limits.connections_per_user", most, lambda: max(map(len, self._of.values()), default=0))

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def add(self, aor: Aor, flow: FlowName) -> Sequence[FlowName]:
        """Add a connection on which a user has signed in; give the user's connections over the bound, the oldest first."""
        # Most users have one or two: of a table for each user nothing but the table would be seen.
        mine = self._of.get(aor, ())
        if flow not in mine:
            mine = (*mine, flow)
        over = max(0, len(mine) - self._most)
        self._of[aor] = mine[over:]
        self._limit.hit(over)
        return mine[:over]

    def remove(self, aor: Aor, flow: FlowName) -> None:
        """Remove a connection that is gone; one that was too many is not known any more."""
        mine = self._of.get(aor, ())
        if mine == (flow,):
            del self._of[aor]
        elif flow in mine:
            self._of[aor] = tuple([one for one in mine if one != flow])
