"""Files that an operator names may be anything; none of it keeps the server waiting or fills its memory."""

import os
import socket
from pathlib import Path

import pytest

from lyncpy.contracts.regular_file import open_regular, read_regular, regular_text


def test_a_file_is_read(tmp_path: Path) -> None:
    """Whole, and as text without what a system adds to it."""
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbfsecret\r\n")
    assert read_regular(file) == b"\xef\xbb\xbfsecret\r\n"
    assert regular_text(file) == "secret\n"
    with open_regular(file) as opened:
        assert opened.read(3) == b"\xef\xbb\xbf"


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


def _socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _giant(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(1 << 40)
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_pipe, "it is a pipe, not a file"),
        (_device, "it is a device, not a file"),
        (_socket, "No such device or address"),
        (_folder, "Is a directory"),
        (_giant, "it is larger than 4 MiB; is it the right one?"),
        (lambda path: path, "No such file or directory"),
    ],
)
def test_what_is_no_such_file_is_told_at_once(tmp_path: Path, make: object, says: str) -> None:
    """In words that stand in a sentence."""
    assert callable(make)
    with pytest.raises(OSError, match=r".") as caught:
        read_regular(make(tmp_path / "it"))
    assert caught.value.strerror == says
