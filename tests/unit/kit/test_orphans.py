"""What the tests have started does not outlive them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.kit.forks import TOP

PROGRAM = """
import sys, time
from pathlib import Path
from tests.kit.daemon import Daemon
one = Daemon(Path(sys.argv[1]))
# Whoever is not yet the program itself has not told the kernel yet.
one.start(["sleep", "600"], lambda: Path(f"/proc/{one.pid}/comm").read_text().strip() == "sleep")
print(one.pid, flush=True)
time.sleep(600)
"""


def test_a_server_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    """Though it has a session of its own, and nobody could tell it."""
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "said")]
    with subprocess.Popen(words, cwd=TOP, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        server = int(tests.stdout.readline())
        assert os.getsid(server) == server
        tests.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while _runs(server) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _runs(server)


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
