"""The shared lexer: tokens, quoted strings, lists, parameters and header names.

All patterns are linear: every alternative that opens something also matches when it is
never closed, and possessive loops leave nothing to try again.
"""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final, Generic, TypeVar

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.interned import interned

TOKEN: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
"""A token of RFC 3261 §25.1; use `fullmatch`."""

_COMMAS: Final = re.compile(r'"(?:[^"\\]+|\\.)*+"?|<[^>]*+>?|,', re.DOTALL)
_SEMICOLONS: Final = re.compile(r'"(?:[^"\\]+|\\.)*+"?|;', re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:[^"\\]+|\\.)*+)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)

BLANKS: Final = " \t"

T = TypeVar("T")

REMEMBERED: Final = 2_048
"""Texts of one kind of which it is remembered what was read in them: the latest."""

REMEMBERED_CHARACTERS: Final = 256
"""A longer text is read anew each time."""

REMEMBERED_PARAMETERS: Final = 16
"""One with more semicolons, too: each parameter takes some 150 bytes, however short it is. So an entry takes 6 KiB at most, and
strangers can fill a dozen mebibytes with those of one kind."""


class _Texts(dict[str, T], Generic[T]):
    """Texts, and what was read in them; to look up what is there costs no call of Python's."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[str], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> T:
        found = self._read(text)
        if len(text) <= REMEMBERED_CHARACTERS and text.count(";") <= REMEMBERED_PARAMETERS:
            if len(self) >= REMEMBERED:
                # Several at once: to find the first of a table costs a walk over the places of those who went before.
                for old in tuple(islice(self, REMEMBERED // 8)):
                    self.pop(old, None)
            self[text] = found
        return found


def remembered(read: Callable[[str], T]) -> Callable[[str], T]:
    """Remember what a pure function has read: the lines that name a dialog come again with each of its messages.

    What it gives is shared, and must not be changed.
    """
    return _Texts(read).__getitem__


LONG_NAMES: Final[Mapping[str, str]] = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
}
"""Compact header names (RFC 3261 §7.3.3 and the IANA registry) → the long ones."""

_USUAL_NAMES: Final = (
    "Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authentication-Info "
    "Authorization CSeq Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language "
    "Content-Length Content-Type Conversation-ID Date EndPoints Error-Info Event Expires From History-Info "
    "In-Reply-To MIME-Version Max-Forwards Min-Expires Ms-Conversation-ID P-Asserted-Identity "
    "P-Preferred-Identity Priority Privacy Proxy-Authenticate Proxy-Authentication-Info Proxy-Authorization "
    "Proxy-Require RSeq RAck Reason Record-Route Refer-To Referred-By Reject-Contact Replaces Reply-To "
    "Request-Disposition Require Retry-After Roster-Manager Route Server Session-Expires Subject "
    "Subscription-State Supported Timestamp To Unsupported User-Agent Via WWW-Authenticate Warning "
    "ms-accepted-content-types ms-asserted-verification-level ms-client-diagnostics ms-delayed-accept "
    "ms-diagnostics ms-diagnostics-public ms-edge-proxy-message-trust ms-endpoint-location-data ms-keep-alive "
    "ms-piggyback-cseq ms-rtc-conference-id ms-renders-gif ms-renders-isf ms-renders-mime-alternative "
    "ms-sender ms-subnet ms-text-format ms-user-logon-data presence-state"
)

KEYS: Final[Mapping[str, str]] = {
    spelling: interned(name.lower()) for name in _USUAL_NAMES.split() for spelling in (name.lower(), name.upper(), name)
}
"""The usual long header names, as they are usually spelt → their key, which is one interned object."""


@remembered
def key_of(name: str) -> str:
    """Give the key that all spellings of a header name share: the long name in lower case."""
    key = KEYS.get(name)
    if key is None:
        lower = LONG_NAMES.get(name.lower(), name).lower()
        key = KEYS.get(lower, lower)
    return key


def read_keys(lines: list[str]) -> tuple[tuple[str, ...], str | None]:
    """Give each header line's key, and the last line that is no header field.

    The list is changed where a line has to be: folded lines are joined with one blank,
    compact names become long, no blank stays before the colon, and lines that are no header
    fields are taken out.

    Spec: RFC 3261 §7.3.1, §7.3.3.
    """
    try:
        return tuple([KEYS[line[: line.index(":")]] for line in lines]), None
    except (KeyError, ValueError):
        return _read_unusual_keys(lines)


def _read_unusual_keys(lines: list[str]) -> tuple[tuple[str, ...], str | None]:
    """Read header keys where a line is folded, or its name is unknown, compact, oddly spelt, or not there at all."""
    keys: list[str] = []
    kept: list[str] = []
    unreadable: str | None = None
    for line in lines:
        if line[:1] in ("\t", " ") and kept:
            kept[-1] = f"{kept[-1].rstrip(BLANKS)} {line.lstrip(BLANKS)}"
            continue
        name, colon, value = line.partition(":")
        bare = name.rstrip(BLANKS)
        if not colon or not (bare in KEYS or TOKEN.fullmatch(bare)):
            unreadable = line
            continue
        long = LONG_NAMES.get(bare.lower(), bare)
        keys.append(key_of(long))
        kept.append(line if long == name else f"{long}:{value}")
    lines[:] = kept
    return tuple(keys), unreadable


def split_list(text: str) -> tuple[str, ...]:
    """Split a header value at the commas outside of quotes and angle brackets.

    Elements lose their outer blanks; empty ones (RFC 7230 §7 allows them) are left out.
    What opens and never closes reaches to the end.
    """
    if "," not in text:
        stripped = text.strip(BLANKS)
        return (stripped,) if stripped else ()
    return tuple(part for part in _split(_COMMAS, ",", text) if part)


def first_of_list(text: str) -> tuple[str, str]:
    """Split a header value after its first element; the rest is "" when there is only one."""
    if "," in text:
        for found in _COMMAS.finditer(text):
            if found[0] == ",":
                return text[: found.start()].strip(BLANKS), text[found.end() :].strip(BLANKS)
    return text.strip(BLANKS), ""


def _split(pattern: re.Pattern[str], separator: str, text: str) -> list[str]:
    parts, start = [], 0
    for found in pattern.finditer(text):
        if found[0] == separator:
            parts.append(text[start : found.start()].strip(BLANKS))
            start = found.end()
    parts.append(text[start:].strip(BLANKS))
    return parts


def parse_params(text: str) -> dict[str, str]:
    """Read `name=value;flag;name="quoted"`: what follows the first semicolon of a value.

    Returns:
        Lower-case names → values, unquoted, in order; "" for a flag. The first of two
        equal names counts.

    Raises:
        RemoteProtocolError: A parameter without a name (but one semicolon at the very end
            is let pass), or a quote that is not closed.
    """
    params: dict[str, str] = {}
    parts = _split(_SEMICOLONS, ";", text) if '"' in text else text.split(";")
    if not parts[-1].strip(BLANKS):
        parts.pop()
    for part in parts:
        name, _, value = part.partition("=")
        name = name.strip(BLANKS).lower()
        if not name:
            raise RemoteProtocolError(f'empty parameter in "{text[:80]}"')
        value = value.strip(BLANKS)
        if value[:1] == '"':
            value = unquote(value)
        params.setdefault(name, value)
    return params


def unquote(text: str) -> str:
    """Give what a quoted string says; text that does not begin with a quote is returned as it is.

    Raises:
        RemoteProtocolError: The quote is not closed, or something follows it.
    """
    if text[:1] != '"':
        return text
    found = _QUOTED.fullmatch(text)
    if found is None:
        raise RemoteProtocolError(f'unbalanced quotes in "{text[:80]}"')
    inner = found[1]
    return _ESCAPE.sub(r"\1", inner) if "\\" in inner else inner


def quote(text: str) -> str:
    """Write text as a quoted string; line breaks, which none can hold, become blanks."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("\r\n", " ").replace("\r", " ").replace("\n", " ") + '"'


def quoted_prefix(text: str) -> tuple[str, str]:
    """Split text that begins with a quoted string: what it says, and what follows it.

    Raises:
        RemoteProtocolError: The quote is not closed.
    """
    found = _QUOTED.match(text)
    if found is None:
        raise RemoteProtocolError(f'unbalanced quotes in "{text[:80]}"')
    return unquote(found[0]), text[found.end() :]
