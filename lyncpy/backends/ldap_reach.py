"""How an LDAP server is reached, where ldap3 has ways of its own: which of its addresses, and by which TLS."""

import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from ldap3 import Server, Tls


class VerifiedTls(Tls):  # type: ignore[misc]  # ldap3 has no types
    """TLS that checks the chain and the name; ldap3's own does neither unless told to, and the name by other rules."""

    def __init__(self, ca_file: str, host: str, use: Callable[[socket.socket], None]) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = ssl.create_default_context(cafile=ca_file or None)
        self._host = host
        self._use = use

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: FBT002 - ldap3 calls it; Any: untyped
        """Do the handshake, within the time limit that the socket has."""
        sock = self._context.wrap_socket(connection.socket, server_hostname=self._host, do_handshake_on_connect=False)
        self._use(sock)
        sock.do_handshake()


class LastAddress:
    """Which address of a server's name answered last; connections share it, in all threads.

    A name may lead to several domain controllers, in an order that changes. Each has numbers of its own, so that
    everything is read again from another: whoever answered is asked again, as long as they do.
    """

    def __init__(self) -> None:
        self._good: object = None
        self._bad: object = None

    def answered(self, address: object) -> None:
        """Note an address, as the system gives it, at which a bind was answered."""
        self._good = address

    def failed(self, address: object) -> None:
        """Note one that takes connections and answers no bind."""
        self._good, self._bad = None, address

    def in_order(self, found: Iterable[Any]) -> list[Any]:  # Any: what ldap3 keeps of each address
        """Sort addresses: the good one first, the bad one last, the others as the system has them (RFC 6724)."""
        return sorted(found, key=lambda one: (one[4] != self._good, one[4] == self._bad))


class AnyAddress(Server):  # type: ignore[misc]  # ldap3 has no types
    """A server at all the addresses of its name; ldap3 itself asks the first alone, whether that one is up or not."""

    def __init__(self, last: LastAddress, host: str, **terms: Any) -> None:  # Any: what ldap3 takes
        super().__init__(host, **terms)
        self._last = last

    def candidate_addresses(self) -> Any:  # Any: what ldap3 keeps of each address
        """Give them in the order in which they are tried."""
        return self._last.in_order(self.address_info)
