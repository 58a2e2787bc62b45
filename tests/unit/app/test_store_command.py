"""`lyncpy store copy`, as whoever gives the command sees it."""

import subprocess
import sys
from pathlib import Path

import pytest

COPYING = """
import os, signal, sys
from lyncpy.app import cli, store_command

really = store_command.copy_database

def copy(source, target, tell, wait):
    tell("archive", 50_000, 70_000)
    os.kill(os.getpid(), signal.{signal})
    wait(600.0)
    return really(source, target, tell, wait)

store_command.copy_database = copy
sys.exit(cli.main(["store", "copy", *sys.argv[1:]]))
"""
"""A copy that is interrupted before it has begun; in a process of its own, for it takes the only reactor."""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_copy(tmp_path: Path, name: str) -> None:
    """Said in a sentence; until then it tells how far it is. A pause ends at once, and no transaction begins."""
    files = [tmp_path / f"{name}.toml" for name in ("from", "to")]
    for file in files:
        file.write_text(f'[sip]\ndomain = "example.test"\n[store]\nurl = "sqlite:///{file.stem}.db"\n')
    (tmp_path / "from.db").touch()
    command = [sys.executable, "-c", COPYING.format(signal=name), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert (done.stdout, done.stderr) == ("", "archive: 50000 of 70000 rows\nlyncpy: it was interrupted\n")
    assert (tmp_path / "from.db").stat().st_size == 0
    assert not (tmp_path / "to.db").exists()
