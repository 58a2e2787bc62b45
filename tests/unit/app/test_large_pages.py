"""Memory in large pages: which of it, and that it stays what it was."""

import mmap
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.app.large_pages import Advise, collapse, ranges
from lyncpy.core.timers import Timers
from tests.kit.results import started

TOP: Final = Path(__file__).resolve().parents[3]
MIB: Final = 1 << 20
LARGE: Final = 2 * MIB

SMAPS: Final = """\
55d000000000-55d000100000 r-xp 00000000 fd:00 17  /usr/bin/python3
Size:               1024 kB
Rss:                1024 kB
55d000180000-55d000900000 rw-p 00000000 00:00 0   [heap]
Size:               7680 kB
Rss:                7000 kB
Referenced:         7000 kB
VmFlags: rd wr mr mw me ac sd
7f0000000000-7f0000400000 rw-p 00000000 00:00 0
Rss:                2048 kB
7f0000500000-7f0000d00000 rw-p 00000000 00:00 0
Rss:                  12 kB
7f0001000000-7f0001400000 rw-p 00000000 fd:00 18  /var/lib/file
Rss:                4096 kB
7f0002000000-7f0002400000 rw-s 00000000 00:01 19
Rss:                4096 kB
7f0003100000-7f00032ff000 rw-p 00000000 00:00 0
Rss:                2044 kB
7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0   [stack]
Rss:                4096 kB
7ffc00500000-7ffc00900000 ---p 00000000 00:00 0
"""


def test_what_is_in_use_and_nobody_elses_is_put_into_large_pages() -> None:
    """Whole ones: neither files, nor shared memory, nor stacks, nor what is too small."""
    assert list(ranges(SMAPS, LARGE)) == [(0x55D000200000, 3 * LARGE), (0x7F0000000000, 2 * LARGE)]


def begun(timers: Timers, home: Path, advise: Advise) -> "Deferred[int]":
    """Begin, as a server does that is ready."""
    smaps, large = home / "smaps", home / "size"
    smaps.write_text(SMAPS)
    large.write_text(f"{LARGE}\n")
    return started(collapse(timers, smaps, large, advise))


def ended(clock: Clock, collapsing: "Deferred[int]") -> int:
    """Let turns of the reactor pass until it is over."""
    results: list[int] = []
    _ = collapsing.addCallback(results.append)
    while not results:
        assert clock.getDelayedCalls()
        clock.advance(0.0)
    return results[0]


def test_what_the_kernel_does_not_do_is_not_counted(tmp_path: Path) -> None:
    """It may have no large page left, or be too old, or the memory may be gone by then."""
    clock = Clock()
    asked: list[tuple[int, int]] = []

    def advise(begin: int, length: int) -> bool:
        asked.append((begin, length))
        return begin < 0x7F0000000000

    assert ended(clock, begun(Timers(clock, lambda: 0.0), tmp_path, advise)) == 3 * LARGE
    heap = [(0x55D000200000 + number * LARGE, LARGE) for number in range(3)]
    assert asked == [*heap, (0x7F0000000000, LARGE), (0x7F0000200000, LARGE)]


def test_nobody_waits_for_more_than_a_page(tmp_path: Path) -> None:
    """None is asked for before the server is ready; then all others have their turn after each, however long it takes."""
    clock = Clock()
    timers = Timers(clock, lambda: 0.0)
    done: list[str] = []

    def advise(begin: int, length: int) -> bool:
        clock.rightNow += 0.01
        done.append("a page")
        timers.soon(lambda: done.append("another's piece"))
        return True

    collapsing = begun(timers, tmp_path, advise)
    assert done == []
    assert ended(clock, collapsing) == 5 * LARGE
    assert done == ["a page", "another's piece"] * 5


@pytest.mark.parametrize("missing", ["smaps", "size"])
def test_a_kernel_without_them_is_not_asked(tmp_path: Path, missing: str) -> None:
    """As one of another system is not."""
    (tmp_path / "smaps").write_text(SMAPS)
    (tmp_path / "size").write_text(f"{LARGE}\n")
    (tmp_path / missing).unlink()
    clock = Clock()
    timers = Timers(clock, lambda: 0.0)
    assert ended(clock, started(collapse(timers, tmp_path / "smaps", tmp_path / "size", lambda *_: True))) == 0


def test_what_is_in_memory_stays_as_it_was() -> None:
    """Asked for really, of a process of its own: one that tests has gigabytes, in which nobody is interested."""
    words = f"from {__name__} import ask_the_kernel; ask_the_kernel()"
    done = subprocess.run(
        [sys.executable, "-c", words], cwd=TOP, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def ask_the_kernel() -> None:
    """Collapse this process, whatever the kernel makes of it."""
    with mmap.mmap(-1, 8 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        text = bytes(range(256)) * (8 * MIB // 256)
        memory[:] = text
        clock = Clock()
        assert ended(clock, started(collapse(Timers(clock, lambda: 0.0)))) >= 0
        assert memory[:] == text
