"""Conditions on the attributes of an LDAP entry: when somebody is disabled, or must change the password. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.sip.text import shown

Raw = Mapping[str, Sequence[bytes]]
"""An entry's attributes: lower-case names, values as they came."""

LeftOut = Callable[[str], None]
"""Hears, in words for an operator, what of an entry could not be read."""

_CONDITION: Final = re.compile(r"(!?)([A-Za-z0-9][A-Za-z0-9.;-]*)(?:(=|!=|&|~)(.*))?")


@dataclass(frozen=True, slots=True)
class DisabledCondition:
    """A circumstance under which a person is disabled."""

    name: str
    sign: str
    """"", "!", "=", "!=", "&" or "~"."""

    value: str = ""

    @property
    def text(self) -> str:
        """Give the condition as an operator writes it."""
        return f"!{self.name}" if self.sign == "!" else f"{self.name}{self.sign}{self.value}"

    def holds(self, raw: Raw, *, doubtful: bool = True) -> bool:
        """Tell whether the condition holds for an entry; of several values one is enough.

        Args:
            raw: The entry's attributes.
            doubtful: Whether it holds for a bit mask that cannot be read.
        """
        values = raw.get(self.name.lower(), ())
        match self.sign:
            case "":
                return bool(values)
            case "!":
                return not values
            case "&":
                return any(_has_bits(value, int(self.value), doubtful) for value in values)
            case "~":
                return any(self.value.lower() in _lower(value) for value in values)
            case "=":
                return any(_lower(value) == self.value.lower() for value in values)
            case _:
                return not values or any(_lower(value) != self.value.lower() for value in values)


def condition(text: str) -> DisabledCondition:
    """Parse the text of a condition.

    Raises:
        ValueError: With what is wrong with it.
    """
    match = _CONDITION.fullmatch(text.strip())
    if match is None or (match[1] and match[3]) or (match[3] == "&" and not match[4].strip().isdigit()):
        raise ValueError(
            f'"{shown(text)}" is not a condition: write "name", "!name", "name=value", "name!=value", "name&bit" or "name~letters"'
        )
    if (match[4] or "").lstrip().startswith("="):
        # As programs compare: no entry has such a value, so that it would never hold, and nobody would see why.
        raise ValueError(f'"{shown(text)}" is not a condition: write one = in it, as in "name=value"')
    return DisabledCondition(match[2], match[1] or match[3] or "", (match[4] or "").strip())


def _lower(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip().lower()


def _has_bits(value: bytes, bits: int, otherwise: bool) -> bool:
    """Tell whether a bit mask has one of these bits; `otherwise` where it cannot be read. AD writes two's complement."""
    try:
        return bool(int(value) & bits)
    except ValueError:
        return otherwise


def any_of(filters: Sequence[str]) -> str:
    """Join filters to one, none to ""; the parentheses around a filter may be left out."""
    if not filters:
        return ""
    each = [text if text.startswith("(") else f"({text})" for text in (one.strip() for one in filters)]
    return each[0] if len(each) == 1 else f"(|{''.join(each)})"
