"""Bytes → messages: framing by Content-Length, within bounds, at any cut of the stream.

Nothing here looks into a header but Content-Length. What is framed but makes no sense is
`Garbled`, and the stream goes on after it; once nobody can tell where the next message
begins, the framing is lost and the flow has to close.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import BLANKS, TOKEN, read_keys, remembered
from lyncpy.sip.interned import interned
from lyncpy.sip.known_heads import KnownHead
from lyncpy.sip.layout import LONGEST, Edit, Layout, layout_of
from lyncpy.sip.message import Headers, Message, Request, Response
from lyncpy.sip.shared import METHODS, REGISTER, Recognition, SharedLines


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """How much of one message is held in memory."""

    line_bytes: int = 66_560
    """A longer header line, folds joined, makes a message `Garbled`. Kerberos tickets travel in one line."""

    head_bytes: int = 98_304
    """A longer head loses the framing."""

    headers: int = 256
    """More header lines lose the framing."""

    body_bytes: int = 262_144
    """A longer body is skipped, and its message is `Garbled` with 413."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A keep-alive between messages (RFC 5626 §3.5.1): CRLF CRLF, or one CRLF, an answer to it or a stray one."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """A message whose end is known but whose content cannot be read; its body is skipped."""

    request: Request | None
    """What could be read of a request, without its body, to answer it; None for a response."""

    status: int
    reason: str


Item = Message | Ping | Garbled

_PING: Final = Ping()
_URI: Final = re.compile(r'[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20<>"\x7f]+')
_STRAY: Final = re.compile(r"[\r\n]+")
_VERSION: Final = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE)
_STATUS: Final = re.compile(r"[1-6][0-9][0-9]")
_LENGTH_DIGITS: Final = 12
_STATUS_LINE: Final = b"SIP/"
KEPT_KINDS: Final = 256
"""Methods, with a number of fields each, of which usual names are remembered; with one more all are begun anew. Strangers may invent them."""

KEPT_PROGRAMS: Final = 4
"""Spellings of each of them: the latest."""

LONGEST_NAMES: Final = 2_048
"""Characters of the names of one message that are remembered: so all of them take a few mebibytes at most."""

COMING_AGAIN: Final = frozenset({"", REGISTER, *METHODS})
"""Methods of which a message may share its lines with those before it; a response has none."""

_CR: Final = 13
_LF: Final = 10


