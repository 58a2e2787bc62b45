"""Files that hold a secret."""

import os
from pathlib import Path

import pytest

from lyncpy.contracts.secret_file import ANYBODY, SecretForOthers, given_secret, open_secret, password_in


@pytest.mark.parametrize(
    ("mode", "refused", "is_taken"),
    [
        (0o600, 0o077, True),
        (0o640, 0o077, False),
        (0o640, ANYBODY, True),
        (0o604, ANYBODY, False),
        (0o602, ANYBODY, False),
    ],
)
def test_others_may_not_read_it(tmp_path: Path, mode: int, refused: int, is_taken: bool) -> None:
    """The sentence has what to type."""
    file = tmp_path / "secret"
    file.write_text("words")
    file.chmod(mode)
    if is_taken:
        with open_secret(file, refused) as opened:
            assert opened.read() == b"words"
        return
    with pytest.raises(SecretForOthers) as caught:
        open_secret(file, refused)
    assert caught.value.strerror == f'it can be read by others: run `chmod 600 "{file}"`'


def test_a_pipe_of_a_shell_is_nobody_elses(tmp_path: Path) -> None:
    """As in --passphrase-file <(command); a setting names none, for which a server would wait."""
    reading, writing = os.pipe()
    os.write(writing, b"words")
    os.close(writing)
    path = Path(f"/dev/fd/{reading}")
    with pytest.raises(OSError, match="pipe"):
        open_secret(path)
    with given_secret(path) as pipe:
        assert pipe.read() == b"words"
    os.close(reading)
    (tmp_path / "secret").touch(0o644)
    with pytest.raises(SecretForOthers):
        given_secret(tmp_path / "secret")


def test_a_password_is_all_but_the_end_of_its_line(tmp_path: Path) -> None:
    """Of whatever system; spaces belong to it."""
    file = tmp_path / "password"
    file.write_bytes(b"\xef\xbb\xbf a b \r\n")
    assert password_in(file) == " a b "
