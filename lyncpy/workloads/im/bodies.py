"""Bodies of the chat: session descriptions, alternatives, typing, text within an INVITE, and the report of failed copies."""

from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.mcu import DeliveryFailure
from lyncpy.sip.binary import read_base64
from lyncpy.sip.body import media_type, read_multipart
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import attr, child, escape, local, quote_attr, read_xml
from lyncpy.sip.message import Request

SDP: Final = "application/sdp"
TYPING: Final = "application/xml"
ALTERNATIVE: Final = "multipart/alternative"
PLAIN: Final = "text/plain"
INVITATION: Final = "application/ms-conf-invite+xml"
COMPOSING: Final = "application/im-iscomposing+xml"

CONVEYED: Final = (
    "text/plain multipart/alternative image/gif text/rtf text/html application/x-ms-ink application/ms-imdn+xml"
)
"""The media types that participants may send. A file cannot be offered to many, so no text/x-msmsgsinvite."""

IMDN_TYPE: Final = "application/ms-imdn+xml"

_IMDN_NS: Final = "http://schemas.microsoft.com/rtc/2005/08/imdn"
_ACCEPT_TYPES: Final = b"a=accept-types:"
_FIRST_TEXTS: Final = ("ms-text-format", "ms-im-format")
_FIRST_IM: Final = b"<first-im"
_FIRST_IM_END: Final = b"</first-im>"
_NAME_ENDS: Final = frozenset((b">", b" ", b"\t", b"\r", b"\n"))
_ALTERNATIVES_MAXIMUM: Final = 16
_TYPING_BYTES: Final = 4_096


def accept_types(body: bytes) -> frozenset[str]:
    """Read the media types that the sender of a session description can show, in lower case; empty: it does not say.

    Spec: RFC 4975 §8.6, `a=accept-types`; [MS-CONFIM] 3.1.5.
    """
    for line in body.splitlines():
        if line[: len(_ACCEPT_TYPES)].lower() == _ACCEPT_TYPES:
            return frozenset(line[len(_ACCEPT_TYPES) :].decode("ascii", "replace").lower().split())
    return frozenset()


def describe(uri: str) -> bytes:
    """Write the answer to a session description that offers messages.

    Nobody connects to its address: messages come in the dialog, and clients look at the type of the medium alone.
    """
    lines = (
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=session",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        f"m=message 5060 sip {uri}",
        f"a=accept-types:{CONVEYED}",
        "",
    )
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def shown_as(content_type: str, body: bytes, accepted: frozenset[str]) -> tuple[str, bytes] | None:
    """Choose the part of a message for recipients who can show these types.

    A single text goes to everybody as it came: a client that cannot show it refuses it by its answer.
    Of alternatives a client gets all when it can take them apart, else the last one that it can show.

    Returns:
        Content-Type and body; None when there is no part that they can show.

    Spec: [MS-CONFIM] 3.1.5; RFC 2046 §5.1.4: the last alternative is the richest.
    """
    if media_type(content_type)[0] != ALTERNATIVE or not accepted or _accepts(accepted, ALTERNATIVE):
        return content_type, body
    # The last alternative is the richest (RFC 2046 §5.1.4); text/plain is shown by every client.
    parts = read_multipart(body, content_type, max_parts=_ALTERNATIVES_MAXIMUM)
    for part in reversed(parts):
        if part.content_type == PLAIN or _accepts(accepted, part.content_type):
            return part.headers.get("Content-Type") or PLAIN, part.body
    return None


def check_shown(content_type: str, body: bytes) -> None:
    """Check that a message can be taken apart for those who need it, before it is accepted.

    Raises:
        RemoteProtocolError: No media type, or alternatives that cannot be read.
    """
    if media_type(content_type)[0] == ALTERNATIVE:
        read_multipart(body, content_type, max_parts=_ALTERNATIVES_MAXIMUM)


def _accepts(accepted: frozenset[str], kind: str) -> bool:
    return kind in accepted or "*" in accepted or f"{kind.partition('/')[0]}/*" in accepted


