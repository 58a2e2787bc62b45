"""Files that an operator names, which may be anything: nobody waits for a pipe, and no device or giant fills the memory."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

LARGEST: Final = 4 << 20
"""Bytes of a certificate with its issuers, a key, a password or settings, with much room to spare."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        OSError: It cannot be opened, or is no file; `strerror` says it in words.
    """
    # Of a pipe that nobody writes to an open without that waits for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            what = "pipe" if stat.S_ISFIFO(mode) else "device"
            raise OSError(errno.EINVAL, f"it is a {what}, not a file", str(path))
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int = LARGEST) -> bytes:
    """Read a whole file.

    Args:
        path: Of the file.
        most: Bytes that it may have.

    Raises:
        OSError: As `open_regular`; or it is larger.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB; is it the right one?", str(path))
    return content


def regular_text(path: Path) -> str:
    """Read a file of text in UTF-8, with a byte-order mark or without.

    Raises:
        OSError: As `read_regular`.
        UnicodeDecodeError: It is no text in UTF-8.
    """
    # A file has line ends of any system.
    return read_regular(path).decode("utf-8-sig").replace("\r\n", "\n")
