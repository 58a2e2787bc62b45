"""Certificates that clients were offered over SIP, and did not come to the site for.

A client that cannot reach the site ends there, with words of its own and without another scheme: over SIP it asks nothing
more. So this is all that an operator can know of it here.
"""

from collections import OrderedDict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.authenticator import CERTIFICATES
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Reason
from lyncpy.core.timestamps import moment
from lyncpy.core.tries import SignInAttempt

OFFERS_REMEMBERED: Final = 4096
"""Users who were offered one last; half a kilobyte each."""

PATIENCE_S: Final = 15.0
"""So long a client may take to make a key and to ask for a ticket before its user is told of."""

_REMEDY: Final = (
    "let that client reach [web] url and trust its certificate: `lyncpy doctor site` asks all addresses that clients are told;"
    " or let it use NTLM or Kerberos alone ([auth] tls_dsk = false does for everybody)"
)


@dataclass(frozen=True, slots=True)
class _Offer:
    wall: float
    """Seconds since the epoch."""

    at: float
    """Monotonic seconds."""

    address: str
    place: str


class CertificateOffers:
    """Remembers each user's last offer until they try to sign in: over SIP from the same place, or at the site."""

    def __init__(self, timers: ITimers) -> None:
        self._timers = timers
        self._open: OrderedDict[Aor, _Offer] = OrderedDict()

    def offer(self, attempt: SignInAttempt, schemes: Container[str]) -> None:
        """Note that somebody is offered some schemes, in lower case, who has shown nothing yet."""
        if not attempt.is_user or CERTIFICATES not in schemes:
            return
        self._open[attempt.aor] = _Offer(self._timers.wall(), self._timers.now(), attempt.address, attempt.place)
        self._open.move_to_end(attempt.aor)
        if len(self._open) > OFFERS_REMEMBERED:
            self._open.popitem(last=False)

    def tried(self, attempt: SignInAttempt) -> None:
        """Note that somebody shows something by which they sign in."""
        found = self._open.get(attempt.aor)
        # Browsers and web services name no device; there a client comes from another address where it goes through a proxy.
        if found is not None and (not attempt.epid or attempt.place == found.place):
            del self._open[attempt.aor]

    def reasons(self, aor: Aor) -> Iterator[Reason]:
        """Tell of an offer that came to nothing; for `why`."""
        found = self._open.get(aor)
        if found is not None and self._timers.now() >= found.at + PATIENCE_S:
            when = moment(found.wall)
            finding = f"{when} from {found.address}: a certificate was offered, and nobody came to the site for it"
            yield Reason("sign-in", finding, good=False, remedy=_REMEDY)
