"""systemd is told when the server is ready, reads its settings again, ends; and that it still turns."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from lyncpy.app.service_manager import ServiceManager
from tests.kit.gatehouse import timers_of


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Give the socket of a systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as theirs:
        theirs.bind(str(tmp_path / "notify"))
        theirs.setblocking(False)
        yield theirs


def heard(systemd: socket.socket) -> list[str]:
    """Give the first words of what was told."""
    told = []
    while True:
        try:
            told.append(systemd.recv(4096).decode().partition("\n")[0])
        except BlockingIOError:
            return told


def test_systemd_hears_of_the_servers_life(systemd: socket.socket) -> None:
    """A hung reactor is seen because nothing comes any more, until its end."""
    environ = {
        "NOTIFY_SOCKET": systemd.getsockname(),
        "WATCHDOG_USEC": "60000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    clock = Clock()
    manager = ServiceManager(environ)
    assert environ == {"HOME": "/"}, "a child would speak for the server"
    manager.ready(timers_of(clock))
    assert heard(systemd) == ["READY=1", "WATCHDOG=1"]
    clock.advance(31)
    assert heard(systemd) == ["WATCHDOG=1"]
    manager.reloading()
    manager.reloaded()
    manager.stopping()
    assert heard(systemd) == ["RELOADING=1", "READY=1", "STOPPING=1"]
    clock.advance(31)
    assert heard(systemd) == ["WATCHDOG=1"]


@pytest.mark.parametrize("usec", ["", "never", "60000000"])
def test_nobody_is_told_of_turning_who_does_not_ask(systemd: socket.socket, usec: str) -> None:
    """Nor is somebody else's watchdog fed."""
    environ = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": usec, "WATCHDOG_PID": "1"}
    ServiceManager(environ).ready(timers_of(Clock()))
    assert heard(systemd) == ["READY=1"]


def test_without_systemd_nothing_is_told(tmp_path: Path) -> None:
    """And one that is gone keeps the server from nothing."""
    ServiceManager({}).ready(timers_of(Clock()))
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).stopping()
