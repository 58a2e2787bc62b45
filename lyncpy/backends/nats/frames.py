"""The NATS client protocol as bytes: frames that a server sends, and commands that a client sends.

Pure: no socket, no clock. A frame is a line that ends in CRLF, and for messages so many bytes after it as the line says.

Spec: docs.nats.io, "Client Protocol"; ADR-4 for headers.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LINE_BYTES: Final = 65_536
"""The longest line. That of a message holds two subjects, of which a server takes 4,096 bytes unless it is told otherwise
(max_control_line), and a number of ours; that of INFO names all servers of a cluster."""

PAYLOAD_BYTES: Final = 8_388_608
"""The most bytes of a message with its headers that are taken: eight times what a server allows unless it is told otherwise.

Larger ones are read over: whoever may publish ends no connection of others with one."""

URLS_MOST: Final = 64
"""Servers of a cluster that are remembered."""

_SUBJECT: Final = re.compile(r"[^\s.*>\x00-\x1f\x7f]+(?:\.[^\s.*>\x00-\x1f\x7f]+)*")
_STATUS: Final = re.compile(rb"NATS/1\.0[ \t]+([0-9]{3})")
_NUMBER: Final = re.compile(rb"[0-9]{1,15}")
_VERSION_LINE: Final = b"NATS/1.0"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself, at first and whenever its cluster changes."""

    version: str = ""
    max_payload: int = 1_048_576
    """The largest message that it takes, in bytes."""

    nonce: str = ""
    """What is to be signed, where it wants a key."""

    requires_tls: bool = False
    offers_tls: bool = False
    takes_headers: bool = False
    is_leaving: bool = False
    """Whether it ends soon (lame duck mode): clients are to go elsewhere."""

    connect_urls: tuple[str, ...] = ()
    """HOST:PORT of all servers of its cluster that clients may use."""


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that one of our subscriptions has matched."""

    subject: str
    subscription: int
    reply: str
    """The subject that an answer goes to; "" when none is awaited."""

    payload: bytes
    """Nothing of a message that is larger than PAYLOAD_BYTES."""

    status: int = 0
    """Of the server's own answers, 503: nobody listens there; 0: it is somebody's message."""


@dataclass(frozen=True, slots=True)
class ServerPing:
    """The server asks whether we are there."""


@dataclass(frozen=True, slots=True)
class ServerPong:
    """The server's answer to a PING of ours."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """+OK, which a server says where it was asked to be verbose."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """-ERR: what a server has against us; most of these end the connection."""

    text: str


@dataclass(frozen=True, slots=True)
class NotNats:
    """What came is no NATS: nothing more can be read of this connection."""

    reason: str


Frame = ServerInfo | ReceivedMessage | ServerPing | ServerPong | Acknowledged | ServerError | NotNats


_USUAL_PAYLOAD_BYTES: Final = 1_048_576


class _Unreadable(Exception):
    """A line that is none."""


@dataclass(frozen=True, slots=True)
class _Head:
    """The line of a message whose bytes are still to come."""

    subject: str
    subscription: int
    reply: str
    header_bytes: int
    total_bytes: int


