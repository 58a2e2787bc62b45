"""Entries → what people and other programs read: plain text, JSON lines, mail.

A message's text may be hostile: it is shown, never interpreted.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from lyncpy.contracts.archive import ConversationEvent, EntryKind, LedgerLine
from lyncpy.contracts.names import Aor, bare
from lyncpy.sip.body import Part, media_type, read_multipart
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.archive import model
from lyncpy.workloads.archive.hypertext import text_of_html

RECIPIENTS: Final = 100
"""Addresses in a mail's To; a mail program chokes on a thousand, and the transcript names all."""

PIECE_BYTES: Final = 57 * 4_096
"""Of a mail encoded at once, whole lines of base64: some milliseconds."""

_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+")
_CHARSET: Final = re.compile(
    r"(?:us-)?ascii|utf-?8|utf-?(?:16|32)(?:-?[lb]e)?|latin-?1|iso-?8859-?[0-9]{1,2}|(?:windows-?|cp)[0-9]{3,4}"
    r"|koi8-[rut]|gb2312|gbk|gb18030|big5|shift[_-]jis|euc-(?:jp|kr)|iso-2022-(?:jp|kr)",
    re.IGNORECASE,
)
_CONTROLS: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, *range(55296, 57344)), "�")


@dataclass(frozen=True, slots=True)
class ArchivedText:
    """An entry: its stored line, and its content."""

    line: LedgerLine
    said: ConversationEvent


def plain_text(said: ConversationEvent) -> str:
    """Give the text for a reader: of several forms the plain one, of other content its type and size."""
    if said.kind is EntryKind.JOINED:
        return "(joined)"
    if said.kind is EntryKind.LEFT:
        return "(left)"
    return _shown(_text(said.body, said.content_type, depth=2))


def json_line(kept: ArchivedText) -> bytes:
    """Write an entry as one line of JSON, from which its digest can be computed again."""
    return _json_line(kept, plain_text(kept.said))


def _json_line(kept: ArchivedText, text: str) -> bytes:
    line = kept.line
    entry = {
        "serial": line.serial,
        "digest": line.digest.hex(),
        "head": line.head,
        "body": base64.b64encode(line.body).decode("ascii"),
        "text": text,
    }
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


class Mail:
    """Entries of one conversation as a mail: a transcript, and the entries as they are kept.

    It is written as the entries come, and given in pieces: to have a library make eight
    megabytes of mail at once would keep everybody else waiting for seconds.
    """

    def __init__(self) -> None:
        self._first: ArchivedText | None = None
        self._last: ArchivedText | None = None
        self._people: dict[Aor, None] = {}
        self._spoken: list[bytes] = []
        self._kept: list[bytes] = []
        self.size = 0
        """Bytes of what was added."""

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._kept)

    @property
    def serial(self) -> int:
        """Give the first entry's number."""
        return 0 if self._first is None else self._first.line.serial

    def add(self, kept: ArchivedText) -> None:
        """Add an entry to the mail."""
        self._first = self._first or kept
        self._last = kept
        self._people.update(dict.fromkeys(filter(None, (kept.said.sender, *kept.said.recipients))))
        text = plain_text(kept.said)
        self._spoken.append(_spoken(kept.said, text).replace("\n", "\r\n").encode("utf-8", "replace"))
        self._kept.append(_json_line(kept, text))
        self.size += len(self._spoken[-1]) + len(self._kept[-1])

    def pieces(self) -> Iterator[bytes]:
        """Give the mail of at least one entry, a piece at a time."""
        first, last = self._first, self._last
        assert first is not None
        assert last is not None
        names = [_name(one) for one in self._people]
        boundary = f"entries-{last.line.digest.hex()[:32]}"
        message = EmailMessage(policy=SMTP)
        message["From"] = _address(names[0] if names else "")
        message["To"] = [_address(name) for name in names[1 : 1 + RECIPIENTS]] or [_address(names[0] if names else "")]
        message["Date"] = format_datetime(datetime.fromtimestamp(first.said.at, UTC))
        message["Subject"] = _subject(first.said, names)
        message["Message-ID"] = (
            f"<{first.line.serial}-{last.line.serial}.{last.line.digest.hex()[:32]}@archive.invalid>"
        )
        message["X-Archive-Entries"] = f"{first.line.serial}-{last.line.serial}"
        message["X-Archive-Digest"] = last.line.digest.hex()
        kind = f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n'
        yield message.as_bytes().rstrip() + b"\r\n" + kind.encode()
        head = [f"Conversation: {_one_line(first.said.conversation)}", f"Participants: {', '.join(names)}", "", ""]
        yield _part_head(boundary, 'text/plain; charset="utf-8"')
        yield from _encoded(["\r\n".join(head).encode("utf-8", "replace"), *self._spoken])
        yield _part_head(boundary, "application/json", 'attachment; filename="entries.jsonl"')
        yield from _encoded(self._kept)
        yield f"\r\n--{boundary}--\r\n".encode()


