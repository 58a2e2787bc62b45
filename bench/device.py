"""One client of lyncpy: signs in, asks, answers, signs what it sends and checks every signature it gets."""

import re
import ssl
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench import words
from bench.line import Line, open_line
from bench.people import DOMAIN, PASSWORD, user
from bench.server import Server
from bench.sip_client import TAG, SipClient, Unexpected
from bench.text import Dialog, Heard, signed_answer, signed_of
from lyncpy.sip.message import Headers, Request
from tests.kit.kerberos_client import KerberosKeys
from tests.kit.ntlm_client import NtlmClient
from tests.kit.tls_dsk_client import TlsDskClient

Keys: TypeAlias = NtlmClient | KerberosKeys | TlsDskClient
"""What somebody proves themselves with, and signs."""

_PROOF: Final = re.compile(
    r'\r\nAuthentication-Info: ([A-Za-z-]+) rspauth="([0-9A-F]+)", srand="([0-9A-F]{8})", snum="([0-9]+)", '
)
_CHALLENGE: Final = "WWW-Authenticate"
_CONTACT: Final = (
    "Contact: <sip:127.0.0.1:40000;transport=tls>;proxy=replace;"
    '+sip.instance="<urn:uuid:4b1682a8-f968-5701-83fc-{}>"\r\n'
)
_REGISTERING: Final = (
    "Event: registration\r\nSupported: gruu-10, adhoclist, msrtc-event-categories\r\nms-keep-alive: UAC;hop-hop=yes\r\n"
)
_SUPPORTED: Final = (
    "Supported: com.microsoft.autoextend\r\nSupported: ms-benotify\r\nSupported: ms-piggyback-first-notify\r\n"
    "Proxy-Require: ms-benotify\r\n"
)


class Device(SipClient):
    """A user's endpoint on a connection of its own."""

    def __init__(self, line: Line, number: int, keys: Keys | None) -> None:
        """Take the number of the user, and what they prove themselves with; None: their password, by NTLM."""
        name, epid = f"{user(number)}@{DOMAIN}", f"{number:012x}"
        uri = f"sip:{name}"
        super().__init__(line, uri, epid, f"Contact: <{uri};opaque=user:epid:{epid};gruu>\r\n")
        self.machine: Final = 0x30000000 | number
        self._keys = keys or NtlmClient(name, PASSWORD, wall=time.time)
        self._version = 0
        self._versions: words.Versions = {}
        self._is_in = False
        self._registration = Dialog(uri, uri, epid=epid, contact=_CONTACT.format(epid))
        self._registration.target = f"sip:{DOMAIN}"

    async def register(self) -> None:
        """Prove who it is and become an endpoint: three REGISTERs with NTLM."""
        challenge = await self._register("", 401)
        for step in range(1, self._keys.steps + 1):
            challenge = await self._register(self._proof(challenge), 200 if step == self._keys.steps else 401)
        self._is_in = True

    async def refresh(self) -> None:
        """Renew the registration, signed, as clients do every so often."""
        await self._register("", 200)

    async def settle(self, watched: Iterable[str]) -> None:
        """Do what follows a client's sign-in: its four subscriptions and its first publication."""
        bodies = ("vnd-microsoft-provisioning-v2", words.PROVISIONING), ("vnd-microsoft-roaming-contacts", "")
        for event, body in (*bodies, ("vnd-microsoft-roaming-self", words.ROAMING)):
            await self.subscribe(event, body)
        await self.subscribe("presence", words.watch(self.uri, watched))
        await self.publish(3500)

    async def subscribe(self, event: str, body: str, expires: int | None = None) -> Heard:
        """Subscribe to an event of one's own, and give the answer, which has its state; with 0 seconds it is asked for once."""
        kind = words.EVENTS[event]
        lines = f"Event: {event}\r\nAccept: {kind}, application/msrtc-event-categories+xml, multipart/related\r\n"
        if expires is not None:
            lines += f"Expires: {expires}\r\n"
        answer = await self.outside("SUBSCRIBE", self.uri, lines + _SUPPORTED, body.encode(), kind if body else "")
        if event == "vnd-microsoft-roaming-self":
            self._versions.update(words.versions(answer.body))
        return answer

    async def add(self, address: str) -> None:
        """Add a contact to the user's list."""
        body = words.contact(address, "Somebody Else")
        await self.outside("SERVICE", self.uri, "", body.encode(), words.SOAP_TYPE)

    async def publish(self, availability: int) -> None:
        """Publish the user's state, at first with the device."""
        first = self._version == 0
        body = words.publish(self.uri, self.machine, availability, self._versions, device=first)
        await self.outside("SERVICE", self.uri, "", body.encode(), words.PUBLISH_TYPE)
        self._version += 1

    @property
    def has_published(self) -> bool:
        """Whether the user's state was published."""
        return self._version > 0

    @property
    def versions(self) -> int:
        """How often it was published."""
        return self._version

    # How it is done.

    async def _register(self, authorization: str, want: int) -> str:
        """Send one REGISTER; give the challenge of the device's scheme that comes back, "" where none does."""
        answer = await self.send(self._registration, "REGISTER", _REGISTERING + authorization, want=want)
        challenges = [value for value in answer.get_all(_CHALLENGE) if value.startswith(f"{self._keys.scheme} ")]
        return challenges[0] if challenges else ""

    def _proof(self, challenge: str) -> str:
        """Give the Authorization of the next REGISTER."""
        dialog, number = self._registration, self._registration.number + 1
        # The handshake is the test kit's; it wants the lines that are signed, and no others.
        lines = [
            ("From", dialog.from_line),
            ("To", f"<{dialog.to_uri}>"),
            ("Call-ID", dialog.call_id),
            ("CSeq", f"{number} REGISTER"),
        ]
        request = self._keys.answer(Request("REGISTER", dialog.target, Headers(lines), b""), challenge)
        return f"Authorization: {request.headers.get('Authorization')}\r\n"

    def _sealed(self, signed: str) -> str:
        return f"Authorization: {self._keys.seal(signed)}\r\n" if self._keys.ready and self._is_in else ""

    def _sealed_answer(self, request: Heard) -> str:
        return self._sealed(signed_answer(request, 200, TAG))

    def _check(self, heard: Heard) -> None:
        # Whoever is refused before the server has taken their proof is not told so with a signature.
        if not self._keys.ready or (not self._is_in and heard.status >= 400):
            return
        found = _PROOF.search(heard.head)
        if found is None or not self._keys.holds(found[2], found[3], found[4], signed_of(heard)):
            raise Unexpected(f"a signature does not hold: {heard!r}")


async def connect(
    reactor: Any, server: Server, number: int, keys: Keys | None = None
) -> Device:  # Any: several interfaces
    """Open a connection for a user, its TLS handshake done."""
    line = open_line(reactor, server.port, trusting(server.ca), "127.0.0.1")
    device = Device(line, number, keys)
    await line.shake_hands()
    return device


@cache
def trusting(authority: Path) -> ssl.SSLContext:
    """Give a context that trusts this authority and no other."""
    return ssl.create_default_context(cafile=str(authority))
