"""Processes of lyncpy that begin with its modules read, which is most of what a start costs.

One process reads them once and is forked for each: what then runs is twistd or lyncpy, from its own `main` on. How
the commands themselves are found and begun is for the tests that give RunningServer a command (`RunningServer.twistd` is the one that an operator types).
"""

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

from tests.kit.orphans import end_with_parent, keep_small_pages

TOP: Final = Path(__file__).resolve().parents[2]

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.kit.preloaded"])
_NOTHING: Final = Path(os.devnull)
_LOCK: Final = threading.Lock()
"""Two threads that look after the same process at the same time would both read how it ended."""


class Forked:
    """A process that does one thing; its methods are those of subprocess.Popen."""

    def __init__(
        self,
        do: Callable[..., object],
        *words: str,
        out: Path,
        err: Path | None = None,
        stdin: Path = _NOTHING,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it.

        Args:
            do: What it does: `twistd`, `lyncpy`, or another function of a module.
            words: What that is given.
            out: What it prints is added to this file.
            err: The same for its standard error; this process's own if not given.
            stdin: What it reads.
            environment: Its variables, beside this one's; what its modules ask for as they are read comes too late.
        """
        self.words: Final = (do.__name__, *words)
        files = {0: stdin, 1: out, **({2: err} if err else {})}
        self._process: Final = _CONTEXT.Process(target=_begin, args=(do, words, files, environment or {}), daemon=True)
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


def run(words: Sequence[str], text: str = "", *, timeout: float) -> "subprocess.CompletedProcess[str]":
    """Run `lyncpy` to its end, with a text on its standard input."""
    with tempfile.TemporaryDirectory() as place:
        said, out, err = (Path(place, name) for name in ("in", "out", "err"))
        said.write_text(text, "utf-8")
        process = Forked(lyncpy, *words, out=out, err=err, stdin=said)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout)
            raise
        return subprocess.CompletedProcess(["lyncpy", *words], status, out.read_text("utf-8"), err.read_text("utf-8"))


def twistd(*words: str) -> None:
    """Be the command `twistd`."""
    # What names the reactor is each process's own.
    from twisted.scripts.twistd import run  # noqa: PLC0415

    sys.argv = ["twistd", *words]
    run()


def lyncpy(*words: str) -> None:
    """Be the command `lyncpy`."""
    from lyncpy.app.cli import main  # noqa: PLC0415

    sys.exit(main(words))


def _begin(
    do: Callable[..., object], words: Sequence[str], files: Mapping[int, Path], environment: Mapping[str, str]
) -> None:
    """Be what was asked for: in the process that was forked."""
    os.environ.update(environment)
    # What it shares with others would be copied into large pages of its own, which does not pay within seconds.
    keep_small_pages()
    # A session of its own: what a test's Ctrl-C hits is the test.
    os.setsid()
    end_with_parent()
    for number, file in files.items():
        opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT if number else os.O_RDONLY, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    os.chdir(TOP)
    # A process that multiprocessing has forked ends without what is to be done at the end: there a server gives its status.
    at_end: list[Callable[[], object]] = []
    atexit.register = lambda call, *args, **kwargs: at_end.append(partial(call, *args, **kwargs))  # type: ignore[assignment]
    try:
        do(*words)
    finally:
        for call in reversed(at_end):
            call()
