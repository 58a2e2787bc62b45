"""Conferences: begun, joined, spoken in, led and left, each as a user does it with a menu or a window."""

from collections.abc import Iterator
from typing import Final

from tests.kit.purple.account import Account, uri
from tests.kit.purple.dialogs import Dialogs
from tests.kit.purple.events import CommandError, Events
from tests.kit.purple.menus import Menus
from tests.kit.purple.native import function, glib, items, purple, texts

CHAT: Final = 2
"""libpurple's type of a conversation of many."""

PRESENTER: Final = 4
"""libpurple's mark of an operator; the plug-in gives it to presenters."""

SENT, SYSTEM, ERROR = 0x1, 0x4, 0x200


class Meetings:
    """The chats of conferences."""

    def __init__(self, account: Account, menus: Menus, dialogs: Dialogs, events: Events) -> None:
        self._account = account
        self._menus = menus
        self._dialogs = dialogs
        self._events = events

    # --- what is heard

    def operations(self) -> dict[str, int]:
        """Give what libpurple calls when the members of a chat change."""
        return {
            "chat_add_users": function("void(pointer, pointer, int)", self._added),
            "chat_remove_users": function("void(pointer, pointer)", self._removed),
            "chat_update_user": function("void(pointer, text)", self._changed),
        }

    def listen(self) -> None:
        """Hear of chats that begin and end; after libpurple has begun."""
        handle = glib.g_malloc0(1)
        for signal, event in (("chat-joined", "chat_joined"), ("chat-left", "chat_left")):

            def heard(chat: int, _data: int, event: str = event) -> None:
                self._events.tell(event, chat=_name(chat), title=purple.purple_conversation_get_title(chat))

            heard_by = function("void(pointer, pointer)", heard)
            purple.purple_signal_connect(purple.purple_conversations_get_handle(), signal, handle, heard_by, None)

    def written(self, chat: int, who: str, text: str, flags: int) -> None:
        """Tell what was written into the window of a chat."""
        name = _name(chat)
        if flags & ERROR:
            self._events.tell("chat_error", chat=name, text=text)
        elif flags & SYSTEM:
            self._events.tell("chat_system", chat=name, text=text)
        elif flags & SENT:
            self._events.tell("chat_sent", chat=name, text=text)
        else:
            self._events.tell("chat", chat=name, who=who, text=text)

    def _added(self, chat: int, members: int, _new: int) -> None:
        names = [purple.purple_conv_chat_cb_get_name(one) for one in items(members)]
        self._events.tell("chat_members_added", chat=_name(chat), members=names)

    def _removed(self, chat: int, members: int) -> None:
        self._events.tell("chat_members_removed", chat=_name(chat), members=list(texts(members)))

    def _changed(self, chat: int, who: str) -> None:
        self._events.tell("chat_member_changed", chat=_name(chat), who=who, presenter=_leads(chat, who))

    # --- what is asked

    def do_chats(self) -> list[dict[str, object]]:
        """Give the chats: name, title, topic, members, and whether it is over."""
        return [
            {
                "chat": _name(chat),
                "title": purple.purple_conversation_get_title(chat),
                "topic": purple.purple_conv_chat_get_topic(_data(chat)),
                "is_over": bool(purple.purple_conv_chat_has_left(_data(chat))),
                "members": _members(chat),
            }
            for chat in _chats()
        ]

    def do_chat_menu(self, *, chat: str | None = None) -> list[str]:
        """Give the labels of a chat's menu."""
        return self._menus.labels(self._menus.chat_node(_name(self._chat(chat))))

    # --- what is done

    def do_start_conference(self, *, who: str) -> None:
        """Begin a conference with a contact, by "New chat" in his menu."""
        self._menus.choose(self._account.buddy(who), "New chat")

    def do_join_conference(self, *, link: str = "", organizer: str = "", meeting: str = "") -> None:
        """Join a conference by "Join scheduled conference…": a link, or its organizer and its id."""
        given = {"meetingLocation": link, "meetingOrganizer": organizer, "meetingID": meeting}
        self._dialogs.fill(**{name: value for name, value in given.items() if value})
        self._menus.act("Join scheduled conference")

    def do_invite(self, *, who: str, chat: str | None = None) -> None:
        """Invite somebody to a chat."""
        number = purple.purple_conv_chat_get_id(_data(self._chat(chat)))
        purple.serv_chat_invite(self._account.connection, number, "", uri(who))

    def send(self, markup: str, chat: str | None) -> None:
        """Say something to all."""
        _ = self._account.connection
        purple.purple_conv_chat_send(_data(self._chat(chat)), markup)

    def do_chat_action(self, *, label: str, chat: str | None = None) -> None:
        """Choose an entry of a chat's menu."""
        self._menus.choose(self._menus.chat_node(_name(self._chat(chat))), label)

    def do_chat_close(self, *, chat: str | None = None) -> None:
        """Close a chat's window, which leaves the conference."""
        purple.purple_conversation_destroy(self._chat(chat))

    def _chat(self, name: str | None) -> int:
        """Find a chat; without a name the only one whose conference is not over."""
        found = [
            chat
            for chat in _chats()
            if (not purple.purple_conv_chat_has_left(_data(chat)) if name is None else _name(chat) == name)
        ]
        if len(found) != 1:
            raise CommandError(f"which chat? {self.do_chats()}")
        return found[0]


def _chats() -> Iterator[int]:
    for conversation in items(purple.purple_get_conversations()):
        if purple.purple_conversation_get_type(conversation) == CHAT:
            yield conversation


def _name(chat: int) -> str:
    name: str = purple.purple_conversation_get_name(chat)
    return name


def _data(chat: int) -> int:
    data: int = purple.purple_conversation_get_chat_data(chat)
    return data


def _members(chat: int) -> dict[str, bool]:
    """Give the members, each with whether he leads."""
    entries = items(purple.purple_conv_chat_get_users(_data(chat)))
    return {name: _leads(chat, name) for name in map(purple.purple_conv_chat_cb_get_name, entries)}


def _leads(chat: int, who: str) -> bool:
    return bool(purple.purple_conv_chat_user_get_flags(_data(chat), who) & PRESENTER)
