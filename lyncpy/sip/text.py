"""What may be shown of text from outside: names, notes and reasons that a person reads.

Taken out is what does something else than be read: control characters, which steer
terminals and end lines, changes of the writing direction, which make text look like another,
and halves of characters. All else stays, also what cannot be seen: the zero-width joiners
and non-joiners that Persian, Sinhala and families of emoji are written with, the marks that
say on which side a sign stands, wide blanks, characters that are newer than this server.
Nothing is composed or decomposed: text is shown as its owner wrote it.
"""

import re
from typing import Final

HARMFUL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029"  # C0, DEL, C1; line and paragraph separators
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates of UAX #9
    "\ud800-\udfff\ufffe\uffff]"  # bytes that were no UTF-8; what no XML can hold
)
"""One character that is not shown."""

JOINERS: Final = "\u200c\u200d"
"""Zero-width non-joiner and joiner: they belong to the spelling of names."""

_BLANKS: Final = re.compile("[\x09-\x0d\x1c-\x20\x85\u2028\u2029]+")


def one_line(text: str) -> str:
    """Give text in one line without what is not shown; runs of blanks and line breaks are one blank."""
    if "  " not in text and HARMFUL.search(text) is None:
        return text.strip(" ")
    return _BLANKS.sub(" ", HARMFUL.sub(_blank_or_nothing, text)).strip(" ")


def shown(text: str, most: int = 80) -> str:
    """Give text for a sentence or a log: at most so many characters, a question mark for each that is not shown."""
    clean = HARMFUL.sub("?", text[: most + 1])
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def _blank_or_nothing(found: re.Match[str]) -> str:
    return " " if _BLANKS.fullmatch(found[0]) else ""
