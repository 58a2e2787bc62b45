"""The contact list: what is on it, in which state, and the changes that a user makes."""

from collections.abc import Iterator
from typing import Final

from tests.kit.purple.account import Account, state, uri
from tests.kit.purple.events import CommandError, Events
from tests.kit.purple.native import function, purple, table

GROUP, CONTACT, BUDDY = range(3)

PROPERTIES: Final = (
    "email",
    "title",
    "department",
    "company",
    "office",
    "phone",
    "phone-display",
    "phone-mobile",
    "address-city",
)
"""Where the plug-in keeps what a contact card says."""


class Roster:
    """Watches and changes the contact list."""

    def __init__(self, account: Account, events: Events) -> None:
        self._account = account
        self._events = events
        self._groups: dict[int, str] = {}
        self._buddies: dict[int, dict[str, object]] = {}
        self.operations: Final = table(
            "new_list new_node show update remove destroy set_visible request_add_buddy request_add_chat"
            " request_add_group save_node remove_node save_account",
            update=function("void(pointer, pointer)", self._updated),
            remove=function("void(pointer, pointer)", self._removed),
        )

    # --- what is heard

    def _updated(self, _list: int, node: int) -> None:
        if not node or not self._account.known:
            return
        kind = purple.purple_blist_node_get_type(node)
        if kind == GROUP:
            self._group_updated(node, purple.purple_group_get_name(node))
        elif kind == BUDDY and purple.purple_buddy_get_group(node):
            self._buddy_updated(node)

    def _group_updated(self, node: int, name: str) -> None:
        old, self._groups[node] = self._groups.get(node), name
        if old is None:
            self._events.tell("group_added", group=name)
        elif old != name:
            self._events.tell("group_renamed", group=name, old=old)

    def _buddy_updated(self, node: int) -> None:
        fresh = _described(node)
        old, self._buddies[node] = self._buddies.get(node), fresh
        place = {"who": fresh["who"], "group": fresh["group"]}
        if old is None or place != {"who": old["who"], "group": old["group"]}:
            self._events.tell("buddy_added", **place)
        if old != fresh:
            self._events.tell("presence", **fresh)

    def _removed(self, _list: int, node: int) -> None:
        if node in self._groups:
            self._events.tell("group_removed", group=self._groups.pop(node))
        if node in self._buddies:
            gone = self._buddies.pop(node)
            self._events.tell("buddy_removed", who=gone["who"], group=gone["group"])

    # --- what is asked

    def do_blist(self) -> list[dict[str, object]]:
        """Give the contacts in the order of the list, each with its group and state."""
        return [_described(node) for node, kind in _nodes() if kind == BUDDY]

    def do_groups(self) -> list[str]:
        """Give the names of the groups in their order."""
        return [purple.purple_group_get_name(node) for node, kind in _nodes() if kind == GROUP]

    def do_info(self, *, who: str) -> dict[str, str]:
        """Give what the contact card of a contact says."""
        buddy = self._buddy(who)
        found = ((key, purple.purple_blist_node_get_string(buddy, key)) for key in PROPERTIES)
        return {key: value for key, value in found if value}

    # --- what is changed

    def do_add_buddy(self, *, who: str, group: str, alias: str | None = None) -> None:
        """Add a contact, and the group if it is not there."""
        _ = self._account.connection
        buddy = purple.purple_buddy_new(self._account.pointer, who, alias)
        purple.purple_blist_add_buddy(buddy, None, self._group(group, create=True), None)
        purple.purple_account_add_buddy(self._account.pointer, buddy)

    def do_remove_buddy(self, *, who: str, group: str) -> None:
        """Remove a contact from a group."""
        self._remove(self._buddy(who, group))

    def do_move_buddy(self, *, who: str, group: str, to: str) -> None:
        """Move a contact to a group, which is made if it is not there."""
        purple.purple_blist_add_buddy(self._buddy(who, group), None, self._group(to, create=True), None)

    def do_alias_buddy(self, *, who: str, alias: str) -> None:
        """Name a contact."""
        buddy = self._buddy(who)
        purple.purple_blist_alias_buddy(buddy, alias)
        purple.serv_alias_buddy(buddy)

    def do_rename_group(self, *, group: str, to: str) -> None:
        """Rename a group."""
        purple.purple_blist_rename_group(self._group(group), to)

    def do_remove_group(self, *, group: str) -> None:
        """Remove a group and, first, who is in it."""
        pointer = self._group(group)
        for node, kind in list(_nodes()):
            if kind == BUDDY and purple.purple_buddy_get_group(node) == pointer:
                self._remove(node)
        purple.purple_blist_remove_group(pointer)

    def _remove(self, buddy: int) -> None:
        purple.purple_account_remove_buddy(self._account.pointer, buddy, purple.purple_buddy_get_group(buddy))
        purple.purple_blist_remove_buddy(buddy)

    def _group(self, name: str, *, create: bool = False) -> int:
        group: int = purple.purple_find_group(name)
        if not group and create:
            group = purple.purple_group_new(name)
            purple.purple_blist_add_group(group, None)
        if not group:
            raise CommandError(f"there is no group {name}")
        return group

    def _buddy(self, who: str, group: str | None = None) -> int:
        if group is None:
            return self._account.buddy(who)
        buddy: int = purple.purple_find_buddy_in_group(self._account.pointer, uri(who), self._group(group))
        if not buddy:
            raise CommandError(f"{who} is no contact in {group}")
        return buddy


def _nodes() -> Iterator[tuple[int, int]]:
    node = purple.purple_blist_get_root()
    while node:
        yield node, purple.purple_blist_node_get_type(node)
        node = purple.purple_blist_node_next(node, 1)


def _described(buddy: int) -> dict[str, object]:
    presence = purple.purple_buddy_get_presence(buddy)
    return {
        "who": purple.purple_buddy_get_name(buddy),
        "group": purple.purple_group_get_name(purple.purple_buddy_get_group(buddy)),
        "alias": purple.purple_buddy_get_alias(buddy),
        "online": bool(purple.purple_presence_is_online(presence)),
        **state(purple.purple_presence_get_active_status(presence)),
    }
