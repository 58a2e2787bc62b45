"""The kernel is told how soon it has to find out that a peer is gone."""

import socket
from contextlib import closing

import pytest

from lyncpy.wire.stream import find_the_dead


class Transport:
    """What has a socket."""

    def __init__(self, handle: socket.socket) -> None:
        self._handle = handle

    def getHandle(self) -> socket.socket:
        """Give it."""
        return self._handle


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux tells all of them")
@pytest.mark.parametrize("dead_s", [10, 60, 3600])
def test_a_dead_peer_is_found_within_the_setting(dead_s: int) -> None:
    """Idle: the first question, and three without an answer; with bytes under way: the time that they may take."""
    with closing(socket.socket()) as handle:
        find_the_dead(Transport(handle), dead_s)
        of = {
            name: handle.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        }
    assert 0 < of["TCP_KEEPIDLE"] + of["TCP_KEEPCNT"] * of["TCP_KEEPINTVL"] <= dead_s
    assert of["TCP_USER_TIMEOUT"] == dead_s * 1000


def test_a_network_in_memory_has_no_kernel() -> None:
    """Nothing happens."""
    find_the_dead(object(), 60)