class Decoder:
    """One direction of one stream. Holds at most one head and one body."""

    __slots__ = (
        "_buffer", "_head", "_known_request", "_known_response", "_length", "_limits", "_lost", "_mark", "_recognition", "_scanned",
        "_skip",
    )  # fmt: skip

    def __init__(self, limits: DecoderLimits | None = None) -> None:
        self._limits = limits or DecoderLimits()
        self._buffer = bytearray()
        self._mark: bytes | None = None  # what ends this head: found with its first line
        self._scanned = 0  # up to here the buffer holds no mark
        self._head: tuple[_Start, Headers, SharedLines | None] | None = None  # waits for its body
        self._length = 0  # of that body
        self._skip = 0  # bytes of a body nobody wants
        self._lost: str | None = None
        self._recognition = Recognition()
        # The head of the last request and of the last response, if such a one had come before.
        self._known_request: _Known | None = None
        self._known_response: _Known | None = None

    def bound(self, limits: DecoderLimits) -> None:
        """Set the limits that hold from the next message on."""
        self._limits = limits

    @property
    def idle(self) -> bool:
        """Whether the stream is between two messages, so that the peer owes us nothing."""
        return self._head is None and not self._skip and not self._buffer.strip(b"\r\n")

    @property
    def buffered(self) -> int:
        """How many bytes are held."""
        return len(self._buffer)

    @property
    def lost(self) -> RemoteProtocolError | None:
        """Why the framing is lost, if it is. Ask after each `feed`: what came before is still delivered."""
        return RemoteProtocolError(self._lost) if self._lost else None

    def feed(self, data: bytes) -> list[Item]:
        """Decode the next bytes of the stream, and give the messages that they complete, in order.

        The result depends on the bytes alone, never on how they are cut. When messages come
        before the place where the framing is lost, they are given now and the next call raises.

        Raises:
            RemoteProtocolError: The framing is lost, now or earlier.

        Spec: RFC 3261 §7.5, §18.3, §20.14.
        """
        items: list[Item] = []
        if self._lost is None:
            # Nearly always there is nothing left from before, and the next message is like the one before it.
            taken = 0
            if (
                (self._known_request is not None or self._known_response is not None)
                and not self._buffer
                and self._head is None
                and not self._skip
            ):
                taken = self._read_known(data, items)
            if taken < len(data):
                self._buffer += data[taken:] if taken else data
                while self._buffer and self._step(items):
                    pass
        if self._lost is not None and not items:
            raise RemoteProtocolError(self._lost)
        return items

    def _read_known(self, data: bytes, items: list[Item]) -> int:
        """Decode whole messages whose heads are known; give where the first other one begins."""
        at = 0
        while at < len(data):
            known = self._known_response if data.startswith(_STATUS_LINE, at) else self._known_request
            found = None if known is None else known[0].read(data, at)
            if known is None or found is None:
                break
            headers, length_line, begin = found
            length = _usual_length(length_line)
            end = begin + length
            is_long = begin - at > self._limits.line_bytes or length > self._limits.body_bytes
            if length < 0 or end > len(data) or is_long:
                break
            items.append(known[1].message(headers, data[begin:end], known[2]))
            at = end
        return at

    def _step(self, items: list[Item]) -> bool:
        """Decode one thing from the buffer; False when it does not hold a whole one."""
        buffer = self._buffer
        if self._skip:
            skipped = min(self._skip, len(buffer))
            del buffer[:skipped]
            self._skip -= skipped
        if self._head is not None:
            if len(buffer) < self._length:
                return False
            start, headers, shared = self._head
            self._head = None
            body = bytes(buffer[: self._length])
            del buffer[: self._length]
            items.append(start.message(headers, body, shared))
            return True
        if not buffer:
            return False
        if buffer[0] in (_CR, _LF):
            return self._read_blank(items)
        end = self._find_end()
        return end >= 0 and self._read_head(end, items)

    def _read_blank(self, items: list[Item]) -> bool:
        """Decode one or two line ends between messages; a line feed alone is passed over."""
        buffer = self._buffer
        if buffer[0] == _LF:
            del buffer[:1]
        elif buffer.startswith(b"\r\n\r\n"):
            del buffer[:4]
            items.append(_PING)
        elif len(buffer) < 4 and b"\r\n\r\n".startswith(buffer):
            return False  # the second half may be under way
        elif buffer.startswith(b"\r\n"):
            del buffer[:2]
            items.append(_PING)
        else:
            return self._lose("a carriage return without a line feed")
        return True

    def _find_end(self) -> int:
        """Find where this head ends; -1 if that is not known yet or never will be.

        Line feeds alone are read as line ends only if the first line ends so, and then all
        lines have to: were both mixed, two readers could see two different messages.
        """
        buffer, limit = self._buffer, self._limits.head_bytes
        if self._mark is None:
            line_end = buffer.find(b"\n", self._scanned)
            if line_end >= 0:
                crlf = buffer[line_end - 1] == _CR
                self._mark = b"\r\n\r\n" if crlf else b"\n\n"
                self._scanned = line_end - crlf
        end = -1 if self._mark is None else buffer.find(self._mark, self._scanned)
        # Up to three bytes of the mark may have come.
        if (end if end >= 0 else len(buffer) - 3) > limit:
            self._lose("the head is too long")
            return -1
        if end < 0:
            self._scanned = max(self._scanned, len(buffer) - 3)
        return end

    def _read_head(self, end: int, items: list[Item]) -> bool:
        """Decode a message's head and find out what it is the head of."""
        buffer, mark = self._buffer, self._mark or b""
        head = buffer[:end].decode("utf-8", "surrogateescape")
        del buffer[: end + len(mark)]
        self._mark, self._scanned = None, 0
        crlf = mark == b"\r\n\r\n"
        lines = head.split("\r\n" if crlf else "\n")
        breaks = len(lines) - 1
        stray = head.count("\n") != breaks or head.count("\r") != (breaks if crlf else 0)
        if stray:
            lines = [_STRAY.sub(" ", line) for line in lines]
        if breaks > self._limits.headers:
            return self._lose("too many header lines")
        start = _read_start(lines.pop(0))
        if start is None:
            return self._lose("not SIP")
        names = _usual_names(start.method, lines)
        layout, unreadable = (names.layout, None) if names is not None else _read_names(start.method, lines)
        headers = Headers.of_lines(layout, lines)
        if stray:
            # Another reader might have seen a Content-Length here.
            items.append(start.garbled(headers, 400, "a line break that is none"))
            return self._lose("a line break that is none")
        error = start.error
        if unreadable is not None:
            error = error or (400, f'not a header field: "{unreadable[:80]}"')
        elif end > self._limits.line_bytes and max(map(len, lines), default=0) > self._limits.line_bytes:
            error = error or (400, "a header line is too long")
        shared = None if error else self._recognise(start, headers, head)
        return self._frame(start, headers, names, error, shared, items)

    def _recognise(self, start: "_Start", headers: Headers, head: str) -> SharedLines | None:
        """Give what a message shares with others; where it is the second of them, its head is known from now on."""
        if start.method not in COMING_AGAIN:
            self._known_request = None
            return None
        layout, lines = headers.layout, headers.lines
        shared = self._recognition.shared_lines(start.line, layout, lines)
        known: _Known | None = None
        # A REGISTER comes again in minutes, and others have come between: its head is read line by line.
        if (
            shared is not None
            and start.method != REGISTER
            and "content-length" in layout.places
            and "content-length" not in layout.repeated
        ):
            if shared.head is None and shared.came and "\r\n".join([start.line, *lines]) == head:
                shared.head = KnownHead(start.line, layout, lines)
            shared.came = True
            known = None if shared.head is None else (shared.head, start, shared)
        if start.status:
            self._known_response = known
        else:
            self._known_request = known
        return shared

    def _frame(
        self,
        start: "_Start",
        headers: Headers,
        names: "Names | None",
        error: "_Error | None",
        shared: SharedLines | None,
        items: list[Item],
    ) -> bool:
        """Find out how long the body is; then deliver the message, wait for the rest, or skip the body."""
        try:
            if names is not None and names.unframed is not None:
                headers.layout = names.unframed
                length = _read_length(headers.lines.pop(names.length_place))
            else:
                length = _take_length(headers)
        except RemoteProtocolError as lost:
            items.append(start.garbled(headers, lost.status, lost.reason))
            return self._lose(lost.reason)
        if length > self._limits.body_bytes:
            error = error or (413, "the body is too long")
        buffer = self._buffer
        if error is not None:
            items.append(start.garbled(headers, *error))
            self._skip = length
        elif length <= len(buffer):  # nearly always it has come with its head
            body = bytes(buffer[:length])
            del buffer[:length]
            items.append(start.message(headers, body, shared))
        else:
            self._head, self._length = (start, headers, shared), length
        return True

    def _lose(self, reason: str) -> bool:
        self._lost = reason
        self._buffer.clear()
        return False


