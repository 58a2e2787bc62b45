"""One client: starts libpurple with everything around it and runs until its input ends."""

import argparse
import ctypes
import json
import locale
import os
import secrets
import shutil
import socket
import sys
import traceback
from pathlib import Path
from typing import Final

CLONE_NEWUTS: Final = 0x04000000

LEVELS: Final = ("all", "misc", "info", "warning", "error", "fatal")


def main() -> None:
    """Run."""
    options = _options()
    # Libraries may print; the line to the test is a descriptor that they do not know.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # The plug-in converts names and passwords from the locale's encoding.
    os.environ |= {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "LANGUAGE": "", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
    locale.setlocale(locale.LC_ALL, "")
    if options.hostname:
        _own_hostname(options.hostname)
    _run(options, out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="libpurple's folder for this client; debug.log is there")
    parser.add_argument("--ca", type=Path, help="the only authority, besides the system's, to trust")
    parser.add_argument("--names", type=json.loads, default={}, help="addresses by host name, as JSON")
    parser.add_argument("--hostname", help="a host name for this process alone (root only)")
    return parser.parse_args()


def _own_hostname(name: str) -> None:
    """Take another host name: two clients of one account on one machine would be one endpoint otherwise."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUTS):
        raise OSError(ctypes.get_errno(), "unshare")
    socket.sethostname(name)


def _run(options: argparse.Namespace, out: "os.PathLike[str] | object") -> None:
    ...


if __name__ == "__main__":
    main()
