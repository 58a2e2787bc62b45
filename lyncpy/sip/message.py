"""Request and Response: frozen values whose headers keep the text they came with.

A head is split into lines once. A line is looked into when somebody asks for it, and a
line nobody asked for leaves as it came, byte for byte. Content-Length is no header here:
it belongs to the framing, so the decoder takes it away and the encoder writes it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from lyncpy.sip.digits import RandomDigits
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import BLANKS, LONG_NAMES, first_of_list, key_of, remembered
from lyncpy.sip.headers import (
    CSeq,
    NameAddr,
    Origin,
    Via,
    parse_contact_list,
    parse_cseq,
    parse_delta_seconds,
    parse_name_addr,
    parse_via,
    uri_and_tag,
)
from lyncpy.sip.layout import Edit, Layout, layout_of
from lyncpy.sip.phrases import CLASSES, PHRASES
from lyncpy.sip.shared import SharedLines
from lyncpy.sip.uri import Uri, parse_uri
from lyncpy.sip.view import view


class Headers:
    """The header fields of a message, in order; immutable. Names are case-insensitive, and long.

    Inside there are the lines as they leave, and their layout: which name stands where.

    Attributes:
        layout: The names.
        lines: Each field as it leaves, `Name: value`; not to be changed.

    Args:
        fields: Pairs of name and value; compact names become long ones.
    """

    __slots__ = ("layout", "lines")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        # No comprehensions: a message is made of several of these, and each would be a call more.
        keys, lines = [], []
        for name, value in fields:
            keys.append(key_of(name))
            lines.append(f"{name}: {value}" if len(name) > 1 else _line(name, value))
        self.layout = layout_of(tuple(keys))
        self.lines = lines

    @classmethod
    def of_lines(cls, layout: Layout, lines: list[str]) -> "Headers":
        """Adopt lines and their layout: the decoder's entrance. The list is kept, not copied."""
        headers = cls.__new__(cls)
        headers.layout = layout
        headers.lines = lines
        return headers

    def get(self, name: str) -> str | None:
        """Give the first value of this name exactly as it came, without outer blanks; None if there is none."""
        place = self.layout.places.get(key_of(name))
        return None if place is None else self.lines[place].partition(":")[2].strip(BLANKS)

    def get_all(self, name: str) -> tuple[str, ...]:
        """Give every field value of this name, in order, not split at commas."""
        key, layout = key_of(name), self.layout
        place = layout.places.get(key)
        if place is None:
            return ()
        if key not in layout.repeated:
            return (self.lines[place].partition(":")[2].strip(BLANKS),)
        own = [line for at, line in zip(layout.keys, self.lines, strict=True) if at == key]
        return tuple([line.partition(":")[2].strip(BLANKS) for line in own])

    def edited(
        self,
        *,
        drop: Collection[str] = (),
        put: Iterable[tuple[str, str]] = (),
        first: Iterable[tuple[str, str]] = (),
        last: Iterable[tuple[str, str]] = (),
        drop_first: str | None = None,
    ) -> "Headers":
        """Give these headers with changes; other lines stay as they came.

        Args:
            drop: Names of which all fields go.
            put: Fields that take the place of the first of their name, the other ones going;
                without a first one they come last. Two of one name stay together.
            first: Fields that come on top, in this order.
            last: Fields that come last.
            drop_first: A name of which the topmost *value* goes: of a line with several,
                joined by commas, only the first. It is none of `drop`.
        """
        put, first, last, lines = tuple(put), tuple(first), tuple(last), self.lines
        if drop_first is not None:
            place = self.layout.places.get(key_of(drop_first))
            rest = first_of_list(_value(lines[place]))[1] if place is not None else ""
            if place is not None and rest:
                lines = [*lines[:place], _line(_name(lines[place]), rest), *lines[place + 1 :]]
            if place is None or rest:
                drop_first = None
        edit = Edit(
            tuple(drop),
            tuple([name for name, _ in put]),
            tuple([name for name, _ in first]),
            tuple([name for name, _ in last]),
            drop_first,
        )
        layout, pick = self.layout.edited(edit)
        more = [_line(name, value) for name, value in (*put, *first, *last)]
        return Headers.of_lines(layout, [*pick(lines + more)])

    def plus(self, *, first: "Headers | None" = None, last: "Headers | None" = None) -> "Headers":
        """Give these headers with others on top of them and after them."""
        layout, lines = self.layout, self.lines
        if first is not None:
            layout, lines = first.layout.followed_by(layout), first.lines + lines
        if last is not None:
            layout, lines = layout.followed_by(last.layout), lines + last.lines
        return Headers.of_lines(layout, lines)

    def __contains__(self, name: str) -> bool:
        return key_of(name) in self.layout.places

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((_name(line), _value(line)) for line in self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        if self.layout.keys != other.layout.keys:
            return False
        return self.lines == other.lines or [_value(a) for a in self.lines] == [_value(b) for b in other.lines]

    def __hash__(self) -> int:
        return hash(self.layout.keys)

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


def _line(name: str, value: str) -> str:
    if len(name) == 1:
        name = LONG_NAMES.get(name.lower(), name)
    return f"{name}: {value}"


def _name(line: str) -> str:
    return line.partition(":")[0]


def _value(line: str) -> str:
    return line.partition(":")[2].strip(BLANKS)


_VIAS: Final = frozenset({"via"})


class _Views:
    """What both kinds of message say in their headers, read once, when first asked for."""

    headers: Headers
    shared: SharedLines | None

    @view[str]("Call-ID")
    def call_id(self) -> str:
        """The Call-ID."""
        return self._need("call-id")

    @view[CSeq]("CSeq")
    def cseq(self) -> CSeq:
        """The CSeq."""
        return parse_cseq(self._need("cseq"))

    @view[NameAddr]("From")
    def from_(self) -> NameAddr:
        """Who asks."""
        return parse_name_addr(self._need("from"))

    @view[NameAddr]("To")
    def to(self) -> NameAddr:
        """Who was asked."""
        return parse_name_addr(self._need("to"))

    @view[tuple[str, str, str, str, str]]("From")
    def dialog_text(self) -> tuple[str, str, str, str, str]:
        """Call-ID, From's URI and tag, To's URI and tag, exactly as they stand there; never fails."""
        get = self.headers.get
        return get("call-id") or "", *uri_and_tag(get("from") or ""), *uri_and_tag(get("to") or "")

    @view[Via]("Via")
    def via(self) -> Via:
        """The topmost Via."""
        return parse_via(self.headers.get("via") or "")

    @view[str]("Via")
    def vias(self) -> str:
        """All Via lines as they may leave (see `encode`), joined by line ends; "" if there are none."""
        layout, lines = self.headers.layout, self.headers.lines
        place = layout.places.get("via")
        if place is None:
            return ""
        if "via" not in layout.repeated:
            vias = lines[place]
        else:
            vias = "\r\n".join(layout.only(_VIAS)[1](lines))
        return vias.replace("\0", "?")

    @view[tuple[NameAddr, ...]]("Contact")
    def contacts(self) -> tuple[NameAddr, ...]:
        """All addresses in its Contact fields; `*` is one whose URI is "*"."""
        return tuple([one for value in self.headers.get_all("Contact") for one in parse_contact_list(value)])

    @view[str]("Event")
    def event(self) -> str:
        """The event package in lower case, without parameters; "" if there is none."""
        return _head_word(self._only("event") or "")

    @view[str]("Content-Type")
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" if there is none."""
        return _head_word(self._only("content-type") or "")

    @view["int | None"]("Max-Forwards")
    def max_forwards(self) -> int | None:
        """How many more hops are allowed, 0 to 255; None if it is not said."""
        text = self._only("max-forwards")
        hops = None if text is None else parse_delta_seconds(text)
        if hops is not None and hops > 255:
            raise RemoteProtocolError(f"more than 255 hops: {hops}")
        return hops

    @view["int | None"]("Expires")
    def expires(self) -> int | None:
        """The Expires header in seconds; None if there is none."""
        text = self._only("expires")
        return None if text is None else parse_delta_seconds(text)

    def _only(self, key: str) -> str | None:
        """Give the value of a header that comes once: of two, two readers could take different ones."""
        headers = self.headers
        layout = headers.layout
        if key in layout.repeated:
            raise RemoteProtocolError("comes twice")
        place = layout.places.get(key)
        return None if place is None else headers.lines[place].partition(":")[2].strip(BLANKS)

    def _need(self, key: str) -> str:
        headers = self.headers
        layout = headers.layout
        if key in layout.repeated:
            raise RemoteProtocolError("comes twice")
        place = layout.places.get(key)
        value = headers.lines[place].partition(":")[2].strip(BLANKS) if place is not None else ""
        if not value:
            raise RemoteProtocolError("missing or empty")
        return value


@remembered
def _head_word(text: str) -> str:
    return text.partition(";")[0].strip(BLANKS).lower()


# Not frozen: that would make each of their fields four times as dear, and there are four messages for each that comes in.
@dataclass
class Request(_Views):
    """A request. Nothing changes it but `mark`."""

    method: str
    uri: str
    """The Request-URI as it came."""

    headers: Headers
    body: bytes = b""
    shared: SharedLines | None = field(default=None, repr=False, compare=False)
    """What it shares with the messages before it, as it came; what is made of it shares nothing."""

    @view[CSeq]("CSeq")
    def cseq(self) -> CSeq:
        """The CSeq, which names the request's own method (RFC 3261 §8.1.1.5)."""
        cseq = parse_cseq(self._need("cseq"))
        if cseq.method != self.method:
            raise RemoteProtocolError(f'"{cseq.method[:80]}" is not the request\'s method')
        return cseq

    @view[Uri]("Request-URI")
    def target(self) -> Uri:
        """The Request-URI, parsed."""
        return parse_uri(self.uri)

    def edited(
        self,
        *,
        uri: str | None = None,
        body: bytes | None = None,
        drop: Collection[str] = (),
        put: Iterable[tuple[str, str]] = (),
        first: Iterable[tuple[str, str]] = (),
        last: Iterable[tuple[str, str]] = (),
        drop_first: str | None = None,
    ) -> "Request":
        """Give this request with another URI, body or headers; see `Headers.edited`."""
        return Request(
            self.method,
            self.uri if uri is None else uri,
            self.headers.edited(drop=drop, put=put, first=first, last=last, drop_first=drop_first),
            self.body if body is None else body,
        )

    def mark(self, origin: Origin) -> None:
        """Write on the topmost Via where this request really came from, before anybody else has seen it.

        What the sender wrote there itself about that goes. Whoever answers copies the Via, so
        every response tells it. A request without a Via stays as it is.

        The one change of a value in place: what was just read belongs to nobody yet, and a copy of each
        request costs more than reading its line.

        Spec: RFC 3261 §18.2.1 (`received`), RFC 3581 §4 (`rport`); [MS-CONMGMT] 2.2 (`ms-received-*`).
        """
        place = self.headers.layout.places.get("via")
        if origin.address and place is not None:
            lines = self.headers.lines
            lines[place] = origin.on(lines[place])
            self.__dict__.pop("via", None)
            self.__dict__.pop("vias", None)

    def plus(
        self,
        *,
        first: Headers | None = None,
        last: Headers | None = None,
        method: str | None = None,
        uri: str | None = None,
        body: bytes | None = None,
    ) -> "Request":
        """Give this request with another start line, or headers on top and at the end that do not say whose dialog it belongs to.

        Every message that leaves passes here, and what was read of its dialog stays known.
        """
        result = Request(
            self.method if method is None else method,
            self.uri if uri is None else uri,
            self.headers.plus(first=first, last=last),
            self.body if body is None else body,
        )
        if "dialog_text" in self.__dict__:
            result.__dict__["dialog_text"] = self.dialog_text
        return result


@dataclass
class Response(_Views):
    """A response. Nothing changes it."""

    status: int
    phrase: str
    """The reason phrase; "" becomes the usual one when it leaves."""

    headers: Headers
    body: bytes = b""
    shared: SharedLines | None = field(default=None, repr=False, compare=False)
    """What it shares with the messages before it, as it came; what is made of it shares nothing."""

    def edited(
        self,
        *,
        body: bytes | None = None,
        drop: Collection[str] = (),
        put: Iterable[tuple[str, str]] = (),
        first: Iterable[tuple[str, str]] = (),
        last: Iterable[tuple[str, str]] = (),
        drop_first: str | None = None,
    ) -> "Response":
        """Give this response with another body or headers; see `Headers.edited`."""
        return Response(
            self.status,
            self.phrase,
            self.headers.edited(drop=drop, put=put, first=first, last=last, drop_first=drop_first),
            self.body if body is None else body,
        )

    def adopt(self, dialog_text: tuple[str, str, str, str, str]) -> None:
        """Copy what the headers say of the dialog from a message that has the same lines: it need not be read again."""
        self.__dict__["dialog_text"] = dialog_text

    def plus(self, *, last: Headers) -> "Response":
        """Give this response with headers at the end."""
        headers = self.headers
        headers = Headers.of_lines(headers.layout.followed_by(last.layout), headers.lines + last.lines)
        return Response(self.status, self.phrase, headers, self.body)


Message = Request | Response

_COPIED: Final = frozenset({"via", "from", "to", "call-id", "cseq"})

SERVER: Final = "RTC/5.0"
"""What this server is to clients: the generation of Lync Server 2013. They read the number, and choose by it."""

_SERVER: Final = (("Server", SERVER),)


def response_to(
    request: Request,
    status: int,
    *,
    phrase: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    content_type: str | None = None,
    body: bytes = b"",
    to_tag: str | None = None,
) -> Response:
    """Make a response to a request, of which it copies what identifies it.

    Never fails: of a request without what is essential, what is there is copied.

    Args:
        headers: More fields, after the copied ones. Server is always there.
        content_type: The body's; needed with a body.
        to_tag: Our side of the dialog. Without one, a final response to a request without a
            To tag gets a fresh one.

    Spec: RFC 3261 §8.2.6.
    """
    layout, pick = request.headers.layout.only(_COPIED)
    lines = [*pick(request.headers.lines)]
    known = request.__dict__
    text = known.get("dialog_text")
    if (to_tag or status >= 200) and (known["to"].tag is None if "to" in known else _lacks_to_tag(request)):
        place, tag = layout.places["to"], to_tag or next(_TAGS)
        line = lines[place]
        lines[place] = f"{line};tag={tag}"
        # Behind a bracket that closes nothing else can be taken for a tag; before it, only what is quoted.
        text = (*text[:4], tag) if text is not None and not text[4] and line.endswith(">") else None
    own = _SERVER if content_type is None else (*_SERVER, ("Content-Type", content_type))
    more = Headers((*headers, *own))
    copied = Headers.of_lines(layout.followed_by(more.layout), lines + more.lines)
    if phrase is None:
        phrase = PHRASES.get(status) or phrase_of(status)
    response = Response(status, phrase, copied, body)
    if text is not None:
        response.__dict__["dialog_text"] = text
    return response


def _lacks_to_tag(request: Request) -> bool:
    try:
        return request.to.tag is None
    except RemoteProtocolError:
        return False  # the copy is as broken as the original; a tag would not mend it


_TAGS: Final = RandomDigits(16)
_BRANCHES: Final = RandomDigits(24)
_CALL_IDS: Final = RandomDigits(32)


def new_tag() -> str:
    """Give a fresh From or To tag."""
    return next(_TAGS)


def new_branch() -> str:
    """Give a fresh Via branch."""
    return "z9hG4bK" + next(_BRANCHES)


def new_call_id() -> str:
    """Give a fresh Call-ID."""
    return next(_CALL_IDS)


def phrase_of(status: int) -> str:
    """Give the usual reason phrase; never empty, because a real client hangs without one."""
    return PHRASES.get(status) or CLASSES.get(status // 100, "Unknown")
