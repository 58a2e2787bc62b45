"""Sending a device on to another server by 301: to where its user's other devices are, or away from one that is full or leaves.

It spares work, and nothing depends on it: whoever comes back in spite of it is taken as they are. There are clients that follow as
often as they are told (pidgin-sipe), so no server tells a device twice in a while, and two that name each other end it by that.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, NodeName, node_of
from lyncpy.contracts.nodes import INodePlaces
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.timers import ITimers

AGAIN_S: Final = 60.0
"""How long a device that was sent on is not sent on again."""

REMEMBERED: Final = 20_000
REMEMBERED_PER_USER: Final = 16
"""Devices that were sent on within that time; whoever else comes is not sent on."""

KEPT_S: Final = "600"
"""How long a client may keep to where it was sent: servers come and go."""

BUSY_RETRY_S: Final = "15"
"""When to come again to a server that is leaving and knows of no other."""

MOVED: Final = Diagnostics(4142, "The user's other devices are at another server", public=True)
LEAVING: Final = Diagnostics(17000, "This server is about to stop", public=True)


class SendingOn:
    """Decides who is sent on, and remembers who was.

    Args:
        places: Where other servers are.
        node: This one.
        timers: The clock.
        brings_together: Whether a user's devices are brought together at one server.
    """

    def __init__(self, places: INodePlaces, node: NodeName, timers: ITimers, *, brings_together: bool) -> None:
        self._places = places
        self._node = node
        self._brings_together = brings_together
        self._timers = timers
        self._sent: OrderedDict[tuple[Aor, Epid], float] = OrderedDict()
        self._shares = Shares(
            REMEMBERED,
            {"user": REMEMBERED_PER_USER},
            {TOTAL: "registrar.sent_on", "user": "registrar.sent_on_per_user"},
        )

    def __len__(self) -> int:
        """Give the number of devices that are remembered."""
        return len(self._sent)

    @property
    def is_leaving(self) -> bool:
        """Whether this server takes nobody any more."""
        return bool(self._places.is_leaving)

    def bring_together(self, aor: Aor, epid: Epid, everywhere: Sequence[Endpoint]) -> None:
        """Send a device that signs in on to where all other devices of its user are, if they are elsewhere.

        Args:
            everywhere: The user's devices.

        Raises:
            Refused: With 301.
        """
        nodes = Counter(node_of(one.flow) for one in everywhere if one.epid != epid)
        if not self._brings_together or not nodes or self._node in nodes:
            return
        node, _ = nodes.most_common(1)[0]
        self._send_on(aor, epid, self._places.open_address(node), MOVED)

    def send_away(self, aor: Aor, epid: Epid, why: Diagnostics) -> None:
        """Send a device on to any other server that takes it.

        Raises:
            Refused: With 301; nothing is raised where there is none, or the device was sent on before.
        """
        self._send_on(aor, epid, self._places.refuge(), why)

    def _send_on(self, aor: Aor, epid: Epid, address: str, why: Diagnostics) -> None:
        if not address or not self._note(aor, epid):
            return
        raise Refused(301, why, headers=[("Contact", f"<sip:{address};transport=tls>"), ("Expires", KEPT_S)])

    def _note(self, aor: Aor, epid: Epid) -> bool:
        """Note that a device is sent on; False: it was lately, or too many were."""
        now = self._timers.now()
        while self._sent:
            oldest, until = next(iter(self._sent.items()))
            if until > now:
                break
            del self._sent[oldest]
            self._shares.release({"user": oldest[0]})
        if (aor, epid) in self._sent or self._shares.reserve({"user": aor}):
            return False
        self._sent[aor, epid] = now + AGAIN_S
        return True
