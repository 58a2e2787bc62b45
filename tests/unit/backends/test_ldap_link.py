"""A connection that is cut while it is being made: it ends at once, asks nothing more, and leaves nothing open."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lyncpy.backends.ldap_link import Access, LdapConnection
from lyncpy.backends.ldap_reach import LastAddress
from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.kit.ldap_server import BIND, BOUND, ber, done, message, request

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


class Controller:
    """A server at an address of its own, which takes every bind and can be stopped."""

    def __init__(self, address: str, port: int = 0) -> None:
        self._socket = socket.create_server((address, port))
        self.port: int = self._socket.getsockname()[1]
        self.binds = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            while True:
                sock, _ = self._socket.accept()
                with sock:
                    number, _ = request(sock.recv(4096))
                    self.binds += 1
                    sock.sendall(done(number, tag=BOUND))
        except OSError:
            self._socket.close()

    def stop(self) -> None:
        """Take no more connections."""
        self._socket.shutdown(socket.SHUT_RDWR)


def test_whichever_controller_answered_is_asked_again_as_long_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain's name leads to all of them, in an order that changes; from another one everything has to be read again."""
    look_up, order = socket.getaddrinfo, ["127.0.0.3", "127.0.0.1", "127.0.0.2"]

    def all_of_them(host: str, port: int, *more: Any) -> list[Any]:
        order.append(order.pop(0))
        return [found for one in order for found in look_up(one, port, *more)]

    first = Controller("127.0.0.1")
    second = Controller("127.0.0.2", first.port)
    monkeypatch.setattr(socket, "getaddrinfo", all_of_them)
    last = LastAddress()

    def binds() -> tuple[int, int]:
        assert LdapConnection(Access(f"ldap://localhost:{first.port}", last=last)).bind_once()["result"] == 0
        return first.binds, second.binds

    assert [binds() for _ in range(4)] == [(1, 0), (2, 0), (3, 0), (4, 0)]
    first.stop()
    assert [binds() for _ in range(4)] == [(4, 1), (4, 2), (4, 3), (4, 4)]
    second.stop()
    with pytest.raises(DirectoryUnavailable, match="cannot be reached"):
        binds()


def test_a_controller_that_answers_no_bind_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections, and nothing comes of them: the next one is another's."""
    look_up = socket.getaddrinfo

    def both(host: str, port: int, *more: Any) -> list[Any]:
        return [found for one in ("127.0.0.1", "127.0.0.2") for found in look_up(one, port, *more)]

    with listening() as frozen:
        port = frozen.getsockname()[1]
        other, last = Controller("127.0.0.2", port), LastAddress()
        monkeypatch.setattr(socket, "getaddrinfo", both)
        access = Access(f"ldap://localhost:{port}", answer_timeout_s=1, last=last)
        with pytest.raises(DirectoryUnavailable, match="does not answer in time"):
            LdapConnection(access).bind_once()
        for _ in range(3):
            assert LdapConnection(access).bind_once()["result"] == 0
        assert other.binds == 3
        other.stop()


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
