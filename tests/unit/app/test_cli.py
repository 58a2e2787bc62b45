"""The console command says in a sentence what it could not do."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from lyncpy.app.cli import main
from lyncpy.backends.people import read_people
from tests.kit import forks


def test_a_home_that_cannot_be_made_is_named_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`lyncpy init` below something that is no folder says so, and fails."""
    file = tmp_path / "file"
    file.touch()

    assert main(["init", str(file / "home")]) == 1

    assert capsys.readouterr().err == f"lyncpy: {file / 'home'}: Not a directory\n"


def test_a_new_home_has_a_people_file_that_shows_how_somebody_is_added(tmp_path: Path) -> None:
    """`lyncpy init` makes a folder that a server starts from; its example, without the marks, is a person."""
    assert main(["init", str(tmp_path), "--set", "sip.domain=office.test"]) == 0
    people = tmp_path / "people.toml"

    assert read_people(people.read_bytes(), "people.toml", ("office.test",)).people == ()

    example = people.read_text().partition("#\n")[2].replace("# ", "")
    (alice,) = read_people(example.encode(), "people.toml", ("office.test",)).people
    assert alice.aor == "sip:alice@office.test"


def test_passwords_cannot_be_looked_at_without_the_key_that_seals_them(tmp_path: Path) -> None:
    """`lyncpy user list` names the key file that is missing, and fails without a traceback."""
    assert main(["init", str(tmp_path)]) == 0
    (tmp_path / "store.key").unlink()

    done = forks.run(["user", "list", "--config", str(tmp_path / "lyncpy.toml")], timeout=60)

    assert done.returncode == 1
    assert done.stderr.startswith(f'lyncpy: the key file "{tmp_path}/store.key" ([store] key_file) is missing')
    assert done.stderr.count("\n") == 1


def test_an_archive_is_verified_from_the_command_line(tmp_path: Path) -> None:
    """Status 0 for one that is whole, also when nothing is in it; what cannot be read as an entry is refused in words."""
    assert main(["init", str(tmp_path)]) == 0
    words = ["archive", "verify", "--config", str(tmp_path / "lyncpy.toml")]

    def run(*more: str) -> "subprocess.CompletedProcess[str]":
        return forks.run([*words, *more], timeout=60)

    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok  0 entries are whole")
    assert "write it as SERIAL:DIGEST" in run("--from", "7").stderr
    done = run("--from", "7:" + "00" * 32)
    assert done.returncode == 1
    assert done.stdout.startswith("BAD the archive is not whole: entry 7 is missing: there is no archive")


LIGHT_ROOMS: Final = frozenset(
    {
        "lyncpy", "lyncpy.app", "lyncpy.app.arguments", "lyncpy.app.cli", "lyncpy.app.ctl_command", "lyncpy.app.pool_settings",
        "lyncpy.contracts", "lyncpy.contracts.listening", "lyncpy.contracts.networks", "lyncpy.contracts.regular_file", "lyncpy.contracts.setting_forms", "lyncpy.contracts.toml_text",
        "lyncpy.workloads", "lyncpy.workloads.admin", "lyncpy.workloads.admin.local_frames",
        "lyncpy.workloads.admin.settings", "lyncpy.workloads.admin.words",
    }
)  # fmt: skip
"""What `lyncpy ctl` reads of the product."""

HEAVY: Final = frozenset(
    {"alembic", "cryptography", "ldap3", "OpenSSL", "prometheus_client", "sqlalchemy", "twisted", "zope"}
)


def test_asking_a_server_loads_little(tmp_path: Path) -> None:
    """`lyncpy ctl` is asked in loops: the server's own libraries take three times as long to read as its answer to come."""
    (tmp_path / "lyncpy.toml").write_text('[sip]\ndomain = "example.com"\n')
    program = (
        "import sys; from lyncpy.app.cli import main; "
        "print(main(['ctl', '-c', sys.argv[1], 'status'])); print(*sys.modules)"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "lyncpy.toml")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL)
    status, _, modules = done.stdout.partition("\n")
    loaded = set(modules.split())
    assert (status, "is it running?" in done.stderr) == ("1", True)
    assert {one for one in loaded if one.partition(".")[0] == "lyncpy"} == LIGHT_ROOMS
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[admin\n", "lyncpy.toml: "),
        ('[sip]\ndomain = "example.com"\n[admin]\nsocket = 7\n', "[admin] socket: 7 cannot be used"),
        ('[sip]\ndomain = "example.com"\n[pool]\nprocesses = 0\n', "[pool] processes: 0 cannot be used"),
        ('[sip]\ndomain = "example.com"\n[admin]\nsocket = ""\n', "this server has no local socket"),
        # Whoever has spoiled another section can still ask the server that runs.
        ("[sip]\ndomain = 7\n", "is it running?"),
    ],
)
def test_settings_that_do_not_say_where_to_ask_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """As a start tells them."""
    file = tmp_path / "lyncpy.toml"
    file.write_text(text)
    assert main(["ctl", "-c", str(file), "status"]) == 1
    assert said in capsys.readouterr().err


def test_ctl_without_settings_says_how_they_are_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As any other command."""
    assert main(["ctl", "-c", str(tmp_path / "lyncpy.toml"), "status"]) == 1
    assert "make one with: lyncpy init" in capsys.readouterr().err
