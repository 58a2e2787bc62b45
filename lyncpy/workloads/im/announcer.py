"""Announcements: the server itself says something to devices that are signed in, as any user would.

A device is invited to a session with the text in the invitation, which newer clients show in their toast before anybody has
accepted. Those that have not taken it from there get it as the first message; then the session is over. So no client needs to
know of announcements.

Spec: [MS-SIP] ms-text-format; protocol notes, "instant messaging" §2, §4.
"""

import base64
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, named_by
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.timers import ITimers
from lyncpy.core.spawn import spawn
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import quote
from lyncpy.sip.message import Headers, Request, Response, new_call_id, new_tag
from lyncpy.sip.uri import Uri, parse_uri
from lyncpy.workloads.im.bodies import takes_first_text
from lyncpy.workloads.im.settings import Settings

ANSWER_S: Final = 25.0
"""Seconds that a device may take to accept: of several the one in use does so after ten at the latest, by itself."""

MESSAGE_S: Final = 10.0
BATCH_S: Final = 0.1
UNDER_WAY_MOST: Final = 2_000
"""Devices whose answer is waited for; a further one waits until one of them has answered."""

TEXT: Final = "text/plain; charset=UTF-8"


class Hearing(enum.Enum):
    """What became of an announcement to one device."""

    GOT = "got"
    """It has the text."""

    RANG = "rang"
    """It showed the invitation, and nobody took it."""

    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of it, and the status that the device gave at last."""

    endpoint: Endpoint
    hearing: Hearing
    status: int


class Announcer:
    """Tells devices of this node, so many in each second.

    Args:
        outbound: Sends.
        timers: The clock.
        settings: In whose name, and how fast.
    """

    log = Logger()

    def __init__(self, outbound: IOutbound, timers: ITimers, settings: Settings) -> None:
        self._outbound = outbound
        self._timers = timers
        self._settings = settings
        self._under_way = 0
        self._room: Deferred[None] | None = None

    def __len__(self) -> int:
        """Count the devices whose answer is waited for."""
        return self._under_way

    def sender(self, to: Aor) -> Aor:
        """Give the address in whose name somebody is told: one in their own domain."""
        return named_by(Uri("sip", self._settings.announcer, parse_uri(to).host))

    async def tell(self, endpoints: Sequence[Endpoint], text: str, said: Callable[[str], None]) -> Sequence[Heard]:
        """Tell devices a text, and give what became of it at each; cancelled, it tells no more of them.

        Args:
            said: Is told how far it is.
        """
        heard: list[Heard] = []
        batch = max(1, round(self._settings.announced_per_s * BATCH_S))
        for first in range(0, len(endpoints), batch):
            if first:
                await self._pause(BATCH_S)
            for endpoint in endpoints[first : first + batch]:
                await self._begin(endpoint, text, heard)
            said(f"{len(heard)} of {len(endpoints)} devices have answered")
        while len(heard) < len(endpoints):
            await self._for_room()
            said(f"{len(heard)} of {len(endpoints)} devices have answered")
        return heard

    async def _begin(self, endpoint: Endpoint, text: str, heard: list[Heard]) -> None:
        while self._under_way >= UNDER_WAY_MOST:
            await self._for_room()
        self._under_way += 1
        spawn(self._tell_one(endpoint, text, heard), self.log, "telling a device an announcement")

    async def _for_room(self) -> None:
        """Wait until a device has answered."""
        if self._room is None:
            self._room = Deferred()
        waiting: Deferred[None] = Deferred()
        # Whoever is cancelled must not end the wait of others.
        _ = self._room.addBoth(lambda _: None if waiting.called else waiting.callback(None))
        await waiting

    async def _pause(self, seconds: float) -> None:
        waiting: Deferred[None] = Deferred()
        timer = self._timers.later(seconds, lambda: waiting.callback(None))
        try:
            await waiting
        finally:
            timer.cancel()

    async def _tell_one(self, endpoint: Endpoint, text: str, heard: list[Heard]) -> None:
        hearing, status = Hearing.FAILED, 0
        try:
            hearing, status = await self._said_to(endpoint, text)
        finally:
            self._under_way -= 1
            heard.append(Heard(endpoint, hearing, status))
            room, self._room = self._room, None
            if room is not None:
                room.callback(None)

    async def _said_to(self, endpoint: Endpoint, text: str) -> tuple[Hearing, int]:
        rang: list[int] = []
        invite = self._invitation(endpoint, text)
        call = self._outbound.send_request(
            endpoint.flow,
            invite,
            timeout=ANSWER_S,
            on_provisional=lambda response: rang.append(response.status) if response.status > 100 else None,
            on_late=lambda response: self._end(invite, response, endpoint),
        )
        response = await call.final
        if not 200 <= response.status < 300:
            return (Hearing.RANG if rang else Hearing.FAILED), response.status
        dialog = self._acknowledged(invite, response, endpoint)
        if dialog is None:
            return Hearing.FAILED, response.status
        status = response.status
        if not takes_first_text(response.headers.get_all("Supported")):
            said = dialog.next_request("MESSAGE", body=text.encode(), content_type=TEXT).edited(uri=endpoint.contact)
            status = (await self._outbound.send_request(endpoint.flow, said, timeout=MESSAGE_S).final).status
        self._hang_up(dialog, endpoint)
        return (Hearing.GOT if 200 <= status < 300 else Hearing.FAILED), status

    def _acknowledged(self, invite: Request, response: Response, endpoint: Endpoint) -> Dialog | None:
        try:
            dialog = Dialog.from_response(invite, response.edited(drop=["Record-Route"]))
            self._outbound.send_unanswered(endpoint.flow, dialog.ack(invite).edited(uri=endpoint.contact))
        except (FlowGone, RemoteProtocolError) as error:
            self.log.debug("{flow} accepted in vain: {reason}", flow=endpoint.flow, reason=str(error))
            return None
        return dialog

    def _end(self, invite: Request, response: Response, endpoint: Endpoint) -> None:
        """End a session that a device accepts after it was given up."""
        dialog = self._acknowledged(invite, response, endpoint)
        if dialog is not None:
            self._hang_up(dialog, endpoint)

    def _hang_up(self, dialog: Dialog, endpoint: Endpoint) -> None:
        bye = dialog.next_request("BYE").edited(uri=endpoint.contact)
        self._outbound.send_request(endpoint.flow, bye, timeout=MESSAGE_S)

    def _invitation(self, endpoint: Endpoint, text: str) -> Request:
        """Write the INVITE, as a client would."""
        own = self.sender(endpoint.aor)
        name = f"{quote(self._settings.announcer_name)} <{own}>"
        embedded = base64.b64encode(text.encode()).decode()
        description = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=message 5060 sip {own}\r\na=accept-types:text/plain\r\n"
        ).encode()
        headers = (
            ("From", f"{name};tag={new_tag()}"),
            ("To", f"<{endpoint.aor}>;epid={endpoint.epid.written}"),
            ("Call-ID", new_call_id()),
            ("CSeq", "1 INVITE"),
            ("Max-Forwards", "70"),
            ("Contact", f"<{own}>"),
            ("P-Asserted-Identity", name),
            ("Supported", "ms-sender"),
            ("Supported", "ms-embedded-first-message"),
            ("ms-text-format", f"{TEXT};ms-body={embedded}"),
            ("Content-Type", "application/sdp"),
        )
        return Request("INVITE", endpoint.contact, Headers(headers), description)
