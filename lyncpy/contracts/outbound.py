"""Sending a request and awaiting its answer, or not."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from zope.interface import Attribute, Interface

from lyncpy.contracts.names import FlowName
from lyncpy.sip.message import Request, Response
from lyncpy.sip.prepared import Prepared


class ICall(Interface):
    """One client transaction under way."""

    final: Awaitable[Response] = Attribute("""The final response; may be awaited once. Never fails: a flow that is
        gone becomes a 430, silence a 408, both marked by `local` on the call.""")
    local: bool = Attribute("True when the final response was made here and not by the peer.")

    def cancel(reason: str | None = None) -> None:
        """Send CANCEL for an INVITE whose final response has not come; may be called at any time."""

    def abandon() -> None:
        """Answer with the 430 of a flow that is gone, though it is not; an INVITE is cancelled.

        What the peer answers later is taken for late: `on_late` hears a 2xx to an INVITE.
        """


class ResponseObserver(Protocol):
    """A function that is called with the final response to a prepared request."""

    def __call__(self, response: Response, *, local: bool) -> None:
        """Process the final response; `local`: it was made here and not by the peer."""


class IOutbound(Interface):
    """Client transactions (RFC 3261 §17.1) over a flow known by its name."""

    def send_request(
        flow: FlowName,
        request: Request,
        *,
        timeout: float,
        on_provisional: Callable[[Response], None] | None = None,
        on_late: Callable[[Response], None] | None = None,
    ) -> ICall:
        """Send `request` with a new topmost Via and match its answers by that Via's branch.

        The response is given without our Via. For a failed INVITE the ACK is sent here; a
        2xx is acknowledged by whoever sent the INVITE. `on_late` hears 2xx responses to an
        INVITE that come after its final response (a fork's second answer).
        """

    def send_prepared(flow: FlowName, prepared: Prepared, hear: ResponseObserver, *, timeout: float) -> None:
        """Send a request that was written ahead, and is no INVITE, with a new topmost Via, for less than `send_request` costs.

        `hear` is called once, perhaps at once, with the final response as it came, and with whether
        it was made here: 430, 408 or 503, as by `send_request`. `timeout` is a setting: each value has a timer.
        """

    def ask_prepared(flow: FlowName, prepared: Prepared, *, timeout: float) -> ICall:
        """Do the same for somebody who awaits the final response, as it came."""

    def send_unanswered(flow: FlowName, request: Request | Prepared) -> None:
        """Send a request that has no answer (BENOTIFY, ACK) with a new topmost Via.

        Raises:
            FlowGone: Nothing was sent.
        """

    def is_full(flow: FlowName) -> bool:
        """Tell whether what can be said later should be: `FlowDrained` says when; see `IFlows.is_full`."""
