"""The languages of the pages that people see in a browser: which one somebody wants, and all texts in it.

The texts are in `page_texts.toml`, each in every language. Specification: RFC 9110 §12.5.4, RFC 4647 §3.4.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Final

LANGUAGES: Final = ("en", "de", "fr", "es", "ru")
"""The first is for whoever wants none of them."""

_HEADER_CHARS: Final = 1_000
_RANGES_MOST: Final = 50
_RANGE: Final = re.compile(r"(?P<tag>\*|[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,8})(?:;q=(?P<weight>[01](?:\.[0-9]{0,3})?))?")

TEXTS: Final[Mapping[str, Mapping[str, str]]] = tomllib.loads(
    files("lyncpy.core").joinpath("page_texts.toml").read_bytes().decode()
)
"""Name → language → HTML."""


def text(language: str, name: str, **given: str) -> str:
    """Give a text as HTML.

    Args:
        language: One of `LANGUAGES`.
        name: Of the text.
        given: What is put into its braces: HTML already.
    """
    return TEXTS[name][language].format(**given)


def wanted(header: str) -> str:
    """Give the language that suits a browser best, whatever it sends.

    Args:
        header: Its Accept-Language; "" when it sends none.
    """
    weights: dict[str, float] = {}
    rest = 0.0
    for tag, weight in _ranges(header):
        if tag == "*":
            rest = weight
        else:
            # Of a language that is named twice the better counts: "de-AT, de;q=0.8" wants de as much as de-AT.
            language = tag.partition("-")[0]
            weights[language] = max(weights.get(language, 0.0), weight)
    best = max(LANGUAGES, key=lambda one: weights.get(one, rest))
    return best if weights.get(best, rest) > 0 else LANGUAGES[0]


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    """Give tags and their weights; what cannot be read is passed by."""
    for part in header[:_HEADER_CHARS].lower().split(",", _RANGES_MOST)[:_RANGES_MOST]:
        matched = _RANGE.fullmatch(part.replace(" ", "").replace("\t", ""))
        if matched is not None:
            yield matched["tag"], float(matched["weight"] or 1)
