"""Completion for bash and zsh, from the commands that there are: of `lyncpy`, and of the shell behind `lyncpy ctl`.

Both scripts have the same table: the words typed so far → the words that may come next.
"""

import argparse
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from lyncpy.workloads.admin.parser import EVERYWHERE, Vocabulary

Tree = Mapping[str, Mapping[str, str]]
"""The words so far, as "lyncpy user" → each word that may follow, with what it does."""

VALUED: Final = "\N{NO-BREAK SPACE}"
"""What the help of an option ends with that takes a value."""

_BASH: Final = """\
# Completion of lyncpy and lyncpyctl for bash. Made from the commands that there are.
declare -A _lyncpy_words _lyncpy_valued
{words}
_lyncpy_complete() {{
    local at=${{COMP_WORDS[0]##*/}} cur=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} number
    COMPREPLY=()
    for ((number = 1; number < COMP_CWORD; number++)); do
        [[ -n ${{_lyncpy_words[$at ${{COMP_WORDS[number]}}]+x}} ]] && at="$at ${{COMP_WORDS[number]}}"
    done
    # Behind an option that takes a value comes that: a file, most often.
    [[ " ${{_lyncpy_valued[$at]-}} " == *" $previous "* ]] && return
    mapfile -t COMPREPLY < <(compgen -W "${{_lyncpy_words[$at]-}}" -- "$cur")
}}
complete -o default -F _lyncpy_complete lyncpy lyncpyctl
"""

_ZSH: Final = """\
#compdef lyncpy lyncpyctl
# Completion of lyncpy and lyncpyctl for zsh. Made from the commands that there are.
typeset -gA _lyncpy_words
_lyncpy_words=(
{words}
)
_lyncpy() {{
    local at=${{words[1]:t}} word
    local -a offered
    for word in ${{words[2,CURRENT-1]}}; do
        (( ${{+_lyncpy_words[$at $word]}} )) && at="$at $word"
    done
    offered=("${{(@f)_lyncpy_words[$at]}}")
    _describe -o word offered || _files
}}
_lyncpy "$@"
"""


def tree(parser: argparse.ArgumentParser, vocabulary: Vocabulary) -> Tree:
    """Give what may follow what."""
    found: dict[str, dict[str, str]] = {}
    for words, follow in _of_parser(parser, parser.prog):
        found[words] = follow
    for start in (f"{parser.prog} ctl", f"{parser.prog}ctl"):
        for words, word, text in _of_shell(vocabulary):
            found.setdefault(f"{start} {words}".strip(), {}).setdefault(word, text)
    return found


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Give the words and options that a command takes; argparse has no public name for them."""
    yield from parser._actions


def below(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Give the commands right below one: the word, what reads the words behind it, and its help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            yield from ((word, one, helps.get(word, "")) for word, one in action.choices.items())


def _of_parser(parser: argparse.ArgumentParser, at: str) -> Iterator[tuple[str, dict[str, str]]]:
    follow = {word: text for word, _, text in below(parser)}
    for action in parser._actions:
        valued = VALUED if action.nargs != 0 else ""
        follow |= dict.fromkeys(action.option_strings, f"{action.help or ''}{valued}")
    yield at, follow
    for word, one, _ in below(parser):
        yield from _of_parser(one, f"{at} {word}")


def _of_shell(vocabulary: Vocabulary) -> Iterator[tuple[str, str, str]]:
    """Give the words before, a word, and what it does, of each word of each command."""
    for command in vocabulary.all_commands():
        words = command.name.split()
        for count, word in enumerate(words):
            yield " ".join(words[:count]), word, command.help if count == len(words) - 1 else ""
        for flag in (*command.flags, *EVERYWHERE):
            yield command.name, f"--{flag.name}", f"{flag.help}{VALUED if flag.takes else ''}"


def bash(found: Tree) -> str:
    """Write the script for bash."""
    lines = []
    for at, follow in sorted(found.items()):
        lines.append(f"_lyncpy_words[{shlex.quote(at)}]={shlex.quote(' '.join(sorted(follow)))}")
        valued = [word for word, text in sorted(follow.items()) if text.endswith(VALUED)]
        if valued:
            lines.append(f"_lyncpy_valued[{shlex.quote(at)}]={shlex.quote(' '.join(valued))}")
    return _BASH.format(words="\n".join(lines))


def zsh(found: Tree) -> str:
    """Write the script for zsh, in which each word has its sentence."""
    lines = []
    for at, follow in sorted(found.items()):
        offered = "\n".join(
            f"{word}:{' '.join(text.removesuffix(VALUED).split())}" for word, text in sorted(follow.items())
        )
        lines.append(f"{shlex.quote(at)} {shlex.quote(offered)}")
    return _ZSH.format(words="\n".join(lines))
