"""Entries as people read them."""

import base64
import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from hashlib import sha256
from typing import Any

import pytest

from lyncpy.contracts.archive import ConversationEvent, EntryKind, LedgerLine
from lyncpy.contracts.names import Aor
from lyncpy.workloads.archive import bodies, model
from lyncpy.workloads.archive.bodies import ArchivedText, Mail, kept_of, plain_text
from tests.kit.vault import ALICE, BOB, CAROL, NOON, said

ALTERNATIVE = (
    b"--x\r\nContent-Type: text/rtf\r\n\r\n{\\rtf}\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>bold</b>\r\n"
    b"--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n--x--\r\n"
)


def chain(*some: ConversationEvent) -> list[ArchivedText]:
    """Give entries as they are stored."""
    kept, point = [], model.ChainPoint(0, b"\x01" * 32)
    for one in some:
        line = model.link(point, one)
        kept.append(ArchivedText(line, one))
        point = model.ChainPoint(line.serial, line.digest)
    return kept


def opened(*some: ConversationEvent) -> EmailMessage:
    """Open the mail of a conversation as a mail program does."""
    mail = Mail()
    for kept in chain(*some):
        mail.add(kept)
    message: Any = message_from_bytes(b"".join(mail.pieces()), policy=default)
    assert not message.defects
    opened: EmailMessage = message
    return opened


def transcript(message: EmailMessage) -> list[str]:
    """Give the lines of the transcript below its head."""
    body: Any = message.get_body(("plain",))
    text: str = body.get_content()
    return text.splitlines()[3:]


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=UTF-8", "höre\r\nzu".encode(), "höre\nzu"),
        ("text/plain; charset=iso-8859-1", b"h\xf6re", "höre"),
        ("text/plain; charset=nonsense", b"x", "x"),
        ("text/plain; charset=hex", b"41", "41"),
        ("text/plain", b"\xff\x1b[31m\0", "\ufffd\ufffd[31m\ufffd"),
        ("", b"x", "x"),
        ("nonsense", b"x", "x"),
        ("text/html", b"<style>p{}</style>a<br>b &amp; <script>alert(1)</script><b>c</b>", "a\nb & c"),
        ("text/html", b"<![foo[ x", None),
        ("text/rtf", b"{\\rtf}", "(text/rtf, 6 bytes)"),
        ("image/png", b"\x89PNG", "(image/png, 4 bytes)"),
        ("multipart/alternative; boundary=x", ALTERNATIVE, "plain"),
        ("multipart/alternative", b"broken", "(multipart/alternative, 6 bytes)"),
    ],
)
def test_a_message_is_read_as_text(content_type: str, body: bytes, text: str | None) -> None:
    """The plainest form of it, without what plays with terminals; of a picture its kind and size."""
    shown = plain_text(said(body, content_type=content_type))
    assert shown == text if text is not None else isinstance(shown, str)


def test_coming_and_going_are_read_as_text() -> None:
    """In words."""
    assert [plain_text(said("", kind=kind)) for kind in (EntryKind.JOINED, EntryKind.LEFT)] == ["(joined)", "(left)"]


def test_a_conversation_is_a_mail_that_mail_programs_read() -> None:
    """Who spoke first is its author, its date is the first entry's, and the transcript has a line for each entry."""
    mail = opened(
        said("hello\r\nBob"),
        said("hi", sender=BOB, recipients=(ALICE,), at=NOON + 61),
        said("lost", kind=EntryKind.UNDELIVERED, at=NOON + 62),
    )
    assert (mail["From"], mail["To"]) == ("alice@example.com", "bob@example.com")
    assert mail["Date"].datetime.timestamp() == NOON
    assert mail["Subject"] == "Conversation of alice@example.com and bob@example.com"
    assert transcript(mail) == [
        "[2026-07-20 12:00:00] alice@example.com: hello",
        "    Bob",
        "[2026-07-20 12:01:01] bob@example.com: hi",
        "[2026-07-20 12:01:02] alice@example.com: (not delivered to bob@example.com) lost",
    ]


def test_a_mail_carries_the_entries_as_they_are_kept() -> None:
    """From the attachment each digest can be computed again."""
    mail = opened(said(b"\0\xff"), said("hi"))
    (attachment,) = mail.iter_attachments()
    assert attachment.get_filename() == "entries.jsonl"
    entries = [json.loads(line) for line in attachment.get_content().splitlines()]
    for entry in entries:
        body = base64.b64decode(entry["body"])
        assert sha256(entry["head"].encode() + b"\n" + body).hexdigest() == entry["digest"]
    assert json.loads(entries[1]["head"])["previous"] == entries[0]["digest"]
    assert mail["X-Archive-Entries"] == "1-2"


def test_a_conference_is_a_mail_to_all() -> None:
    """A mail program is not given a thousand recipients; the transcript names all."""
    many = tuple(Aor(f"sip:user{n}@example.com") for n in range(300))
    mail = opened(
        said("hello", recipients=many, conference=True), said("", kind=EntryKind.JOINED, sender=CAROL, recipients=())
    )
    assert mail["Subject"] == "Conference with 302 participants"
    assert len(mail["To"].addresses) == bodies.RECIPIENTS
    assert transcript(mail)[1] == "[2026-07-20 12:00:00] carol@example.com: (joined)"


def test_names_that_are_no_addresses_make_no_headers() -> None:
    """Whatever somebody calls himself."""
    mail = opened(said(sender="sip:x\r\nBcc: y@z", recipients=()))
    assert "Bcc" not in mail
    assert mail["From"].addresses[0].addr_spec == "unknown@invalid"
    assert opened(said(sender="", recipients=()))["Subject"] == "Conversation"


def test_an_entry_whose_head_was_spoiled_is_not_read() -> None:
    """Verification is what names it."""
    line = chain(said())[0].line
    assert kept_of(line) is not None
    assert kept_of(LedgerLine(1, 0.0, "", "", "", b"", b"")) is None
