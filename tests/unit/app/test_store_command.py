"""`lyncpy store copy`, as whoever gives the command sees it."""

import subprocess
import sys
from pathlib import Path

COPYING = """
import os, signal, sys
from lyncpy.app import cli, store_command

def copy(source, target, tell, pause):
    tell("archive", 50_000, 70_000)
    os.kill(os.getpid(), signal.SIGINT)
    pause(600.0)
    tell("archive", 70_000, 70_000)

store_command.copy_database = copy
sys.exit(cli.main(["store", "copy", *sys.argv[1:]]))
"""
"""A copy that is interrupted while a database is away; in a process of its own, for it takes the only reactor."""


def test_a_signal_ends_a_copy_between_two_slices(tmp_path: Path) -> None:
    """Said in a sentence; until then it tells how far it is, and a pause ends at once."""
    files = [tmp_path / name for name in ("from.toml", "to.toml")]
    for file in files:
        file.write_text(f'[sip]\ndomain = "example.test"\n[store]\nurl = "sqlite:///{file.stem}.db"\n')
    command = [sys.executable, "-c", COPYING, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert (done.stdout, done.stderr) == ("", "archive: 50000 of 70000 rows\nlyncpy: it was interrupted\n")
