"""What a message's body is: media types, and multipart read and written.

Part bodies stay bytes. Transfer encodings but `binary`, `8bit` and `7bit` are not undone:
nobody uses them in SIP.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.grammar import BLANKS, TOKEN, parse_params, quote, read_keys
from lyncpy.sip.layout import layout_of
from lyncpy.sip.message import Headers

_MAX_PARTS: Final = 256
_MAX_PART_HEAD: Final = 8_192
_BOUNDARY: Final = re.compile(r"[A-Za-z0-9'()+_,\-./:=? ]{0,69}[A-Za-z0-9'()+_,\-./:=?]")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    headers: Headers
    body: bytes

    @property
    def content_type(self) -> str:
        """The part's media type in lower case, without parameters; text/plain if it has none (RFC 2046 §5.1)."""
        text = self.headers.get("Content-Type")
        return media_type(text)[0] if text else "text/plain"


def media_type(text: str) -> tuple[str, dict[str, str]]:
    """Read a Content-Type value: `type/subtype` in lower case, and its parameters, unquoted.

    Raises:
        RemoteProtocolError: No type or no subtype.
    """
    name, _, rest = text.partition(";")
    kind, slash, subtype = (word.strip(BLANKS) for word in name.partition("/"))
    if not slash or not TOKEN.fullmatch(kind) or not TOKEN.fullmatch(subtype):
        raise RemoteProtocolError(f'not a media type: "{text[:80]}"')
    return f"{kind}/{subtype}".lower(), parse_params(rest)


def read_multipart(body: bytes, content_type: str, *, max_parts: int = _MAX_PARTS) -> list[Part]:
    """Read the parts of a multipart body, in order, without preamble and epilogue.

    Raises:
        RemoteProtocolError: Not multipart, no usable boundary, more than `max_parts`, a head
            that cannot be read, or no end.

    Spec: RFC 2046 §5.1.1.
    """
    kind, params = media_type(content_type)
    boundary = params.get("boundary", "")
    if not kind.startswith("multipart/") or not _BOUNDARY.fullmatch(boundary):
        raise RemoteProtocolError(f'not multipart, or no boundary: "{content_type[:80]}"')
    delimiter = b"\r\n--" + boundary.encode("ascii")
    # The delimiter's line break belongs to it; the first one may stand at the very beginning.
    pieces = (b"\r\n" + body).split(delimiter, max_parts + 1)
    parts: list[bytes] = []
    for number, piece in enumerate(pieces):
        if number and piece.startswith(b"--"):
            return [_read_part(part) for part in parts]
        padding, line_end, rest = piece.partition(b"\r\n")
        if number and line_end and not padding.strip(b" \t"):
            parts.append(b"\r\n" + rest)
        elif parts:
            # A line of the part that only begins like the delimiter.
            parts[-1] += delimiter + piece
    raise RemoteProtocolError(f"a multipart body without end, or of more than {max_parts} parts")


def _read_part(piece: bytes) -> Part:
    head, end, body = piece.partition(b"\r\n\r\n")
    if not end:
        # Where there is no body, the line break of the delimiter may be the one that ends the head.
        if not head.endswith(b"\r\n"):
            raise RemoteProtocolError("a body part without an empty line after its head")
        head = head[:-2]
    if len(head) > _MAX_PART_HEAD:
        raise RemoteProtocolError("a body part with too long a head")
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")[1:]
    keys, unreadable = read_keys(lines)
    if unreadable is not None:
        raise RemoteProtocolError(f'not a header field of a body part: "{unreadable[:80]}"')
    return Part(Headers.of_lines(layout_of(keys), lines), body)


def write_multipart(
    parts: Iterable[tuple[bytes, bytes]], *, subtype: str, boundary: str, params: Mapping[str, str] | None = None
) -> tuple[str, bytes]:
    r"""Write a multipart body, and the Content-Type that goes with it.

    Every part's body is followed by an empty line, so that CRLF CRLF stands before the
    boundary: a real client cuts four bytes off each part. To other readers this is a CRLF
    more at the end of the part, which XML and text do not mind.

    Args:
        parts: The header lines of each part, every line with its end, and its body.
        params: More parameters of the media type; quoted where they have to be.

    Raises:
        LocalProtocolError: No boundary, or one that occurs in a part.

    Spec: RFC 2046 §5.1.1. Client: protocol notes, "presence" §6.1.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise LocalProtocolError(f'not a boundary: "{boundary[:80]}"')
    delimiter = b"--" + boundary.encode("ascii")
    out: list[bytes] = []
    for head, body in parts:
        if delimiter in body:
            raise LocalProtocolError("the boundary occurs in a part")
        out += delimiter, b"\r\n", head, b"\r\n", body, b"\r\n\r\n"
    out += delimiter, b"--\r\n"
    words = {**(params or {}), "boundary": boundary}
    listed = ";".join(f"{name}={value if TOKEN.fullmatch(value) else quote(value)}" for name, value in words.items())
    return f"multipart/{subtype};{listed}", b"".join(out)
