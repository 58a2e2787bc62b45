"""The attachment of a participant's device to a focus, whatever the protocol.

Today that is the dialog of an INVITE; a browser would be another `IAttachment`.
"""

from typing import Final

from twisted.logger import Logger
from zope.interface import Attribute, Interface, implementer

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.message import Request
from lyncpy.workloads.conferencing.bodies.c3p import C3P_TYPE

BYE_S: Final = 10.0
"""Seconds that a participant's device may take to answer a BYE or an INFO."""


class IAttachment(Interface):
    """The attachment of one device to a focus."""

    user: Aor = Attribute("The user of the device.")
    epid: Epid = Attribute("Which of their devices.")
    flow: FlowName = Attribute("The connection by which it is reached.")

    def detach(reason: str) -> None:
        """Tell the device that it is no longer in the conference; may be called when it has gone already."""


@implementer(IAttachment)
class SipAttachment:
    """The dialog that a device's INVITE made, on the focus's side.

    Client: it never refreshes this dialog, so no session timer ends it; the end of the
    endpoint does.
    """

    __slots__ = ("_dialog", "_outbound", "epid", "flow", "tag", "user")

    log = Logger()

    def __init__(self, arrival: Arrival, local_tag: str, outbound: IOutbound, seq: int) -> None:
        """Make the dialog.

        Args:
            arrival: The INVITE.
            local_tag: The To tag of its 200.
            seq: The CSeq number that was used last: 0, but where another node had the dialog.
        """
        self.user = arrival.sender.aor
        self.epid = arrival.sender.epid
        self.flow: FlowName = arrival.flow
        self.tag = local_tag
        self._dialog = Dialog.from_request(arrival.request, local_tag)
        self._dialog.local_seq = seq
        self._outbound = outbound

    @property
    def name(self) -> tuple[str, str]:
        """The dialog's Call-ID and our tag."""
        return self._dialog.call_id, self.tag

    def receive(self, request: Request) -> None:
        """Check a request that came in the dialog, and note its CSeq.

        Raises:
            RemoteProtocolError: 481, 500; see `Dialog.receive`.
        """
        self._dialog.receive(request)

    def inform(self, body: bytes) -> None:
        """Send the final response to a command that was "pending", by INFO; nobody waits for the answer to that."""
        try:
            info = self._dialog.next_request("INFO", [("Content-Type", C3P_TYPE)], body)
        except LocalProtocolError:
            return
        self._outbound.send_request(self.flow, info, timeout=BYE_S)

    def detach(self, reason: str) -> None:
        """Send BYE; nobody waits for its answer."""
        try:
            bye = self._dialog.next_request("BYE", [("Reason", f'SIP;cause=200;text="{reason}"')])
        except LocalProtocolError:
            return
        self._outbound.send_request(self.flow, bye, timeout=BYE_S)
