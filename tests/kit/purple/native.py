"""libpurple and GLib through ctypes: which functions there are, and how Python's become C's.

A type in a signature is a word: `text` is a C string that Python sees as `str | None`,
`fresh` a result that its receiver frees, `pointer` whatever else has an address.
"""

import ctypes
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final


class _Text(ctypes.c_char_p):
    """A string argument; Python's text becomes UTF-8."""

    @classmethod
    def from_param(cls, value: Any, /) -> Any:  # Any: as ctypes has it
        """Convert an argument."""
        return ctypes.c_char_p.from_param(value.encode() if isinstance(value, str) else value)


WORDS: Final[dict[str, Any]] = {
    "void": None,
    "int": ctypes.c_int,
    "uint": ctypes.c_uint,
    "long": ctypes.c_long,
    "ulong": ctypes.c_ulong,
    "size": ctypes.c_size_t,
    "text": ctypes.c_char_p,
    "fresh": ctypes.c_void_p,
    "pointer": ctypes.c_void_p,
}

GLIB: Final = """
pointer g_main_loop_new(pointer, int)
void    g_main_loop_run(pointer)
void    g_main_loop_quit(pointer)
uint    g_timeout_add(uint, pointer, pointer)
int     g_source_remove(uint)
uint    g_unix_fd_add(int, int, pointer, pointer)
pointer g_malloc0(size)
void    g_free(pointer)
pointer g_strdup(text)
fresh   g_strdup_vprintf(text, pointer)
pointer g_list_append(pointer, pointer)
void    g_list_free(pointer)
pointer g_slist_append(pointer, pointer)
"""

PURPLE: Final = """
text    purple_core_get_version()
int     purple_core_init(text)
void    purple_core_set_ui_ops(pointer)
void    purple_eventloop_set_ui_ops(pointer)
void    purple_util_set_user_dir(text)
void    purple_debug_set_ui_ops(pointer)
void    purple_debug_set_verbose(int)
void    purple_debug_set_unsafe(int)
void    purple_prefs_add_none(text)
void    purple_prefs_add_bool(text, int)
void    purple_prefs_set_string(text, text)
ulong   purple_signal_connect(pointer, text, pointer, pointer, pointer)
fresh   purple_markup_strip_html(text)
void    purple_certificate_add_ca_search_path(text)
pointer purple_find_prpl(text)
text    purple_plugin_get_version(pointer)

void    purple_dnsquery_set_ui_ops(pointer)
text    purple_dnsquery_get_host(pointer)
uint    purple_dnsquery_get_port(pointer)
void    purple_srv_txt_query_set_ui_ops(pointer)
text    purple_srv_txt_query_get_query(pointer)

void    purple_request_set_ui_ops(pointer)
void    purple_request_close(int, pointer)
void    purple_request_fields_destroy(pointer)
pointer purple_request_fields_get_field(pointer, text)
void    purple_request_field_string_set_value(pointer, text)
void    purple_notify_set_ui_ops(pointer)
fresh   purple_notify_user_info_get_text_with_newline(pointer, text)

pointer purple_account_new(text, text)
void    purple_accounts_add(pointer)
void    purple_accounts_set_ui_ops(pointer)
void    purple_account_set_password(pointer, text)
void    purple_account_set_remember_password(pointer, int)
void    purple_account_set_enabled(pointer, text, int)
void    purple_account_set_string(pointer, text, text)
void    purple_account_set_bool(pointer, text, int)
void    purple_account_set_privacy_type(pointer, int)
void    purple_account_set_status_list(pointer, text, int, pointer)
void    purple_account_connect(pointer)
void    purple_account_disconnect(pointer)
int     purple_account_is_connected(pointer)
int     purple_account_is_disconnected(pointer)
pointer purple_account_get_active_status(pointer)
pointer purple_account_get_presence(pointer)
pointer purple_account_get_connection(pointer)
void    purple_account_add_buddy(pointer, pointer)
void    purple_account_remove_buddy(pointer, pointer, pointer)
void    purple_connections_set_ui_ops(pointer)
text    purple_status_get_id(pointer)
text    purple_status_get_attr_string(pointer, text)
void    purple_privacy_deny(pointer, text, int, int)
void    purple_privacy_allow(pointer, text, int, int)

pointer purple_blist_new()
void    purple_set_blist(pointer)
void    purple_blist_set_ui_ops(pointer)
pointer purple_blist_get_root()
pointer purple_blist_node_next(pointer, int)
int     purple_blist_node_get_type(pointer)
text    purple_blist_node_get_string(pointer, text)
void    purple_blist_node_set_flags(pointer, int)
void    purple_blist_add_group(pointer, pointer)
void    purple_blist_remove_group(pointer)
void    purple_blist_rename_group(pointer, text)
void    purple_blist_add_buddy(pointer, pointer, pointer, pointer)
void    purple_blist_remove_buddy(pointer)
void    purple_blist_alias_buddy(pointer, text)
pointer purple_find_group(text)
pointer purple_group_new(text)
text    purple_group_get_name(pointer)
pointer purple_buddy_new(pointer, text, text)
pointer purple_find_buddy(pointer, text)
pointer purple_find_buddy_in_group(pointer, text, pointer)
text    purple_buddy_get_name(pointer)
text    purple_buddy_get_alias(pointer)
pointer purple_buddy_get_group(pointer)
pointer purple_buddy_get_presence(pointer)
pointer purple_presence_get_active_status(pointer)
int     purple_presence_is_online(pointer)
void    purple_presence_set_idle(pointer, int, long)
void    purple_savedstatus_set_idleaway(int)
void    serv_alias_buddy(pointer)

pointer purple_chat_new(pointer, text, pointer)

pointer purple_conversations_get_handle()
pointer purple_get_conversations()
void    purple_conversations_set_ui_ops(pointer)
pointer purple_conversation_new(int, pointer, text)
void    purple_conversation_destroy(pointer)
int     purple_conversation_get_type(pointer)
text    purple_conversation_get_name(pointer)
text    purple_conversation_get_title(pointer)
pointer purple_conversation_get_im_data(pointer)
pointer purple_find_conversation_with_account(int, text, pointer)
pointer purple_conversation_get_chat_data(pointer)
void    purple_conv_im_send(pointer, text)
void    purple_conv_chat_send(pointer, text)
int     purple_conv_chat_get_id(pointer)
int     purple_conv_chat_has_left(pointer)
text    purple_conv_chat_get_topic(pointer)
pointer purple_conv_chat_get_users(pointer)
text    purple_conv_chat_cb_get_name(pointer)
int     purple_conv_chat_user_get_flags(pointer, text)
void    serv_chat_invite(pointer, int, text, text)
uint    serv_send_typing(pointer, text, int)
void    serv_get_info(pointer, text)
"""

