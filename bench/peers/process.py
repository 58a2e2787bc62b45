"""A server of somebody else: its processes, what the kernel says about them, and their end."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine

START_S: Final = 30.0
STOP_S: Final = 5.0


class Missing(Exception):
    """A peer is not installed; the text says what would install it."""


@dataclass(frozen=True, slots=True)
class Running:
    """The processes of one server, all on the servers' core."""

    pids: Sequence[int]
    port: int
    ca: Path

    def cpu_s(self) -> float:
        """Give the seconds of processor time that all of them have used."""
        return sum(machine.cpu_s(pid) for pid in self.pids)

    def resident_bytes(self) -> int:
        """Give the memory that they occupy together."""
        return sum(machine.proportional_bytes(pid) for pid in self.pids)


def needed(program: str, packages: str, *more: str) -> str:
    """Give the path of a program.

    Args:
        more: Files that have to be there, too.

    Raises:
        Missing: It is not there, or they are not.
    """
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None or not all(Path(one).exists() for one in more):
        raise Missing(f"{program} is not installed: apt-get install {packages}")
    return found


def rsa_alone(home: Path, folder: Path) -> Path:
    """Write lyncpy's certificate of RSA and its key into a new folder, with the authority: a peer has one, as it ships; give the folder."""
    folder.mkdir()
    for name, mark in (("server.pem", "CERTIFICATE"), ("server.key", "PRIVATE KEY")):
        first, end, _ = (home / name).read_text("ascii").partition(f"-----END {mark}-----\n")
        (folder / name).write_text(first + end, encoding="ascii")
    (folder / "ca.pem").write_bytes((home / "ca.pem").read_bytes())
    return folder


@contextmanager
def running(
    command: Sequence[str], folder: Path, port: int, ca: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a server in a session of its own, pinned, until it is not needed any more.

    Args:
        folder: Where its log goes.
        port: On which it listens when it is ready.

    Raises:
        RuntimeError: It does not start.
    """
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=machine.CORES.keep_server,
        )
    try:
        machine.patient(
            lambda: process.poll() is not None or _listens(port), START_S, f"{command[0]} does not listen: see {log}"
        )
        time.sleep(1.0)  # until all of its processes are there
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} does not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")
        yield Running(machine.family(process.pid), port, ca)
    finally:
        _end(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
