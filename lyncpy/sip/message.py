"""Request and Response: frozen values whose headers keep the text they came with.

A head is split into lines once. A line is looked into when somebody asks for it, and a
line nobody asked for leaves as it came, byte for byte. Content-Length is no header here:
it belongs to the framing, so the decoder takes it away and the encoder writes it.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, overload

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import BLANKS, KEYS, LONG_NAMES, first_of_list, key_of
from lyncpy.sip.headers import (
    CSeq,
    NameAddr,
    Origin,
    Via,
    parse_cseq,
    parse_delta_seconds,
    parse_name_addr,
    parse_via,
    uri_and_tag,
)
from lyncpy.sip.phrases import CLASSES, PHRASES
from lyncpy.sip.uri import Uri, parse_uri

T = TypeVar("T")


class Headers:
    """The header fields of a message, in order; immutable. Names are case-insensitive, and long.

    Inside there are two lists of one length: the lines as they leave, and each line's key.
    Looking for a key is one `list.index` over a dozen interned words, which no dictionary beats.

    Args:
        fields: Pairs of name and value; compact names become long ones.
    """

    __slots__ = ("_keys", "_lines")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._keys: list[str] = []
        self._lines: list[str] = []
        for name, value in fields:
            self._keys.append(key_of(name))
            self._lines.append(_line(name, value))

    @classmethod
    def of_lines(cls, keys: list[str], lines: list[str]) -> "Headers":
        """Adopt lines and their keys (`grammar.key_of`): the decoder's entrance. The lists are kept, not copied."""
        headers = cls.__new__(cls)
        headers._keys = keys
        headers._lines = lines
        return headers

    @property
    def line_keys(self) -> list[str]:
        """Each field's name in lower case; not to be changed."""
        return self._keys

    @property
    def lines(self) -> list[str]:
        """Each field as it leaves, `Name: value`; not to be changed."""
        return self._lines

    def get(self, name: str) -> str | None:
        """Give the first value of this name exactly as it came, without outer blanks; None if there is none."""
        key = KEYS.get(name) or key_of(name)
        if key not in self._keys:
            return None
        return self._lines[self._keys.index(key)].partition(":")[2].strip(BLANKS)

    def get_all(self, name: str) -> tuple[str, ...]:
        """Give every field value of this name, in order, not split at commas."""
        key = key_of(name)
        if key not in self._keys:
            return ()
        return tuple(_value(line) for at, line in zip(self._keys, self._lines, strict=True) if at == key)

    def edited(
        self,
        *,
        drop: Collection[str] = (),
        put: Iterable[tuple[str, str]] = (),
        first: Iterable[tuple[str, str]] = (),
        last: Iterable[tuple[str, str]] = (),
        drop_first: str | None = None,
    ) -> "Headers":
        """Give these headers with changes, made in one pass; other lines stay as they came.

        Args:
            drop: Names of which all fields go.
            put: Fields that take the place of the first of their name, the other ones going;
                without a first one they come last. Two of one name stay together.
            first: Fields that come on top, in this order.
            last: Fields that come last.
            drop_first: A name of which the topmost *value* goes: of a line with several,
                joined by commas, only the first.
        """
        if not (drop or put or drop_first is not None):
            return self.plus(first=Headers(first), last=Headers(last))
        result = Headers(first)
        keys, lines = result._keys, result._lines
        dropped = {key_of(name) for name in drop}
        replaced: dict[str, list[str]] = {}
        for name, value in put:
            replaced.setdefault(key_of(name), []).append(_line(name, value))
        waiting = dict(replaced)
        shortened = key_of(drop_first) if drop_first is not None else None
        for key, line in zip(self._keys, self._lines, strict=True):
            if key in replaced:
                group = waiting.pop(key, ())
                keys.extend(key for _ in group)
                lines.extend(group)
            elif key == shortened:
                shortened = None
                rest = first_of_list(_value(line))[1]
                if rest:
                    keys.append(key)
                    lines.append(_line(_name(line), rest))
            elif key not in dropped:
                keys.append(key)
                lines.append(line)
        for key, group in waiting.items():
            keys.extend(key for _ in group)
            lines.extend(group)
        for name, value in last:
            keys.append(key_of(name))
            lines.append(_line(name, value))
        return result

    def plus(self, *, first: "Headers | None" = None, last: "Headers | None" = None) -> "Headers":
        """Give these headers with others on top of them and after them."""
        keys, lines = self._keys, self._lines
        if first is not None:
            keys, lines = first._keys + keys, first._lines + lines
        if last is not None:
            keys, lines = keys + last._keys, lines + last._lines
        return Headers.of_lines(keys, lines)

    def __contains__(self, name: str) -> bool:
        return key_of(name) in self._keys

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((_name(line), _value(line)) for line in self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        if self._keys != other._keys:
            return False
        return self._lines == other._lines or [_value(a) for a in self._lines] == [_value(b) for b in other._lines]

    def __hash__(self) -> int:
        return hash(tuple(self._keys))

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


class view(Generic[T]):  # noqa: N801 - read as a decorator, as `property` is
    """A property that is computed once per message; an error names the header it came from."""

    def __init__(self, name: str) -> None:
        self._header = name

    def __call__(self, read: Callable[[Any], T]) -> "view[T]":  # Any: a Request or a Response, which come below
        """Make a property of a method that reads a header."""
        self._read = read
        self._attribute = read.__name__
        self.__doc__ = read.__doc__
        return self

    @overload
    def __get__(self, message: None, owner: type) -> "view[T]": ...
    @overload
    def __get__(self, message: "_Views", owner: type) -> T: ...
    def __get__(self, message: "_Views | None", owner: type) -> "T | view[T]":
        if message is None:
            return self
        views = message._views
        if self._attribute in views:
            found: T = views[self._attribute]
            return found
        try:
            found = self._read(message)
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"{self._header}: {error.reason}", error.status) from None
        views[self._attribute] = found
        return found


