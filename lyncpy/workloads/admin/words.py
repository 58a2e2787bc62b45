r"""A line → its words, and words → a line that has them.

As a POSIX shell does it, but for one thing: a quote opens only where a word, or a flag's value behind `=`, begins, or
where another one has just closed. An apostrophe within a word is a letter, so that `o'brien@example.com` is an address.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class QuoteOpen(ValueError):
    """A quote, or a backslash at the end, that nothing closes."""


@dataclass(frozen=True, slots=True)
class SplitLine:
    """A line that may go on."""

    words: tuple[str, ...]
    """Those that are over."""

    start: int
    """Where the last one begins that is not over; the length of the line when there is none."""

    text: str = ""
    """What that one is so far."""

    is_inside: bool = False
    """Whether there is one."""

    is_open: bool = False
    """Whether a quote in it is not closed."""


def split(line: str) -> SplitLine:
    """Split a line into words; the last one is over only with a blank behind it."""
    words: list[str] = []
    start, text, quote = 0, "", ""
    inside = escaped = closed = False
    for index, one in enumerate(line):
        if escaped:
            text, escaped = text + one, False
        # A backslash takes the next character as it is, but not within single quotes.
        elif one == "\\" and quote != "'":
            escaped = True
        elif quote:
            closed = one == quote
            quote, text = ("", text) if closed else (quote, text + one)
        elif one.isspace():
            if inside:
                words.append(text)
            inside, text, closed = False, "", False
            continue
        elif one in "'\"" and (not inside or closed or _begins_value(text)):
            quote = one
        else:
            text, closed = text + one, False
        if not inside:
            inside, start = True, index
    is_open = bool(quote) or escaped
    return SplitLine(tuple(words), start if inside else len(line), text, inside, is_open)


def split_words(line: str) -> Sequence[str]:
    """Give the words of a whole line.

    Raises:
        QuoteOpen: A quote is not closed.
    """
    found = split(line)
    if found.is_open:
        raise QuoteOpen
    return [*found.words, found.text] if found.is_inside else list(found.words)


def quoted(word: str) -> str:
    """Write a word so that it is read as this one."""
    plain = word and word[0] not in "'\"" and not any(one.isspace() or one == "\\" for one in word)
    return word if plain and not _has_quoted_value(word) else shlex.quote(word)


def joined(words: Iterable[str]) -> str:
    """Write words as a line that is read as these."""
    return " ".join(map(quoted, words))


def _begins_value(text: str) -> bool:
    return text.startswith("--") and text.endswith("=") and text.count("=") == 1


def _has_quoted_value(word: str) -> bool:
    name, equals, value = word.partition("=")
    return bool(equals) and name.startswith("--") and value[:1] in ("'", '"')
