"""Name look-ups, answered from a table; a name that is not there does not exist."""

import ctypes
import ipaddress
import socket
import struct
from collections.abc import Mapping

from tests.kit.purple.loop import Loop
from tests.kit.purple.native import call, function, glib, purple, table


class Lookups:
    """Takes the place of libpurple's resolver."""

    def __init__(self, loop: Loop, names: Mapping[str, str]) -> None:
        """Take addresses (IPv4) by host name, and HOST:PORT by the name of a service."""
        self._loop = loop
        self._names = names
        self._open: set[int] = set()
        forget = function("void(pointer)", self._open.discard)
        purple.purple_dnsquery_set_ui_ops(
            table(
                "resolve_host destroy",
                resolve_host=function("int(pointer, pointer, pointer)", self._host),
                destroy=forget,
            )
        )
        purple.purple_srv_txt_query_set_ui_ops(
            table("resolve destroy", resolve=function("int(pointer, pointer, pointer)", self._service), destroy=forget)
        )

    def _host(self, query: int, found: int, failed: int) -> int:
        host, port = purple.purple_dnsquery_get_host(query), purple.purple_dnsquery_get_port(query)
        self._open.add(query)
        self._loop.later(lambda: self._answer(query, self._names.get(host, host), port, found, failed))
        return 1

    def _answer(self, query: int, address: str, port: int, found: int, failed: int) -> None:
        if query not in self._open:
            return
        self._open.discard(query)
        try:
            packed = ipaddress.IPv4Address(address).packed
        except ValueError:
            call(failed, "void(pointer, text)", query, "this test knows no such host")
            return
        place = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + packed + bytes(8)
        memory = glib.g_malloc0(len(place))
        ctypes.memmove(memory, place, len(place))
        # The list has the length of each address before the address; its receiver frees both.
        call(found, "void(pointer, pointer)", query, glib.g_slist_append(glib.g_slist_append(None, len(place)), memory))

    def _service(self, query: int, found: int, failed: int) -> int:
        asked = purple.purple_srv_txt_query_get_query(query)
        self._open.add(query)
        self._loop.later(lambda: self._serve(query, self._names.get(asked, ""), found, failed))
        return 1

    def _serve(self, query: int, place: str, found: int, failed: int) -> None:
        if query not in self._open:
            return
        self._open.discard(query)
        host, _, port = place.rpartition(":")
        if not host:
            call(failed, "void(pointer, text)", query, "this test has no such service record")
            return
        # Its receiver frees both.
        record = struct.pack("=256siii", host.encode(), int(port), 0, 0)
        memory = glib.g_malloc0(len(record))
        ctypes.memmove(memory, record, len(record))
        call(found, "void(pointer, pointer)", query, glib.g_list_append(None, memory))