def check_typing(body: bytes) -> None:
    """Check that a body is the sign that somebody is typing, or has stopped.

    Raises:
        RemoteProtocolError: It is anything else.
    """
    root = read_xml(body, max_bytes=_TYPING_BYTES)
    status = child(root, "status")
    if local(root) != "KeyboardActivity" or status is None or attr(status, "status") not in ("type", "idle"):
        raise RemoteProtocolError("no sign of typing")


def text_of(request: Request) -> tuple[str, bytes] | None:
    """Return the text of a MESSAGE, or the text within an INVITE, as Content-Type and body; None: there is none."""
    if request.method == "INVITE":
        return first_text(request)
    if request.content_type == COMPOSING:
        return None
    return request.headers.get("Content-Type") or "", request.body


def first_text(invite: Request) -> tuple[str, bytes] | None:
    """Return the text within an INVITE, as Content-Type and body; None: there is none.

    The plain form where there is one. Text that cannot be decoded is returned as it is written. In an
    invitation to a conference it may stand in the body, which is no XML where the topic holds
    a "<" (protocol notes, "conferences" §6.1): so it is searched for, and not parsed.

    Spec: [MS-CONFIM] 2.2; the text is base64 in the parameter `ms-body`.
    """
    for name in _FIRST_TEXTS:
        value = invite.headers.get(name)
        if value is None:
            continue
        kind, *params = (part.strip() for part in value.split(";"))
        kept = [kind]
        text: str | None = None
        for param in params:
            key, _, given = param.partition("=")
            if key.strip().lower() == "ms-body":
                text = given.strip().strip('"')
            else:
                kept.append(param)
        if text:
            return ";".join(kept), _decoded(text)
    found = _first_im(invite.body) if invite.content_type == INVITATION else b""
    return (PLAIN, found) if found else None


def _first_im(body: bytes) -> bytes:
    """Return the content of the element `first-im`; b"" when there is none, or it is empty.

    Every search goes on where the last one ended, so that a body without an end tag is searched once.
    """
    start = body.find(_FIRST_IM)
    while start >= 0 and body[start + len(_FIRST_IM) : start + len(_FIRST_IM) + 1] not in _NAME_ENDS:
        start = body.find(_FIRST_IM, start + len(_FIRST_IM))
    begins = body.find(b">", start) + 1 if start >= 0 else 0
    ends = body.find(_FIRST_IM_END, begins) if begins else -1
    return body[begins:ends] if ends >= 0 else b""


def takes_first_text(supported: tuple[str, ...]) -> bool:
    """Tell from the Supported headers of a 200 whether the text in the INVITE was taken; if not, it is sent again.

    Client: it repeats the text as a MESSAGE unless one of these stands there (protocol notes, "instant messaging" §2.2).
    """
    words = {word.strip().lower() for value in supported for word in value.split(",")}
    return not words.isdisjoint(("ms-text-format", "ms-embedded-first-message"))


def _decoded(text: str) -> bytes:
    packed = "".join(text.split())  # what was folded has white space, which counts for no padding
    try:
        return read_base64(packed + "=" * (-len(packed) % 4), len(packed) + 3, "the text")
    except RemoteProtocolError:
        return text.encode("utf-8", "surrogateescape")


def write_report(number: int, failed: Sequence[tuple[str, DeliveryFailure]]) -> bytes:
    """Write the report about a message of a chat: the recipients who did not get it; without one, everybody got it.

    Args:
        number: The message's Message-Id.
        failed: Addresses, `sip:…`, with the failure of each; may be empty.

    Spec: [MS-CONFIM] 2.2.3. Client: it shows each recipient whose status is 300 or more, in
    words that go by the status (protocol notes, "instant messaging" §3.3, §3.4).
    """
    recipients = "".join(_recipient(address, failure) for address, failure in failed)
    return f'<imdn xmlns="{_IMDN_NS}"><message-id>{number}</message-id>{recipients}</imdn>'.encode()


def _recipient(address: str, failure: DeliveryFailure) -> str:
    entry = (
        f"<entry><key>ms-diagnostics</key><value>{escape(failure.diagnostics)}</value></entry>"
        if failure.diagnostics
        else ""
    )
    uri = quote_attr(f"<{address}>")
    return f"<recipient uri={uri}><status>{failure.status}</status>{entry}</recipient>"
