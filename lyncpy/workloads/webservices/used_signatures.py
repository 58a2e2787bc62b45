"""Signatures that were taken: each is good once, as long as its time stamp is of now."""

from collections import Counter
from hashlib import sha256
from heapq import heappop, heappush
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.names import Aor
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.model.proof import SKEW_S, Possession
from lyncpy.workloads.webservices.model.refusal import ServiceRefused, untrusted

PER_USER: Final = 64
"""Of one user; a client makes a handful at its start."""

PER_USER_CROWDED: Final = 8
"""Of one user once half of all are used: whoever has many devices of many people cannot use up the rest."""

SPARE_S: Final = 60.0
"""For so much longer: the clock by which time stamps are judged may be set back a little."""

LONGEST_S: Final = 2 * SKEW_S + SPARE_S
"""The longest that one is remembered: a clock may be ahead, and its time stamps hold until they are as far behind.
Those of a clock that is right are remembered for half of that, about."""

_DIGEST_BYTES: Final = 16
_TOLD_EACH: Final = 1000
"""Refused, for one line of the log."""


class UsedSignatures:
    """Remembers signatures; nothing is forgotten before its time, so whoever has too many is refused.

    Args:
        most: How many are remembered at once.
    """

    log = Logger()

    def __init__(self, most: int) -> None:
        self._most = most
        self._ends: list[tuple[float, bytes, Aor]] = []
        self._taken: set[bytes] = set()
        self._of: Counter[Aor] = Counter()
        self._refused = 0

    def __len__(self) -> int:
        """Give the number of signatures that are remembered."""
        return len(self._ends)

    def take(self, proof: Possession, aor: Aor, now: float) -> None:
        """Take a signature of somebody, this once.

        Args:
            now: Monotonic seconds.

        Raises:
            ServiceRefused: It was taken before, or there is no room.
        """
        self._forget(now)
        digest = sha256(proof.signature).digest()[:_DIGEST_BYTES]
        if digest in self._taken:
            raise untrusted("the request was sent before")
        if len(self._ends) >= self._most:
            raise self._full(aor, now)
        if self._of[aor] >= (PER_USER if 2 * len(self._ends) < self._most else PER_USER_CROWDED):
            raise ServiceRefused(
                "s:Server",
                "you have asked for too many tickets with a certificate;"
                f" you may ask again in {LONGEST_S / 60:.0f} minutes at the latest",
            )
        heappush(self._ends, (now + proof.ends_in + SPARE_S, digest, aor))
        self._taken.add(digest)
        self._of[aor] += 1

    def _full(self, aor: Aor, now: float) -> ServiceRefused:
        self._refused += 1
        if self._refused % _TOLD_EACH == 1:
            self.log.warn(
                "a ticket for {aor} is refused: [webservices] signatures_total ({most}) others were asked for with"
                " certificates; {count} were refused so far",
                aor=shown(aor),
                most=self._most,
                count=self._refused,
            )
        wait_s = int(self._ends[0][0] - now) + 1
        return ServiceRefused("s:Server", f"too many tickets are asked for at once; try again in {wait_s} seconds")

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, digest, aor = heappop(self._ends)
            self._taken.discard(digest)
            self._of[aor] -= 1
            if not self._of[aor]:
                del self._of[aor]
