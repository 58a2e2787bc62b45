"""SIP as a load generator needs it: framing, single header lines, dialogs, and the text that is signed.

It is written apart from `lyncpy.sip`, and on purpose: it is quick because it believes that what it
hears is well formed, and it does not share the server's mistakes.
"""

import re
import secrets
from collections.abc import Iterator
from typing import Final

_LENGTH: Final = re.compile(rb"\r\n(?:Content-Length|l)\s*:\s*(\d+)", re.IGNORECASE)


class Heard:
    """One message that was received."""

    __slots__ = ("body", "head", "is_request", "method", "start", "status")

    def __init__(self, head: str, body: bytes) -> None:
        """Take the lines up to the empty one, and the body."""
        self.start, _, rest = head.partition("\r\n")
        self.head = f"\r\n{rest}\r\n"
        self.body = body
        self.is_request = not self.start.startswith("SIP/2.0 ")
        self.status = 0 if self.is_request else int(self.start[8:11])
        self.method = self.start.partition(" ")[0] if self.is_request else ""

    def get(self, name: str) -> str:
        """Give the value of the first line of that name as it is; "" if there is none."""
        _, found, rest = self.head.partition(f"\r\n{name}: ")
        return rest.partition("\r\n")[0] if found else ""

    def get_all(self, name: str) -> list[str]:
        """Give the values of all lines of that name, in their order."""
        return [part.partition("\r\n")[0] for part in self.head.split(f"\r\n{name}: ")[1:]]

    @property
    def content_type(self) -> str:
        """Give the media type, without parameters."""
        return self.get("Content-Type").partition(";")[0]

    @property
    def key(self) -> str:
        """Give what an answer shares with its request: Call-ID and CSeq."""
        return f"{self.get('Call-ID')} {self.get('CSeq')}"

    def __repr__(self) -> str:
        return f"{self.start}{self.head}\r\n{self.body.decode('utf-8', 'replace')}"


class Framing:
    """Cuts what a connection brings into messages."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Give the messages that are whole now."""
        rest = self._data + data if self._data else data
        while True:
            rest = rest.lstrip(b"\r\n") if rest[:1] in (b"\r", b"\n") else rest
            end = rest.find(b"\r\n\r\n")
            if end < 0:
                break
            found = _LENGTH.search(rest, 0, end + 2)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(rest) < whole:
                break
            message, rest = rest[:whole], rest[whole:]
            yield Heard(message[:end].decode("utf-8", "surrogateescape"), message[end + 4 :])
        self._data = rest


class Dialog:
    """What requests in one dialog, or a request outside of any, have in common.

    Attributes:
        number: The CSeq number of the last request of ours.
    """

    __slots__ = (
        "call_id",
        "contact",
        "from_line",
        "from_tag",
        "from_uri",
        "number",
        "route",
        "target",
        "to_tag",
        "to_uri",
    )

    def __init__(self, from_uri: str, to_uri: str, *, epid: str = "", contact: str = "") -> None:
        """Begin one."""
        self.call_id = secrets.token_hex(16)
        self.from_uri, self.to_uri = from_uri, to_uri
        self.from_tag, self.to_tag = secrets.token_hex(5), ""
        self.from_line = f"<{from_uri}>;tag={self.from_tag}" + (f";epid={epid}" if epid else "")
        self.target = to_uri
        self.route = ""
        self.contact = contact
        self.number = 0

    def established(self, answer: Heard) -> None:
        """Learn the other side's tag, target and the route from a 2xx."""
        self.to_tag = tag_of(answer.get("To"))
        self.target = uri_of(answer.get("Contact")) or self.target
        routes = [one.strip() for line in answer.get_all("Record-Route") for one in line.split(",")]
        self.route = "".join(f"Route: {route}\r\n" for route in reversed(routes))

    def request(self, method: str, number: int, via: str, lines: str, length: int) -> str:
        """Write a request's lines; the empty one and the body are still to come."""
        to_tag = f";tag={self.to_tag}" if self.to_tag else ""
        return (
            f"{method} {self.target} SIP/2.0\r\nVia: {via};branch=z9hG4bK{self.call_id[:12]}{number}{method[0]}\r\n"
            f"Max-Forwards: 70\r\nFrom: {self.from_line}\r\nTo: <{self.to_uri}>{to_tag}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {number} {method}\r\n{self.route}{self.contact}{lines}Content-Length: {length}\r\n"
        )

    def signed(self, method: str, number: int, expires: str = "") -> str:
        """Give the fields of a request that are signed, from version 3 on; [MS-SIPAE] 3.2.4.1."""
        return (
            f"<{self.call_id}><{number}><{method}><{self.from_uri}><{self.from_tag}><{self.to_uri}><{self.to_tag}>"
            f"<><><{expires}>"
        )


def signed_of(heard: Heard) -> str:
    """Give the fields of a message that was received that are signed."""
    asserted = heard.get("P-Asserted-Identity")
    sip, tel = _asserted(asserted) if asserted else ("", "")
    status = "" if heard.is_request else f"<{heard.status}>"
    return f"{_signed_front(heard, '')}<{sip}><{tel}><{heard.get('Expires')}>{status}"


def signed_answer(heard: Heard, status: int, to_tag: str) -> str:
    """Give the fields of an answer to a request that are signed; it has this tag, unless the request had one."""
    return f"{_signed_front(heard, to_tag)}<><><><{status}>"


def _signed_front(heard: Heard, to_tag: str) -> str:
    number, _, method = heard.get("CSeq").partition(" ")
    from_, to = heard.get("From"), heard.get("To")
    return (
        f"<{heard.get('Call-ID')}><{number}><{method}><{uri_of(from_)}><{tag_of(from_)}><{uri_of(to)}>"
        f"<{tag_of(to) or to_tag}>"
    )


def answer_to(heard: Heard, status: str, to_tag: str, more: str, length: int) -> str:
    """Write an answer's lines; the empty one and the body are still to come."""
    vias = "".join(f"Via: {via}\r\n" for via in heard.get_all("Via"))
    routes = "".join(f"Record-Route: {route}\r\n" for route in heard.get_all("Record-Route"))
    to = heard.get("To")
    to = to if ";tag=" in to or not to_tag else f"{to};tag={to_tag}"
    return (
        f"SIP/2.0 {status}\r\n{vias}{routes}From: {heard.get('From')}\r\nTo: {to}\r\nCall-ID: {heard.get('Call-ID')}\r\n"
        f"CSeq: {heard.get('CSeq')}\r\n{more}Content-Length: {length}\r\n"
    )


def tag_of(line: str) -> str:
    """Give the tag of a From or To."""
    return line.rpartition(">")[2].partition(";tag=")[2].partition(";")[0]


def uri_of(line: str) -> str:
    """Give the URI of a From, To or Contact."""
    _, opened, rest = line.partition("<")
    return rest.partition(">")[0] if opened else line.partition(";")[0]


def _asserted(value: str) -> tuple[str, str]:
    uris = [uri_of(part.strip()) for part in value.split(",")]
    return next((u for u in uris if u.startswith("sip:")), ""), next((u for u in uris if u.startswith("tel:")), "")
