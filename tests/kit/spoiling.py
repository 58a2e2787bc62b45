"""What becomes of a text or token on its way through hands that mean ill, or a line that is bad: any part of it is other than it was.

Everything random comes from a `random.Random`.
"""

import base64
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.kit.hostile import mutated

MOST: Final = 60_000
"""Bytes of what is spoiled; more is refused before anybody reads it."""

Spoil = Callable[[Random, bytes], bytes]

_TOKEN: Final = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
_TAG: Final = re.compile(rb"<[^<>]*>")
_VALUE: Final = re.compile(rb"\"[^\"]*\"|'[^']*'|>[^<>]+<")
_MARKUP: Final = (
    b"<", b">", b"&", b"&a;", b"&#0;", b"&#x10FFFF;", b"&#13;", b"]]>", b"<![CDATA[", b"<!--", b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"<?xml version='1.1'?>", b"<?x y?>", b" xmlns=''", b" xmlns:s='urn:x'", b" xmlns:xml='urn:x'", b" Id='_0'", b" wsu:Id='timestamp'",
    b"<a>" * 60, b"<a>" * 60 + b"</a>" * 60, b"<a/>" * 1_100, b" a='b'" * 300, b"x" * 20_000, b"\xef\xbb\xbf", b"\xff\xfe<\0", b"\xc3\x28",
    b"\xed\xa0\x80", b"\0",
)  # fmt: skip
_VALUES: Final = (
    b"", b" ", b"0", b"-1", b"9" * 400, b"true", b"2023-11-14T22:13:20Z", b"9999-12-31T23:59:60Z", b"0000-00-00T00:00:00Z",
    b"2023-11-14T22:13:20.9999999999999+99:99", b"sip:", b"sip:bob@example.com", b"sip:%00@", b"https://", b"https://[::1", b"//:99999/",
    b"urn:x", b"#", b"#timestamp", b"{0E324752-1B8C-4D3A-9F6B-2E4A5C6D7E8F}", b"http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    b"http://www.w3.org/2000/09/xmldsig#rsa-sha1", b"AAAA", b"=", "İ".encode(), b"\xf0\x9f\x98\x80",
)  # fmt: skip
_NUMBERS: Final = tuple(
    value.to_bytes(size, order) for size in (1, 2, 3, 4)
    for value in (0, 1, 0x7F, 0x80, 0xFF, (1 << 8 * size) - 1, 1 << (8 * size - 1)) if value < 1 << 8 * size
    for order in ("big", "little")
)  # fmt: skip


def spoiled(chance: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Give a text or token with one to four things wrong with it.

    Args:
        others: Of the same kind; a part of one may come into it.
    """
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        data = _spoiled_once(chance, data)
        if others and chance.random() < 0.03:
            other = chance.choice(others)
            data = data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]
    return data[:MOST]


def _spoiled_once(chance: Random, data: bytes) -> bytes:
    """Spoil a text, or what stands in base64 in it: the more often, the more of it that is."""
    tokens = list(_TOKEN.finditer(data))
    share = max((len(token[0]) for token in tokens), default=0) / max(1, len(data))
    if tokens and chance.random() < 0.2 + 0.6 * share:
        return _within_base64(chance, data, chance.choice(tokens))
    return chance.choice(_SPOILS)(chance, data)


def _within_base64(chance: Random, data: bytes, token: "re.Match[bytes]") -> bytes:
    """Spoil what stands there in base64, and write it in base64 again."""
    text = token[0]
    inner = base64.b64decode(text[: len(text) // 4 * 4] if len(text) % 4 else text)
    inner = chance.choice(_SPOILS if inner.startswith(b"<") else _BINARY)(chance, inner)
    return data[: token.start()] + base64.b64encode(inner) + data[token.end() :]


def _bent_bytes(chance: Random, data: bytes) -> bytes:
    """Write another number over some bytes: a length, an offset, a tag."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(data) or 1)
        number = chance.choice(_NUMBERS)
        data = data[:at] + number + data[at + len(number) :]
    return data


def _cut_off(chance: Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _markup(chance: Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(_MARKUP) + data[at:]


def _tags(chance: Random, data: bytes) -> bytes:
    """Take a tag out, double it, or put it somewhere else."""
    found = list(_TAG.finditer(data))
    if not found:
        return mutated(chance, data)
    tag, other = chance.choice(found), chance.choice(found)
    match chance.randrange(4):
        case 0:
            return data[: tag.start()] + data[tag.end() :]
        case 1:
            return data[: tag.end()] + tag[0] * chance.choice((1, 2, 200)) + data[tag.end() :]
        case 2:
            return data[: other.start()] + tag[0] + data[other.start() :]
        case _:
            return data[: min(tag.start(), other.start())] + data[max(tag.end(), other.end()) :]


def _values(chance: Random, data: bytes) -> bytes:
    """Put another value into quotes, or between tags."""
    found = list(_VALUE.finditer(data))
    if not found:
        return mutated(chance, data)
    value = chance.choice(found)
    return data[: value.start() + 1] + chance.choice(_VALUES) + data[value.end() - 1 :]


_SPOILS: Final[Sequence[Spoil]] = (_markup, _tags, _tags, _values, _values, _values, _cut_off, mutated)
_BINARY: Final[Sequence[Spoil]] = (_bent_bytes, _bent_bytes, _bent_bytes, _cut_off, mutated)
