"""A connection that is cut while it is being made: it ends at once, asks nothing more, and leaves nothing open."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lyncpy.backends.ldap_link import Access, LdapConnection
from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.kit.ldap_server import BIND, ber, message, request, server

CUT = "the server ends"
SLOW_S = 120
"""As long as nothing here may take: what waits so long was not cut."""

PATIENCE_S = 60


class Dialling:
    """A bind under way in a thread."""

    def __init__(self, url: str, *, start_tls: bool = False) -> None:
        access = Access(url, start_tls=start_tls, connect_timeout_s=SLOW_S, answer_timeout_s=SLOW_S)
        self.link = LdapConnection(access)
        self.told: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.link.bind_once()
        except DirectoryUnavailable as error:
            self.told.append(str(error))

    def ended(self) -> list[str]:
        """Wait for the thread's end; give what it ended with."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.told


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket that takes connections, and does nothing with them."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(PATIENCE_S)
        yield sock


def _hangs_up(sock: socket.socket) -> bool:
    """Read until the client has hung up."""
    sock.settimeout(PATIENCE_S)
    while sock.recv(65_536):
        pass
    return True


@pytest.mark.parametrize("start_tls", [False, True], ids=["ldaps", "StartTLS"])
def test_a_handshake_of_tls_is_cut(start_tls: bool) -> None:
    """With a server that takes the connection and then says nothing."""
    with listening() as sock:
        scheme = "ldap" if start_tls else "ldaps"
        dialling = Dialling(f"{scheme}://127.0.0.1:{sock.getsockname()[1]}", start_tls=start_tls)
        theirs, _ = sock.accept()
        with theirs:
            theirs.settimeout(PATIENCE_S)
            if start_tls:
                number, _ = request(theirs.recv(4096))
                theirs.sendall(message(number, ber(0x78, ber(10, b"\0") + ber(4, b"") + ber(4, b""))))
            assert theirs.recv(1) == b"\x16", "the handshake has begun"
            dialling.link.abort(CUT)
            assert dialling.ended() == [CUT]
            assert _hangs_up(theirs)


def test_a_connection_that_is_not_taken_is_cut() -> None:
    """As by a host that drops what is sent to it."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        before = _open_files()
        dialling = Dialling(f"ldap://127.0.0.1:{full.getsockname()[1]}")
        while _open_files() == before:
            pass
        dialling.link.abort(CUT)
        assert dialling.ended() == [CUT]
        assert _open_files() == before


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_link_that_is_cut_while_its_name_is_looked_up_asks_nothing(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's password is sent for whom nobody waits; nor is a handshake made."""
    look_up: Any = socket.getaddrinfo
    with listening() as sock:
        link = LdapConnection(Access(f"{scheme}://localhost:{sock.getsockname()[1]}", answer_timeout_s=SLOW_S))

        def cut_meanwhile(host: str, *more: object) -> object:
            link.abort(CUT)
            return look_up("127.0.0.1", *more)

        monkeypatch.setattr(socket, "getaddrinfo", cut_meanwhile)
        with pytest.raises(DirectoryUnavailable, match=CUT):
            link.bind_once()
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.accept()


def test_a_server_is_asked_at_each_address_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a domain's name has those of all its controllers, of which one may be down."""
    look_up = socket.getaddrinfo

    def two(host: str, port: int, *more: Any) -> list[Any]:
        return [found for one in ("127.0.0.2", "127.0.0.1") for found in look_up(one, port, *more)]

    with server(lambda *_: iter(())) as url:
        monkeypatch.setattr(socket, "getaddrinfo", two)
        assert LdapConnection(Access(url)).bind_once()["result"] == 0


def test_a_link_that_is_cut_in_its_bind_ends() -> None:
    """Though the server has not answered."""
    with listening() as sock:
        dialling = Dialling(f"ldap://127.0.0.1:{sock.getsockname()[1]}")
        theirs, _ = sock.accept()
        with theirs:
            assert request(theirs.recv(4096))[1] == BIND
            dialling.link.abort(CUT)
            assert dialling.ended() == [CUT]
            assert _hangs_up(theirs)
