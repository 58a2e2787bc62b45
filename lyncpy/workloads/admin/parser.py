"""A line of words → the command that it names, and what it gives it."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.workload import Arg, Flag, ShellCommand
from lyncpy.workloads.admin.words import QuoteOpen, split_words

JSON: Final = Flag("json", "answer with one JSON document")
HELP: Final = Flag("help", "explain the command instead of running it")
LIMIT: Final = Flag("limit", "show the first so many rows", takes="N")
WATCH: Final = Flag("watch", "ask again every so many seconds, until you press Ctrl-C", takes="SECONDS")
EVERYWHERE: Final = (JSON, LIMIT, WATCH, HELP)
"""Flags that every command has; one of its own counts in the place of one of these."""

NUMBER_MOST: Final = 1_000_000
WATCH_S: Final = 2
"""Seconds of `watch COMMAND`, which is `COMMAND --watch SECONDS`."""

MASK: Final = "****"

_SECRETIVE: Final = re.compile(r"pass(word|wd|phrase)?|secret|token|hash", re.IGNORECASE)
_SHOWN: Final = 80


class Misused(Exception):
    """A line that is no command; the sentence says why, and what would be one."""


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A line that was understood."""

    command: ShellCommand
    args: Mapping[str, str]
    flags: Mapping[str, str]
    """Without those of `EVERYWHERE`."""

    json: bool = False
    help: bool = False
    limit: int = 0
    """Rows that are shown; 0: all."""

    watch_s: int = 0
    """Seconds from one time to the next; 0: it is asked once."""

    @property
    def reads(self) -> str:
        """What it reads from the input; "": nothing."""
        is_unread = self.help or any(name in self.flags for name in self.command.unread_with)
        return "" if is_unread else self.command.reads

    @property
    def asks(self) -> str:
        """What a person at a prompt is asked for, who types it unseen; "": nothing."""
        return self.command.asks if self.reads else ""


@dataclass(frozen=True, slots=True)
class _Word:
    """A word behind the command's name, with its role: an argument, a flag or a flag's value."""

    text: str
    role: Arg | Flag | None
    is_value: bool = False
    is_lead: bool = False
    """One of the words that stand before an argument."""


class Vocabulary:
    """Every command there is, by its words."""

    def __init__(self, commands: Iterable[ShellCommand]) -> None:
        self._commands: dict[tuple[str, ...], ShellCommand] = {}
        for command in commands:
            self._commands.setdefault(tuple(command.name.split()), command)
        self._longest = max(map(len, self._commands), default=0)

    def all_commands(self) -> tuple[ShellCommand, ...]:
        """Give the commands, by name."""
        return tuple(self._commands[words] for words in sorted(self._commands))

    def longest_command(self, words: Sequence[str]) -> ShellCommand | None:
        """Give the command with the longest name that these words begin with."""
        for length in range(min(len(words), self._longest), 0, -1):
            command = self._commands.get(tuple(words[:length]))
            if command is not None:
                return command
        return None

    def following(self, words: Sequence[str]) -> tuple[str, ...]:
        """Give the words that may come next in a command's name."""
        length = len(words)
        found = {name[length] for name in self._commands if len(name) > length and name[:length] == tuple(words)}
        return tuple(sorted(found))

    def parse(self, line: str) -> ParsedLine:
        """Understand a line that is not blank.

        Raises:
            Misused: Quotes that do not close, a word or flag that there is not, too many or
                too few arguments.
        """
        try:
            words = split_words(line)
        except QuoteOpen:
            raise Misused("a quote is not closed") from None
        if words[:1] == [WATCH.name]:
            words = [*words[1:], f"--{WATCH.name}={WATCH_S}"]
        named = [word for word in words if not word.startswith("-")]
        command = self.longest_command(named)
        if command is None:
            raise Misused(self._unknown(named))
        return _used(command, words)

    def masked(self, line: str) -> str:
        """Give the line as it may be recorded: secrets replaced.

        In a line that names no command everything behind a word such as "password" counts as one.
        """
        try:
            words = split_words(line)
        except QuoteOpen:
            words = line.split()
        command = self.longest_command([word for word in words if not word.startswith("-")])
        hidden = list(_hidden(words) if command is None else _hidden_from(command, words))
        if not any(hidden):
            return line
        return " ".join(MASK if hide else word for word, hide in zip(words, hidden, strict=True))

    def _unknown(self, words: Sequence[str]) -> str:
        if not words:
            return "no command is named; `help` lists them"
        for length in range(min(len(words), self._longest), 0, -1):
            following = self.following(words[:length])
            if following:
                return _going_on(words, length, following)
        names = [command.name for command in self.all_commands()]
        # What is longer was not mistyped, and would be compared letter by letter.
        first = words[0][:_SHOWN]
        given = " ".join(word[:_SHOWN] for word in words[:2])
        tries = ((given, names), (first, names), (first, [name.split()[0] for name in names]))
        near = [name for text, known in tries for name in difflib.get_close_matches(text, known, 1)]
        hint = f"did you mean `{near[0]}`?" if near else "`help` lists all"
        return f'there is no command "{_cut(words[0])}"; {hint}'


def _going_on(words: Sequence[str], length: int, following: Sequence[str]) -> str:
    """Say how a command goes on of which the first words, so many, are right."""
    start = " ".join(words[:length])
    several = ", ".join(f"`{start} {word}`" for word in following)
    if len(words) == length:
        return f"`{start}` goes on: {several}"
    return f'`{start}` does not go on with "{_cut(words[length])}", but: {several}'


def usage(command: ShellCommand) -> str:
    """Write a command as it is used: `signout TARGET [--quiet]`."""
    parts = [command.name]
    for arg in command.args:
        part = f"{arg.after} {arg.name.upper()}".lstrip()
        parts.append(part if arg.required else f"[{part}]")
    parts += [f"[{written(flag)}]" for flag in (*command.flags, JSON)]
    return " ".join(parts)