_Error = tuple[int, str]
_Known = tuple[KnownHead, "_Start", SharedLines]
"""A head, its start line as it was read, and what follows from its lines."""


class Names(NamedTuple):
    """The names of the fields of a message, as some client spells them, and what follows from them."""

    spelt: tuple[str, ...]
    """Each with its colon."""

    layout: Layout
    unframed: Layout | None
    """The layout without Content-Length; None: that is not there, or more than once."""

    length_place: int


USUAL_NAMES: Final[dict[tuple[str, int], tuple[Names, ...]]] = {}
"""Method ("" of a response) and number of fields → the names that came with them lately, whoever sent them: there are few
programs, and each writes its requests of one kind alike."""


def _usual_names(method: str, lines: list[str]) -> Names | None:
    """Give the names of header lines that have come before, spelt the same; None: they are to be read."""
    for names in USUAL_NAMES.get((method, len(lines)), ()):
        if all(map(str.startswith, lines, names.spelt)):
            return names
    return None


def _read_names(method: str, lines: list[str]) -> tuple[Layout, str | None]:
    """Read the names of header lines, see `read_keys`; they are known from now on."""
    count = len(lines)
    keys, unreadable = read_keys(lines)
    layout = layout_of(keys)
    if unreadable is None and len(lines) == count <= LONGEST:
        spelt = tuple([interned(line[: line.index(":") + 1]) for line in lines])
        if len(method) + sum(map(len, spelt)) <= LONGEST_NAMES:
            is_framed = "content-length" in layout.places and "content-length" not in layout.repeated
            unframed = layout.edited(_WITHOUT_LENGTH)[0] if is_framed else None
            names = Names(spelt, layout, unframed, layout.places.get("content-length", 0))
            known = USUAL_NAMES.pop((method, count), ())
            if len(USUAL_NAMES) >= KEPT_KINDS:
                USUAL_NAMES.clear()
            USUAL_NAMES[method, count] = (names, *known)[:KEPT_PROGRAMS]
    return layout, unreadable


