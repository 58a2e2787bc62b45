"""The console command `lyncpy`: no more is loaded than a command needs.

`lyncpy ctl` is asked again and again, by scripts and by people: it stands on little, so that it costs little. All others
stand on the whole server, and are in `commands`.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from lyncpy.app import ctl_command
from lyncpy.app.arguments import carried_out, console

LIGHT: Final = "ctl"
"""The command that stands on little."""

_OTHERS: Final = "lyncpy.app.commands"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; give the exit status."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] != LIGHT:
        status: int = import_module(_OTHERS).main(words)
        return status
    parser = console()
    ctl_command.declare(parser.add_subparsers(required=True, metavar="COMMAND"))
    return carried_out(parser, words)


def command_line() -> argparse.ArgumentParser:
    """Give all commands and what they take; the documentation shows their help."""
    found: argparse.ArgumentParser = import_module(_OTHERS).command_line()
    return found


if __name__ == "__main__":
    sys.exit(main())
