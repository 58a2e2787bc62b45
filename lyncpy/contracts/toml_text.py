"""TOML that people have written, and what is wrong with it in words: the line, the setting there, and what to do. Pure."""

import re
import tomllib
from collections.abc import Sequence
from typing import Any, Final

_PLACE: Final = re.compile(r" \(at (?:line (\d{1,9}), column \d{1,9}|end of document)\)\Z")

_TABLE: Final = re.compile(r"\s{0,99}(\[\[?[^\]\n]{1,80}\]\]?)")
_KEY: Final = re.compile(r"\s{0,99}([A-Za-z0-9_.\"'-]{1,80})\s{0,99}=")

_MARK: Final = b"\xef\xbb\xbf"
"""The byte-order mark in UTF-8."""

_WIDE: Final = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""What a file begins with that is no UTF-8 as a whole."""

_WORDS: Final = (
    ("Cannot overwrite a value", "stands there twice, or is a table elsewhere: leave one of them"),
    ("Duplicate inline table key", "has a key twice: leave one of them"),
    ("Cannot declare", "the section stands there twice: put what is in both into one"),
    ("Cannot redefine namespace", "the section stands there twice: put what is in both into one"),
    ("Cannot mutate immutable namespace", "belongs to what was written between { } before: write it there"),
    ("Invalid value", 'the value is neither text in quotes, nor a number, true, false or a list: write text as "text"'),
    ("Unterminated string", "a quote is missing at the end of the text"),
    (
        "Illegal character",
        "a quote is missing, or there is a sign in the text that cannot be seen: write the text anew",
    ),
    ("Unescaped '\\'", "a \\ in a text between \" \" has to be \\\\; or put the text between ' '"),
    ("Invalid hex value", "a \\ in a text between \" \" has to be \\\\; or put the text between ' '"),
    ("Escaped character", "a \\ in a text between \" \" has to be \\\\; or put the text between ' '"),
    ("Unclosed array", "a ] is missing at the end of the list, or a comma within it"),
    ("Unclosed inline table", "a } is missing, or a comma before"),
    ("Expected '=' after a key", "an = is missing behind the name of the setting"),
    ("Expected ']]'", "a ]] is missing at the end of the table's name"),
    ("Expected ']'", "a ] is missing at the end of the section's name"),
    ("Expected newline", "something stands behind the value: begin a new line, or put a # in front of a remark"),
    ("Invalid initial character for a key", 'a name may have letters, digits, - and _ alone: write others between " "'),
    ("Invalid statement", "is neither a [section] nor a line like name = value; a remark begins with #"),
    ("Found invalid character", "has a sign that cannot be seen: write the line anew"),
    ("Invalid date", "there is no such day or time"),
)
"""What tomllib says, at its beginning, and what it means."""


_QUOTES: Final = frozenset("\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb")
_TRUTH: Final = {"true": ("true", "yes", "on"), "false": ("false", "no", "off")}
"""What is written for a truth, in any letters."""


class TomlUnusable(Exception):
    """A text is no TOML; the sentence names line and setting, as far as there are such, and what to do."""


def read_toml(content: bytes) -> dict[str, Any]:  # Any: whatever stands there
    """Read TOML in UTF-8, with a byte-order mark or without.

    Raises:
        TomlUnusable: With a sentence without a full stop; the file is not named in it.
    """
    wide = _WIDE.get(content[:2])
    if wide:
        raise TomlUnusable(f"is {wide} text: save it as UTF-8")
    content = content.removeprefix(_MARK)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        where = _named(content.decode("utf-8", "replace").split("\n"), content.count(b"\n", 0, error.start))
        letter = f"a letter in another code page than UTF-8 (byte 0x{content[error.start]:02x})"
        raise TomlUnusable(f"{where}: {letter}: save the file as UTF-8") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlUnusable(_sentence(text, str(error))) from None
    except RecursionError:
        raise TomlUnusable("is nested too deeply") from None


def _sentence(text: str, said: str) -> str:
    place = _PLACE.search(said)
    words = said[: place.start()] if place else said
    lines = text.replace("\r\n", "\n").split("\n")
    number = int(place[1]) - 1 if place and place[1] else len(lines) - 1
    told = next((means for begins, means in _WORDS if words.startswith(begins)), f"{words[:1].lower()}{words[1:]}")
    if place and not place[1]:
        told = "the file ends within it: a quote, a ] or a } is missing"
    told = _mistaken(text, lines[number] if number < len(lines) else "", words) or told
    return f"{_named(lines, number)}: {told}"


def _mistaken(text: str, line: str, said: str) -> str:
    """Tell what somebody took for TOML; "" when that is not known."""
    if "\0" in line:
        return "has NUL bytes, as a file after a crash of the machine: bring a copy of it back"
    if _QUOTES.intersection(line) and said.startswith(("Invalid value", "Invalid statement")):
        return 'has the quotes of a text processor: write straight ones, "text"'
    value = line.partition("=")[2].partition("#")[0].strip().lower()
    meant = next((meant for meant, taken in _TRUTH.items() if value in taken), "")
    if meant:
        return f"write {meant}, in small letters and without quotes"
    begins = text.lstrip()[:2]
    if begins[:1] == "{" or begins in ("[{", "[]"):
        return "is JSON: write lines of TOML, name = value"
    return "is a page of the web, or XML: put the file itself there" if begins[:1] == "<" else ""


def _named(lines: Sequence[str], number: int) -> str:
    """Name a line, counted from 0, with the section it is in and its setting."""
    table = next((found[1] for line in reversed(lines[: number + 1]) if (found := _TABLE.match(line))), "")
    here = lines[number] if number < len(lines) else ""
    key = _KEY.match(here)
    what = " ".join(one for one in (table, key[1] if key else "") if one)
    return f"line {number + 1}{f', {what}' if what else ''}"
