"""One call at a gateway, and how either of its sides is reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.outbound import ICall, IOutbound
from lyncpy.contracts.peers import PeerPlace
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.refusal import EXPECTED_FAILURE, Diagnostics
from lyncpy.core.peers import PeerTransactions
from lyncpy.core.spawn import spawn
from lyncpy.sip.dialog import Dialog, DialogState
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.workloads.voice.gateways import Gateway, Gateways
from lyncpy.workloads.voice.model.gateway_messages import ALLOWED, passed

APPLICATION: Final = "app:gateway:call:"
"""What the Contact of a call at a gateway names, before the key of the call."""

ANSWER_S: Final = 32.0
"""Seconds that either side may take to answer what it is asked in a call."""

NOT_ANSWERED: Final = Diagnostics(EXPECTED_FAILURE + 480, "The gateway did not take the call")


@dataclass(eq=False, slots=True)
class GatewayCall:
    """One call of a client to a gateway."""

    key: str
    aor: Aor
    """Of the user: who calls, or of a call from outside who is called, and then who has taken it."""

    epid: Epid
    near: Dialog
    """With the client."""

    record: SessionRecord
    contact: str
    """Ours, as the client knows it."""

    is_inward: bool = False
    tag: str = ""
    """Ours towards the gateway, of a call from outside."""

    there: PeerPlace | None = None
    """Where it has come from, of a call from outside."""

    gateway: Gateway | None = None
    far: Dialog | None = None
    """With the gateway, once it has said something."""

    name: tuple[str, str] = ("", "")
    """Call-ID and our tag, as the gateway knows them."""

    invite: Request | None = None
    """The last INVITE to the gateway."""

    near_invite: Request | None = None
    """The last INVITE to the client."""

    ack: Request | None = None
    asking: ICall | None = None
    """The INVITE to the gateway that waits for its answer."""

    is_cancelled: bool = False
    is_answered: bool = False
    is_changing: bool = False
    has_rung: bool = False
    tags: set[str] = field(default_factory=set)
    """Of dialogs that the gateway began beside the one in use, and that were ended."""

    @property
    def place(self) -> PeerPlace | None:
        """Where the gateway is."""
        return self.there or (None if self.gateway is None else self.gateway.place)


class CallSides:
    """Says to the client or the gateway of a call what is to be said.

    Args:
        outbound: Sends to devices.
        locator: Finds them: a client may have another connection by now.
        peers: Sends to gateways.
        gateways: Know how they reach us.
    """

    log = Logger()

    def __init__(self, outbound: IOutbound, locator: ILocator, peers: PeerTransactions, gateways: Gateways) -> None:
        self.outbound: Final = outbound
        self.peers: Final = peers
        self.gateways: Final = gateways
        self._locator = locator

    async def device(self, call: GatewayCall) -> Endpoint | None:
        """Find the client's device; None: it is not signed in."""
        return next((one for one in await self._locator.endpoints(call.aor) if one.epid == call.epid), None)

    def answer(self, call: GatewayCall, request: Request, response: Response) -> Response:
        """Write for the client what the gateway has answered."""
        fields = passed(response)
        if response.status < 300:
            fields = [("Contact", f"<{call.contact}>"), ("Allow", ALLOWED), *fields]
        tag = None if request.to.tag else call.near.local_tag
        return response_to(
            request, response.status, phrase=response.phrase, headers=fields, body=response.body, to_tag=tag
        )

    def answer_gateway(self, call: GatewayCall, request: Request, response: Response) -> Response:
        """Write for the gateway what the client has answered."""
        fields = passed(response if response.status < 300 else response.edited(drop=("Content-Type",)))
        body = response.body if response.status < 300 else b""
        if response.status < 300:
            fields = [*self.contact(call), ("Allow", ALLOWED), *fields]
        tag = None if request.to.tag else call.tag
        return response_to(request, response.status, phrase=response.phrase, headers=fields, body=body, to_tag=tag)

    def contact(self, call: GatewayCall) -> list[tuple[str, str]]:
        """Give our Contact for the gateway."""
        return [] if call.gateway is None else [("Contact", f"<{self.gateways.contact(call.gateway)}>")]

    def send_ack(self, call: GatewayCall, fields: Sequence[tuple[str, str]] = (), body: bytes = b"") -> None:
        """Acknowledge the gateway's acceptance of the last INVITE, now and whenever it comes again."""
        if call.far is None or call.invite is None or call.place is None:
            return
        call.ack = call.far.ack(call.invite).edited(last=fields, body=body)
        self.peers.send_ack(call.place, call.ack)

    def hang_up_gateway(self, call: GatewayCall, fields: Sequence[tuple[str, str]] = ()) -> None:
        """Say BYE to the gateway."""
        if call.far is not None and call.place is not None and call.far.state is not DialogState.TERMINATED:
            _ = self.peers.ask(call.place, call.far.next_request("BYE", fields), answer_s=ANSWER_S)

    def hang_up_client(self, call: GatewayCall, fields: Sequence[tuple[str, str]] = ()) -> None:
        """Say BYE to the client."""
        if call.near.state is not DialogState.TERMINATED:
            spawn(self._bye(call, call.near.next_request("BYE", fields)), self.log, "ending a call of a gateway")

    async def _bye(self, call: GatewayCall, bye: Request) -> None:
        device = await self.device(call)
        if device is not None:
            _ = self.outbound.send_request(device.flow, bye, timeout=ANSWER_S)

    async def pass_ack(self, call: GatewayCall, invite: Request, ack: Request) -> None:
        """Acknowledge a change to the client as the gateway has."""
        device = await self.device(call)
        if device is None:
            return
        try:
            onward = call.near.ack(invite).edited(last=passed(ack), body=ack.body)
            self.outbound.send_unanswered(device.flow, onward)
        except FlowGone:
            return
