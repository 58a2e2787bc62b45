"""What commands of the console have in common: which settings they work with, and how they say that they failed."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lyncpy import __version__

USUAL: Final = "LYNCPY_CONFIG"
"""The environment variable that names the settings where no word does; a package sets it to its own."""


def usual() -> Path:
    """Give the settings that count where none are named."""
    return Path(os.environ.get(USUAL) or "lyncpy.toml")


def add_config(command: argparse.ArgumentParser, metavar: str = "FILE") -> None:
    """Let a command be told its settings by an option."""
    text = f"the settings; without it ${USUAL}, or lyncpy.toml here"
    command.add_argument("--config", "-c", type=Path, default=usual(), metavar=metavar, help=text)


def add_file(command: argparse.ArgumentParser) -> None:
    """Let a command be told its settings by a word, and what counts in their place this time."""
    text = f"the settings; without it ${USUAL}, or lyncpy.toml here"
    command.add_argument("file", nargs="?", type=Path, default=usual(), metavar="FILE", help=text)
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="a setting that counts this time; may be given again",
    )


def console() -> argparse.ArgumentParser:
    """Give the command `lyncpy`, without its words."""
    parser = argparse.ArgumentParser(
        prog="lyncpy", description="Keeps a lyncpy server. The server itself is run by: twistd lyncpy --config FILE"
    )
    parser.add_argument("--version", action="version", version=f"lyncpy {__version__}")
    return parser


def carried_out(parser: argparse.ArgumentParser, words: Sequence[str], *said: type[Exception]) -> int:
    """Carry out what a line asks for; give the exit status.

    Args:
        parser: Knows the commands.
        words: The line.
        said: What is raised with a sentence for whoever asked, beside what the system says.
    """
    options = parser.parse_args(words)
    try:
        status: int = options.run(options)
        return status
    except said as error:
        sys.stderr.write(f"lyncpy: {error}\n")
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        sys.stderr.write(f"lyncpy: {f'{error.filename}: {error.strerror}' if error.filename else error}\n")
        return 1
