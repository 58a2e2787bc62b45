"""Requests written ahead: all notifications of one subscription are the same text, but for a few holes.

A `Template` is that text; a `Prepared` is one request made from it, passed from hand to hand
like any other message: the notifier gives number and body, who sends it the Via, the gate the
signature. What goes to many in dialogs of their own, as a message of a conference does, brings
its own lines along, which are written once for all. What leaves is, byte for byte, what the `Request` with the same headers would be.
"""

from collections.abc import Iterable
from typing import Final

from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.grammar import BLANKS
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.sip.uri import device_key

UNFORESEEN: Final = frozenset({"via", "expires", "p-asserted-identity", "p-preferred-identity", "content-length"})
"""What a template cannot have: Via is a hole, and the others would change what is signed, or how it is framed."""

_NAME_DIALOG: Final = frozenset({"from", "to", "call-id"})


class Template:
    """What the requests of a dialog with one method share.

    Attributes:
        method: Theirs.
        uri: Their Request-URI, unless somebody knows a better one, see `Prepared.uri`.
        device: As `uri.device_key` of it.
        dialog_text: As `Request.dialog_text`, for who signs.
        memo: For the signer: what need not be computed again.

    Args:
        request: One of them, whole but for Via, signature and body; its CSeq number does not matter.

    Raises:
        LocalProtocolError: See `encode`; or it has a header that cannot be foreseen.
    """

    __slots__ = ("_after", "_between", "device", "dialog_text", "memo", "method", "uri")

    def __init__(self, request: Request) -> None:
        keys = request.headers.layout.keys
        if not UNFORESEEN.isdisjoint(keys):
            raise LocalProtocolError(f"a prepared {request.method} has a header that cannot be foreseen")
        _, *lines = encode(request).decode("utf-8", "surrogateescape").split("\r\n")
        at = keys.index("cseq")
        self.method = request.method
        self.uri = request.uri
        self.device = device_key(request.uri)
        self.dialog_text = request.dialog_text
        self.memo: tuple[object, str, str] | None = None
        self._between = "".join(f"\r\n{line}" for line in lines[:at]) + "\r\nCSeq: "
        self._after = "".join(f"{line}\r\n" for line in (f" {self.method}", *lines[at + 1 : len(keys)]))

    def head(self, uri: str, via: str, number: int, signature: str) -> str:
        """Give the start line and all header lines but Content-Length.

        Args:
            uri: The Request-URI.
            via: The whole line, without its end.
            signature: The whole line with its end, or "".
        """
        return f"{self.method} {uri} SIP/2.0\r\n{via}{self._between}{number}{self._after}{signature}"

    def is_repeated_in(self, headers: Headers) -> bool:
        """Tell whether a message names the dialog in the very lines of this one, each of them once."""
        places, lines, own = headers.layout.places, headers.lines, self._between
        return _NAME_DIALOG.isdisjoint(headers.layout.repeated) and all(
            key in places and f"\r\n{lines[places[key]]}\r\n" in own for key in _NAME_DIALOG
        )


class Prepared:
    """One request made from a template.

    Attributes:
        template: What it is made from.
        number: Its CSeq number.
        body: What it carries.
        lines: Header lines that go with the body, see `lines_of`.
        uri: The Request-URI; whoever sends it may replace it.
        via: The Via line; "" until somebody sends it.
        signature: The line that signs it, with its end; "" while it is unsigned.
    """

    __slots__ = ("body", "lines", "number", "signature", "template", "uri", "via")

    def __init__(self, template: Template, number: int, body: bytes, lines: str = "") -> None:
        self.template = template
        self.number = number
        self.body = body
        self.lines = lines
        self.uri = template.uri
        self.via = ""
        self.signature = ""

    def encoded(self) -> bytes:
        """Write it."""
        head = self.template.head(self.uri, self.via, self.number, self.signature)
        head = f"{head}{self.lines}Content-Length: {len(self.body)}\r\n\r\n"
        return head.encode("utf-8", "surrogateescape") + self.body

    def is_answered_by(self, response: Response) -> bool:
        """Tell whether a response repeats word for word what it has to repeat of this; nearly all do.

        Then nothing of that need be read in it: what the template knows is told to it.

        Spec: RFC 3261 §8.2.6.2; one that says the same in other words has to be looked at.
        """
        headers, template = response.headers, self.template
        layout, lines = headers.layout, headers.lines
        via, cseq = layout.places.get("via"), layout.places.get("cseq")
        if via is None or cseq is None or "via" in layout.repeated or "cseq" in layout.repeated:
            return False
        if lines[via] != self.via or lines[cseq] != f"CSeq: {self.number} {template.method}":
            return False
        if not template.is_repeated_in(headers):
            return False
        response.adopt(template.dialog_text)
        return True

    def request(self) -> Request:
        """Give the same as a value, for who wants to read it."""
        head = self.template.head(self.uri, self.via, self.number, self.signature)
        start, *lines = f"{head}{self.lines}".split("\r\n")
        method, uri, _ = start.split(" ")
        return Request(method, uri, Headers(_fields(lines)), self.body)


def lines_of(headers: Headers) -> str:
    """Write header lines that many prepared requests carry, each with its end.

    Raises:
        LocalProtocolError: A line break within a line; or a header that cannot be foreseen.
    """
    if not UNFORESEEN.isdisjoint(headers.layout.keys):
        raise LocalProtocolError("a header that cannot be foreseen")
    head = encode(Request("MESSAGE", "sip:", headers)).decode("utf-8", "surrogateescape")
    return head.partition("\r\n")[2].rpartition("Content-Length: ")[0]


def _fields(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            yield name, value.strip(BLANKS)
