"""How a command of the console is told which settings it works with."""

import argparse
import os
from pathlib import Path
from typing import Final

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
