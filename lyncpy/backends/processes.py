"""Other processes of this machine, as far as the system tells of them (Linux, by /proc): who holds what."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from lyncpy.sip.text import shown

LOCKS: Final = Path("/proc/locks")
"""Where Linux says which process holds which lock. The file itself is not opened for it: with the last handle of a file that
it closes, a process loses all its locks there, those of SQLite too."""

_LISTENS: Final = "0A"
"""TCP_LISTEN, in /proc/net/tcp."""


def process(pid: int) -> str:
    """Name a process, e.g. "process 71 (lyncpy store copy)": no more of its command, which may hold secrets.

    Args:
        pid: Its number; 0 or less where it is not told, as of one in another container.
    """
    if pid <= 0:
        return "another program"
    command = _command(pid)
    return f"process {pid} ({shown(command)})" if command else f"process {pid}"


def _command(pid: int) -> str:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        # Of what Python runs, the first words are Python's own.
        for number, word in enumerate(words[:3]):
            if Path(word).name == "lyncpy":
                return " ".join(["lyncpy", *(one for one in words[number + 1 : number + 3] if one.isalpha())])
        return Path(f"/proc/{pid}/comm").read_bytes().decode("utf-8", "replace").strip()
    return ""


def names_file(pid: int, file: Path) -> bool:
    """Tell whether a word of a process's command names a file, as a server's does that of its settings."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        folder = Path(os.readlink(f"/proc/{pid}/cwd"))
        return any(folder / word.removeprefix("--config=") == file for word in words if word)
    return False


def lock_holders(path: Path, kind: str, span: range = range(1)) -> Iterator[int]:
    """Give the numbers of the processes that have a file locked for themselves alone.

    Args:
        kind: "FLOCK" or "POSIX".
        span: Where a lock begins, in bytes.
    """
    try:
        status = path.stat()
        lines = LOCKS.read_bytes().decode("ascii", "replace").splitlines()
    except OSError:
        return
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        # 1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF; of who waits for a lock: 1: -> POSIX …
        words = line.split()[1:]
        if len(words) != 7 or words[0] != kind or words[2] != "WRITE":
            continue
        if words[4] == place and int(words[5]) in span:
            yield int(words[3])


def is_listened_at(port: int) -> bool:
    """Tell whether any process of this machine listens at a port, at whichever address."""
    return bool(_listening_sockets(port))


def listener_at(port: int, first: int = 0) -> int:
    """Give the number of a process that listens at a port; 0 where there is none, or it may not be seen.

    Args:
        first: The process that is looked at before all others.
    """
    sockets = _listening_sockets(port)
    pids = sorted(
        (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()), key=lambda pid: pid != first
    )
    return next((pid for pid in pids if sockets and _has_one_of(pid, sockets)), 0)


def _listening_sockets(port: int) -> frozenset[str]:
    """Give the listening sockets at a port, as a process's handles name them."""
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_bytes().decode("ascii", "replace").splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{words[9]}]")
    return frozenset(found)


def _has_one_of(pid: int, sockets: frozenset[str]) -> bool:
    with suppress(OSError):
        for handle in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # it was closed meanwhile
                if os.readlink(f"/proc/{pid}/fd/{handle}") in sockets:
                    return True
    return False
