"""One client of SIP: signs in, signs what it sends, checks what it hears, and answers what it is asked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Final
from uuid import uuid4

from lyncpy.app.probes import advice
from lyncpy.app.probes.keys import M, ProbeKeys
from lyncpy.app.probes.network import Channel, ProbeNetwork
from lyncpy.app.probes.outcome import ProbeFailed
from lyncpy.auth.ntlm_client import BadChallenge
from lyncpy.sip.decoder import Decoder, DecoderLimits, Garbled, Ping
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.headers import parse_contact_list
from lyncpy.sip.message import Headers, Request, Response, new_branch, new_call_id, new_tag, response_to
from lyncpy.sip.uri import parse_uri

AGENT: Final = "lyncpy-probe/1 UCCAPI/15.0.4420.1017"

SENT_ON_MOST: Final = 3
"""How often a device goes where the server of a pool sends it."""

_HEARD_MOST: Final = 1000
"""Requests of the server that are kept."""

_SILENT: Final = frozenset({"ACK", "BENOTIFY"})
_LIMITS: Final = DecoderLimits(body_bytes=4_194_304)

SESSION: Final = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 5060 sip null\r\na=accept-types:text/plain\r\n"


class ProbeSession:
    """What the devices of one probe share: the network, the time that is left, and the steps so far.

    Args:
        network: Connects them.
        clock: Monotonic seconds.
        timeout_s: That an answer may take.
        name: Of the probe.
    """

    def __init__(self, network: ProbeNetwork, clock: Callable[[], float], timeout_s: float, name: str) -> None:
        self.name: Final = name
        self.network: Final = network
        self.timeout_s: Final = timeout_s
        self.steps: list[tuple[str, float]] = []
        self.devices: list[ProbeDevice] = []
        self._clock = clock

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a part; parts of the same name count together, and the last one is where it failed."""
        begun = self._clock()
        try:
            yield
        finally:
            took = self._clock() - begun
            before = next((seconds for known, seconds in self.steps if known == name), 0.0)
            self.steps = [one for one in self.steps if one[0] != name]
            self.steps.append((name, before + took))

    def ends(self) -> float:
        """Give when the time of an answer that is waited for from now on is over."""
        return self._clock() + self.timeout_s

    def read(self, channel: Channel, what: str, ends: float) -> bytes:
        """Give what comes on one connection, none where it has ended; raises ProbeFailed when the time is over."""
        while True:
            for _, data in self._came([channel], what, ends):
                return data

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Read what comes until something has happened; raises ProbeFailed where it does not."""
        ends = self.ends()
        while not condition():
            for channel, data in self._came([one.channel for one in self.devices], what, ends):
                for device in self.devices:
                    if device.channel is channel:
                        device.received(data)

    def _came(self, channels: Sequence[Channel], what: str, ends: float) -> Sequence[tuple[Channel, bytes]]:
        left = ends - self._clock()
        if left <= 0:
            raise advice.silent(what, self.timeout_s)
        return self.network.wait(channels, left)

    def close(self) -> None:
        """End all connections."""
        for device in self.devices:
            device.channel.close()


class ProbeDevice:
    """A device of a user.

    Attributes:
        aor: Their address.
        heard: Requests of the server, as they came.
        channel: Its connection.
    """

    def __init__(self, session: ProbeSession, place: tuple[str, int], address: str) -> None:
        """Connect.

        Args:
            session: That of the probe.
            place: Host and port of the server.
            address: The user's, without `sip:`.
        """
        self.aor: Final = f"sip:{address}"
        self.heard: list[Request] = []
        self._session = session
        self._keys: ProbeKeys | None = None
        self._challenged: Response | None = None
        self._epid: Final = token_hex(6)
        self._instance: Final = uuid4()
        self._answers: dict[tuple[str, int, str], Response] = {}
        self._number = 0
        self._call_id = new_call_id()
        self._gruu = ""
        self._is_in = False
        self._decoder = Decoder(_LIMITS)
        self.channel = session.network.connect(*place, session.step)
        session.devices.append(self)

    @property
    def scheme(self) -> str:
        """How it has signed in."""
        return "" if self._keys is None else self._keys.scheme

    # --- signing in and out

    def offered(self) -> Mapping[str, str]:
        """Ask to sign in; give what the server wants as proof: schemes, in its order, with their challenges. Raises ProbeFailed."""
        response = self._followed(lambda: self.ask(self._registering(None)))
        if response.status != 401:
            raise advice.refused("REGISTER", response)
        self._challenged = response
        return _by_scheme(response.headers.get_all("WWW-Authenticate"))

    def sign_in(self, keys: ProbeKeys) -> None:
        """Sign in, at the server of a pool to which one is sent.

        Args:
            keys: What the user proves themselves with.

        Raises:
            ProbeFailed: The server says no, or nothing.
        """
        self._keys = keys
        response = self._followed(lambda: self._register(keys))
        if response.status != 200:
            raise advice.refused("REGISTER", response)
        self._is_in = True
        for contact in parse_contact_list(response.headers.get("Contact") or ""):
            self._gruu = (contact.get("gruu") or "").strip('"') or self._gruu

    def sign_out(self) -> None:
        """Sign out."""
        self._expect("REGISTER", self.ask(self._registering(0)))

    def _followed(self, ask: Callable[[], Response]) -> Response:
        """Ask, and ask again at the server of a pool to which one is sent. Raises ProbeFailed."""
        for _ in range(SENT_ON_MOST):
            response = ask()
            place = _elsewhere(response)
            if place is None:
                return response
            self.channel.close()
            if self._keys is not None:
                self._keys.restart()
            self._decoder, self._challenged = Decoder(_LIMITS), None
            self.channel = self._session.network.connect(*place, self._session.step)
        raise ProbeFailed("the servers of the pool send the device to one another", "on one of them: lyncpy ctl nodes")

    def _register(self, keys: ProbeKeys) -> Response:
        """Register with a handshake; give the answer that ends it."""
        response, self._challenged = self._challenged or self.ask(self._registering(None)), None
        for _ in range(keys.steps):
            if response.status != 401:
                return response
            challenges = _by_scheme(response.headers.get_all("WWW-Authenticate"))
            challenge = challenges.get(keys.scheme)
            if challenge is None:
                raise advice.not_offered(keys.scheme, tuple(challenges))
            if not keys.goes_on(challenge):
                return response
            try:
                request = keys.answer(self._registering(None), challenge)
            except BadChallenge as error:
                raise ProbeFailed(
                    f"the server's challenge cannot be answered: {error}", "is it a lyncpy server?"
                ) from None
            response = self.ask(request, is_whole=True)
        return response

    def _registering(self, expires: int | None) -> Request:
        self._number += 1
        address, port = self.channel.here
        host = f"[{address}]" if ":" in address else address
        contact = (
            f'<sip:{host}:{port};transport=tls;ms-opaque={self._epid}>;methods="INVITE, MESSAGE, INFO, OPTIONS, BYE, '
            f'CANCEL, NOTIFY, ACK, BENOTIFY";proxy=replace;+sip.instance="<urn:uuid:{self._instance}>"'
        )
        fields = [
            ("Contact", contact),
            ("Supported", "gruu-10, adhoclist, msrtc-event-categories"),
            ("Event", "registration"),
            ("ms-keep-alive", "UAC;hop-hop=yes"),
            *([] if expires is None else [("Expires", str(expires))]),
        ]
        domain = self.aor.rpartition("@")[2]
        request = self.request("REGISTER", f"sip:{domain}", fields)
        return request.edited(
            put=[("Call-ID", self._call_id), ("CSeq", f"{self._number} REGISTER"), ("To", f"<{self.aor}>")]
        )

    # --- asking

    def request(
        self, method: str, uri: str, fields: Sequence[tuple[str, str]] = (), body: bytes = b"", content_type: str = ""
    ) -> Request:
        """Write a request outside of any dialog."""
        lines = [
            ("From", f"<{self.aor}>;tag={new_tag()};epid={self._epid}"),
            ("To", f"<{uri}>"),
            ("Max-Forwards", "70"),
            ("CSeq", f"1 {method}"),
            ("Call-ID", new_call_id()),
            *([("Contact", f"<{self._gruu}>")] if self._gruu else []),
            *fields,
            *([("Content-Type", content_type)] if body else []),
        ]
        return Request(method, uri, Headers(lines), body)

    def ask(self, request: Request, *, is_whole: bool = False) -> Response:
        """Send a request and give its final answer, whatever that is. Raises ProbeFailed."""
        self._send(request, is_whole=is_whole)
        key = (request.call_id, request.cseq.number, request.method)
        self._session.until(lambda: key in self._answers, request.method)
        return self._answers.pop(key)

    def demand(self, request: Request) -> Response:
        """Send a request and give its answer, which has to be a success. Raises ProbeFailed."""
        response = self.ask(request)
        self._expect(request.method, response)
        return response

    def invite(self, uri: str, body: bytes, content_type: str) -> tuple[Dialog, Response]:
        """Begin a dialog. Raises ProbeFailed."""
        invite = self.request("INVITE", uri, [("Supported", "ms-sender")], body, content_type)
        response = self.demand(invite)
        dialog = Dialog.from_response(invite, response)
        self._send(dialog.ack(invite))
        return dialog, response

    def within(self, dialog: Dialog, method: str, body: bytes = b"", content_type: str = "") -> Response:
        """Send a request in a dialog, which has to succeed. Raises ProbeFailed."""
        fields = [("Contact", f"<{self._gruu}>")]
        return self.demand(dialog.next_request(method, fields, body, content_type or None))

    def _expect(self, method: str, response: Response) -> None:
        if response.status != 200:
            raise advice.refused(method, response)

    def _send(self, request: Request, *, is_whole: bool = False) -> None:
        address, port = self.channel.here
        via = f"SIP/2.0/TLS {address}:{port};branch={new_branch()}"
        self._write(request.edited(first=[("Via", via)], last=[("User-Agent", AGENT)]), is_whole=is_whole)

    def _write(self, message: M, *, is_whole: bool = False) -> None:
        is_signed = self._keys is not None and self._is_in and not is_whole
        leaving = self._keys.sign(message) if self._keys is not None and is_signed else message
        try:
            self.channel.send(encode(leaving))
        except LocalProtocolError as error:
            raise ProbeFailed(f"a message cannot be written: {error.reason}") from None

    # --- what comes

    def received(self, data: bytes) -> None:
        """Take what the server sends. Raises ProbeFailed."""
        if not data:
            raise advice.closed(self.channel.place)
        try:
            items = self._decoder.feed(data)
        except RemoteProtocolError as error:
            raise advice.garbage(self.channel.place, error.reason) from None
        for item in items:
            if isinstance(item, Garbled):
                raise advice.garbage(self.channel.place, item.reason)
            if isinstance(item, Ping):
                continue
            if self._is_in and self._keys is not None and not self._keys.verify(item):
                raise ProbeFailed(
                    "a signature of the server does not hold", "is something between that changes messages?"
                )
            self._take(item)

    def _take(self, message: Request | Response) -> None:
        if isinstance(message, Response):
            if message.status >= 200:
                self._answers[message.call_id, message.cseq.number, message.cseq.method] = message
            return
        self.heard = [*self.heard, message][-_HEARD_MOST:]
        if message.method not in _SILENT:
            self._write(self._answer(message).edited(last=[("User-Agent", AGENT)]))

    def _answer(self, request: Request) -> Response:
        fields = [("Contact", f"<{self._gruu}>")]
        if request.method == "INVITE":
            return response_to(request, 200, headers=fields, content_type="application/sdp", body=SESSION)
        return response_to(request, 200, headers=fields)


def _by_scheme(challenges: Sequence[str]) -> Mapping[str, str]:
    """Give challenges by their schemes, of each the first."""
    found: dict[str, str] = {}
    for one in challenges:
        found.setdefault(one.partition(" ")[0], one)
    return found


def _elsewhere(response: Response) -> tuple[str, int] | None:
    """Give the server that a 301 names."""
    if response.status != 301:
        return None
    for contact in parse_contact_list(response.headers.get("Contact") or ""):
        uri = parse_uri(contact.uri)
        return uri.host, uri.port or 5061
    return None
