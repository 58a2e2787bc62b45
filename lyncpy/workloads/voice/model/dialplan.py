"""Dial plans: what people dial becomes a number that means the same everywhere.

A plan has rules in order; the first whose pattern fits decides. Before the rules see what was dialled, what says nothing is
taken out (blanks, dashes, dots, parentheses). An extension behind an `x` is put aside, and letters become the digits of their
keys, where no rule knows what to do with them.

Spec: [MS-SIPRE] 2.2.8; spec notes, "voice" §5.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.telephone import TelephoneNumber, parse_number
from lyncpy.workloads.voice.model.patterns import TEXT_MOST, Pattern, PatternRefused, read_pattern

USERS_OWN: Final = "user-default"
"""The context by which applications mean the dial plan of who dials."""

TRANSLATION_MOST: Final = 256

_SILENT: Final = dict.fromkeys((0x20, 0xA0, 0x2009, 0x202F, *map(ord, "-.()/")))
_EXTENDED: Final = re.compile(r"(\+?[0-9*#]+)(?:[xX]|[eE][xX][tT])([0-9]+)")
_REFERENCE: Final = re.compile(r"\$(?:([0-9]+)|\{([0-9]+)\}|(\$))")
_KEYS: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what fits the pattern becomes the translation, whole."""

    name: str
    pattern: Pattern
    translation: str
    parts: tuple[str | int, ...]
    """The translation as text and numbers of groups, in order."""

    is_internal: bool = False
    """Whether it is about extensions within the house, which nobody dials behind the prefix for a line outside."""

    def translated(self, text: str) -> str | None:
        """Give what a text becomes; None: the pattern does not fit."""
        found = self.pattern.find(text)
        if found is None:
            return None
        return "".join(found.group(part) if isinstance(part, int) else part for part in self.parts)


def read_rule(name: str, pattern: str, translation: str, *, is_internal: bool = False) -> Rule:
    r"""Read a rule as an administrator writes it: `^(\d{4})$` and `+1425555$1`.

    Raises:
        PatternRefused: The pattern, or the translation: of too many characters, or of a group that there is not.
    """
    read = read_pattern(pattern)
    if len(translation) > TRANSLATION_MOST:
        raise PatternRefused(f"its translation has more than {TRANSLATION_MOST} characters")
    parts: list[str | int] = []
    at = 0
    for one in _REFERENCE.finditer(translation):
        parts.append(translation[at : one.start()])
        parts.append("$" if one[3] else _group(one[1] or one[2], read))
        at = one.end()
    parts.append(translation[at:])
    if "$" in _REFERENCE.sub("", translation):
        raise PatternRefused("a $ in its translation stands before the number of a group, as $1, or before another $")
    return Rule(name or pattern, read, translation, tuple(part for part in parts if part != ""), is_internal)


def _group(digits: str, pattern: Pattern) -> int:
    number = int(digits[:3])
    if len(digits) > 2 or number > pattern.groups:
        hint = f"; write ${{{digits[0]}}}{digits[1:]} where digits follow" if len(digits) > 1 else ""
        raise PatternRefused(f"its translation names group {digits[:3]}, and its pattern has {pattern.groups}{hint}")
    return number


@dataclass(frozen=True, slots=True)
class DialPlan:
    """A dial plan (location profile)."""

    name: str
    """By which `phone-context` names it."""

    rules: tuple[Rule, ...]
    external_prefix: str = ""
    """What is dialled for a line outside; "": nothing."""

    optimizes: bool = False
    """Whether devices know the prefix, and dial as soon as a number is whole."""

    @property
    def key(self) -> str:
        """The name as contexts are compared."""
        return self.name.lower()


USUAL: Final = DialPlan("default", (read_rule("all", r"^(\d{11})$", "+$1"),))
"""The plan where nobody has written one, as a new one of Lync has it."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """What a dialled text has become."""

    dialled: str
    """The text as the rules saw it."""

    number: TelephoneNumber
    rule: Rule | None
    """None: it was dialled as the number that it is."""


class NotDialable(Exception):
    """No rule fits what was dialled, or what a rule makes of it is no number; the sentence says which."""

    def __init__(self, sentence: str, rule: Rule | None = None) -> None:
        super().__init__(sentence)
        self.rule = rule


def cleaned(text: str) -> str:
    """Give a text without what says nothing in a number."""
    return text[: 2 * TEXT_MOST].translate(_SILENT)


def normalise(plan: DialPlan, text: str, ext: str = "") -> Normalised:
    """Make a number of what somebody has dialled.

    Args:
        plan: Theirs.
        text: As they dialled it.
        ext: An extension that came beside it.

    Raises:
        NotDialable: No rule fits, or the rule that fits makes no number of it.
    """
    dialled = cleaned(text)
    whole = _global(dialled, ext)
    if whole is not None:
        return Normalised(dialled, whole, None)
    for one, extension in _readings(dialled, ext):
        found = _first(plan, one)
        if found is not None:
            rule, becomes = found
            return Normalised(one, _number(rule, becomes, extension), rule)
    raise NotDialable(f'no rule of the dial plan "{plan.name}" fits "{dialled[:TEXT_MOST]}"')


def listed(plan: DialPlan, text: str) -> str:
    """Give the tel URI of a number as a directory lists it; "" where no rule fits, or what it makes means nothing elsewhere."""
    try:
        number = normalise(plan, text.removeprefix("tel:")).number
    except NotDialable:
        return ""
    return number.uri if number.is_global else ""


def _readings(dialled: str, ext: str) -> Sequence[tuple[str, str]]:
    """Give the ways to read what was dialled, the plainest first, each with its extension."""
    readings = [(dialled, ext)]
    extended = _EXTENDED.fullmatch(dialled)
    if extended is not None and not ext:
        readings.append((extended[1], extended[2]))
    elif extended is None:
        keyed = dialled.upper().translate(_KEYS)
        if keyed != dialled:
            readings.append((keyed, ext))
    return readings


def _first(plan: DialPlan, text: str) -> tuple[Rule, str] | None:
    """Give the first rule that fits, and what it makes of a text; behind the prefix for a line outside no internal rule counts."""
    for rule in plan.rules:
        becomes = rule.translated(text)
        if becomes is not None:
            return rule, becomes
    prefix = plan.external_prefix if plan.optimizes else ""
    if not prefix or not text.startswith(prefix):
        return None
    outside = text[len(prefix) :]
    for rule in plan.rules:
        becomes = None if rule.is_internal else rule.translated(outside)
        if becomes is not None:
            return rule, becomes
    return None


def _global(dialled: str, ext: str) -> TelephoneNumber | None:
    """Read a number that needs no plan; None: it needs one."""
    extended = _EXTENDED.fullmatch(dialled)
    if extended is not None and not ext:
        dialled, ext = extended[1], extended[2]
    if not dialled.startswith("+"):
        return None
    try:
        number = parse_number(dialled)
        return replace(number, ext=ext) if ext else number
    except RemoteProtocolError:
        return None


def _number(rule: Rule, becomes: str, ext: str) -> TelephoneNumber:
    try:
        number = parse_number(becomes)
    except RemoteProtocolError:
        raise NotDialable(
            f'the rule "{rule.name}" makes "{becomes[:TEXT_MOST]}" of it, which is no number', rule
        ) from None
    return replace(number, ext=ext) if ext and not number.ext else number
