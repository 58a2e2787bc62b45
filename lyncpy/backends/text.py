"""Which text a database can hold.

What arrives in a SIP header may carry bytes that are no UTF-8 (they are lone surrogates in
our text) and NUL characters. SQLite refuses the first, PostgreSQL both.
"""

from typing import Final

TEXT_BOUND: Final = 2000
"""Characters of one column that are kept: a hostile User-Agent must not fill the disk."""


def is_storable(text: str) -> bool:
    """Say whether every database keeps this text as it is."""
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def storable(text: str) -> str:
    """Return text that a database can keep: other characters become U+FFFD, and it is cut to its bound."""
    kept = text[:TEXT_BOUND]
    if is_storable(kept):
        return kept
    return kept.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")[:TEXT_BOUND]


def require_key(kind: str, key: str) -> None:
    """Refuse a name that not every database can hold.

    Raises:
        ValueError: The caller took it from outside without looking.
    """
    if not (is_storable(kind) and is_storable(key)):
        raise ValueError(f"the key {key[:80]!r} of {kind[:80]!r} is not text that can be stored")