class _Views:
    """What both kinds of message say in their headers, read once, when first asked for."""

    __slots__ = ()

    headers: Headers
    _views: dict[str, Any]  # Any: each view has its own type

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
        return parse_via(first_of_list(self.headers.get("via") or "")[0])

    @view[str]("Event")
    def event(self) -> str:
        """The event package in lower case, without parameters; "" if there is none."""
        return _head_word(self._only("event"))

    @view[str]("Content-Type")
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" if there is none."""
        return _head_word(self._only("content-type"))

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
        if self.headers.line_keys.count(key) > 1:
            raise RemoteProtocolError("comes twice")
        return self.headers.get(key)

    def _need(self, key: str) -> str:
        value = self._only(key)
        if not value:
            raise RemoteProtocolError("missing or empty")
        return value


def _head_word(text: str | None) -> str:
    return text.partition(";")[0].strip(BLANKS).lower() if text else ""


@dataclass(frozen=True, slots=True)
class Request(_Views):
    """A request."""

    method: str
    uri: str
    """The Request-URI as it came."""

    headers: Headers
    body: bytes = b""
    _views: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # Any: see above

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
        keys = self.headers.line_keys
        if origin.address and "via" in keys:
            lines, at = self.headers.lines, keys.index("via")
            lines[at] = origin.on(lines[at])
            self._views.pop("via", None)

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
        if "dialog_text" in self._views:
            result._views["dialog_text"] = self._views["dialog_text"]
        return result


@dataclass(frozen=True, slots=True)
class Response(_Views):
    """A response."""

    status: int
    phrase: str
    """The reason phrase; "" becomes the usual one when it leaves."""

    headers: Headers
    body: bytes = b""
    _views: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # Any: see above

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
        self._views["dialog_text"] = dialog_text

    def plus(self, *, last: Headers) -> "Response":
        """Give this response with headers at the end."""
        return Response(self.status, self.phrase, self.headers.plus(last=last), self.body)


Message = Request | Response

_COPIED: Final = frozenset({"via", "from", "to", "call-id", "cseq"})

SERVER: Final = "RTC/5.0"
"""What this server is to clients: the generation of Lync Server 2013. They read the number, and choose by it."""

_SERVER_LINE: Final = f"Server: {SERVER}"


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
    keys: list[str] = []
    lines: list[str] = []
    for key, line in zip(request.headers.line_keys, request.headers.lines, strict=True):
        if key in _COPIED:
            keys.append(key)
            lines.append(line)
    if (to_tag or status >= 200) and _lacks_to_tag(request):
        lines[keys.index("to")] += f";tag={to_tag or new_tag()}"
    more = Headers(headers)
    keys += more.line_keys
    lines += more.lines
    keys.append("server")
    lines.append(_SERVER_LINE)
    if content_type is not None:
        keys.append("content-type")
        lines.append(f"Content-Type: {content_type}")
    return Response(status, phrase_of(status) if phrase is None else phrase, Headers.of_lines(keys, lines), body)


def _lacks_to_tag(request: Request) -> bool:
    try:
        return request.to.tag is None
    except RemoteProtocolError:
        return False  # the copy is as broken as the original; a tag would not mend it


def new_tag() -> str:
    """Give a fresh From or To tag."""
    return secrets.token_hex(8)


def new_branch() -> str:
    """Give a fresh Via branch."""
    return "z9hG4bK" + secrets.token_hex(12)


def new_call_id() -> str:
    """Give a fresh Call-ID."""
    return secrets.token_hex(16)


def phrase_of(status: int) -> str:
    """Give the usual reason phrase; never empty, because a real client hangs without one."""
    return PHRASES.get(status) or CLASSES.get(status // 100, "Unknown")