@dataclass(frozen=True, slots=True)
class _Start:
    """A start line: a request's method and URI, or a response's status and phrase."""

    line: str
    method: str
    rest: str
    status: int = 0
    error: _Error | None = None

    def message(self, headers: Headers, body: bytes, shared: SharedLines | None) -> Message:
        """Make the message; what it shares with those before it is known in it."""
        message = (
            Response(self.status, self.rest, headers, body, shared)
            if self.status
            else Request(self.method, self.rest, headers, body, shared)
        )
        if shared is not None:
            message.__dict__.update(shared.views)
        return message

    def garbled(self, headers: Headers, status: int, reason: str) -> Garbled:
        return Garbled(Request(self.method, self.rest, headers) if self.method else None, status, reason)


@remembered
def _read_start(line: str) -> _Start | None:
    """Read a start line; None if it is none of SIP's, so that nothing after it can be trusted."""
    words = line.split(" ")
    if len(words) == 3 and words[2] == "SIP/2.0" and TOKEN.fullmatch(words[0]) and _URI.fullmatch(words[1]):
        return _Start(line, words[0], words[1])
    if line[:4].upper() == "SIP/":
        return _read_status(line)
    words = line.split()
    if len(words) < 2 or not _VERSION.fullmatch(words[-1]) or not TOKEN.fullmatch(words[0]):
        return None
    method, uri, version = words[0], " ".join(words[1:-1]), words[-1].upper()
    if version != "SIP/2.0":
        return _Start(line, method, uri, error=(505, f'version "{version[:80]}"'))
    if line.split(" ") != words or not _URI.fullmatch(uri):
        return _Start(line, method, uri, error=(400, "not a request line"))
    return _Start(line, method, uri)


def _read_status(line: str) -> _Start:
    version, _, rest = line.partition(" ")
    status, _, phrase = rest.partition(" ")
    if version.upper() != "SIP/2.0" or not _STATUS.fullmatch(status):
        return _Start(line, "", phrase, error=(400, "not a status line"))
    return _Start(line, "", phrase, int(status))


def _take_length(headers: Headers) -> int:
    """Remove Content-Length from the headers of a message that nobody has seen yet, and give its value.

    Returns:
        0 if there is none, and no body.

    Raises:
        RemoteProtocolError: Nobody can tell where the body ends.

    Spec: RFC 3261 §18.3, §20.14: on a stream it has to be there. To guess would let a body
    pass for the next request.
    """
    layout, lines = headers.layout, headers.lines
    place = layout.places.get("content-length")
    if place is None:
        if "content-type" in layout.places:
            raise RemoteProtocolError("a body without Content-Length")
        return 0
    if "content-length" in layout.repeated:
        lengths = {_read_length(line) for key, line in zip(layout.keys, lines, strict=True) if key == "content-length"}
        if len(lengths) > 1:
            raise RemoteProtocolError("two different lengths")
        length = _read_length(lines[place])
        headers.layout, pick = layout.edited(_WITHOUT_LENGTH)
        headers.lines = [*pick(lines)]
        return length
    headers.layout = layout.edited(_WITHOUT_LENGTH)[0]
    return _read_length(lines.pop(place))


def _usual_length(line: str) -> int:
    """Give the value of a Content-Length line; -1 if it has none."""
    try:
        return _read_length(line)
    except RemoteProtocolError:
        return -1


_WITHOUT_LENGTH: Final = Edit(drop=("content-length",))


@remembered
def _read_length(line: str) -> int:
    digits = line.partition(":")[2].strip(BLANKS)
    if not (digits.isascii() and digits.isdigit()) or len(digits.lstrip("0")) > _LENGTH_DIGITS:
        raise RemoteProtocolError(f'not a length: "{digits[:80]}"')
    return int(digits[-_LENGTH_DIGITS:])