_kept: Final[list[object]] = []
"""What C points to must not be collected."""


def _read_text(value: bytes | None, *_: object) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _read_fresh(address: int | None, *_: object) -> str | None:
    if not address:
        return None
    text = ctypes.string_at(address).decode("utf-8", "replace")
    glib.g_free(address)
    return text


def _declared(library: ctypes.CDLL, declarations: str) -> SimpleNamespace:
    """Give the functions of a library, each with its types."""
    functions = SimpleNamespace()
    for result, name, arguments in re.findall(r"(\w+)\s+(\w+)\((.*)\)", declarations):
        function = getattr(library, name)
        function.restype = WORDS[result]
        function.argtypes = [_Text if word == "text" else WORDS[word] for word in _words(arguments)]
        if result in ("text", "fresh"):
            function.errcheck = _read_text if result == "text" else _read_fresh
        setattr(functions, name, function)
    return functions


def _words(arguments: str) -> list[str]:
    return [word.strip() for word in arguments.split(",") if word.strip()]


def _prototype(signature: str) -> tuple[Any, list[str]]:  # Any: a ctypes function type has no public class
    result, arguments = signature.rstrip(")").split("(")
    words = _words(arguments)
    return ctypes.CFUNCTYPE(WORDS[result], *(WORDS[word] for word in words)), words


def function(signature: str, python: Callable[..., object]) -> int:
    """Make a C function that calls Python; it stays for the life of the process.

    Args:
        signature: As `void(pointer, text)`.
        python: May give None where C wants a number; that is 0.
    """
    prototype, words = _prototype(signature)
    texts = [word == "text" for word in words]

    def adapted(*values: Any) -> object:  # Any: what C gives
        read = (_read_text(value) if text else value for value, text in zip(values, texts, strict=True))
        result = python(*read)
        return 0 if result is None else result

    made = prototype(adapted)
    _kept.append(made)
    return ctypes.cast(made, ctypes.c_void_p).value or 0


def call(address: int, signature: str, *values: object) -> Any:  # Any: what C gives
    """Call a C function by its address."""
    prototype, words = _prototype(signature)
    return prototype(address)(
        *(
            value.encode() if isinstance(value, str) and word == "text" else value
            for value, word in zip(values, words, strict=True)
        )
    )


def table(order: str, **functions: int) -> int:
    """Make a C structure of function pointers and give its address.

    Args:
        order: The names of the members, in their order; reserved ones at the end are added.
        functions: By member; the others are NULL.
    """
    names = order.split()
    members = (ctypes.c_void_p * (len(names) + 8))()
    for name, address in functions.items():
        members[names.index(name)] = address
    _kept.append(members)
    return ctypes.addressof(members)


class _Link(ctypes.Structure):
    """GList and GSList, as far as they agree."""

    _fields_ = (("data", ctypes.c_void_p), ("next", ctypes.c_void_p))


def items(chain: int | None) -> Iterator[int]:
    """Give what the links of a GList or GSList point to."""
    while chain:
        link = _Link.from_address(chain)
        yield link.data
        chain = link.next


def texts(chain: int | None) -> Iterator[str]:
    """Give the strings that the links of a GList or GSList point to."""
    for address in items(chain):
        yield ctypes.string_at(address).decode("utf-8", "replace")


def address_of(native: Any) -> int:  # Any: as above
    """Give the address of a C function, to be put into a table."""
    return ctypes.cast(native, ctypes.c_void_p).value or 0


glib: Final = _declared(ctypes.CDLL("libglib-2.0.so.0"), GLIB)
# Plug-ins do not name the library that they belong to: they find its symbols only if these are global.
purple: Final = _declared(ctypes.CDLL("libpurple.so.0", mode=ctypes.RTLD_GLOBAL), PURPLE)
