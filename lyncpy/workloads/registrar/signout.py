"""Signing an endpoint out from here ([MS-SIPREGE] 3.2: the deregistration NOTIFY)."""

import enum
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.facts import EndpointGone, EndpointGoneReason
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.refusal import Diagnostics
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.message import Headers, Request, new_call_id, new_tag
from lyncpy.workloads.registrar.model import RegistrationDialog
from lyncpy.workloads.registrar.registrations import Registrations

LINGER_S: Final = 3.0
"""A client that has been told leaves by itself; its connection is closed when it does not."""


@dataclass(frozen=True, slots=True)
class SignOutCause:
    """Why an endpoint is signed out: the reason in the fact, and the words to the client."""

    reason: EndpointGoneReason
    event: str
    diagnostics: Diagnostics


class SignOutCauses(enum.Enum):
    """The causes there are. Spec: [MS-SIPREGE] 2.2.1.13, which number goes with which event."""

    DISABLED = SignOutCause(
        EndpointGoneReason.DISABLED, "rejected", Diagnostics(4141, "User disabled for SIP", public=True)
    )
    QUOTA = SignOutCause(
        EndpointGoneReason.QUOTA, "unregistered", Diagnostics(4140, "Too many devices are signed in", public=True)
    )
    REPLACED = SignOutCause(
        EndpointGoneReason.REPLACED,
        "unregistered",
        Diagnostics(4140, "The same device has signed in over another connection", public=True),
    )
    OPERATOR = SignOutCause(
        EndpointGoneReason.BY_OPERATOR, "deactivated", Diagnostics(4142, "Signed out by the administrator", public=True)
    )


_CAUSES: Final = {cause.value.reason: cause for cause in SignOutCauses}


class SignOut:
    """Tells an endpoint that it is signed out, and removes it."""

    log = Logger()

    def __init__(self, registrations: Registrations, outbound: IOutbound, flows: IFlows, timers: ITimers) -> None:
        self._registrations = registrations
        self._bindings = registrations.own
        self._outbound = outbound
        self._flows = flows
        self._timers = timers

    def now(self, endpoint: Endpoint, cause: SignOutCauses) -> bool:
        """Sign one endpoint out; False when it is gone already. That of another node is told there, see `leave`."""
        thread = self._bindings.thread(endpoint.aor, endpoint.epid)
        is_here = bool(self._bindings.on(endpoint.flow))
        if not self._registrations.remove(endpoint, cause.value.reason):
            return False
        if is_here:
            self.notify(endpoint, thread, cause)
        return True

    def leave(self, fact: EndpointGone) -> None:
        """Have an endpoint leave that another node has signed out, or whose place another one has taken."""
        is_back = self._registrations.records.is_back(fact)
        binding = None if is_back else self._registrations.drop(fact.aor, fact.epid, fact.flow)
        if binding is not None:
            self.notify(binding.endpoint, binding.thread, _CAUSES.get(fact.reason, SignOutCauses.REPLACED))

    def notify(self, endpoint: Endpoint, thread: RegistrationDialog | None, cause: SignOutCauses) -> None:
        """Notify an endpoint that it is signed out, and close its connection if it does not leave by itself."""
        self.log.info(
            "{aor} on {epid} signed out: {reason}", aor=endpoint.aor, epid=endpoint.epid, reason=cause.value.reason
        )
        self._outbound.send_request(endpoint.flow, notice(endpoint, thread, cause.value), timeout=LINGER_S)
        self.dismiss(endpoint.flow, "signed out")

    def dismiss(self, flow: FlowName, reason: str) -> None:
        """Close a connection soon, unless another endpoint signs in over it until then.

        One that was refused a place, too: with many of them open, the oldest of its user's connections would be closed.
        """
        self._timers.later(LINGER_S, lambda: self._close_if_empty(flow, reason))

    def _close_if_empty(self, flow: FlowName, reason: str) -> None:
        if not self._bindings.on(flow):
            self._flows.close_flow(flow, reason)


def notice(endpoint: Endpoint, thread: RegistrationDialog | None, cause: SignOutCause) -> Request:
    """Write the NOTIFY that ends a registration, in the dialog that the REGISTER made.

    A client that asked for no such dialog is told in a new one. Client: the body must end right
    after the event's name. Spec: [MS-SIPREGE] 2.2.1.1, 3.2.5.
    """
    if thread is None:
        remote = f"<{endpoint.aor}>;epid={endpoint.epid.written}"
        thread = RegistrationDialog(new_call_id(), remote, f"<{endpoint.aor}>;tag={new_tag()}")
    headers = (
        ("From", thread.local),
        ("To", thread.remote),
        ("Call-ID", thread.call_id),
        ("CSeq", "1 NOTIFY"),
        ("Max-Forwards", "70"),
        ("Event", "registration-notify"),
        ("subscription-state", "terminated;expires=0"),
        cause.diagnostics.header(),
        ("Content-Type", "text/registration-event"),
    )
    return Request("NOTIFY", endpoint.contact, Headers(headers), f"deregistered;event={cause.event}".encode())
