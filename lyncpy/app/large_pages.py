"""What was built at the start, in large pages.

A server that waits most of the time finds its way in memory anew for each message: some fifty mebibytes of code and
tables in pages of four kibibytes are more than a processor remembers the places of, and on a virtual machine each place is looked
up twice. In pages of two mebibytes they are a few dozen. The kernel does that by itself only for programs that ask, and
goes on doing it then, also for memory of which little is used; so it is asked once, for what is there and stays, and a page
at a time, as all long work is done: the start does not wait for what may take most of a second, and no client for more than a page.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from lyncpy.contracts.timers import ITimers
from lyncpy.core.slices import next_turn

SMAPS: Final = Path("/proc/self/smaps")
LARGE: Final = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
"""The size of a large page in bytes; it is not there where there are none."""

MADV_COLLAPSE: Final = 25
"""Linux 6.1: what is in this range, into large pages, now; madvise(2). Where others forbade large pages, it counts all the same."""

USED_SHARE: Final = 2
"""One in so many bytes of a range is to be in use: the stack of a thread is large, and next to nothing of it is."""

Advise = Callable[[int, int], bool]
"""Given an address and a length, tells whether the kernel has done it."""


async def collapse(timers: ITimers, smaps: Path = SMAPS, large: Path = LARGE, advise: Advise | None = None) -> int:
    """Put what this process has in memory now into large pages; give the bytes of it that are, 0 where the kernel has none.

    Others have their turn in between: a page takes half a millisecond where the machine has nothing else to do and large pieces of
    memory free, several otherwise. Nothing of it is needed for anything to work. What was given back meanwhile the kernel passes over.

    Args:
        timers: Gives others their turn.
        smaps: Where the kernel tells of the ranges of memory.
        large: Where it tells the size of a large page.
        advise: What asks it.
    """
    pages, size = _pages(smaps, large)
    ask = advise or _advise()
    total = 0
    for page in pages:
        await next_turn(timers)
        total += size * ask(page, size)
    return total


def _pages(smaps: Path, large: Path) -> tuple[Sequence[int], int]:
    """Give the addresses of the large pages that are to be, and their size; none where the kernel has none."""
    try:
        size = int(large.read_bytes())
        found = smaps.read_bytes().decode("utf-8", "replace")
    except (OSError, ValueError):
        return (), 0
    return [page for begin, length in ranges(found, size) for page in range(begin, begin + length, size)], size


def ranges(smaps: str, large: int) -> Iterator[tuple[int, int]]:
    """Give address and length of the whole large pages in each range that is the process's own, writable and in use.

    Args:
        smaps: proc_pid_smaps(5).
        large: The size of a large page.
    """
    begin = end = 0
    for line in smaps.splitlines():
        name, *values = line.split()
        if not name.endswith(":"):
            begin = end = 0
            # Permissions, offset, device, inode, and the name of a file or of what the kernel has made it for.
            if values[0] == "rw-p" and values[3] == "0" and values[4:] in ([], ["[heap]"]):
                first, last = (int(address, 16) for address in name.split("-"))
                begin, end = -(-first // large) * large, last // large * large
        elif name == "Rss:" and end > begin and int(values[0]) * 1024 * USED_SHARE >= end - begin:
            yield begin, end - begin


def _advise() -> Advise:
    library = ctypes.CDLL(None)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return lambda begin, length: library.madvise(begin, length, MADV_COLLAPSE) == 0
