"""The publications and the notifications of each endpoint, for a limit and for `presence top`. Pure.

An endpoint that publishes too fast is not refused: a client whose publication failed would
leave its user in a stale state. Its changes are told less often instead. Far above, the transaction
layer refuses requests of any kind (`[limits] requests_per_s`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.names import Aor, Epid
from lyncpy.core.limits import Bucket

SLOT_S: Final = 10
SLOTS: Final = 6
"""A window is a minute, and forgets ten seconds at a time."""


class Window:
    """A count over the last minute."""

    __slots__ = ("_counts", "_slot")

    def __init__(self) -> None:
        self._counts = [0] * SLOTS
        self._slot = 0

    def add(self, number: int, now: float) -> None:
        """Add to the count; `now` (monotonic seconds) never goes back."""
        self._turn(now)
        self._counts[self._slot % SLOTS] += number

    def total(self, now: float) -> int:
        """Give the count of the last minute, the current ten seconds included."""
        self._turn(now)
        return sum(self._counts)

    def _turn(self, now: float) -> None:
        slot = int(now // SLOT_S)
        for passed in range(self._slot + 1, min(slot, self._slot + SLOTS) + 1):
            self._counts[passed % SLOTS] = 0
        self._slot = slot


@dataclass(frozen=True, slots=True)
class Row:
    """The counts of one endpoint over the last minute."""

    aor: Aor
    epid: Epid
    publications: int
    notifications: int
    limited: int
    """Publications that were told later, because there were too many."""


class _Endpoint:
    __slots__ = ("bucket", "limited", "notifications", "publications")

    def __init__(self, burst: float, now: float) -> None:
        self.bucket = Bucket(burst, now)
        self.publications = Window()
        self.notifications = Window()
        self.limited = Window()


class Traffic:
    """The token bucket and the counts of each endpoint that has published; of too many, the quietest is forgotten."""

    def __init__(self, *, per_minute: int, burst: int, endpoints: int) -> None:
        """Create the table with no endpoint in it.

        Args:
            per_minute: Publications of an endpoint in the long run.
            burst: Publications of an endpoint at once.
            endpoints: Endpoints that are counted.
        """
        self._per_s = per_minute / 60
        self._burst = float(burst)
        self._bound = endpoints
        self._endpoints: dict[tuple[Aor, Epid], _Endpoint] = {}
        self._limit = Limit("presence.publications_burst", burst)

    def __len__(self) -> int:
        return len(self._endpoints)

    def published(self, aor: Aor, epid: Epid, now: float) -> bool:
        """Count a publication that changed something; tell whether it is within the limit (`now` in monotonic seconds)."""
        # Who is counted goes to the end, so that the first is who was silent for longest.
        known = self._endpoints.pop((aor, epid), None) or _Endpoint(self._burst, now)
        self._endpoints[aor, epid] = known
        if len(self._endpoints) > self._bound:
            del self._endpoints[next(iter(self._endpoints))]
        known.publications.add(1, now)
        if known.bucket.take_tokens(self._per_s, self._burst, now) == 0:
            return True
        known.limited.add(1, now)
        self._limit.hit()
        return False

    def caused(self, aor: Aor, epids: Iterable[Epid], notifications: int, now: float) -> None:
        """Count the notifications that these endpoints caused; all of them are counted for each endpoint."""
        for epid in epids:
            if (known := self._endpoints.get((aor, epid))) is not None:
                known.notifications.add(notifications, now)

    def forget(self, aor: Aor, epid: Epid) -> None:
        """Forget an endpoint that is gone."""
        self._endpoints.pop((aor, epid), None)

    def busiest(self, now: float, count: int) -> Sequence[Row]:
        """Give the endpoints with the most publications and notifications in the last minute, without idle ones."""
        rows = [
            Row(aor, epid, one.publications.total(now), one.notifications.total(now), one.limited.total(now))
            for (aor, epid), one in self._endpoints.items()
        ]
        busy = [row for row in rows if row.publications or row.notifications]
        return sorted(busy, key=lambda row: (-row.publications - row.notifications, row.aor, row.epid))[:count]
