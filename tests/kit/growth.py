"""Messages that grow: a part of one, repeated until it is as long as a test wants it.

A part is what a message is made of: a header line, a value, a parameter, an element, an
attribute, a namespace, a text, a letter. Growing one part finds work that costs a square of
it; growing two at once finds what costs their product.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final

_SPANS: Final = (
    r"[^\r\n]*\r\n",
    r"[^,\r\n]+,",
    r";[^;,\r\n>]+",
    r'"[^"]*"',
    r"[A-Za-z0-9]+",
    r"\s[\w:.-]+=(?:\"[^\"]*\"|'[^']*')",
    r"<[\w:.-]+[^<>]*/?>",
    r"<([\w:.-]+)(?:\s[^<>]*)?(?:/>|>.*?</\1>)",
    r"(?<=>)[^<>]+(?=<)",
    r"[^\w\s]",
)
_NAMED: Final = re.compile(r"\A[\s;<]*[\w:.-]+(?==)")
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_STRANGE: Final = (
    ' xmlns:n="urn:n"', ' a="b"', "<n/>", "<n>", "<!--", "<!-- n -->", "<![CDATA[n]]>", "<?n?>", "&amp;", "&#65;", "<first-im>",
    "<p>", "<a href='", '"', "\\", '\\"', " ", "\t", ",", ";", ";n=n", "=", "\r\n ", "\r\n", "\n", "%41", "<sip:n@n>,", "--",
    "\r\n--b\r\n", "(", "ü", "X-N: n\r\n", "Via: SIP/2.0/TLS n\r\n", "Record-Route: <sip:n;lr>\r\n", "a=n:n\r\n",
)  # fmt: skip
"""What a hostile client puts where it does not belong."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What of a message is repeated, and where."""

    where: str
    """ "head" or "body"."""

    at: int
    """Where the repetitions stand."""

    part: str
    numbered: bool
    """Each is a little different, so that none is the same thing twice."""

    def repeated(self, letters: int) -> str:
        """Give about so many letters of it."""
        times = max(1, letters // len(self.part))
        if not self.numbered:
            return self.part * times
        # The name before a value, else the first word.
        word = _NAMED.search(self.part) or _WORD.search(self.part)
        end = word.end() if word else len(self.part)
        head, tail = self.part[:end], self.part[end:]
        # The value of an attribute differs too, or it would be the same namespace.
        value = tail.rfind('"') if tail.startswith("=") else -1
        if value > 1:
            return "".join(f"{head}{n}{tail[:value]}{n}{tail[value:]}" for n in range(times))
        return "".join(f"{head}{n}{tail}" for n in range(times))


@dataclass(frozen=True, slots=True)
class Specimen:
    """A message to grow: its own head, as far as it may be changed, and its body."""

    head: str
    body: str

    def grown(self, growths: "tuple[Growth, ...]", letters: int) -> "Specimen":
        """Give the message with so many letters more."""
        texts = {"head": self.head, "body": self.body}
        # From the end, so that the places before stay where they are.
        for growth in sorted(growths, key=lambda one: one.at, reverse=True):
            text = texts[growth.where]
            texts[growth.where] = text[: growth.at] + growth.repeated(letters // len(growths)) + text[growth.at :]
        return Specimen(**texts)

    def growths(self, chance: Random) -> tuple[Growth, ...]:
        """Choose one or two parts to grow."""
        places = [where for where in ("head", "body") if getattr(self, where)]
        return tuple(self._growth(chance, chance.choice(places)) for _ in range(chance.choice((1, 1, 2))))

    def _growth(self, chance: Random, where: str) -> Growth:
        text: str = getattr(self, where)
        numbered = chance.random() < 0.5
        if chance.random() < 0.4:
            return Growth(where, chance.randrange(len(text) + 1), chance.choice(_STRANGE), numbered)
        spans = [found.span() for found in re.finditer(chance.choice(_SPANS), text, re.DOTALL)]
        start, end = chance.choice(spans or [(0, len(text))])
        return Growth(where, end, text[start : min(end, start + 2_000)] or " ", numbered)


def as_plain(growths: tuple[Growth, ...]) -> list[dict[str, Any]]:
    """Give growths as JSON has them."""
    return [asdict(growth) for growth in growths]


def from_plain(found: list[dict[str, Any]]) -> tuple[Growth, ...]:
    """Give what `as_plain` wrote."""
    return tuple(Growth(**one) for one in found)


def lines(head: str) -> Iterator[tuple[str, str]]:
    """Give the fields of a head that may have grown into something else; what is no field is left out."""
    for line in head.split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and name and not set(name) - _NAME:
            yield name, value.replace("\r", " ").replace("\n", " ").strip()


_NAME: Final = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
