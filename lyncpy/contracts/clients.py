"""Which client programs may sign in: rules about what they call themselves. Pure.

A rule is a line of text: `block OC < 4.0.7577 https://example.com/update`. It says what is done with a client that has
this product in its User-Agent, and if a comparison follows, in such a version; `*` is any client. The first rule
that fits decides, and who fits none may sign in.

Spec: [MS-SIPREGE] 3.4, the client version filter; a version is major, minor, build and qfe.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

PARTS: Final = 4
"""Numbers of a version; those that are not there are 0."""

AGENT_LONGEST: Final = 512
"""Letters of a User-Agent that are looked at."""

ANY: Final = "*"

Version = tuple[int, ...]

_RULE: Final = re.compile(
    r"(allow|block)\s+(\*|[A-Za-z0-9._-]{1,64})"
    r"(?:\s*(<=|>=|!=|=|<|>)\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,3}))?"
    r"(?:\s+(https?://[!#-;=?-\[\]_a-z~]{1,500}))?"
)
_COMMENT: Final = re.compile(r"\([^()]*\)")
_PRODUCT: Final = re.compile(r"([^\s/]+)(?:/([0-9]{1,9}(?:\.[0-9]{1,9})*))?")


@dataclass(frozen=True, slots=True)
class ClientRule:
    """What is done with one kind of client."""

    text: str
    allows: bool
    product: str
    """In lower case."""

    sign: str
    """"<=", ">=", "!=", "=", "<", ">", or "" for any version."""

    version: Version
    url: str
    """Where users get a better client; "" where they are told none."""

    def fits(self, products: Sequence[tuple[str, Version]]) -> bool:
        """Tell whether the rule is about a client with these products."""
        if self.product == ANY and not self.sign:
            return True
        return any(
            (self.product in (name, ANY)) and (not self.sign or _compare(self.sign, version, self.version))
            for name, version in products
        )


def client_rule(text: str) -> ClientRule:
    """Read a rule.

    Raises:
        ValueError: With what is wrong with it.
    """
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f'"{text[:80]}" is no rule for clients: write "block" or "allow", a product of their User-Agent or "*", and if it'
            ' is about some versions a comparison, and where a better client is, e.g. "block OC < 4.0.7577 https://example.com"'
        )
    action, product, sign, version, url = match.groups()
    return ClientRule(text.strip(), action == "allow", product.lower(), sign or "", _version(version or ""), url or "")


def deciding(rules: tuple[str, ...], agent: str) -> ClientRule | None:
    """Give the rule that decides about a client; None: it may sign in.

    Args:
        rules: Texts of rules, each of which `client_rule` takes.
        agent: Its User-Agent, as it came; "" for none.
    """
    return _deciding(rules, agent[:AGENT_LONGEST])


@lru_cache(maxsize=1024)  # thousands of devices have the same few clients, and say so at each refresh
def _deciding(rules: tuple[str, ...], agent: str) -> ClientRule | None:
    products = _products(agent)
    return next((rule for rule in map(client_rule, rules) if rule.fits(products)), None)


def _products(agent: str) -> list[tuple[str, Version]]:
    """Read a User-Agent (RFC 3261 §20.41): names and versions, without comments."""
    plain = _COMMENT.sub(" ", agent)
    return [(match[1].lower(), _version(match[2] or "")) for match in _PRODUCT.finditer(plain)]


def _version(text: str) -> Version:
    numbers = [int(part) for part in text.split(".")[:PARTS]] if text else []
    return tuple(numbers + [0] * (PARTS - len(numbers)))


def _compare(sign: str, one: Version, other: Version) -> bool:
    return {
        "<": one < other,
        "<=": one <= other,
        ">": one > other,
        ">=": one >= other,
        "=": one == other,
        "!=": one != other,
    }[sign]
