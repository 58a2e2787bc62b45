"""The one account of a client: sign-in, sign-off, its own state, and what becomes of the connection."""

import html
import time
from collections.abc import Mapping
from typing import Final

from tests.kit.purple.events import CommandError, Events
from tests.kit.purple.loop import Loop
from tests.kit.purple.native import function, glib, items, purple, table

PROTOCOL: Final = "prpl-sipe"
INTERFACE: Final = "lyncpy-tests"
DENY_SOME: Final = 4
"""libpurple's privacy setting under which its list of the blocked counts."""

RETURN_MS: Final = 300

REASONS: Final = (
    "network_error",
    "invalid_username",
    "authentication_failed",
    "authentication_impossible",
    "no_ssl_support",
    "encryption_error",
    "name_in_use",
    "invalid_settings",
    "cert_not_provided",
    "cert_untrusted",
    "cert_expired",
    "cert_not_activated",
    "cert_hostname_mismatch",
    "cert_fingerprint_mismatch",
    "cert_self_signed",
    "cert_other_error",
    "other_error",
)

STATES: Final[Mapping[str, str]] = {"dnd": "do-not-disturb", "brb": "be-right-back"}


class Account:
    """Signs in and out."""

    def __init__(self, loop: Loop, events: Events) -> None:
        self._loop = loop
        self._events = events
        self._pointer: int = 0
        self._returns = False
        purple.purple_connections_set_ui_ops(
            table(
                "connect_progress connected disconnected notice report_disconnect network_connected"
                " network_disconnected report_disconnect_reason",
                connected=function("void(pointer)", lambda _: events.tell("signed_on")),
                disconnected=function("void(pointer)", lambda _: events.tell("signed_off")),
                report_disconnect_reason=function("void(pointer, int, text)", self._broken),
            )
        )
        purple.purple_accounts_set_ui_ops(
            table(
                "notify_added status_changed request_add request_authorize close_account_request",
                status_changed=function(
                    "void(pointer, pointer)", lambda _, status: events.tell("own_status", **state(status))
                ),
                request_add=function(
                    "void(pointer, text, text, text, text)", lambda _, who, *__: events.tell("added_by", who=who)
                ),
            )
        )

    @property
    def pointer(self) -> int:
        """Give libpurple's account."""
        if not self._pointer:
            raise CommandError("there is no account before the first login")
        return self._pointer

    @property
    def known(self) -> bool:
        """Tell whether there is an account yet."""
        return bool(self._pointer)

    @property
    def connection(self) -> int:
        """Give libpurple's connection."""
        connection: int = purple.purple_account_get_connection(self.pointer)
        if not connection or not purple.purple_account_is_connected(self.pointer):
            raise CommandError("not connected")
        return connection

    def buddy(self, who: str) -> int:
        """Give libpurple's contact of this address, in whatever group."""
        buddy: int = purple.purple_find_buddy(self.pointer, uri(who))
        if not buddy:
            raise CommandError(f"{who} is no contact")
        return buddy

    def do_login(
        self,
        *,
        address: str,
        password: str,
        login: str = "",
        server: str = "",
        transport: str = "tls",
        auth: str = "ntlm",
        status: str = "available",
        note: str | None = None,
        returns: bool = False,
    ) -> None:
        """Connect; a second time with the same account.

        Args:
            address: Without `sip:`.
            password: May be another one than the last time.
            login: The name for authentication, if it is not the address.
            server: HOST:PORT.
            transport: `tls` or `tcp`.
            auth: `ntlm` and so on, as the plug-in names them.
            status: The state to sign in with.
            note: The personal note.
            returns: Connect again, without end, when the connection is lost, as clients with a screen do.
        """
        self._returns = returns
        if not self._pointer:
            pointer = purple.purple_account_new(f"{address},{login}", PROTOCOL)
            purple.purple_account_set_remember_password(pointer, 1)
            purple.purple_account_set_privacy_type(pointer, DENY_SOME)
            # Otherwise it looks for a mail server a minute after sign-in.
            purple.purple_account_set_bool(pointer, "dont-publish", 1)
            purple.purple_accounts_add(pointer)
            self._pointer = pointer
        for name, value in (("server", server), ("transport", transport), ("authentication", auth)):
            purple.purple_account_set_string(self._pointer, name, value)
        purple.purple_account_set_password(self._pointer, password)
        self.do_set_status(status=status, note=note)
        purple.purple_account_set_enabled(self._pointer, INTERFACE, 1)
        self._connect()

    def do_logout(self) -> None:
        """Sign off as a user would."""
        self._returns = False
        if self._pointer and not purple.purple_account_is_disconnected(self._pointer):
            purple.purple_account_disconnect(self._pointer)

    def do_set_status(self, *, status: str, note: str | None = None) -> None:
        """Choose a state: available, busy, dnd, brb, away, invisible. The plug-in tells the server a second later."""
        attributes = None
        if note is not None:
            # To the plug-in a note is markup; people type text, and clients with a screen convert it like this.
            for text in ("message", html.escape(note, quote=False)):
                attributes = glib.g_list_append(attributes, glib.g_strdup(text))
        purple.purple_account_set_status_list(self.pointer, STATES.get(status, status), 1, attributes)
        for copy in items(attributes):
            glib.g_free(copy)
        glib.g_list_free(attributes)

    def do_set_note(self, *, note: str | None) -> None:
        """Choose a note and keep the state."""
        status = purple.purple_account_get_active_status(self.pointer)
        self.do_set_status(status=purple.purple_status_get_id(status), note=note)

    def do_set_idle(self, *, seconds: int) -> None:
        """Have touched nothing for so long, and be away for that, as clients with a screen do it; 0: be back."""
        if seconds:
            purple.purple_savedstatus_set_idleaway(1)
        presence = purple.purple_account_get_presence(self.pointer)
        purple.purple_presence_set_idle(presence, bool(seconds), int(time.time()) - seconds if seconds else 0)
        if not seconds:
            purple.purple_savedstatus_set_idleaway(0)

    def do_block(self, *, who: str) -> None:
        """Give somebody the access level Blocked."""
        purple.purple_privacy_deny(self.pointer, uri(who), 0, 0)

    def do_unblock(self, *, who: str) -> None:
        """Take the access level Blocked from somebody."""
        purple.purple_privacy_allow(self.pointer, uri(who), 0, 0)

    def _connect(self) -> None:
        if purple.purple_account_is_disconnected(self.pointer):
            purple.purple_account_connect(self.pointer)

    def _broken(self, _connection: int, reason: int, text: str) -> None:
        name = REASONS[reason] if reason < len(REASONS) else str(reason)
        self._events.tell("connection_error", reason=name, text=text)
        if name == "network_error" and self._returns:
            self._loop.later(self._return, RETURN_MS)

    def _return(self) -> None:
        if self._returns:
            self._connect()


def uri(who: str) -> str:
    """Name somebody as the plug-in does."""
    return (who if who.startswith("sip:") else f"sip:{who}").lower()


def state(status: int) -> dict[str, str | None]:
    """Give a libpurple status as fields."""
    return {
        "status": purple.purple_status_get_id(status),
        "message": purple.purple_markup_strip_html(purple.purple_status_get_attr_string(status, "message")),
    }
