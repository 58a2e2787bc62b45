"""What settings have to look like, told in words where one does not: a regular expression says nothing to an operator."""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator

OWNERS: Final[Mapping[str, int]] = {
    "flow": 1,
    "device": 1,
    "connection": 1,
    "container": 1,
    "subscription": 1,
    "operator": 2,
    "organizer": 2,
    "user": 2,
    "watcher": 2,
    "address": 3,
}
"""Whose a share may be; who has a higher number has those with lower ones."""

_LEAST_OR_MOST: Final = re.compile(r"_?(minimum|maximum)")

KINDS: Final[Mapping[str, str]] = {
    "int_type": "write a whole number, without quotes: 5",
    "int_parsing": "write a whole number, without quotes: 5",
    "int_from_float": "write a whole number: 5",
    "float_type": "write a number, without quotes: 5.0",
    "float_parsing": "write a number, without quotes: 5.0",
    "bool_type": "write true or false, without quotes",
    "bool_parsing": "write true or false, without quotes",
    "string_type": 'write a text in quotes: "text"',
    "tuple_type": 'write a list: ["one", "another"]',
    "list_type": 'write a list: ["one", "another"]',
}
"""What stands there is of another kind than it has to be, by pydantic's names for that; what to write."""


def _several(value: object) -> object:
    """Accept one text for a list of one."""
    if isinstance(value, str):
        return (value,) if value.strip() else ()
    return tuple(value) if isinstance(value, list) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""A list of texts, or one text."""


def written_as(pattern: str, words: str) -> AfterValidator:
    """Give what checks that a text is of a form, from its first letter to its last.

    Args:
        pattern: The form, for us.
        words: The form, for an operator, e.g. "write it as example.com".
    """
    form = re.compile(pattern)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise ValueError(words)
        return text

    return AfterValidator(check)


def disorder(values: Mapping[str, object]) -> str:
    """Tell of the settings of a section which is above one that must be no smaller; "" when none is.

    Their names say it: X_minimum (minimum_X), X and X_maximum, each with its unit.
    """
    for name in values:
        usual = _usual(name)
        if usual == name:
            continue
        ordered = [one for one in values if _usual(one) == usual]
        ordered.sort(key=lambda one: ("minimum" not in one, "maximum" in one))
        given = [(one, value) for one in ordered if isinstance(value := values[one], int | float)]
        for (low, least), (high, most) in pairwise(given):
            if least > most:
                return f"{low} = {least:g} is above {high} = {most:g}"
    return ""


def _usual(name: str) -> str:
    return _LEAST_OR_MOST.sub("", name).strip("_")


def shares(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Give each setting that is somebody's share of something, with those that are the shares of more, or all of it.

    Their names say it: X_per_OWNER is a share of X, of X_total, or of X_waiting, and of X_per_OTHER where OTHER has more of it.
    """
    for name in names:
        what, _, owner = name.partition("_per_")
        if owner not in OWNERS:
            # Of bytes the unit stands at the end: unwritten_bytes, unwritten_total_bytes.
            whole = next((one for one in names if "_total" in one and one.replace("_total", "") == name), None)
            if whole is not None:
                yield name, whole
            continue
        for one in names:
            of_what, _, other = one.partition("_per_")
            if of_what == what and OWNERS.get(other, 0) > OWNERS[owner]:
                yield name, one
        yield from ((name, one) for one in (what, f"{what}_total", f"{what}_waiting") if one in names)
