"""Words, as the address book compares them: without case, accents and punctuation."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Final

WORD_LONGEST: Final = 40
"""Letters of a word that count; who types more of one does not find more."""

SPELT_LONGEST: Final = 80
"""Letters of an address, or of a part of it, that count."""

WORDS_MOST: Final = 16
"""Words of one text that count."""

DIGITS_FEWEST: Final = 3
"""Digits of a phone number that somebody types before any is found by them: of two there would be too many."""

DIGITS_MOST: Final = 20
"""Digits of a phone number that count; E.164 has 15, and there may be an exit code before them."""

_PLAIN: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th", "ŀ": "l"}
)
"""Letters that no keyboard but their own has, and that Unicode does not take apart."""

_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = re.compile(r"['’ʼ`´]")
_BEFORE_WORDS: Final = re.compile(r"^[\W_]*?(?=[^\W_]|@|$)")
"""What stands before the first word of an address, or before its @."""

_PHONE: Final = re.compile(r"(?:tel:)?[\s0-9+()/.\-]+")
_NATIONAL_ZERO: Final = re.compile(r"\(0\)")
_EXTENSION: Final = re.compile(r"[;x,]|ext", re.IGNORECASE)
_COUNTRIES: Final = frozenset(
    {"1", "7", "20", "27", "36", "39", "81", "82", "84", "86", "98"}
    | {*map(str, range(30, 35)), *map(str, range(40, 50)), *map(str, range(51, 59))} - {"42"}
    | {*map(str, range(60, 67)), *map(str, range(90, 96))}
)
"""Country codes of one and of two digits; all others have three (ITU-T E.164, list of assigned country codes)."""

_NO_DIGIT: Final = re.compile(r"[^0-9]+")


def folded(text: str) -> str:
    """Write a text as it is compared: in small letters, without accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFKD", "".join(filter(_is_kept, apart)).casefold()).translate(_PLAIN)


def _is_kept(letter: str) -> bool:
    # A lone surrogate is a byte of the directory that is no UTF-8: nobody types it, and no index can hold it.
    return unicodedata.category(letter) not in ("Mn", "Cs")


def words_of(text: str) -> list[str]:
    """Give the words that somebody may begin to type for this text: of "Müller-O'Brien" also "brien"."""
    plain = folded(text)
    found = _words(plain)
    if _APOSTROPHES.search(plain):
        found = _words(_APOSTROPHES.sub("", plain)) + found
    return list(dict.fromkeys(found))[:WORDS_MOST]


def typed_words(text: str) -> list[str]:
    """Give the words that somebody has typed, each of which has to be found; wildcards and control characters are nothing."""
    return list(dict.fromkeys(_words(_APOSTROPHES.sub("", folded(text)))))[:WORDS_MOST]


def _words(plain: str) -> list[str]:
    return [word[:WORD_LONGEST] for word in _WORD.findall(plain)]


def spellings(address: str) -> Iterator[str]:
    """Give what somebody may begin to type for an address: the whole, marked as such, what begins with a later word, the domain.

    By the words of it alone one could not tell in which order, and behind which @, they stand.
    """
    plain = folded(address)
    local, at, domain = plain.rpartition("@")
    yield whole_spelling(plain)
    for word in islice(_WORD.finditer(local if at else domain), WORDS_MOST):
        if word.start():
            yield plain[word.start() :][:SPELT_LONGEST]
    if at:
        yield f"@{domain}"[:SPELT_LONGEST]


def whole_spelling(plain: str) -> str:
    """Write a whole address, or the beginning of one, so that it is like no other part of an address."""
    return f"={plain}"[:SPELT_LONGEST]


def typed_spellings(plain: str) -> tuple[str, ...]:
    """Give how the spellings begin of whom somebody looks for who has typed a part of an address, from any word of it on."""
    text = _BEFORE_WORDS.sub("", plain, count=1)
    return (text[:SPELT_LONGEST], whole_spelling(text))


def typed_number(text: str) -> str:
    """Give the digits of a text that is a phone number or a part of one; "" for any other."""
    if not _PHONE.fullmatch(text.strip()):
        return ""
    digits = _digits(text)
    return digits if len(digits) >= DIGITS_FEWEST else ""


def numbers_of(text: str) -> Iterator[str]:
    """Give the digits of a phone number, and those of its extension, if it has any."""
    for part in _EXTENSION.split(text):
        digits = _digits(part)
        if digits:
            yield digits


def nationals_of(text: str) -> Iterator[str]:
    """Give the digits of an international phone number without its country code, as callers within the country begin."""
    if text.removeprefix("tel:").lstrip().startswith("+"):
        digits = _digits(_EXTENSION.split(text)[0])
        yield digits[1 if digits[:1] in _COUNTRIES else 2 if digits[:2] in _COUNTRIES else 3 :]


def _digits(text: str) -> str:
    """Give the digits of a number; the zero of "+49 (0)89" is for callers within the country only."""
    return _NO_DIGIT.sub("", _NATIONAL_ZERO.sub("", text))[:DIGITS_MOST]
