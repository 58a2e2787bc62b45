"""How much each endpoint publishes, and what that costs: for a limit, and for `presence top`. Pure.

An endpoint that publishes too fast is not refused: a client whose publication failed would
leave its user in a stale state. Its changes are told less often instead. Far above, the hall
refuses requests of any kind (`[limits] requests_per_s`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.names import Aor, Epid
from lyncpy.core.limits import Bucket

SLOT_S: Final = 10
SLOTS: Final = 6
"""A window is a minute, and forgets ten seconds at a time."""


class Window:
    """How often something happened in the last minute."""

    __slots__ = ("_counts", "_slot")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._counts = [0] * SLOTS
        self._slot = 0

    def add(self, number: int, now: float) -> None:
        """Count something; `now` never goes back."""
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
    """One endpoint in the last minute."""

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
    """A bucket and three counts for each endpoint that has published; bounded, the quietest is forgotten."""

    def __init__(self, *, per_minute: int, burst: int, endpoints: int) -> None:
        """Take what an endpoint may publish in the long run and at once, and how many are counted."""
        self._per_s = per_minute / 60
        self._burst = float(burst)
        self._bound = endpoints
        self._endpoints: dict[tuple[Aor, Epid], _Endpoint] = {}

    def __len__(self) -> int:
        return len(self._endpoints)

    def published(self, aor: Aor, epid: Epid, now: float) -> bool:
        """Count a publication that changed something; tell whether it is within the limit."""
        # Who is counted goes to the end, so that the first is who was silent for longest.
        known = self._endpoints.pop((aor, epid), None) or _Endpoint(self._burst, now)
        self._endpoints[aor, epid] = known
        if len(self._endpoints) > self._bound:
            del self._endpoints[next(iter(self._endpoints))]
        known.publications.add(1, now)
        if known.bucket.take_tokens(self._per_s, self._burst, now) == 0:
            return True
        known.limited.add(1, now)
        return False

    def caused(self, aor: Aor, epids: Iterable[Epid], notifications: int, now: float) -> None:
        """Count what watchers were told because of these endpoints; each gets the whole of it."""
        for epid in epids:
            if (known := self._endpoints.get((aor, epid))) is not None:
                known.notifications.add(notifications, now)

    def forget(self, aor: Aor, epid: Epid) -> None:
        """An endpoint is gone."""
        self._endpoints.pop((aor, epid), None)

    def busiest(self, now: float, count: int) -> Sequence[Row]:
        """Give the endpoints that did most in the last minute; those that did nothing are left out."""
        rows = [
            Row(aor, epid, one.publications.total(now), one.notifications.total(now), one.limited.total(now))
            for (aor, epid), one in self._endpoints.items()
        ]
        busy = [row for row in rows if row.publications or row.notifications]
        return sorted(busy, key=lambda row: (-row.publications - row.notifications, row.aor, row.epid))[:count]