def _part_head(boundary: str, kind: str, disposition: str = "inline") -> bytes:
    return (
        f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: {disposition}\r\n\r\n"
    ).encode()


def _encoded(content: Sequence[bytes]) -> Iterator[bytes]:
    """Give base64 in lines, a piece at a time."""
    whole = b"".join(content)
    for start in range(0, len(whole), PIECE_BYTES):
        yield base64.encodebytes(whole[start : start + PIECE_BYTES]).replace(b"\n", b"\r\n")


def _subject(said: ConversationEvent, names: Sequence[str]) -> str:
    if said.conference:
        return f"Conference with {len(names)} participants"
    return f"Conversation of {' and '.join(names[:2])}" if names else "Conversation"


def _spoken(said: ConversationEvent, text: str) -> str:
    """Write an entry as a line of a transcript; further lines of its text are indented."""
    when = f"{datetime.fromtimestamp(said.at, UTC):%Y-%m-%d %H:%M:%S}"
    text = text.replace("\n", "\n    ")
    if said.kind is EntryKind.UNDELIVERED:
        whom = ", ".join(_name(one) for one in said.recipients)
        text = f"(not delivered to {whom}) {text}".rstrip()
    return f"[{when}] {_name(said.sender)}: {text}\n"


def _name(aor: Aor) -> str:
    return _one_line(bare(aor))


def _one_line(text: str) -> str:
    """Give text without anything that ends a line somewhere: a header would end there, and another begin."""
    return " ".join(_shown(text).split())


def _address(name: str) -> Address:
    if _ADDRESS.fullmatch(name) and len(name) < 250:
        return Address(addr_spec=name)
    return Address(display_name=name[:100] or "unknown", username="unknown", domain="invalid")


def _text(body: bytes, content_type: str, depth: int) -> str:
    kind, parameters = _kind(content_type)
    plainest = _plainest(body, content_type) if kind.startswith("multipart/") and depth else None
    if plainest is not None:
        return _text(plainest.body, plainest.content_type, depth - 1)
    if kind == "text/html":
        return text_of_html(_decoded(body, parameters.get("charset", "")))
    if _READ_AS_IT_IS.fullmatch(kind):
        return _decoded(body, parameters.get("charset", ""))
    return f"({kind}, {len(body)} bytes)"


_READ_AS_IT_IS: Final = re.compile(r"|text/(?!rtf$).*")
"""Kinds of text that need nothing taken out: where none is said, and all that are no markup of their own."""


def _plainest(body: bytes, content_type: str) -> Part | None:
    """Give the part that is read most easily: plain text, else HTML, else the first; None where there is none."""
    try:
        parts = read_multipart(body, content_type)
    except RemoteProtocolError:
        return None
    order = {"text/plain": 0, "text/html": 1}
    return min(parts, key=lambda part: order.get(_kind(part.content_type)[0], len(order)), default=None)


def _kind(content_type: str) -> tuple[str, dict[str, str]]:
    try:
        return media_type(content_type)
    except RemoteProtocolError:
        return "", {}


def _decoded(body: bytes, charset: str) -> str:
    """Decode text as its sender says; as UTF-8 where they say nothing that is known.

    Only what is listed is looked up: Python has codecs that are none of texts, some of which
    cost a square, and keeps for ever what it was asked for in vain.
    """
    try:
        return body.decode(charset if _CHARSET.fullmatch(charset) else "utf-8", "replace")
    except (LookupError, ValueError):  # no such number
        return body.decode("utf-8", "replace")


def _shown(text: str) -> str:
    """Give text with one kind of line end, and without characters that play with terminals."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)


def kept_of(line: LedgerLine) -> ArchivedText | None:
    """Read a stored entry; None for one whose head was spoiled, which verification is for."""
    try:
        return ArchivedText(line, model.read(line).said)
    except model.ChainBroken:
        return None
