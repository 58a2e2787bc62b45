"""Signing an endpoint out from here ([MS-SIPREGE] 3.2: the deregistration NOTIFY)."""

import enum
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.refusal import Diagnostics
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.message import Headers, Request, new_call_id, new_tag
from lyncpy.workloads.registrar.bindings import Bindings

LINGER_S: Final = 3.0
"""A client that has been told leaves by itself; its connection is closed when it does not."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an endpoint is signed out: what the table tells, and what the client is told."""

    reason: str
    event: str
    diagnostics: Diagnostics


class Causes(enum.Enum):
    """The causes there are."""

    DISABLED = Cause("disabled", "rejected", Diagnostics(4141, "User disabled for SIP", public=True))
    QUOTA = Cause("quota", "unregistered", Diagnostics(4142, "Too many devices are signed in", public=True))
    OPERATOR = Cause(
        "signed out by operator", "deactivated", Diagnostics(4140, "Signed out by the administrator", public=True)
    )


class SignOut:
    """Tells an endpoint that it is signed out, and forgets it."""

    log = Logger()

    def __init__(self, bindings: Bindings, outbound: IOutbound, flows: IFlows, timers: ITimers) -> None:
        """Take what is needed to find, tell and close."""
        self._bindings = bindings
        self._outbound = outbound
        self._flows = flows
        self._timers = timers

    def now(self, endpoint: Endpoint, cause: Causes) -> bool:
        """Sign one endpoint out; False when it is gone already."""
        if not self._bindings.drop(endpoint, cause.value.reason):
            return False
        self.log.info(
            "{aor} on {epid} signed out: {reason}", aor=endpoint.aor, epid=endpoint.epid, reason=cause.value.reason
        )
        self._outbound.start(endpoint.flow, notice(endpoint, cause.value), timeout=LINGER_S)
        self._timers.later(LINGER_S, lambda: self._close_if_empty(endpoint))
        return True

    def _close_if_empty(self, endpoint: Endpoint) -> None:
        """Close the connection unless somebody has signed in over it again."""
        if not self._bindings.on(endpoint.flow):
            self._flows.close(endpoint.flow, "signed out")


def notice(endpoint: Endpoint, cause: Cause) -> Request:
    """Write the NOTIFY that ends a registration.

    It opens a dialog of its own: no SUBSCRIBE exists for this event. Client: the body must
    end right after the event's name.
    """
    headers = (
        ("From", f"<{endpoint.aor}>;tag={new_tag()}"),
        ("To", f"<{endpoint.aor}>;epid={endpoint.epid}"),
        ("Call-ID", new_call_id()),
        ("CSeq", "1 NOTIFY"),
        ("Max-Forwards", "70"),
        ("Event", "registration-notify"),
        ("subscription-state", "terminated;expires=0"),
        cause.diagnostics.header(),
        ("Content-Type", "text/registration-event"),
    )
    return Request("NOTIFY", endpoint.contact, Headers(headers), f"deregistered;event={cause.event}".encode())
