"""Ports for servers: each is given once, whichever of the test processes asks."""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

PORTS: Final = range(15_000, 32_000)
"""Below what Linux gives to clients (net.ipv4.ip_local_port_range)."""


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, and that this process keeps until it ends.

    Not those that the kernel gives away: a client that connects meanwhile may be given one of them
    before its server listens, and may keep it for as long as the server is down. And not those that
    another test was given, here or in another process: its server listens a moment later.
    """
    found: list[int] = []
    # Of the system's own randomness: tests set the seed of the other.
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        if _is_taken(port) and _is_silent(port):
            found.append(port)
    assert len(found) == count, f"no {count} ports of {PORTS} are free"
    return found


def _is_taken(port: int) -> bool:
    """Take a port for this process, and say whether that could be done."""
    if port in _taken():
        return False
    try:
        # One byte of the file for each port; the kernel lets go of them with the process.
        fcntl.lockf(_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _taken().add(port)
    return True


def _is_silent(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@cache
def _taken() -> set[int]:
    """Of this process: its own locks don't keep it from a second one."""
    return set()


@cache
def _file() -> int:
    # Open for good: closing it anywhere in the process would end all of its locks.
    return os.open(Path(tempfile.gettempdir()) / f"lyncpy-test-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
