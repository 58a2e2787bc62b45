"""One client: starts libpurple with everything around it, and runs until its input ends."""

import argparse
import ctypes
import faulthandler
import json
import locale
import os
import secrets
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.kit.purple.account import INTERFACE, PROTOCOL, Account
from tests.kit.purple.dialogs import Dialogs
from tests.kit.purple.events import Commands, Events
from tests.kit.purple.lookups import Lookups
from tests.kit.purple.loop import Loop
from tests.kit.purple.meetings import Meetings
from tests.kit.purple.menus import Menus
from tests.kit.purple.native import function, purple, table
from tests.kit.purple.repair import repair
from tests.kit.purple.roster import Roster
from tests.kit.purple.search import Search
from tests.kit.purple.talk import Talk

CLONE_NEWUTS: Final = 0x04000000

LEAVE_MS: Final = 300
"""A plug-in that signs off writes for a moment after it has said that it has."""


def main(words: Sequence[str] | None = None) -> None:
    """Run.

    Args:
        words: What the command is given; those of the process, if it is None.
    """
    options = _options(words)
    faulthandler.enable()
    # Libraries may print; the line to the test is a descriptor that they do not know.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # The plug-in converts names and passwords from the encoding of the locale.
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    if options.hostname:
        _own_hostname(options.hostname)
    events = Events(out)
    # An exception must not travel through C; Python hands it in here instead.
    sys.unraisablehook = lambda fault: events.tell("fault", text="".join(traceback.format_exception(fault.exc_value)))
    Client(options, events).run()
    # libpurple's own way out would unload the plug-in while timers still point into it.
    os._exit(0)


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kit.purple", description=__doc__)
    parser.add_argument(
        "--home", type=Path, required=True, help="libpurple's folder for this client; debug.log is there"
    )
    parser.add_argument("--ca", type=Path, help="the authority to trust, besides the system's")
    parser.add_argument("--names", type=json.loads, default={}, help="addresses by host name, as JSON")
    parser.add_argument("--hostname", help="a host name for this process alone (root only)")
    return parser.parse_args(words)


def _own_hostname(name: str) -> None:
    """Take another host name: two clients of one account on one machine would be one endpoint otherwise."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUTS):
        error = ctypes.get_errno()
        raise OSError(error, f"a host name of its own: {os.strerror(error)}")
    socket.sethostname(name)


class Client:
    """libpurple with its event loop, its user interface and its account."""

    def __init__(self, options: argparse.Namespace, events: Events) -> None:
        """Begin; nothing is connected."""
        self._events = events
        self._loop = Loop()
        self._log = (options.home / "debug.log").open("a", encoding="utf-8")
        self._began = time.monotonic()
        self._begin(options.home)
        self._account = Account(self._loop, events)
        roster = Roster(self._account, events)
        purple.purple_set_blist(purple.purple_blist_new())
        purple.purple_blist_set_ui_ops(roster.operations)
        dialogs = Dialogs(self._loop, events)
        menus = Menus(self._loop, self._account)
        meetings = Meetings(self._account, menus, dialogs, events)
        search = Search(self._account, menus, dialogs, events)
        talk = Talk(self._account, meetings, events)
        meetings.listen()
        talk.listen()
        self._parts = (dialogs, Lookups(self._loop, options.names))
        if options.ca is not None:
            _trust(options.home, options.ca)
        commands = Commands(events, self._leave, self._account, roster, talk, menus, meetings, search)
        self._loop.read(0, commands.heard)

    def run(self) -> None:
        """Run until the input ends and the account has signed off."""
        plugin = purple.purple_find_prpl(PROTOCOL)
        if not plugin:
            raise SystemExit("libpurple has no sipe; install pidgin-sipe")
        self._events.tell(
            "ready",
            libpurple=purple.purple_core_get_version(),
            sipe=purple.purple_plugin_get_version(plugin),
            repaired=repair(),
        )
        self._loop.run()

    def _begin(self, home: Path) -> None:
        purple.purple_util_set_user_dir(str(home))
        purple.purple_debug_set_ui_ops(
            table(
                "print is_enabled",
                print=function("void(int, text, text)", self._logged),
                is_enabled=function("int(int, text)", lambda *_: 1),
            )
        )
        # Without both the plug-in does not show whole messages.
        purple.purple_debug_set_verbose(1)
        purple.purple_debug_set_unsafe(1)
        purple.purple_core_set_ui_ops(
            table(
                "ui_prefs_init debug_ui_init ui_init quit get_ui_info",
                ui_prefs_init=function("void()", _stay_at_home),
            )
        )
        purple.purple_eventloop_set_ui_ops(self._loop.operations())
        if not purple.purple_core_init(INTERFACE):
            raise SystemExit("libpurple does not start")
        # The plug-in has seeded rand() with the second of its start: clients that start together would
        # choose the same Call-IDs and tags.
        ctypes.CDLL(None).srand(secrets.randbits(32))
        purple.purple_prefs_set_string("/purple/network/public_ip", "127.0.0.1")

    def _logged(self, _level: int, category: str, text: str) -> None:
        self._log.write(f"({time.monotonic() - self._began:.3f}) {category}: {text}")
        self._log.flush()

    def _leave(self) -> None:
        self._account.do_logout()
        self._loop.later(self._loop.quit, LEAVE_MS)


def _stay_at_home() -> None:
    """Set, before libpurple sets its own defaults, that it looks for no router and asks nobody for our address."""
    for folder in ("/purple", "/purple/network"):
        purple.purple_prefs_add_none(folder)
    for name in ("auto_ip", "map_ports"):
        purple.purple_prefs_add_bool(f"/purple/network/{name}", 0)


def _trust(home: Path, authority: Path) -> None:
    pool = home / "authorities"
    pool.mkdir(exist_ok=True)
    shutil.copy(authority, pool / "ca.pem")
    purple.purple_certificate_add_ca_search_path(str(pool))


if __name__ == "__main__":
    main()
