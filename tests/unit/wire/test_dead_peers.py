"""The kernel is told how soon it has to find out that a peer is gone."""

import socket
from contextlib import closing

import pytest

from lyncpy.wire.ports import quick_and_watched


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux tells all of them")
@pytest.mark.parametrize("dead_s", [10, 60, 3600])
def test_a_dead_peer_is_found_within_the_setting(dead_s: int) -> None:
    """Idle: the first question, and three without an answer; with bytes under way: the time that they may take.

    It is asked of what was accepted, which has it from what listens.
    """
    with closing(socket.socket()) as listening:
        quick_and_watched(dead_s)(listening)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with (
            closing(socket.create_connection(listening.getsockname(), timeout=5)),
            closing(listening.accept()[0]) as one,
        ):
            of = {
                name: one.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT", "TCP_NODELAY")
            }
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert 0 < of["TCP_KEEPIDLE"] + of["TCP_KEEPCNT"] * of["TCP_KEEPINTVL"] <= dead_s
    assert of["TCP_USER_TIMEOUT"] == dead_s * 1000
    assert of["TCP_NODELAY"]