def written(flag: Flag) -> str:
    """Write a flag as it is used: `--since WHEN`."""
    return f"--{flag.name} {flag.takes}".rstrip()


def _used(command: ShellCommand, words: Sequence[str]) -> ParsedLine:
    args: dict[str, str] = {}
    flags: dict[str, str] = {}
    pending: Flag | None = None
    led: set[str] = set()
    for word in _roles(command, words):
        match word.role:
            case None:
                raise Misused(f'"{_cut(word.text)}" is one word too many; use: {usage(command)}')
            # A lead is a fixed word before an argument, as each of "as seen by" in `why ALICE as seen by BOB`.
            case Arg() if word.is_lead:
                led.add(word.role.name)
            case Arg():
                args[word.role.name] = word.text
            case Flag() if word.is_value:
                flags[word.role.name], pending = word.text, None
            case Flag():
                flags[word.role.name] = "true"
                pending = word.role if word.role.takes else None
    if pending is not None:
        raise Misused(f"--{pending.name} takes {pending.takes}; use: {usage(command)}")
    asks = {flag.name: flags.pop(flag.name, "") for flag in everywhere(command)}
    missing = [arg.name.upper() for arg in command.args if (arg.required or arg.name in led) and arg.name not in args]
    # Whoever asks for help need not know the arguments yet.
    if missing and not asks[HELP.name]:
        raise Misused(f"{' and '.join(missing)} is missing; use: {usage(command)}")
    return ParsedLine(
        command,
        args,
        flags,
        json=bool(asks[JSON.name]),
        help=bool(asks[HELP.name]),
        limit=_number(LIMIT, asks.get(LIMIT.name, "")),
        watch_s=_number(WATCH, asks.get(WATCH.name, "")),
    )


def everywhere(command: ShellCommand) -> Sequence[Flag]:
    """Give the flags that a command has as all have them."""
    own = {flag.name for flag in command.flags}
    if command.form.facts and not command.form.rows:
        own.add(LIMIT.name)  # of one thing there are no first rows
    return [flag for flag in EVERYWHERE if flag.name not in own]


def _number(flag: Flag, text: str) -> int:
    """Read the whole number that a flag takes; 0 without the flag."""
    if not text:
        return 0
    if not text.isdecimal() or not 0 < int(text[:9]) <= NUMBER_MOST:
        raise Misused(f'--{flag.name} takes a whole number from 1 to {NUMBER_MOST}, not "{_cut(text)}"')
    return int(text[:9])


def _roles(command: ShellCommand, words: Sequence[str], *, strict: bool = True) -> Iterator[_Word]:
    """Give the role of each word behind the command's name.

    `--name=value` is given as two words. When not `strict`, a flag that there is not has no
    role, and nothing is raised.
    """
    name = command.name.split()
    flags = {flag.name: flag for flag in (*command.flags, *everywhere(command))}
    args = iter(slots(command))
    only_args = False
    awaiting: Flag | None = None
    for text in words:
        if awaiting is not None:
            yield _Word(text, awaiting, is_value=True)
            awaiting = None
        # Behind `--` everything is an argument, a name that begins with `-` too.
        elif text == "--" and not only_args:
            only_args = True
        elif len(text) > 1 and text.startswith("-") and not only_args:
            written_name, equals, value = text.partition("=")
            flag = flags.get(written_name[2:]) if text.startswith("--") else None
            if strict:
                _check(command, written_name, flag, takes=bool(equals))
            yield _Word(written_name, flag)
            if equals:
                yield _Word(value, flag, is_value=True)
            elif flag is not None and flag.takes:
                awaiting = flag
        elif name:
            name.pop(0)
        else:
            lead, arg = next(args, ("", None))
            yield _Word(text, arg if lead in ("", text) else None, is_lead=bool(lead))


def slots(command: ShellCommand) -> Iterator[tuple[str, Arg]]:
    """Give for each word behind a command's name the text that it must have ("": any), and its argument."""
    for arg in command.args:
        for lead in arg.after.split():
            yield lead, arg
        yield "", arg


def _check(command: ShellCommand, name: str, flag: Flag | None, *, takes: bool) -> None:
    if flag is None:
        known = [one.name for one in (*command.flags, *everywhere(command))]
        near = difflib.get_close_matches(name.lstrip("-")[:_SHOWN], known, 1)
        hint = f"did you mean --{near[0]}?" if near else f"use: {usage(command)}"
        raise Misused(f'`{command.name}` has no flag "{_cut(name)}"; {hint}')
    if takes and not flag.takes:
        raise Misused(f"{name} takes no value; use: {usage(command)}")


def _hidden(words: Sequence[str]) -> Iterator[bool]:
    """Tell for each word of a line that names no command whether it may be a secret."""
    follows = False
    for word in words:
        yield follows
        follows = follows or _SECRETIVE.search(word) is not None


def _hidden_from(command: ShellCommand, words: Sequence[str]) -> Iterator[bool]:
    """Tell for each word of a command's line whether it is a secret."""
    roles = tuple(_roles(command, words, strict=False))
    has_secrets = any(arg.secret for arg in command.args)
    secrets = {word.text for word in roles if _is_secret(word)}
    # One word too many may be a secret that was meant to be one word, and was not quoted.
    hidden = secrets | {word.text for word in roles if word.role is None and has_secrets}
    for word in words:
        _, equals, value = word.partition("=")
        yield word in hidden or bool(equals and value in secrets)


def _is_secret(word: _Word) -> bool:
    role = word.role
    return role is not None and role.secret and not word.is_lead and (isinstance(role, Arg) or word.is_value)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
