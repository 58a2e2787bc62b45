"""Conversations: what is said, typed, and not delivered; those of many are told to `Meetings`."""

import html
from typing import Final

from tests.kit.purple.account import Account, uri
from tests.kit.purple.events import CommandError, Events
from tests.kit.purple.meetings import CHAT, ERROR, SENT, SYSTEM, Meetings
from tests.kit.purple.native import function, glib, purple, table

IM: Final = 1


class Talk:
    """Sends and hears messages."""

    def __init__(self, account: Account, meetings: Meetings, events: Events) -> None:
        self._account = account
        self._meetings = meetings
        self._events = events
        purple.purple_conversations_set_ui_ops(
            table(
                "create_conversation destroy_conversation write_chat write_im write_conv chat_add_users"
                " chat_rename_user chat_remove_users chat_update_user present has_focus custom_smiley_add"
                " custom_smiley_write custom_smiley_close send_confirm",
                write_conv=function("void(pointer, text, text, text, int, long)", self._written),
                has_focus=function("int(pointer)", lambda _: 0),
                **meetings.operations(),
            )
        )

    def listen(self) -> None:
        """Hear of typing; after libpurple has begun."""
        handle = glib.g_malloc0(1)
        for signal, typing in (("buddy-typing", True), ("buddy-typing-stopped", False)):

            def heard(_account: int, who: str, _data: int, typing: bool = typing) -> None:
                self._events.tell("typing", who=who, typing=typing)

            heard_by = function("void(pointer, text, pointer)", heard)
            purple.purple_signal_connect(purple.purple_conversations_get_handle(), signal, handle, heard_by, None)

    def do_send_im(self, *, who: str, text: str) -> None:
        """Say something; line breaks are kept."""
        _ = self._account.connection
        name = uri(who)
        conversation = self._find(name) or purple.purple_conversation_new(IM, self._account.pointer, name)
        purple.purple_conv_im_send(purple.purple_conversation_get_im_data(conversation), _markup(text))

    def do_chat_send(self, *, text: str, chat: str | None = None) -> None:
        """Say something to all in a chat."""
        self._meetings.send(_markup(text), chat)

    def do_typing(self, *, who: str, typing: bool = True) -> None:
        """Begin or stop to type; nothing is sent without a session."""
        purple.serv_send_typing(self._account.connection, uri(who), int(typing))

    def do_close_im(self, *, who: str) -> None:
        """Close the window, which ends the session."""
        conversation = self._find(uri(who))
        if not conversation:
            raise CommandError(f"there is no conversation with {who}")
        purple.purple_conversation_destroy(conversation)

    def _find(self, name: str) -> int:
        found: int = purple.purple_find_conversation_with_account(IM, name, self._account.pointer)
        return found

    def _written(self, conversation: int, who: str, _alias: str, markup: str, flags: int, _time: int) -> None:
        peer = purple.purple_conversation_get_name(conversation)
        text = purple.purple_markup_strip_html(markup)
        if purple.purple_conversation_get_type(conversation) == CHAT:
            self._meetings.written(conversation, who, text, flags)
        elif flags & ERROR:
            self._events.tell("conv_error", who=peer, text=text)
        elif flags & SYSTEM:
            self._events.tell("conv_system", who=peer, text=text)
        elif flags & SENT:
            self._events.tell("im_sent", who=peer, text=text)
        else:
            self._events.tell("im", who=who or peer, text=text, html=markup)


def _markup(text: str) -> str:
    """People type text, and clients with a screen convert it like this."""
    return html.escape(text, quote=False).replace("\n", "<br>")
