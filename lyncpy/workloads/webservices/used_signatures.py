"""Signatures that were taken: each is good once, as long as its time stamp could still be of now."""

from collections import Counter, OrderedDict
from hashlib import sha256
from typing import Final

from lyncpy.contracts.names import Aor
from lyncpy.workloads.webservices.model.proof import SKEW_S
from lyncpy.workloads.webservices.model.refusal import ServiceRefused, untrusted

KEPT_S: Final = 2 * SKEW_S
"""Within this a signature's time stamp is of now, whichever way a client's clock is wrong."""

TOTAL: Final = 20_000
PER_USER: Final = 64
"""Requests of one user within that time; a client makes a handful at its start."""


class UsedSignatures:
    """Remembers signatures; nothing is forgotten before its time, so whoever has too many is refused."""

    def __init__(self) -> None:
        self._until: OrderedDict[bytes, tuple[float, Aor]] = OrderedDict()
        self._of: Counter[Aor] = Counter()

    def __len__(self) -> int:
        """Give the number of signatures that are remembered."""
        return len(self._until)

    def take(self, signature: bytes, aor: Aor, now: float) -> None:
        """Take a signature of somebody, this once.

        Args:
            now: Monotonic seconds.

        Raises:
            ServiceRefused: It was taken before, or there is no room.
        """
        self._forget(now)
        digest = sha256(signature).digest()
        if digest in self._until:
            raise untrusted("the request was sent before")
        if self._of[aor] >= PER_USER or len(self._until) >= TOTAL:
            raise ServiceRefused("s:Server", "too many requests with a certificate, try again later")
        self._until[digest] = (now + KEPT_S, aor)
        self._of[aor] += 1

    def _forget(self, now: float) -> None:
        while self._until:
            digest, (until, aor) = next(iter(self._until.items()))
            if until > now:
                return
            del self._until[digest]
            self._of[aor] -= 1
            if not self._of[aor]:
                del self._of[aor]
