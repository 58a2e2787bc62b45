"""A real server in a process of its own, and what the kernel says about that process."""

import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine
from bench.people import DOMAIN

START_S: Final = 30.0
STOP_S: Final = 15.0

_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Server:
    """One running server."""

    pid: int
    port: int
    home: Path

    def cpu_s(self) -> float:
        """Give the seconds of processor time that all its threads have used, user and system together."""
        return machine.cpu_s(self.pid)

    def cpu_split_s(self) -> tuple[float, float]:
        """Give user and system time, in steps of 10 ms."""
        return machine.cpu_split_s(self.pid)

    def resident_bytes(self) -> int:
        """Give the memory that it occupies."""
        return machine.resident_bytes(self.pid)

    @property
    def ca(self) -> Path:
        """Give the certificate of its own authority."""
        return self.home / "ca.pem"


@contextmanager
def serving(
    home: Path, people: int, profile: Path | None = None, *, gather_ms: int = 0, more: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a server with so many generated people; it is stopped at the end.

    Args:
        home: An empty folder.
        profile: Where to write what cProfile saw of the whole run.
        more: Settings, as `section.key=value`.
    """
    port = _free_port()
    settings = [
        f"sip.domain={DOMAIN}",
        "sip.tls_host=127.0.0.1",
        f"sip.tls_port={port}",
        "sip.tcp_port=0",
        "admin.port=0",
        "log.level=warn",
        # One client speaks for many, faster than any person could.
        "limits.requests_per_s=100000.0",
        "limits.requests_burst=1000000.0",
        "sip.connections_per_address=20000",
        "limits.unauthenticated_per_address=20000",
        # With 0 each publication is told by itself and at once, so that nothing is saved by gathering.
        f"presence.gather_ms={gather_ms}",
        # One device publishes as a whole company would.
        "presence.publications_per_minute=1000000",
        "presence.publications_burst=1000000",
        *more,
    ]
    made = [sys.executable, "-m", "bench.people", str(home), str(people), *settings]
    subprocess.run(made, check=True, cwd=_ROOT, stdout=subprocess.DEVNULL)
    profiling = ["--profile", str(profile), "--profiler", "cprofile", "--savestats"] if profile is not None else []
    command = [_twistd(), "--nodaemon", "--pidfile=", "--logfile", str(home / "log"), *profiling]
    process = subprocess.Popen(
        [*command, "lyncpy", "--config", str(home / "lyncpy.toml")],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=machine.CORES.keep_server,
    )
    try:
        _await_ready(process, home)
        yield Server(process.pid, port, home)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: "subprocess.Popen[str]", home: Path) -> None:
    until = time.monotonic() + START_S
    out = process.stdout
    assert out is not None, "it was asked for"
    while (left := until - time.monotonic()) > 0:
        if select.select([out], [], [], left)[0]:
            line = out.readline()
            if "lyncpy is ready" in line:
                return
            if not line:
                break
    log = home / "log"
    raise RuntimeError(f"the server did not start:\n{log.read_text(encoding='utf-8') if log.exists() else ''}")


def _twistd() -> str:
    beside = Path(sys.executable).with_name("twistd")
    found = str(beside) if beside.exists() else shutil.which("twistd")
    if found is None:
        raise RuntimeError("twistd is not installed; use the environment that scripts/run makes")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number
