"""Passwords of many people from one file, and who may have one here at all."""

import re
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from lyncpy.app import password_file
from lyncpy.app.cli import main
from lyncpy.app.password_file import PasswordFileUnusable, read_passwords
from lyncpy.contracts.names import Aor
from lyncpy.contracts.passwords import PASSWORD_LONGEST
from tests.kit import forks

ALICE, BOB = Aor("sip:alice@office.test"), Aor("sip:bob@office.test")


def _file(folder: Path, text: str | bytes, mode: int = 0o600) -> str:
    file = folder / "passwords"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(mode)
    return str(file)


def test_each_line_is_an_address_and_a_password(tmp_path: Path) -> None:
    """All behind the first space or tab is the password; what a Windows editor adds is not."""
    text = "\ufeff# of the office\r\nsip:Alice@office.test a b\t c \r\n\r\nbob@office.test\t# \u2028ß\r\n"
    assert read_passwords(_file(tmp_path, text)) == {ALICE: "a b\t c ", BOB: "# \u2028ß"}


def test_standard_input_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file shall have them."""
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"alice@office.test secret\n")))
    assert read_passwords("-") == {ALICE: "secret"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no passwords"),
        ("# nobody\n", "has no passwords"),
        ("alice@office.test secret\nalice secret\n", "line 2: write an address"),
        ("alice@office.test\n", "line 1: write an address"),
        ("alice@office.test \n", "line 1: write an address"),
        ("alice@office.test secret\nALICE@office.test secret\n", "line 2: write an address that no other line has"),
        (f"alice@office.test {'secret' * PASSWORD_LONGEST}\n", f"a password of 1 to {PASSWORD_LONGEST} characters"),
        (b"alice@office.test secret\xff\n", "is no UTF-8 text"),
    ],
)
def test_a_file_that_is_not_so_is_refused_as_a_whole(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    """With the line's number, and nothing of the password."""
    with pytest.raises(PasswordFileUnusable, match=re.escape(complaint)) as caught:
        read_passwords(_file(tmp_path, text))
    assert "secret" not in str(caught.value)


def test_a_file_that_others_can_read_or_nobody_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is too long."""
    with pytest.raises(PasswordFileUnusable, match="chmod 600"):
        read_passwords(_file(tmp_path, "alice@office.test secret", 0o640))
    with pytest.raises(PasswordFileUnusable, match="No such file"):
        read_passwords(str(tmp_path / "none"))
    monkeypatch.setattr(password_file, "FILE_LONGEST", 10)
    with pytest.raises(PasswordFileUnusable, match="more than 10 bytes"):
        read_passwords(_file(tmp_path, "alice@office.test secret"))


def test_who_has_a_password_in_the_directory_is_given_another_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence says where the first is changed; without a directory nothing is forced."""
    home = tmp_path / "home"
    assert main(["init", str(home), "--set", "directory.url=ldap://127.0.0.1:1"]) == 0
    words = ["user", "passwd", "--config", str(home / "lyncpy.toml")]
    file = _file(tmp_path, "alice@office.test secret\nbob@office.test secret\n")
    assert main([*words, "--file", file]) == 1
    assert "change them there, or set others beside those with --force" in capsys.readouterr().err
    assert main([*words]) == 1
    assert main([*words, "alice@office.test", "--file", file]) == 1
    assert "name an address, or many with --file" in capsys.readouterr().err


@pytest.mark.parametrize(("url", "more"), [("people.toml", ()), ("ldap://127.0.0.1:1", ("--force",))])
def test_many_are_set_at_once(tmp_path: Path, url: str, more: tuple[str, ...]) -> None:
    """And shown by nobody; beside a directory only by force."""
    home = tmp_path / "home"
    assert main(["init", str(home), "--set", f"directory.url={url}"]) == 0
    config = ("--config", str(home / "lyncpy.toml"))
    file = _file(tmp_path, "alice@office.test secret\nbob@office.test secret\n")
    done = forks.run(["user", "passwd", *config, "--file", file, *more], timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 passwords are set\n", "")
    assert forks.run(["user", "list", *config], timeout=60).stdout.split() == ["alice@office.test", "bob@office.test"]


def test_who_sets_one_is_told_when_running_servers_are_not(tmp_path: Path) -> None:
    """It is set all the same; the sentence says what does not happen for it, and what to do."""
    home = tmp_path / "home"
    assert main(["init", str(home), "--set", "bus.url=nats://127.0.0.1:1"]) == 0
    config = ("--config", str(home / "lyncpy.toml"))
    file = _file(tmp_path, "alice@office.test secret\n")
    for words, said in (
        (("passwd", *config, "--file", file), "1 passwords are set\n"),
        (("forget", *config, "alice@office.test"), "alice@office.test has no password of this server any more\n"),
    ):
        done = forks.run(["user", *words], timeout=60)
        assert (done.returncode, done.stdout) == (0, said)
        assert "running servers were not told" in done.stderr
    assert "not told" not in forks.run(["user", "list", *config], timeout=60).stderr
