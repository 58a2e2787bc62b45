"""Clients that begin with libpurple loaded, and all that drives it read: most of what a start costs.

One process does so once and is forked for each client of the tests; it ends with them, as its clients do with their input.
"""

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Final

TOP: Final = Path(__file__).resolve().parents[3]

LONGEST: Final = 1 << 17
"""Bytes of a request: the words and the environment of a client."""


class ClientProcess:
    """A client that runs; its methods are those of subprocess.Popen.

    Attributes:
        pid: Its number.
        stdin: Its commands.
        stdout: Its events.
    """

    def __init__(self, pid: int, handle: int, stdin: IO[str], stdout: IO[str]) -> None:
        """Take it as the nursery gives it: `handle` is what the kernel tells its end by."""
        self.pid: Final = pid
        self.stdin: Final = stdin
        self.stdout: Final = stdout
        self._handle: Final = handle
        self._has_ended = False

    def poll(self) -> int | None:
        """Give 0 when it has ended, however that was, and None while it runs."""
        return 0 if self._ends_within(0.0) else None

    def wait(self, timeout: float) -> None:
        """Wait for its end.

        Raises:
            TimeoutExpired: It still runs.
        """
        if not self._ends_within(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout)

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _ends_within(self, seconds: float) -> bool:
        if not self._has_ended:
            asked = select.poll()
            asked.register(self._handle, select.POLLIN)
            self._has_ended = bool(asked.poll(seconds * 1000))
            if self._has_ended:
                os.close(self._handle)
        return self._has_ended


class Nursery:
    """The process that is forked, as the tests see it."""

    def __init__(self) -> None:
        """Start it; it reads what it needs meanwhile."""
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kit.purple.nursery", str(theirs.fileno())],
                cwd=TOP,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def fork(self, words: Sequence[str], environment: Mapping[str, str], errors: Path) -> ClientProcess:
        """Start a client.

        Args:
            words: Of its command line.
            environment: All of its variables.
            errors: The file for what it complains about.
        """
        commands, said = os.pipe(), os.pipe()
        given = [commands[0], said[1], os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
        request = json.dumps({"words": list(words), "environment": dict(environment)}).encode()
        with self._lock:
            socket.send_fds(self._line, [request], given)
            number, (handle, *_), _, _ = socket.recv_fds(self._line, LONGEST, 1)
        for one in given:
            os.close(one)
        return ClientProcess(
            int(number), handle, os.fdopen(commands[1], "w", encoding="utf-8"), os.fdopen(said[0], encoding="utf-8")
        )


@cache
def nursery() -> Nursery:
    """Give that of this process of the tests."""
    return Nursery()


def _serve(line: socket.socket) -> None:
    """Fork whoever is asked for, until nobody can ask any more."""
    # What is above reads nothing of libpurple, for it is read by the tests, too.
    from tests.kit.purple.__main__ import main  # noqa: PLC0415

    gc.freeze()
    while True:
        request, given, _, _ = socket.recv_fds(line, LONGEST, 3)
        if not request:
            return
        _bury()
        number = os.fork()
        if number == 0:
            line.close()
            _be(main, given, **json.loads(request))
        for one in given:
            os.close(one)
        handle = os.pidfd_open(number)
        socket.send_fds(line, [str(number).encode()], [handle])
        os.close(handle)


def _bury() -> None:
    """Let go of those that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _be(
    main: Callable[[Sequence[str]], object], given: Sequence[int], words: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Be a client, in the process that was forked; does not return."""
    status = 1
    try:
        for number, one in enumerate(given):
            os.dup2(one, number)
            os.close(one)
        os.environ.clear()
        os.environ.update(environment)
        main(words)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
