"""A file that can be written when the disk is full."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from lyncpy.backends.gapfile import PLACE, GapFile
from lyncpy.backends.threads import Threads
from lyncpy.contracts.archive import GAP_BYTES, IGapFile
from tests.kit.threads import ThreadPump


class Disk:
    """A folder with a gap file in it, which may be opened again."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self.path = path
        self.pump = ThreadPump()
        self.file = GapFile(path, Threads(self.pump, "gap"))
        self.pump.run(self.file.open())

    def again(self) -> "Disk":
        """Open it as the next start does."""
        self.pump.run(self.file.close())
        return Disk(self.path)

    def write(self, content: bytes) -> None:
        """Write."""
        self.pump.run(self.file.write(content))

    def read(self) -> bytes:
        """Read."""
        content: bytes = self.pump.run(self.file.read())
        return content


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Give a new file."""
    made = Disk(tmp_path / "archive.gap")
    yield made
    made.pump.run(made.file.close())


def test_is_what_it_says(disk: Disk) -> None:
    """The implementation declares the promise; the file takes its room at once, and only its owner reads it."""
    assert IGapFile.providedBy(disk.file)
    found = disk.path.stat()
    assert (found.st_size, found.st_mode & 0o777) == (2 * PLACE, 0o600)
    assert disk.read() == b""


def test_what_was_written_last_is_found_by_the_next_start(disk: Disk) -> None:
    """Also by the one after it."""
    for number in range(5):
        disk.write(b"%d" % number)
    for number in range(5, 8):
        disk = disk.again()
        assert disk.read() == b"%d" % (number - 1)
        disk.write(b"%d" % number)
    disk.pump.run(disk.file.close())


def test_a_write_that_was_cut_off_leaves_the_one_before(disk: Disk) -> None:
    """Whichever place is broken, the other counts."""
    disk.write(b"one")
    disk.write(b"two")
    with disk.path.open("r+b") as file:
        file.write(b"\xff" * 40)
    disk = disk.again()
    assert disk.read() == b"one"
    disk.write(b"three")
    disk = disk.again()
    assert disk.read() == b"three"
    disk.pump.run(disk.file.close())


def test_too_much_is_our_own_fault(disk: Disk) -> None:
    """It would not fit into its place."""
    disk.write(b"x" * GAP_BYTES)
    with pytest.raises(ValueError, match="too many"):
        disk.write(b"x" * (GAP_BYTES + 1))


def test_a_file_that_cannot_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    """And each write says so again, until it can."""
    with capturedLogs() as events:
        disk = Disk(tmp_path / "not there" / "archive.gap")
    assert "are refused" in events[0]["log_format"]
    with pytest.raises(OSError, match="No such file"):
        disk.write(b"one")
    (tmp_path / "not there").mkdir()
    disk.write(b"one")
    disk.pump.run(disk.file.close())
