"""Processes of lyncpy that begin with its modules read, which is most of what a start costs.

One process reads them once and is forked for each: what then runs is twistd or lyncpy, from its own `main` on. How
the commands themselves are found and begun is for the tests that give RunningServer a command (`RunningServer.twistd` is the one that an operator types).
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.kit.preloaded"])
_NOTHING: Final = Path(os.devnull)
_LOCK: Final = threading.Lock()
"""Two threads that look after the same process at the same time would both read how it ended."""


class Forked:
    """A process that runs `twistd` or `lyncpy`; its methods are those of subprocess.Popen."""

    def __init__(self, words: Sequence[str], *, folder: Path, out: Path, err: Path, stdin: Path = _NOTHING) -> None:
        """Start it.

        Args:
            words: `twistd` or `lyncpy`, and what it is given.
            folder: Where it works.
            out: What it prints is added to this file.
            err: The same for its standard error.
            stdin: What it reads.
        """
        self.words: Final = tuple(words)
        files = (str(stdin), str(out), str(err))
        self._process: Final = _CONTEXT.Process(target=_begin, args=(self.words, str(folder), files), daemon=True)
        with _LOCK:
            self._process.start()

    @property
    def pid(self) -> int:
        """Give its number."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Give its status, or None while it runs."""
        with _LOCK:
            return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Wait for its end; give its status.

        Raises:
            TimeoutExpired: It still runs.
        """
        wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self.words, timeout)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def run(words: Sequence[str], text: str = "", *, folder: Path, timeout: float) -> "subprocess.CompletedProcess[str]":
    """Run `twistd` or `lyncpy` to its end, with a text on its standard input."""
    with tempfile.TemporaryDirectory() as place:
        said, out, err = (Path(place, name) for name in ("in", "out", "err"))
        said.write_text(text, "utf-8")
        process = Forked(words, folder=folder, out=out, err=err, stdin=said)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout)
            raise
        return subprocess.CompletedProcess(list(words), status, out.read_text("utf-8"), err.read_text("utf-8"))


def _begin(words: Sequence[str], folder: str, files: Sequence[str]) -> None:
    """Be the command: in the process that was forked."""
    # A session of its own: what a test's Ctrl-C hits is the test.
    os.setsid()
    adding = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for number, (file, how) in enumerate(zip(files, (os.O_RDONLY, adding, adding), strict=True)):
        opened = os.open(file, how, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    os.chdir(folder)
    sys.argv = list(words)
    if words[0] == "twistd":
        from twisted.scripts.twistd import run as twistd  # noqa: PLC0415 - what names the reactor is each process's own

        twistd()
    else:
        from lyncpy.app.cli import main  # noqa: PLC0415 - as above

        sys.exit(main())
