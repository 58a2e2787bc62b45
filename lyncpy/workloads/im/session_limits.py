"""How many sessions there may be at once: one bound for those that go on, and for invitations that may yet become some."""

from collections import Counter
from collections.abc import Sized

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.names import Aor
from lyncpy.workloads.im.refusals import overloaded
from lyncpy.workloads.im.settings import Settings


class SessionLimits:
    """`[im] sessions_total` and `sessions_per_user`, which each table keeps to by itself; meters show the fuller one.

    Args:
        settings: How much they are.
    """

    def __init__(self, settings: Settings) -> None:
        self._most, self._each = settings.sessions_total, settings.sessions_per_user
        self._bounded: list[tuple[Sized, Counter[Aor]]] = []
        self._total = Limit(
            "im.sessions_total", self._most, lambda: max((len(one) for one, _ in self._bounded), default=0)
        )
        self._per_user = Limit("im.sessions_per_user", self._each, self._fullest)

    def bound(self, table: Sized, of: Counter[Aor]) -> None:
        """Have what is used of the bounds counted in a table as well, and in how many there each user has begun."""
        self._bounded.append((table, of))

    def check(self, count: int, mine: int) -> None:
        """Check that there is room for one more.

        Args:
            count: Those in the table.
            mine: Those which this user has begun.

        Raises:
            Refused: 503 (17000), there are too many.
        """
        if count >= self._most:
            self._total.hit()
        elif mine >= self._each:
            self._per_user.hit()
        else:
            return
        raise overloaded()

    def _fullest(self) -> int:
        return max((max(of.values(), default=0) for _, of in self._bounded), default=0)
