"""The console command says in a sentence what it could not do."""

import subprocess
import sys
from pathlib import Path

import pytest

from lyncpy.app.cli import main


def test_a_home_that_cannot_be_made_is_named_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`lyncpy init` below something that is no folder says so, and fails."""
    file = tmp_path / "file"
    file.touch()

    assert main(["init", str(file / "home")]) == 1

    assert capsys.readouterr().err == f"lyncpy: {file / 'home'}: Not a directory\n"


def test_passwords_cannot_be_looked_at_without_the_key_that_seals_them(tmp_path: Path) -> None:
    """`lyncpy user list` names the key file that is missing, and fails without a traceback."""
    assert main(["init", str(tmp_path)]) == 0
    (tmp_path / "store.key").unlink()
    command = [sys.executable, "-m", "lyncpy.app.cli", "user", "list", "--config", str(tmp_path / "lyncpy.toml")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith(f'lyncpy: the key file "{tmp_path}/store.key" ([store] key_file) is missing')
    assert done.stderr.count("\n") == 1
