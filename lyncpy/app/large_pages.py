"""What was built at the start, in large pages.

A server that waits most of the time finds its way in memory anew for each message: some fifty mebibytes of code and
tables in pages of four kibibytes are more than a processor remembers the places of, and on a virtual machine each place is looked
up twice. In pages of two mebibytes they are a few dozen. The kernel does that by itself only for programs that ask, and
goes on doing it then, also for memory of which little is used; so it is asked once, for what is there and stays.
"""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

SMAPS: Final = Path("/proc/self/smaps")
LARGE: Final = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
"""The size of a large page in bytes; it is not there where there are none."""

MADV_COLLAPSE: Final = 25
"""Linux 6.1: what is in this range, into large pages, now; madvise(2). Where others forbade large pages, it counts all the same."""

USED_SHARE: Final = 2
"""One in so many bytes of a range is to be in use: the stack of a thread is large, and next to nothing of it is."""

Advise = Callable[[int, int], bool]
"""Given an address and a length, tells whether the kernel has done it."""


def collapse(smaps: Path = SMAPS, large: Path = LARGE, advise: Advise | None = None) -> int:
    """Put what this process has in memory into large pages; give the bytes of it that are, 0 where the kernel has none.

    Takes a tenth of a second for a hundred mebibytes, about; nothing of it is needed for anything to work.

    Args:
        smaps: Where the kernel tells of the ranges of memory.
        large: Where it tells the size of a large page.
        advise: What asks it.
    """
    try:
        size = int(large.read_bytes())
        found = smaps.read_bytes().decode("utf-8", "replace")
    except (OSError, ValueError):
        return 0
    ask = advise or _advise()
    return sum(length for begin, length in ranges(found, size) if ask(begin, length))


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
