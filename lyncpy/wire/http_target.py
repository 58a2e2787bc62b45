"""What a request asks for: the target of its first line, and its Host. Pure."""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

QUERY_FIELDS: Final = 32

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~%!$&'()*+,;=-]{0,255})(?::[0-9]{0,5})?")


class UnreadableTarget(Exception):
    """A request target that is none of this site, or cannot be read; the sentence is sent to the client."""


def target_of(uri: bytes) -> tuple[str, dict[str, str], str]:
    """Give path, query and, of the absolute form, the authority of a request target.

    Spec: RFC 9112 §3.2.
    """
    text = uri.decode("latin-1")
    authority = ""
    # The absolute form, which clients behind a proxy send, names its own authority (RFC 9112 §3.2.2).
    if not text.startswith("/"):
        try:
            parts = urlsplit(text) if text.lower().startswith(("https://", "http://")) else None
        except ValueError:  # brackets that are no IPv6 address
            parts = None
        if parts is None or not parts.netloc:
            raise UnreadableTarget("the address is not one of this site")
        authority = parts.netloc
        text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    path, _, query = text.partition("?")
    try:
        plain_path = unquote_to_bytes(path).decode("utf-8")
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=QUERY_FIELDS, errors="strict")
    except ValueError:
        raise UnreadableTarget("the address cannot be read") from None
    # Encoded controls would reach logs, and headers of an answer.
    if any(ord(mark) < 32 or ord(mark) == 127 for mark in plain_path):
        raise UnreadableTarget("the address cannot be read")
    found: dict[str, str] = {}
    # Of a field that comes twice the first counts, whoever added the other.
    for name, value in fields:
        found.setdefault(name, value)
    return plain_path, found, authority


def host_of(text: str) -> str:
    """Give the name in a Host header without its port, lower case, brackets of an IPv6 address kept.

    Raises:
        Unreadable: It is neither name nor address.

    Spec: RFC 9112 §3.2, RFC 3986 §3.2.2.
    """
    host = _HOST.fullmatch(text.strip(" \t"))
    if host is None:
        raise UnreadableTarget("the Host is no name and no address")
    return host[1].lower()
