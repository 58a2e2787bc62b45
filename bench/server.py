"""A real server in a process of its own, and what the kernel says about that process."""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

from bench import machine
from bench.machine import free_port
from bench.people import DOMAIN, make
from tests.kit.forks import Forked, twistd
from tests.kit.patience import pauses

START_S: Final = 120.0
STOP_S: Final = 15.0

_ROOT: Final = Path(__file__).resolve().parent.parent


class Server:
    """One server with a home; it can be killed and started again."""

    def __init__(self, home: Path, port: int, profiling: Sequence[str] = (), sampled: Path | None = None) -> None:
        """Take the home, which is made, the port that stands in its settings, and where samples go."""
        self.home: Final = home
        self.port: Final = port
        self._profiling = profiling
        self._twistd = _twistd() if sampled is None else [sys.executable, "-m", "bench.sampled", str(sampled)]
        # Where nobody believes what is measured, the modules need not be read anew for each server.
        self._is_forked = bool(os.environ.get(machine.UNPINNED)) and not profiling and sampled is None
        self._process: subprocess.Popen[str] | Forked | None = None

    @property
    def pid(self) -> int:
        """Give the number of its process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

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

    def thread_cpu_s(self) -> tuple[float, float]:
        """Give the processor time of the first thread, and that of all others."""
        spent = {
            int(task.name): int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
            for task in Path(f"/proc/{self.pid}/task").iterdir()
        }
        return spent.pop(self.pid), sum(spent.values())

    def sample(self) -> None:
        """Begin, or end, to look where it is; only if it was told to."""
        os.kill(self.pid, signal.SIGRTMIN)

    def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            RuntimeError: It does not.
        """
        words = ["--nodaemon", "--pidfile=", "--logfile", str(self.home / "log"), *self._profiling]
        words += ["lyncpy", "--config", str(self.home / "lyncpy.toml")]
        if self._is_forked:
            said = self.home / "said"
            said.unlink(missing_ok=True)
            self._process = Forked(twistd, *words, out=said)
            _await_said(self._process, said, self.home)
            return
        self._process = subprocess.Popen(
            [*self._twistd, *words],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=machine.CORES.keep_server,
        )
        _await_ready(self._process, self.home)

    def kill(self) -> None:
        """Kill it, as a power cut does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGINT)

    def restart(self) -> None:
        """End it in order, and start it again on the same home."""
        self.stop()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
        if isinstance(process, subprocess.Popen) and process.stdout is not None:
            process.stdout.close()


@contextmanager
def serving(
    home: Path,
    people: int,
    profile: Path | None = None,
    *,
    gather_ms: int = 0,
    more: Sequence[str] = (),
    sampled: Path | None = None,
) -> Iterator[Server]:
    """Run a server with so many generated people; it is stopped at the end.

    Args:
        home: An empty folder.
        profile: Where to write what cProfile saw of the whole run.
        more: Settings, as `section.key=value`.
        sampled: Where to write where it was found, as `bench.sampled` says.
    """
    port = free_port()
    # Nothing of this is measured, so that it need not read all modules anew.
    made = Forked(make, str(home), str(people), *settings_of(port, gather_ms), *more, out=Path(os.devnull))
    if status := made.wait(START_S):
        raise RuntimeError(f"the people could not be made: status {status}")
    profiling = ["--profile", str(profile), "--profiler", "cprofile", "--savestats"] if profile is not None else []
    with running(Server(home, port, profiling, sampled)) as server:
        yield server


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Start a server; it is stopped at the end."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def settings_of(port: int, gather_ms: int) -> Sequence[str]:
    """Give what is set in each home."""
    return [
        f"sip.domain={DOMAIN}",
        "sip.tls_host=127.0.0.1",
        f"sip.tls_port={port}",
        "sip.tcp_port=0",
        "admin.port=0",
        "web.https_port=0",
        "log.level=warn",
        # One client speaks for many, faster than any person could.
        "limits.requests_per_s=100000.0",
        "limits.requests_burst=1000000.0",
        "sip.connections=20000",
        "sip.connections_per_address=20000",
        "limits.unauthenticated_per_address=20000",
        # With 0 each publication is told by itself and at once, so that nothing is saved by gathering.
        f"presence.gather_ms={gather_ms}",
        # One device publishes as a whole company would.
        "presence.publications_per_minute=1000000",
        "presence.publications_burst=1000000",
    ]


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
    _give_up(home)


def _await_said(process: Forked, said: Path, home: Path) -> None:
    for _ in pauses(START_S):
        if said.exists() and "lyncpy is ready" in said.read_text(encoding="utf-8"):
            return
        if process.poll() is not None:
            break
    _give_up(home)


def _give_up(home: Path) -> NoReturn:
    log = home / "log"
    raise RuntimeError(f"the server did not start:\n{log.read_text(encoding='utf-8') if log.exists() else ''}")


def _twistd() -> Sequence[str]:
    beside = Path(sys.executable).with_name("twistd")
    found = str(beside) if beside.exists() else shutil.which("twistd")
    if found is None:
        raise RuntimeError("twistd is not installed; use the environment that scripts/run makes")
    return [found]
