"""The contact search of the account's menu: a form, and what it finds; and what is known of one contact."""

import ctypes

from tests.kit.purple.account import Account
from tests.kit.purple.dialogs import Dialogs
from tests.kit.purple.events import Events
from tests.kit.purple.menus import Menus
from tests.kit.purple.native import items, purple


class _Results(ctypes.Structure):
    """PurpleNotifySearchResults."""

    _fields_ = (("columns", ctypes.c_void_p), ("rows", ctypes.c_void_p), ("buttons", ctypes.c_void_p))


class Search:
    """Fills in the form; what is found is told as `found`, a failure, or that there is nobody, as `notice`."""

    def __init__(self, account: Account, menus: Menus, dialogs: Dialogs, events: Events) -> None:
        self._account = account
        self._menus = menus
        self._dialogs = dialogs
        self._events = events
        dialogs.found = self._found

    def do_search(self, **fields: str) -> None:
        """Search with these fields of the form: given, surname, email, sipid, company, country."""
        self._dialogs.fill(**fields)
        self._menus.act("Contact search")

    def do_card(self, who: str) -> None:
        """Ask for "Get info" of somebody; it is told as `card`."""
        purple.serv_get_info(self._account.connection, who)

    def _found(self, results: int) -> None:
        rows = [[_text(cell) for cell in items(row)] for row in items(_Results.from_address(results).rows)]
        self._events.tell("found", rows=rows)


def _text(address: int | None) -> str:
    return ctypes.string_at(address).decode("utf-8", "replace") if address else ""
