"""Messages → bytes, in the one form that a strict client reads.

CRLF and long names, one blank in CSeq, a reason phrase and a Content-Length always: there
are clients that hang without them.
"""

from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.message import Message, Request, phrase_of


def encode(message: Message) -> bytes:
    """Write a message.

    NUL characters become question marks: they are legal within quotes, but clients read a
    head as a C string and would wait for ever for the rest of it.

    Raises:
        LocalProtocolError: A line break where none can be, or text that has no bytes.

    Spec: RFC 3261 §7. Client: protocol notes, "transport" §2.1.
    """
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} SIP/2.0"
    else:
        start = f"SIP/2.0 {message.status} {message.phrase or phrase_of(message.status)}"
    layout, lines = message.headers.layout, [start, *message.headers.lines]
    place = layout.places.get("cseq")
    if place is not None:
        lines[place + 1] = "CSeq: " + " ".join(lines[place + 1].partition(":")[2].split())
    if "content-length" in layout.places:
        lines[1:] = [line for key, line in zip(layout.keys, lines[1:], strict=True) if key != "content-length"]
    lines.append(f"Content-Length: {len(message.body)}\r\n\r\n")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
        raise LocalProtocolError(f'a line break within a line of "{start[:80]}"')
    if "\0" in head:
        head = head.replace("\0", "?")
    try:
        return head.encode("utf-8", "surrogateescape") + message.body
    except UnicodeEncodeError:
        raise LocalProtocolError(f'text without bytes in "{start[:80]}"') from None
