"""Sending by name, and where arrivals go."""

from collections.abc import Sequence
from dataclasses import dataclass

from zope.interface import Interface

from lyncpy.contracts.names import FlowName
from lyncpy.contracts.tapping import Tap
from lyncpy.sip.message import Request, Response
from lyncpy.sip.prepared import Prepared


class FlowGone(Exception):
    """The connection does not exist any more."""


class CannotCarry(FlowGone):
    """The connection is another server's, and may well be there; but so large a message cannot be carried to it."""


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """One connection, for an operator."""

    name: FlowName
    peer: str
    security: str
    """TLS version and cipher; "" without TLS."""

    since: float
    """Monotonic seconds."""

    heard: float
    """Monotonic seconds of the last byte that came."""

    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    unwritten_bytes: int
    held: bool
    """Whether it is not read from, because it asks too fast or does not read."""


class IFlows(Interface):
    """The living client connections of the deployment, by name."""

    def send(flow: FlowName, message: Request | Response | Prepared) -> None:
        """Sign, encode and queue one message; all of a reactor turn leave in one write.

        To a connection of another node this is a promise to try: that it is gone is heard later, by `FlowClosed`, and
        is to be treated as `FlowGone` is.

        Raises:
            FlowGone: Nothing was queued.
        """

    def is_full(flow: FlowName) -> bool:
        """Tell whether enough bytes wait to leave, or are under way to its node, so that others should wait; False for unknown names.

        Who was told so hears of it by `FlowDrained` when there is room again.
        """

    def send_raw(flow: FlowName, data: bytes) -> None:
        """Queue bytes that are already signed and encoded. Raises FlowGone."""

    def close_flow(flow: FlowName, reason: str) -> None:
        """Close a connection after what is queued was written, or have its node do so; unknown names are ignored."""

    def vouch(flow: FlowName, known: bool) -> None:
        """Note that somebody has signed in on a connection, or (not `known`) may not any more; unknown names are ignored.

        Strangers may send less, and make room for others.
        """

    def peer(flow: FlowName) -> str:
        """Give the remote address (no port), or "" when the flow is gone, or another node's."""

    def tap_with(tap: Tap | None) -> None:
        """Tell somebody of each message of this process's connections from now on; None: nobody."""

    def names() -> tuple[FlowName, ...]:
        """Give the flows of this process."""

    def facts() -> tuple[FlowFacts, ...]:
        """Give what an operator may want to know of each flow of this process."""

    def silent(since: float) -> Sequence[FlowName]:
        """Give the flows from which nothing has come since then (monotonic seconds); not those that are held."""

    def is_silent(flow: FlowName, since: float) -> bool:
        """Tell whether nothing has come from a connection since then; False when it is held, or unknown."""

    def pause_reading(flow: FlowName) -> None:
        """Read nothing more from a connection, hand over nothing that was read; unknown names are ignored."""

    def resume_reading(flow: FlowName) -> None:
        """Go on reading, in a later turn; may be called though nothing is held."""


class IRemoteFlows(Interface):
    """The connections of other nodes, for whoever has those of this one: what is not found here is asked for there."""

    def send(flow: FlowName, message: Request | Response | Prepared) -> None:
        """Have a message carried to a flow's node, and signed and written there; see `IFlows.send`."""

    def is_full(flow: FlowName) -> bool:
        """Tell whether so much is under way to a flow that other messages should wait; see `IFlows.is_full`."""

    def close_flow(flow: FlowName, reason: str) -> None:
        """Have a flow's node close it."""


class ISink(Interface):
    """What the wire tells the request pipeline (`core`). Every call is made from the reactor and returns at once."""

    def opened(flow: FlowName, peer: str, secure: bool) -> None:
        """Note that a connection is ready: TCP accepted, TLS handshake done."""

    def arrived(flow: FlowName, message: Request | Response) -> None:
        """Handle a whole message."""

    def garbled(flow: FlowName, message: Request | None, status: int, reason: str) -> None:
        """Answer a malformed message with `status`, if it has enough headers for that; framing is intact."""

    def drained(flow: FlowName) -> None:
        """Note that a connection of which `IFlows.is_full` was true has room again."""

    def closed(flow: FlowName, reason: str) -> None:
        """Note that a connection is gone; its name is never used again."""
