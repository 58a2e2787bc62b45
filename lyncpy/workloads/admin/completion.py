"""What Tab makes of the line before the cursor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.workload import OperatorRole, OrderedWords, ShellCommand
from lyncpy.workloads.admin.parser import Vocabulary, everywhere, slots
from lyncpy.workloads.admin.words import quoted, split

LISTED: Final = 200
"""More choices than this are not listed."""

_WITHIN_ONE_WORD: Final = "/"
"""A choice that ends with this is gone on with, so no blank is put behind it."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The line before the cursor, and its possible continuations."""

    before: str
    choices: tuple[str, ...] = ()
    """What to list; empty when there is nothing, or one thing, to choose."""

    more: int = 0
    """How many choices are not listed."""


def complete(vocabulary: Vocabulary, role: OperatorRole, before: str) -> Completion:
    """Go on with a line as far as it is certain.

    Args:
        vocabulary: All commands.
        role: Words that this role may not use are not offered.
        before: The line up to the cursor.
    """
    line = split(before)
    words, start, fragment = line.words, line.start, line.text
    found = _choices(vocabulary, role, words, fragment)
    if not isinstance(found, OrderedWords):
        found = sorted({one for one in found if one.lower().startswith(fragment.lower())})
        low, high = 0, len(found)
    else:  # of everybody there is, only those are looked at that are shown
        low, high = found.beginning(fragment)
    if low == high:
        return Completion(before)
    first, last = found[low], found[high - 1]
    if high - low == 1:
        blank = "" if first.endswith(_WITHIN_ONE_WORD) else " "
        return Completion(before[:start] + quoted(first) + blank)
    common = _common(first, last)
    if len(common) > len(fragment):
        return Completion(before[:start] + quoted(common))
    return Completion(before, tuple(found[low : min(high, low + LISTED)]), more=max(high - low - LISTED, 0))


def _common(first: str, last: str) -> str:
    """Give what all texts between the first and the last in order begin with."""
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


def _choices(vocabulary: Vocabulary, role: OperatorRole, words: Sequence[str], fragment: str) -> Sequence[str]:
    allowed = Vocabulary(command for command in vocabulary.all_commands() if command.role <= role)
    named = [word for word in words if not word.startswith("-")]
    if named[:1] == ["help"]:
        return allowed.following(named[1:])
    following = allowed.following(named)
    if following and not fragment.startswith("-"):
        command = allowed.longest_command(named)
        if command is None or command.name != " ".join(named) or not command.args:
            return following
    command = allowed.longest_command(named)
    return _behind(command, words, fragment) if command is not None else following


def _behind(command: ShellCommand, words: Sequence[str], fragment: str) -> Sequence[str]:
    """Give what may stand behind a command's name: a value, an argument or a flag."""
    flags = {f"--{flag.name}": flag for flag in (*command.flags, *everywhere(command))}
    given = 0
    waits = False
    for word in words:
        if waits:
            waits = False
        elif word in flags:
            waits = bool(flags[word].takes)
        elif not word.startswith("--"):
            given += 1
    # The value of a flag: nobody can guess it.
    if waits:
        return ()
    left = [name for name in flags if name not in words]
    if fragment.startswith("-"):
        return left
    # The words of the name itself were counted, too.
    given -= len(command.name.split())
    choices: Callable[[], Sequence[str]] | None = None
    expected = tuple(slots(command))
    if given < len(expected):
        lead, arg = expected[given]
        if lead:
            return (lead,)
        choices = arg.choices
        if choices is None:
            return () if fragment or arg.required else left
    return choices() if choices is not None else left
