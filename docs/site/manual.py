"""Man pages, of the same text as the help: lyncpy(1), lyncpyctl(1), lyncpy.toml(5), and completion for bash and zsh.

Nothing of it is kept in the repository: packages make it when they are built.

    python -m docs.site.manual FOLDER
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from docs.site import completion, reference
from lyncpy import __version__
from lyncpy.app.cli import command_line
from lyncpy.app.config import SECTIONS
from lyncpy.workloads.admin.parser import EVERYWHERE, Vocabulary, written
from lyncpy.workloads.admin.parser import usage as use

COMMENT: Final = '.\\" Made from the text of the help; change it there.'

STATUSES: Final = (
    ("0", "It was done, or all is well."),
    ("1", "It could not be done, or something is wrong; a sentence on the standard error says what."),
    ("2", "The command was not understood."),
)

_CODE: Final = re.compile(r"`([^`\n]+)`")


def files() -> Mapping[str, str]:
    """Write everything; path below the folder → text."""
    with TemporaryDirectory() as folder:
        house, _ = reference.built(Path(folder))
        vocabulary = reference.words(house)
    parser = command_line()
    tree = completion.tree(parser, vocabulary)
    return {
        "man/lyncpy.1": lyncpy_page(parser),
        "man/lyncpyctl.1": ctl_page(vocabulary),
        "man/lyncpy.toml.5": settings_page(),
        "bash/lyncpy": completion.bash(tree),
        "zsh/_lyncpy": completion.zsh(tree),
    }


# --- pages


def lyncpy_page(parser: argparse.ArgumentParser) -> str:
    """Write lyncpy(1): each command with what it takes."""
    lines = [*_head("lyncpy", 1, "keep a communications server for Lync clients")]
    lines += [".SH SYNOPSIS", *_usage(parser), ".SH DESCRIPTION", *_paragraph(parser.description or "")]
    lines += [
        *_paragraph("The settings are explained in lyncpy.toml(5), the running server's commands in lyncpyctl(1).")
    ]
    lines += [".SH COMMANDS"]
    for name, one, text in commands(parser):
        lines += [f".SS {_text(name)}", *_usage(one), *_paragraph(f"{text[:1].upper()}{text[1:]}."), *_options(one)]
    lines += [".SH EXIT STATUS"]
    for status, text in STATUSES:
        lines += [".TP", f".B {status}", _text(text)]
    return _page([*lines, *_see("lyncpyctl(1)", "lyncpy.toml(5)", "twistd(1)")])


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Give each command that does something: its name, what reads its words, and its help."""
    for word, below, text in completion.below(parser):
        deeper = list(commands(below))
        if deeper:
            yield from ((f"{word} {name}", one, help_) for name, one, help_ in deeper)
        else:
            yield word, below, text


def ctl_page(vocabulary: Vocabulary) -> str:
    """Write lyncpyctl(1): each command of the shell."""
    lines = [*_head("lyncpyctl", 1, "ask the running server, as in its shell"), ".SH SYNOPSIS"]
    lines += [".B lyncpyctl", "[\\fICOMMAND\\fR ...]", ".SH DESCRIPTION"]
    lines += _paragraph(
        "Asks the server of this machine over its local socket; root and the server's own user need no key. Without a command "
        "it is a prompt on a terminal, and takes a command from each line of a pipe. It is `lyncpy ctl` with the settings of "
        "the package. The same commands are there over SSH, and over HTTPS for who has an operator's token."
    )
    lines += [
        ".SH OPTIONS",
        "Each command takes:",
        *_listed((written(one), one.help) for one in EVERYWHERE),
        ".SH COMMANDS",
    ]
    for command in vocabulary.all_commands():
        lines += [f".SS {_text(command.name)}", ".nf", _text(use(command)), ".fi", *_paragraph(command.help)]
        lines += _listed((arg.name.upper(), arg.help) for arg in command.args)
        lines += _listed((written(flag), flag.help) for flag in command.flags)
    return _page([*lines, *_see("lyncpy(1)", "lyncpy.toml(5)")])


def settings_page() -> str:
    """Write lyncpy.toml(5): each section with its settings, their kinds and defaults."""
    lines = [*_head("lyncpy.toml", 5, "settings of lyncpy"), ".SH DESCRIPTION"]
    lines += _paragraph(
        "A TOML file. A key that is not here is refused at the start, with the nearest one that is. Relative paths start from "
        "the folder of the file. `lyncpy settings` prints all of it as a file to begin with, `lyncpy check FILE` looks at a "
        "file and at all that it names, `lyncpyctl settings` shows what is in force."
    )
    for section, model in SECTIONS.items():
        lines += [f".SH [{section}]", *_paragraph((model.__doc__ or "").split("\n", 1)[0])]
        lines += _listed(
            (name, f"{setting.description or ''}\n\n{reference.kind(setting)}. {reference.default(setting)}")
            for name, setting in model.model_fields.items()
        )
        example: Sequence[str] = getattr(model, "EXAMPLE", ())
        lines += [".PP", _text(example[0]), ".nf", *map(_text, example[1:]), ".fi"] if example else []
    return _page([*lines, *_see("lyncpy(1)", "lyncpyctl(1)")])


# --- roff


def _head(name: str, section: int, sentence: str) -> Iterator[str]:
    yield COMMENT
    yield f'.TH {name.upper()} {section} "" "lyncpy {__version__}" "lyncpy"'
    yield from (".SH NAME", f"{name} \\- {_text(sentence)}")


def _see(*pages: str) -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield ", ".join(f"\\fB{name}\\fR({section}" for name, _, section in (one.partition("(") for one in pages))


def _usage(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (".nf", _text(" ".join(parser.format_usage().removeprefix("usage: ").split())), ".fi")


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in completion.actions(parser):
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
            names = [*action.option_strings] or [str(action.metavar or action.dest).upper()]
            takes = f" {action.metavar or action.dest.upper()}" if action.option_strings and action.nargs != 0 else ""
            yield from _listed([(", ".join(names) + takes, action.help or "")])


def _listed(entries: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, text in entries:
        yield from (".TP", f"\\fB{_text(name)}\\fR")
        first, *more = text.split("\n\n")
        yield _text(first) or "\\&"
        for one in more:
            yield from (".IP", _text(one))


def _paragraph(text: str) -> Iterator[str]:
    yield from (".PP", _text(text))


def _text(text: str) -> str:
    """Write a text so that nothing in it is taken for a command of roff; code is bold."""
    text = text.replace("\n", " ").replace("\\", "\\e").replace("-", "\\-")
    text = _CODE.sub(r"\\fB\1\\fR", text)
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _page(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    """Write everything into a folder."""
    for name, text in files().items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
