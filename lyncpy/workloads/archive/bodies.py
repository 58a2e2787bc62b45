"""Entries → what people and other programs read: plain text, JSON lines, mail.

A message's text may be hostile: it is shown, never interpreted.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html.parser import HTMLParser
from typing import Final

from lyncpy.contracts.archive import Line, Said
from lyncpy.contracts.names import Aor, bare
from lyncpy.sip.body import media_type, read_multipart
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.archive import model

RECIPIENTS: Final = 100
"""Addresses in a mail's To; a mail program chokes on a thousand, and the transcript names all."""

_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+")
_CONTROLS: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, *range(55296, 57344)), "�")
_BREAKS: Final = frozenset({"br", "p", "div", "tr", "li"})


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as it is stored, and what it says."""

    line: Line
    said: Said


def plain_text(said: Said) -> str:
    """Give what a person reads; of several forms the plain one; of what is no text its kind and size."""
    if said.kind == "joined":
        return "(joined)"
    if said.kind == "left":
        return "(left)"
    return _shown(_text(said.body, said.content_type, depth=2))


def json_line(kept: Kept) -> bytes:
    """Write an entry as one line of JSON, from which its digest can be computed again."""
    line = kept.line
    entry = {
        "serial": line.serial,
        "digest": line.digest.hex(),
        "head": line.head,
        "body": base64.b64encode(line.body).decode("ascii"),
        "text": plain_text(kept.said),
    }
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def mail(entries: Sequence[Kept]) -> bytes:
    """Write entries of one conversation, at least one, as a mail: a transcript, and the entries as they are kept."""
    first, last = entries[0], entries[-1]
    people = list(dict.fromkeys(one for kept in entries for one in (kept.said.sender, *kept.said.recipients) if one))
    names = [_name(one) for one in people]
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(names[0] if names else "")
    message["To"] = [_address(name) for name in names[1 : 1 + RECIPIENTS]] or [_address(names[0] if names else "")]
    message["Date"] = format_datetime(datetime.fromtimestamp(first.said.at, UTC))
    message["Subject"] = _subject(first.said, names)
    message["Message-ID"] = f"<{first.line.serial}-{last.line.serial}.{last.line.digest.hex()[:32]}@archive.invalid>"
    message["X-Archive-Entries"] = f"{first.line.serial}-{last.line.serial}"
    message["X-Archive-Digest"] = last.line.digest.hex()
    head = [f"Conversation: {_one_line(first.said.conversation)}", f"Participants: {', '.join(names)}", ""]
    message.set_content("\n".join([*head, *(_spoken(kept.said) for kept in entries), ""]))
    message.add_attachment(
        b"".join(json_line(kept) for kept in entries),
        maintype="application",
        subtype="json",
        filename="entries.jsonl",
    )
    return message.as_bytes()


def _subject(said: Said, names: Sequence[str]) -> str:
    if said.conference:
        return f"Conference with {len(names)} participants"
    return f"Conversation of {' and '.join(names[:2])}" if names else "Conversation"


def _spoken(said: Said) -> str:
    """Write an entry as a line of a transcript; further lines of its text are indented."""
    when = f"{datetime.fromtimestamp(said.at, UTC):%Y-%m-%d %H:%M:%S}"
    text = plain_text(said).replace("\n", "\n    ")
    if said.kind == "undelivered":
        whom = ", ".join(_name(one) for one in said.recipients)
        text = f"(not delivered to {whom}) {text}".rstrip()
    return f"[{when}] {_name(said.sender)}: {text}"


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
    if kind.startswith("multipart/") and depth:
        try:
            parts = read_multipart(body, content_type)
        except RemoteProtocolError:
            parts = []
        # The plainest form first; what is no text at all last.
        order = {"text/plain": 0, "text/html": 1}
        found = sorted(parts, key=lambda part: order.get(_kind(part.content_type)[0], 2))
        if found:
            return _text(found[0].body, found[0].content_type, depth - 1)
    if kind == "text/html":
        return _stripped(_decoded(body, parameters.get("charset", "")))
    if kind == "" or (kind.startswith("text/") and kind != "text/rtf"):
        return _decoded(body, parameters.get("charset", ""))
    return f"({kind}, {len(body)} bytes)"


def _kind(content_type: str) -> tuple[str, dict[str, str]]:
    try:
        return media_type(content_type)
    except RemoteProtocolError:
        return "", {}


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):  # no such charset, or one that is not for text
        return body.decode("utf-8", "replace")


def _shown(text: str) -> str:
    """Give text with one kind of line end, and without characters that play with terminals."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)


def _stripped(source: str) -> str:
    """Give the text of HTML, without scripts and styles."""
    parser = _Text()
    try:
        parser.feed(source)
        parser.close()
    except AssertionError:  # what the parser says of some broken declarations
        return source
    return "".join(parser.parts).strip()


class _Text(HTMLParser):
    """Keeps what a person reads."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Hide scripts and styles; break lines."""
        self._hidden += tag in ("script", "style")
        if tag in _BREAKS and self.parts:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """Show again."""
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if not self._hidden:
            self.parts.append(data)


def kept_of(line: Line) -> Kept | None:
    """Read a stored entry; None for one whose head was spoiled, which verification is for."""
    try:
        return Kept(line, model.read(line).said)
    except model.Broken:
        return None
