r"""Text from outside, as it may stand in a log, on a terminal or in a sentence to a client.

Nothing in it may steer a terminal, forge a line or turn a line round: control characters,
changes of writing direction and halves of characters are written as `\x1b`, `\u202e` …
"""

import unicodedata
from typing import Final

_HARMLESS: Final = frozenset({"Cn", "Co", "Zs"})
"""Characters that Python calls unprintable but that move nothing: newer emoji, private use, wide blanks."""

JOINERS: Final = frozenset("\u200c\u200d")
"""They belong to Persian, Sinhala and emoji, and move nothing."""


def clean(text: str) -> str:
    """Give text that a terminal shows and does not obey, on one line."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or _is_harmless(one) else _escaped(one) for one in text)


def _is_harmless(one: str) -> bool:
    return one in JOINERS or unicodedata.category(one) in _HARMLESS


def _escaped(one: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(one)
    code = ord(one)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def clean_lines(text: str) -> str:
    """Clean a text of several lines, such as a traceback; only line feeds end a line."""
    return "\n".join(clean(line) for line in text.split("\n"))
