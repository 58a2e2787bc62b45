"""The local door passes on what a command says of itself, apart from its answer."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from lyncpy.contracts.workload import OperatorRole
from lyncpy.workloads.admin.channel import ShellContext
from lyncpy.workloads.admin.keyring import AuthorizedKeys
from lyncpy.workloads.admin.local import LocalDoor, LocalSession
from lyncpy.workloads.admin.local_frames import BEGIN, ERROR, OUT, STATUS, Beginning, FrameReader, frame
from lyncpy.workloads.admin.settings import Settings
from tests.kit.shell import Parlour


def said(wire: Any, kind: bytes) -> str:  # Any: Twisted gives its transport no types
    """Give all that a client at the socket was sent of one kind."""
    return b"".join(body for one, body in FrameReader().read(wire.value()) if one == kind).decode()


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    """Give one end of a Unix connection."""
    here, there = socket.socketpair()
    with here, there:
        yield here


@pytest.mark.parametrize(("columns", "told"), [(80, "3 of 7\r\n"), (None, "")])
def test_long_work_says_how_far_it_is(
    connection: socket.socket, tmp_path: Path, columns: int | None, told: str
) -> None:
    """To a person at a terminal, at most a line each second; a program has its answer alone."""
    parlour = Parlour()
    keys = AuthorizedKeys(tmp_path / "authorized_keys", OperatorRole.OPERATOR)
    given = ShellContext(parlour.shell, parlour.admin.words, keys, {}, Settings(), parlour.timers, parlour.reactor)
    session: Any = LocalSession(LocalDoor(given, tmp_path / "ctl.socket"))
    wire: Any = StringTransport()
    wire.socket = connection  # the kernel says that it is this process
    session.makeConnection(wire)
    session.dataReceived(frame(BEGIN, Beginning("command", "slow", columns, 24).packed()))
    parlour.weather.tell("1 of 7")
    parlour.clock.advance(1)
    parlour.weather.tell("3 of 7")
    parlour.weather.tell("4 of 7")
    assert (said(wire, ERROR), said(wire, OUT)) == (told, "")
    parlour.weather.slow.callback(None)
    assert (said(wire, ERROR), said(wire, STATUS)) == (told, "\x00")
    assert "at last" in said(wire, OUT)
