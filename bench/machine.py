"""What the kernel says about processes and about this machine: processor time, memory, cores, and how quiet it is."""

import os
import platform
import resource
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from lyncpy.core.interpreter import is_profiled

UNPINNED: Final = "LYNCPY_BENCH_UNPINNED"
"""Set in the environment where no times are judged, and others are to have the cores, too."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICK: Final = os.sysconf("SC_CLK_TCK")
_LIBRARIES: Final = ("Twisted", "pyOpenSSL", "cryptography", "SQLAlchemy", "zope.interface")


@dataclass(frozen=True, slots=True)
class Cores:
    """Where servers run, and where the load generator does; None: wherever the kernel likes."""

    server: int | None
    generator: int | None

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """Give the last core that this process may use to servers, and the one before it to the load generator.

        Where there is one core alone, or `UNPINNED` is set, the kernel decides.
        """
        allowed = sorted(os.sched_getaffinity(0))
        if os.environ.get(UNPINNED):
            return cls(None, None)
        return cls(allowed[-1], allowed[-2]) if len(allowed) > 1 else cls(None, None)

    def keep_server(self) -> None:
        """Have this process, and all that it starts, stay on the servers' core; to be called in a child."""
        if self.server is not None:
            os.sched_setaffinity(0, {self.server})

    def keep_generator(self) -> None:
        """Have this process stay off the servers' core."""
        if self.generator is not None:
            os.sched_setaffinity(0, {self.generator})


CORES: Final = Cores.of_this_machine()
"""Read before anybody is pinned."""


def cpu_s(pid: int) -> float:
    """Give the seconds of processor time that all threads of a process have used, user and system together.

    The kernel's clock of a process counts nanoseconds, where /proc/PID/stat counts
    hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)  # the kernel's CPUCLOCK_SCHED of a process


def cpu_split_s(pid: int) -> tuple[float, float]:
    """Give a process's user and system time, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) / _TICK, int(fields[12]) / _TICK


def resident_bytes(pid: int) -> int:
    """Give the memory that a process occupies."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def proportional_bytes(pid: int) -> int:
    """Give the memory that a process occupies, with its share of what several processes have together."""
    rolled = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in rolled.splitlines() if line.startswith("Pss:")) * 1024


def family(pid: int) -> Sequence[int]:
    """Give a process and all that descend from it; one that ends meanwhile (a worker of PostgreSQL) may be among them."""
    found = [pid]
    for one in found:
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{one}/task").glob("*/children"):
                found += [int(child) for child in thread.read_text(encoding="ascii").split()]
    return found


def steal_s() -> float:
    """Give the seconds that the hypervisor has kept all processors of this machine from running."""
    first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
    return int(first[8]) / _TICK


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def allow_files() -> None:
    """Let this process, and all that it starts, open as many files as the system allows: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Busy:
    """How much of its core the load generator has used since it was last asked."""

    def __init__(self) -> None:
        self._at, self._used = time.monotonic(), time.process_time()

    def share(self) -> float:
        """Give it, from 0 to 1."""
        now, used = time.monotonic(), time.process_time()
        share = (used - self._used) / max(1e-9, now - self._at)
        self._at, self._used = now, used
        return share


def described() -> dict[str, str]:
    """Say what machine, Python and libraries this is."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    libraries = {name: _version(name) for name in _LIBRARIES}
    return {
        "processor": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": f"{platform.python_version()}, {platform.python_compiler()}, {'with' if is_profiled() else 'without'} profile-guided optimisation",
        "openssl": ssl.OPENSSL_VERSION,
        **libraries,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def patient(question: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something is so.

    Raises:
        RuntimeError: It was not so in time.
    """
    until = time.monotonic() + seconds
    while not question():
        if time.monotonic() > until:
            raise RuntimeError(what)
        time.sleep(0.02)
