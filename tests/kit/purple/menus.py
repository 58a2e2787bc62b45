"""Menus of the plug-in: of the account, of a contact, of a chat. An entry is chosen by its label."""

import ctypes
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tests.kit.purple.account import PROTOCOL, Account
from tests.kit.purple.events import CommandError
from tests.kit.purple.loop import Loop
from tests.kit.purple.native import call, items, purple


class _Plugin(ctypes.Structure):
    """PurplePlugin, as far as used."""

    _fields_ = (
        ("flags", ctypes.c_int * 2),
        ("handle", ctypes.c_void_p),
        ("path", ctypes.c_void_p),
        ("info", ctypes.c_void_p),
    )


class _PluginInfo(ctypes.Structure):
    """PurplePluginInfo, as far as used."""

    _fields_ = (
        ("versions", ctypes.c_int * 4),
        ("requirement", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("dependencies", ctypes.c_void_p),
        ("priority", ctypes.c_int),
        ("words", ctypes.c_void_p * 7),
        ("life", ctypes.c_void_p * 3),
        ("ui_info", ctypes.c_void_p),
        ("protocol", ctypes.c_void_p),
        ("prefs_info", ctypes.c_void_p),
        ("actions", ctypes.c_void_p),
    )


class _Icon(ctypes.Structure):
    """PurpleBuddyIconSpec."""

    _fields_ = (
        ("format", ctypes.c_void_p),
        ("sizes", ctypes.c_int * 4),
        ("bytes", ctypes.c_size_t),
        ("rules", ctypes.c_int),
    )


class _Protocol(ctypes.Structure):
    """PurplePluginProtocolInfo, as far as used."""

    _fields_ = (
        ("options", ctypes.c_int),
        ("splits", ctypes.c_void_p),
        ("settings", ctypes.c_void_p),
        ("icon", _Icon),
        ("shown", ctypes.c_void_p * 5),
        ("node_menu", ctypes.c_void_p),
        ("chat_info", ctypes.c_void_p),
        ("chat_info_defaults", ctypes.c_void_p),
    )


class _Entry(ctypes.Structure):
    """PurpleMenuAction."""

    _fields_ = (
        ("label", ctypes.c_char_p),
        ("called", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
    )


class _Action(ctypes.Structure):
    """PurplePluginAction."""

    _fields_ = (
        ("label", ctypes.c_char_p),
        ("called", ctypes.c_void_p),
        ("plugin", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
    )


NO_SAVE: Final = 1
"""Flag of a contact list's node that is only there for its menu."""


class Menus:
    """Chooses entries of menus."""

    def __init__(self, loop: Loop, account: Account) -> None:
        self._loop = loop
        self._account = account

    def do_buddy_menu(self, *, who: str) -> list[str]:
        """Give the labels of a contact's menu."""
        return [label for label, _ in self._entries(self._account.buddy(who))]

    def do_buddy_action(self, *, who: str, label: str) -> None:
        """Choose an entry of a contact's menu; dots, marks and case do not matter."""
        self.choose(self._account.buddy(who), label)

    def do_set_level(self, *, who: str, level: str) -> None:
        """Choose somebody's access level in his menu: Personal, Team, Company, Public, Blocked or Unspecify."""
        self.choose(self._account.buddy(who), "Access level", level)

    def choose(self, node: int, *path: str) -> None:
        """Choose an entry of the menu of a contact list's node, by its label and those of the menus that it is in."""
        *menus, label = path
        entries = list(self._entries(node))
        for menu in menus:
            entries = list(_labelled(_entry(entries, menu).children))
        chosen = _entry(entries, label)
        called, data = chosen.called, chosen.data
        self._loop.later(lambda: call(called, "void(pointer, pointer)", node, data))

    def chat_node(self, name: str) -> int:
        """Make what a client with a screen makes for the menu of a chat's window."""
        defaults = _protocol().chat_info_defaults
        words = call(defaults, "pointer(pointer, text)", self._account.connection, name)
        node: int = purple.purple_chat_new(self._account.pointer, None, words)
        purple.purple_blist_node_set_flags(node, NO_SAVE)
        return node

    def labels(self, node: int) -> list[str]:
        """Give the labels of a node's menu."""
        return [label for label, _ in self._entries(node)]

    def act(self, label: str) -> None:
        """Choose an entry of the account's menu."""
        plugin = purple.purple_find_prpl(PROTOCOL)
        chain = call(_info(plugin).actions, "pointer(pointer, pointer)", plugin, self._account.connection)
        for address in filter(None, items(chain)):
            action = _Action.from_address(address)
            if _plain(action.label.decode()) == _plain(label):
                action.plugin, action.context = plugin, self._account.connection
                call(action.called, "void(pointer)", address)
                return
        raise CommandError(f"the account has no {label!r}")

    def _entries(self, node: int) -> Iterator[tuple[str, Any]]:  # Any: an _Entry, whose fields ctypes makes
        _ = self._account.connection
        return _labelled(call(_protocol().node_menu, "pointer(pointer)", node))


def _labelled(chain: int) -> Iterator[tuple[str, Any]]:  # Any: as above
    for address in filter(None, items(chain)):
        entry = _Entry.from_address(address)
        yield entry.label.decode(), entry


def _entry(entries: Sequence[tuple[str, Any]], label: str) -> Any:  # Any: as above
    entry = next((one for known, one in entries if _plain(known) == _plain(label)), None)
    if entry is None:
        raise CommandError(f"there is no {label!r}, only {[known for known, _ in entries]}")
    return entry


def _info(plugin: int) -> Any:  # Any: as above
    return _PluginInfo.from_address(_Plugin.from_address(plugin).info)


def _protocol() -> Any:  # Any: as above
    return _Protocol.from_address(_info(purple.purple_find_prpl(PROTOCOL)).protocol)


def _plain(label: str) -> str:
    return re.sub(r"[_.*=…\s]+", " ", label).strip().lower()
