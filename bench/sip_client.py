"""What every SIP client of the benchmark can do: ask, answer, and talk in dialogs. It signs nothing."""

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred

from bench.line import Line
from bench.text import Dialog, Framing, Heard, answer_to

AGENT: Final = "UCCAPI/15.0.4481.1000 OC/15.0.4481.1000 (Microsoft Lync)"
CONVERSATION: Final = b"m=message 5060 sip null\r\na=accept-types:text/plain\r\n"
VIA: Final = "SIP/2.0/TLS 127.0.0.1:40000"
TAG: Final = "b0b"
"""The tag of whoever is called."""

_SILENT: Final = frozenset({"ACK", "BENOTIFY"})
_AGENT: Final = f"User-Agent: {AGENT}\r\n"


class Unexpected(Exception):
    """The server did not do what the load needs.

    Attributes:
        answer: What it said instead, if that was an answer.
    """

    def __init__(self, text: str, answer: Heard | None = None) -> None:
        super().__init__(text)
        self.answer = answer


class SipClient:
    """A user's endpoint on a connection of its own.

    Attributes:
        notified: Called with each notification.
        told: Called with each MESSAGE.
        held: Answers to MESSAGE that wait for `release`; None: each is given at once.
    """

    def __init__(self, line: Line, uri: str, epid: str, contact: str) -> None:
        """Take a connection and who speaks on it; `contact` is a whole header line."""
        self.uri: Final = uri
        self.epid: Final = epid
        self.contact: Final = contact
        self.line: Final = line
        self.notified: Callable[[Heard], None] = _ignore
        self.told: Callable[[Heard], None] = _ignore
        self.held: list[bytes] | None = None
        self.lost: Deferred[None] = Deferred()
        self._framing = Framing()
        self._asked: dict[str, Deferred[Heard]] = {}
        line.heard, line.ended = self._read, self._ended

    # What loads do.

    async def send(
        self, dialog: Dialog, method: str, lines: str = "", body: bytes = b"", kind: str = "", *, want: int = 200
    ) -> Heard:
        """Send the next request in a dialog and give its final answer, which has to have this status.

        Raises:
            Unexpected: It has another one.
        """
        answer = await self.asking(dialog, method, lines, body, kind)
        if answer.status != want:
            raise Unexpected(f"{method} was answered with {answer!r}", answer)
        return answer

    def asking(self, dialog: Dialog, method: str, lines: str, body: bytes, kind: str) -> "Deferred[Heard]":
        """Send the next request in a dialog; fires with its final answer, whatever that is."""
        dialog.number += 1
        asked: Deferred[Heard] = Deferred()
        self._asked[f"{dialog.call_id} {dialog.number} {method}"] = asked
        self._write_request(dialog, method, lines, body, kind)
        return asked

    async def outside(
        self, method: str, uri: str, lines: str = "", body: bytes = b"", kind: str = "", *, want: int = 200
    ) -> Heard:
        """Send a request outside of any dialog and give its final answer."""
        return await self.send(self.dialog(uri), method, lines, body, kind, want=want)

    def dialog(self, uri: str) -> Dialog:
        """Give what requests to somebody begin with."""
        return Dialog(self.uri, uri, epid=self.epid, contact=self.contact)

    async def invite(self, uri: str) -> Dialog:
        """Begin a session of messages with somebody."""
        return await self.begin(uri, CONVERSATION, "application/sdp")

    async def begin(self, uri: str, body: bytes, kind: str, lines: str = "") -> Dialog:
        """Begin a dialog with an INVITE."""
        dialog = self.dialog(uri)
        dialog.established(await self.send(dialog, "INVITE", lines, body, kind))
        self._write_request(dialog, "ACK", "", b"", "")
        return dialog

    async def say(self, dialog: Dialog, text: bytes) -> Heard:
        """Say something in a session, and wait until it has been heard."""
        return await self.send(dialog, "MESSAGE", "", text, "text/plain")

    def release(self, most: int | None = None) -> int:
        """Give the answers that were held, or so many of them; tell how many were given. Each is a record of its own."""
        held = self.held or []
        given, self.held = held[:most], held[most:] if most is not None else []
        for answer in given:
            self.line.write(answer)
        return len(given)

    def leave(self) -> None:
        """Close the connection."""
        self.line.close()

    # What those who sign do otherwise.

    def _sealed(self, signed: str) -> str:
        """Give the header line that signs these fields."""
        return ""

    def _check(self, heard: Heard) -> None:
        """See that a message is signed, where that is expected."""

    # How it is done.

    def _write_request(self, dialog: Dialog, method: str, lines: str, body: bytes, kind: str) -> None:
        number = dialog.number
        lines = f"{_AGENT}{lines}Content-Type: {kind}\r\n" if kind else f"{_AGENT}{lines}"
        head = dialog.request(method, number, VIA, lines, len(body))
        _, _, expires = lines.partition("\r\nExpires: ")
        seal = self._sealed(dialog.signed(method, number, expires.partition("\r\n")[0]))
        self.line.write(f"{head}{seal}\r\n".encode() + body)

    def _read(self, data: bytes) -> None:
        for heard in self._framing.feed(data):
            self._check(heard)
            if heard.is_request:
                self._hear(heard)
            elif heard.status >= 200 and (asked := self._asked.pop(heard.key, None)) is not None:
                asked.callback(heard)

    def _hear(self, request: Heard) -> None:
        method = request.method
        if method not in _SILENT:
            self._answer(request, method)
        if method == "MESSAGE":
            self.told(request)
        elif method in ("BENOTIFY", "NOTIFY"):
            self.notified(request)

    def _answer(self, request: Heard, method: str) -> None:
        body = CONVERSATION if method == "INVITE" else b""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        head = answer_to(request, "200 OK", TAG, f"{self.contact}{_AGENT}{kind}", len(body))
        answer = f"{head}{self._sealed_answer(request)}\r\n".encode() + body
        if method == "MESSAGE" and self.held is not None:
            self.held.append(answer)
        else:
            self.line.write(answer)

    def _sealed_answer(self, request: Heard) -> str:
        return ""

    def _ended(self) -> None:
        asked, self._asked = self._asked, {}
        for one in asked.values():
            one.errback(Unexpected("the connection was lost"))
        self.lost.callback(None)


def _ignore(heard: Heard) -> None:
    pass