class FrameDecoder:
    """Makes frames of the bytes of one connection; never keeps more of them than one frame may have."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._over = 0
        """Bytes of a message that are still to be read over."""

        self._is_garbled = False

    def __len__(self) -> int:
        """Give the number of bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Give the frames that are complete with these bytes; after a `NotNats`, which is the last, none."""
        if self._is_garbled:
            return ()
        buffer = self._buffer
        # A line that does not end is looked through once, not again with each byte.
        begin, looked = 0, max(0, len(buffer) - 1)
        buffer += data
        found: list[Frame] = []
        try:
            while True:
                if self._over:
                    over = min(self._over, len(buffer) - begin)
                    self._over, begin = self._over - over, begin + over
                if self._head is not None:
                    end = begin + self._head.total_bytes + 2
                    if len(buffer) < end:
                        break
                    found.append(_delivery(self._head, bytes(buffer[begin:end])))
                    self._head, begin, looked = None, end, end
                end = buffer.find(b"\r\n", max(begin, looked))
                _check_line(begin, len(buffer) - buffer.endswith(b"\r") if end < 0 else end)
                if end < 0:
                    break
                frame = self._line(bytes(buffer[begin:end]))
                begin = looked = end + 2
                if frame is not None:
                    found.append(frame)
        except _Unreadable as error:
            self._is_garbled = True
            buffer.clear()
            found.append(NotNats(str(error)))
            return found
        del buffer[:begin]
        return found

    def _line(self, line: bytes) -> Frame | None:
        """Read a line; None: the bytes of its message are still to come."""
        verb, _, rest = line.partition(b" ")
        name = verb.strip().upper()
        if name in (b"MSG", b"HMSG"):
            head = _message_head(rest.split(), has_headers=name == b"HMSG")
            if head.total_bytes > PAYLOAD_BYTES:
                self._over = head.total_bytes + 2
                return ReceivedMessage(head.subject, head.subscription, head.reply, b"")
            self._head = head
            return None
        if name == b"PING":
            return ServerPing()
        if name == b"PONG":
            return ServerPong()
        if name == b"+OK":
            return Acknowledged()
        if name == b"-ERR":
            return ServerError(rest.decode("utf-8", "replace").strip(" '\t"))
        if name == b"INFO":
            return read_info(rest)
        raise _Unreadable(f"{line[:80]!r} is no line of NATS")


def _check_line(begin: int, end: int) -> None:
    if end - begin > LINE_BYTES:
        raise _Unreadable(f"a line is longer than {LINE_BYTES} bytes")


def _message_head(words: Sequence[bytes], *, has_headers: bool) -> _Head:
    numbers = 2 if has_headers else 1
    if len(words) not in (2 + numbers, 3 + numbers):
        raise _Unreadable(f"a message has {len(words)} words in its line")
    sizes = [_number(word) for word in words[-numbers:]]
    subject, subscription = _text(words[0]), _number(words[1])
    reply = _text(words[2]) if len(words) == 3 + numbers else ""
    if sizes[0] > sizes[-1]:
        raise _Unreadable("a message has more headers than bytes")
    return _Head(subject, subscription, reply, sizes[0] if has_headers else 0, sizes[-1])


def _delivery(head: _Head, data: bytes) -> ReceivedMessage:
    if not data.endswith(b"\r\n"):
        raise _Unreadable("a message does not end where it said")
    headers, status = data[: head.header_bytes], 0
    if headers:
        if not headers.startswith(_VERSION_LINE):
            raise _Unreadable("headers have another version than NATS/1.0")
        found = _STATUS.match(headers)
        status = int(found[1]) if found is not None else 0
    return ReceivedMessage(head.subject, head.subscription, head.reply, data[head.header_bytes : -2], status)


def _number(word: bytes) -> int:
    if not _NUMBER.fullmatch(word):
        raise _Unreadable(f"{word[:40]!r} is no number")
    return int(word)


def _text(word: bytes) -> str:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        raise _Unreadable(f"{word[:40]!r} is not UTF-8") from None


def read_info(data: bytes) -> ServerInfo:
    """Read the JSON of an INFO; what is not of the kind that it should be counts as not said."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        raise _Unreadable("INFO is not JSON") from None
    if not isinstance(told, dict):
        raise _Unreadable("INFO is no object")
    most, urls = told.get("max_payload"), told.get("connect_urls")
    return ServerInfo(
        version=_string(told, "version"),
        max_payload=most if isinstance(most, int) and 0 < most <= PAYLOAD_BYTES else _USUAL_PAYLOAD_BYTES,
        nonce=_string(told, "nonce"),
        requires_tls=told.get("tls_required") is True,
        offers_tls=told.get("tls_available") is True,
        takes_headers=told.get("headers") is True,
        is_leaving=told.get("ldm") is True,
        connect_urls=tuple(url for url in urls[:URLS_MOST] if isinstance(url, str)) if isinstance(urls, list) else (),
    )


def _string(told: dict[str, object], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


# --- what we send


def is_subject(text: str) -> bool:
    """Tell whether something can be published to a name: tokens with dots between, none of which is a wildcard."""
    return _SUBJECT.fullmatch(text) is not None


def connect(options: dict[str, object]) -> bytes:
    """Write CONNECT."""
    return b"CONNECT %b\r\n" % json.dumps(options, separators=(",", ":")).encode()


def publish(subject: str, payload: bytes, reply: str = "") -> bytes:
    """Write PUB. The subjects are ours, or were given by a server: they are not looked at again."""
    return f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"


def subscribe(pattern: str, subscription: int, group: str = "") -> bytes:
    """Write SUB; of those who have subscribed as one group the server gives each message to one."""
    return f"SUB {pattern} {group + ' ' if group else ''}{subscription}\r\n".encode()


def unsubscribe(subscription: int) -> bytes:
    """Write UNSUB."""
    return b"UNSUB %d\r\n" % subscription


PING: Final = b"PING\r\n"
PONG: Final = b"PONG\r\n"
