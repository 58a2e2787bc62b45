"""Files that hold a secret: who else may read one, and what is often wrong with a password in one."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from lyncpy.contracts.regular_file import open_regular, regular_text

ANYBODY: Final = 0o007
"""What nobody but the owner and the group may do: a secret of a package's settings belongs to root, and the server's group reads it."""

ANYBODY_ELSE: Final = 0o077
"""What nobody but the owner may do."""


class SecretForOthers(PermissionError):
    """Others may read it; `strerror` says so in words, with what to do.

    Attributes:
        words: The same, to stand behind the name of the file.
    """

    def __init__(self, path: Path) -> None:
        self.words = f'can be read by others: run `chmod 600 "{path}"`'
        super().__init__(errno.EACCES, f"it {self.words}", str(path))


def open_secret(path: Path, refused: int = ANYBODY_ELSE) -> BinaryIO:
    """Open a file of the settings that holds a secret.

    Args:
        path: As somebody has named it.
        refused: The bits of the mode that it may not have.

    Raises:
        OSError: As `open_regular`; SecretForOthers: it has one of them.
    """
    return _kept_from_others(open_regular(path), path, refused)


def given_secret(path: Path, refused: int = ANYBODY_ELSE) -> BinaryIO:
    """Open what a word of the command line names: a file, or a shell's <(command), which is a pipe and keeps a secret off the disk.

    Raises:
        OSError: It cannot be opened, or as `open_secret`.
    """
    return _kept_from_others(path.open("rb"), path, refused)


def _kept_from_others(file: BinaryIO, path: Path, refused: int) -> BinaryIO:
    if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & refused:
        file.close()
        raise SecretForOthers(path)
    return file


def password_in(path: Path) -> str:
    """Give the password that is all of a file but the line's end. Raises as `regular_text`."""
    return regular_text(path).strip("\r\n")


def space_around(password: str, setting: str) -> str:
    """Say of a password that was refused what nobody sees of it: a part of a sentence, "" where there is nothing to say."""
    if password == password.strip():
        return ""
    return f"what stands in {setting} begins or ends with a space: take that away if it is not meant"
