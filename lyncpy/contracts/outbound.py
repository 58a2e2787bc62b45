"""Sending a request and awaiting its answer, or not."""

from collections.abc import Awaitable, Callable

from zope.interface import Attribute, Interface

from lyncpy.contracts.names import FlowName
from lyncpy.sip.message import Request, Response


class ICall(Interface):
    """One client transaction under way."""

    final: Awaitable[Response] = Attribute("""The final response; may be awaited once. Never fails: a flow that is
        gone becomes a 430, silence a 408, both marked by `local` on the call.""")
    local: bool = Attribute("True when the final response was made here and not by the peer.")

    def cancel(reason: str | None = None) -> None:
        """Send CANCEL for an INVITE whose final response has not come; may be called at any time."""


class IOutbound(Interface):
    """Client transactions (RFC 3261 §17.1) over a flow known by its name."""

    def start(
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

    def tell(flow: FlowName, request: Request) -> None:
        """Send a request that has no answer (BENOTIFY, ACK) with a new topmost Via.

        Raises:
            FlowGone: Nothing was sent.
        """
