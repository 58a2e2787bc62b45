"""What of a message may be kept or shown: everything but what proves somebody, and, unless wanted, what people say. Pure.

A field of credentials keeps its scheme and what of it is no secret; a parameter, an element or a line of a body whose name
speaks of a password, a token, a ticket, a key or a PIN loses its value. A body is left out as a whole unless it is asked for,
and so is text of a conversation that stands in a header. Content-Length is that of what is left, so that what was masked can
still be read as SIP.
"""

import re
from typing import Final

MASK: Final = "***"

BODY_BYTES: Final = "X-Lyncpy-Body-Bytes"
"""The header that says how long a body was that was left out."""

CREDENTIALS: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "proxy-authenticate",
        "authentication-info",
        "proxy-authentication-info",
    }
)

_HARMLESS: Final = frozenset(
    {"realm", "targetname", "version", "qop", "algorithm", "opaque", "cnum", "snum", "username", "uri", "stale", "nc"}
)
"""Parameters of credentials that prove nothing."""

_PARAM: Final = re.compile(r'\b([A-Za-z0-9_-]{1,40})=("[^"]*"|[^",]*)')

_NAMES: Final = r"(?:passw(?:or)?d|passcode|pwd|secret|token|ticket|gssapi|cookie|pin|key|inline)"

_SECRET_PARAM: Final = re.compile(
    rf'(?i)\b([a-z0-9-]{{0,24}}{_NAMES}[a-z0-9-]{{0,24}}"?[=:] ?)(?:(")[^"]*"|[^\s"&;,<>]+)'
)
_SECRET_ELEMENT: Final = re.compile(rf"(?i)(<[a-z0-9:]{{0,24}}{_NAMES}[a-z0-9]{{0,24}}(?:\s[^<>]*)?>)[^<]+")
_USER_PASSWORD: Final = re.compile(r"(sips?:[^\s:@<>;?]{1,120}):[^\s@<>]{1,120}@")

_SPOKEN: Final = frozenset({"ms-text-format", "ms-im-format", "subject"})
"""Headers that hold what somebody says, as the first message of an INVITE ([MS-SIPRE] 2.2.12)."""

_SECRET_HEADERS: Final = ("cookie", "token", "ticket", "password", "ms-user-logon-data")


def masked(data: bytes, *, with_body: bool = False, most: int = 65_536) -> str:
    """Give a message as text without its secrets, and without its body unless that is wanted.

    Args:
        data: A whole message as it is on the wire.
        with_body: Whether a developer asked for the body; secrets in it are masked all the same.
        most: Characters of the body that are kept.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.decode("utf-8", "backslashreplace").split("\r\n")
    kept = [masked_line(line, with_text=with_body) for line in lines if not line.lower().startswith("content-length:")]
    text = ""
    if with_body:
        text = masked_text(body.decode("utf-8", "backslashreplace")[:most])
    elif body:
        kept.append(f"{BODY_BYTES}: {len(body)}")
    kept.append(f"Content-Length: {len(text.encode())}")
    return "\r\n".join([_USER_PASSWORD.sub(rf"\1:{MASK}@", start), *kept, "", text])


def masked_line(line: str, *, with_text: bool = False) -> str:
    """Give a header line without its secrets; `with_text` leaves what somebody says."""
    name, colon, value = line.partition(":")
    key = name.strip().lower()
    if key in CREDENTIALS:
        return f"{name}:{_masked_credentials(value)}"
    if any(word in key for word in _SECRET_HEADERS) or (key in _SPOKEN and not with_text):
        return f"{name}: {MASK}"
    return f"{name}{colon}{masked_text(value)}"


def masked_text(text: str) -> str:
    """Give text of any form without what its names call secret."""
    text = _SECRET_ELEMENT.sub(rf"\1{MASK}", text)
    return _USER_PASSWORD.sub(rf"\1:{MASK}@", _SECRET_PARAM.sub(_masked_value, text))


def _masked_value(found: re.Match[str]) -> str:
    quote = found[2] or ""
    return f"{found[1]}{quote}{MASK}{quote}"


def _masked_credentials(value: str) -> str:
    scheme, _, rest = value.strip().partition(" ")
    if "=" in scheme:
        return f" {_PARAM.sub(_masked_param, value.strip())}"
    return f" {scheme} {_PARAM.sub(_masked_param, rest) if '=' in rest else MASK}"


def _masked_param(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    return f"{name}={value}" if name.lower() in _HARMLESS or value in ('""', "") else f'{name}="{MASK}"'
