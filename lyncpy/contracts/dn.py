"""Distinguished names: when two ways of writing one are the same.

A directory writes the DN of one entry in more than one way: in an entry and in the groups
that name it, before and after an import, with other escapes, blanks, letters or order.
"""

import re
import unicodedata
from typing import Final

_PLAIN: Final = re.compile(
    r"(?:(?:cn|ou|dc|uid|o|l|st|c)=[A-Za-z0-9_.@&'()/-]+(?: [A-Za-z0-9_.@&'()/-]+)*(?:,|$))+", re.IGNORECASE | re.ASCII
)
"""A DN that needs no more than lower case: no escapes, no blanks that say nothing, one attribute in each part."""

_TYPE: Final = re.compile(r"\s*(?:[Oo][Ii][Dd]\.)?([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)\s*=\s*")
_PIECE: Final = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)|([^\\])", re.DOTALL)
_END: Final = re.compile(r"(?:[^\\,;+]|\\.)*+", re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"[ ]*(?=[,;+]|$)', re.DOTALL)
_HEX: Final = re.compile(r"#((?:[0-9A-Fa-f]{2})+)\s*")
_SPACES: Final = re.compile(r"\s+")
_SPECIAL: Final = re.compile(r'([\\,+;"]|^#)')

_SHORT: Final = {
    "2.5.4.3": "cn",
    "commonname": "cn",
    "2.5.4.4": "sn",
    "surname": "sn",
    "2.5.4.6": "c",
    "countryname": "c",
    "2.5.4.7": "l",
    "localityname": "l",
    "2.5.4.8": "st",
    "stateorprovincename": "st",
    "2.5.4.9": "street",
    "streetaddress": "street",
    "2.5.4.10": "o",
    "organizationname": "o",
    "2.5.4.11": "ou",
    "organizationalunitname": "ou",
    "0.9.2342.19200300.100.1.1": "uid",
    "userid": "uid",
    "0.9.2342.19200300.100.1.25": "dc",
    "domaincomponent": "dc",
}
"""The names of RFC 4514 §3 under their numbers and their long names."""

_STRINGS: Final = frozenset({0x04, 0x0C, 0x13, 0x14, 0x16})
"""BER tags of text: octets, UTF-8, printable, teletex, IA5."""


def place_of(source: str) -> str:
    """Give where an entry stands, so that all ways of writing its DN are the same.

    Letters have no case, blanks around `,`, `;`, `+` and `=` say nothing and several in a value
    are one, escapes and quotes are undone, `#…` is what it encodes, attributes of one RDN are
    sorted, and types have their short names. Text that is no DN is given in lower case.

    Spec: RFC 4514 §2 to §4; RFC 4517 §4.2.11 caseIgnoreMatch, RFC 4518 §2; RFC 2253 §4 for quotes and `;`.
    """
    if _PLAIN.fullmatch(source) and source[-1:] != ",":
        return source.lower()
    parts: list[str] = []
    rdn: list[str] = []
    at, end = 0, len(source)
    while at < end:
        kind = _TYPE.match(source, at)
        if kind is None:
            return _SPACES.sub(" ", source.strip()).lower()
        value, at = _value(source, kind.end())
        name = kind[1].lower()
        rdn.append(f"{_SHORT.get(name, name)}={value}")
        if at >= end or source[at] != "+":
            parts.append("+".join(sorted(rdn)))
            rdn = []
        at += 1
    return ",".join(parts)


def _value(source: str, start: int) -> tuple[str, int]:
    """Read the value of an attribute; give it as it is compared, written so that it is read as itself, and where it ends."""
    quoted = _QUOTED.match(source, start)
    if quoted is not None:
        return _compared(_unescaped(quoted[1])), quoted.end()
    found = _END.match(source, start)
    text, after = (found[0], found.end()) if found is not None else ("", start)
    if after < len(source) and source[after] == "\\":  # a backslash at the very end escapes nothing
        text, after = source[start:], len(source)
    encoded = _HEX.fullmatch(text)
    if encoded is not None:
        decoded = _decoded(bytes.fromhex(encoded[1]))
        return (text.strip().lower() if decoded is None else _compared(decoded)), after
    return _compared(_unescaped(text)), after


def _unescaped(text: str) -> str:
    r"""Undo `\,` and `\C3\A9`."""
    if "\\" not in text:
        return text
    pieces = (
        bytes((int(found[1], 16),)) if found[1] else (found[2] or found[3]).encode("utf-8", "surrogatepass")
        for found in _PIECE.finditer(text)
    )
    return b"".join(pieces).decode("utf-8", "replace")


def _decoded(ber: bytes) -> str | None:
    """Give the text that a BER value of at most 127 bytes, or of a length in the long form, holds; None for another."""
    if len(ber) < 2 or ber[0] not in _STRINGS:
        return None
    start = 2
    length = ber[1]
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(ber[2:start])
    return ber[start:].decode("utf-8", "replace") if len(ber) - start == length else None


def _compared(value: str) -> str:
    """Prepare a value for comparison (RFC 4518 §2: no case, NFKC, blanks that say nothing gone)."""
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value)
    return _SPECIAL.sub(_escaped, _SPACES.sub(" ", value.strip()).casefold())


def _escaped(found: re.Match[str]) -> str:
    return "\\" + found[1]
