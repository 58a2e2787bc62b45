"""Messages written ahead: those of one kind in a dialog are the same text, but for a few holes.

A `Template` is that text; a `Prepared` is one message made from it, passed from hand to hand
like any other: whoever makes it gives number and body, who sends a request its Via, the gate the
signature. So are sent the notifications of a subscription, what is passed on within a dialog, with its
answer, and what goes to many in dialogs of their own, as a message of a conference does: that brings
its own lines along, which are written once for all. What leaves is, byte for byte, what the `Request` or
`Response` with the same headers would be.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Final

from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.grammar import BLANKS
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.sip.shared import SharedLines
from lyncpy.sip.uri import device_key

HOLES: Final = frozenset({"via", "content-length"})
"""What a template cannot have: its messages bring it along."""

UNFORESEEN: Final = HOLES | {"expires", "p-asserted-identity", "p-preferred-identity"}
"""What lines beside a template cannot have, since they would change what is signed, or how it is framed."""

_NAME_DIALOG: Final = frozenset({"from", "to", "call-id"})


class Template:
    """What the messages of a dialog with one method share.

    Attributes:
        method: Theirs; of responses, that of their request.
        status: Of responses; 0 for requests.
        uri: The Request-URI, unless somebody knows a better one, see `Prepared.uri`.
        device: As `uri.device_key` of it.
        dialog_text: As `Request.dialog_text`, for who signs; so are:
        asserted: The asserted, or else the preferred identity; "" if there is none.
        expires: The value of Expires; "" if there is none.
        memo: For the signer: what need not be computed again.
        answered: The shared lines of an answer that names the dialog as it does; None: none has any.

    Args:
        message: One of them, whole but for Via, signature and body; its CSeq number does not matter.

    Raises:
        LocalProtocolError: See `encode`; or it has a header that cannot be foreseen.
    """

    __slots__ = (
        "_after", "_between", "_start", "answered", "asserted", "device", "dialog_text", "expires", "memo", "method", "status", "uri",
    )  # fmt: skip

    def __init__(self, message: Request | Response) -> None:
        headers = message.headers
        keys = headers.layout.keys
        if not HOLES.isdisjoint(keys):
            raise LocalProtocolError("a prepared message has a header that cannot be foreseen")
        start, *lines = encode(message).decode("utf-8", "surrogateescape").split("\r\n")
        at = keys.index("cseq")
        self.method = lines[at].rpartition(" ")[2]
        if isinstance(message, Request):
            self.status, self.uri, self.device = 0, message.uri, device_key(message.uri)
        else:
            self.status, self.uri, self.device = message.status, "", ""
        self.dialog_text = message.dialog_text
        self.asserted = headers.get("P-Asserted-Identity") or headers.get("P-Preferred-Identity") or ""
        self.expires = headers.get("Expires") or ""
        self.memo: tuple[object, str, str] | None = None
        self.answered: SharedLines | None = None
        self._start = start
        self._between = "\r\n".join(["", *lines[:at], "CSeq: "])
        self._after = "\r\n".join([f" {self.method}", *lines[at + 1 : len(keys)], ""])

    @property
    def speaker(self) -> str:
        """Who says it: the asserted identity, or else what stands in From before its tag, as whoever writes without one is the server."""
        if self.asserted:
            return self.asserted
        line = self._between.partition("\r\nFrom: ")[2]
        return line.partition("\r\n")[0].partition(";tag=")[0]

    def head(self, uri: str, vias: str, number: int, signature: str) -> str:
        """Give the start line and all header lines but Content-Length.

        Args:
            uri: The Request-URI.
            vias: The Via lines, without the last end.
            signature: The whole line with its end, or "".
        """
        start = self._start if uri is self.uri else f"{self.method} {uri} SIP/2.0"
        return f"{start}\r\n{vias}{self._between}{number}{self._after}{signature}"

    def is_repeated_in(self, headers: Headers) -> bool:
        """Tell whether a message names the dialog in the very lines of this one, each of them once."""
        places, lines, own = headers.layout.places, headers.lines, self._between
        return _NAME_DIALOG.isdisjoint(headers.layout.repeated) and all(
            key in places and f"\r\n{lines[places[key]]}\r\n" in own for key in _NAME_DIALOG
        )


class Prepared:
    """One message made from a template.

    Attributes:
        template: What it is made from.
        number: Its CSeq number.
        body: What it carries.
        lines: Header lines that go with the body, see `lines_of`.
        uri: The Request-URI; whoever sends it may replace it.
        vias: The Via lines, joined by line ends; whoever sends a request puts its own before those that are there.
        signature: The line that signs it, with its end; "" while it is unsigned.
    """

    __slots__ = ("body", "lines", "number", "signature", "template", "uri", "vias")

    def __init__(self, template: Template, number: int, body: bytes, lines: str = "", vias: str = "") -> None:
        self.template = template
        self.number = number
        self.body = body
        self.lines = lines
        self.uri = template.uri
        self.vias = vias
        self.signature = ""

    def encoded(self) -> bytes:
        """Write it."""
        body = self.body
        head = self.template.head(self.uri, self.vias, self.number, self.signature)
        return f"{head}{self.lines}Content-Length: {len(body)}\r\n\r\n".encode("utf-8", "surrogateescape") + body

    def is_answered_by(self, response: Response) -> bool:
        """Tell whether a response repeats word for word what it has to repeat of this; nearly all do.

        Then nothing of that need be read in it: what the template knows is told to it.

        Spec: RFC 3261 §8.2.6.2; one that says the same in other words has to be looked at.
        """
        headers, template = response.headers, self.template
        layout, lines = headers.layout, headers.lines
        cseq = layout.places.get("cseq")
        if cseq is None or "cseq" in layout.repeated or lines[cseq] != f"CSeq: {self.number} {template.method}":
            return False
        if response.vias != self.vias:
            return False
        if response.shared is None or response.shared is not template.answered:
            if not template.is_repeated_in(headers):
                return False
            template.answered = response.shared
        response.adopt(template.dialog_text)
        return True

    def request(self) -> Request:
        """Give the same as a value, for who wants to read it."""
        start, headers = self._read()
        method, uri, _ = start.split(" ")
        return Request(method, uri, headers, self.body)

    def _read(self) -> tuple[str, Headers]:
        head = self.template.head(self.uri, self.vias, self.number, self.signature)
        start, *lines = f"{head}{self.lines}".split("\r\n")
        return start, Headers(_fields(lines))


class PreparedResponse(Prepared, Response):
    """A response made from a template. Its headers are read when somebody asks for them, and that is seldom.

    Args:
        vias: The Via lines of the request, joined by line ends.
    """

    def __init__(self, template: Template, number: int, body: bytes, vias: str) -> None:
        Prepared.__init__(self, template, number, body, vias=vias)
        self.status = template.status
        self.shared = None

    @cached_property
    def phrase(self) -> str:  # type: ignore[override]  # of a response it is a plain attribute
        """The reason phrase."""
        return self._read()[0].split(" ", 2)[2]

    @cached_property
    def headers(self) -> Headers:  # type: ignore[override]  # of a response it is a plain attribute
        """All of them but Content-Length, as they leave."""
        return self._read()[1]


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
