"""Talks at a steady pace and tells how long each message took, in a process that comes before other load generators.

`python -m bench.probe PORT CA PAIRS PER_S` signs in, begins its sessions, and says "ready". For each number of
seconds on a line of its input it talks for so long, and writes the delays as JSON, in milliseconds.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from bench.machine import CORES
from bench.rounds import Paced
from bench.sites import LyncpySite, Say

_FIRST: Final = -10
"""Its niceness, where that is allowed: it waits for the server, and not for another load generator."""


class Probe:
    """The process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begin(self, seconds: float) -> None:
        """Have it talk for so long."""
        into = self._process.stdin
        assert into is not None, "asked for"
        into.write(f"{seconds}\n")
        into.flush()

    def delays_ms(self) -> Sequence[float]:
        """Wait for its end, and give how long each message took."""
        out = self._process.stdout
        assert out is not None, "asked for"
        found: list[float] = json.loads(out.readline())
        return found

    @property
    def output(self) -> Any:  # Any: a file
        """Give what tells that delays are there."""
        return self._process.stdout


@contextmanager
def probing(port: int, ca: Path, pairs: int, per_s: float) -> Iterator[Probe]:
    """Have it at hand, everybody signed in: the first users there are."""
    words = [sys.executable, "-m", "bench.probe", str(port), str(ca), str(pairs), str(per_s)]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None, "asked for"
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("the probe could not sign in")
            yield Probe(process)
        finally:
            process.kill()


class _There:
    """The server, as another process knows it."""

    def __init__(self, port: int, ca: Path) -> None:
        self.port, self.ca = port, ca


async def _talk(reactor: Any, port: int, ca: Path, pairs: int, per_s: float) -> None:  # Any: several interfaces
    there: Any = _There(port, ca)  # Any: all that a connection asks of a `Server`
    site = LyncpySite("probe", reactor, there)
    for number in range(2 * pairs):
        client = await site.connected(number)
        await site.sign_in(client)
        site.clients.append(client)
    says: list[Say] = [
        await site.pair(one, other) for one, other in zip(site.clients[:pairs], site.clients[pairs:], strict=True)
    ]
    print("ready", flush=True)
    reading = ThreadPool(1, 1)
    reading.start()
    try:
        while line := await _in(reactor, reading, sys.stdin.readline):
            pace = Paced(reactor, per_s)
            await pace.run(max(1, round(float(line) * per_s)), lambda number: says[number % pairs]())
            print(json.dumps([delay * 1e3 for delay in pace.delays]), flush=True)
    finally:
        reading.stop()


def _in(reactor: Any, pool: ThreadPool, read: Callable[[], str]) -> "Deferred[str]":  # Any: several interfaces
    found: Deferred[str] = deferToThreadPool(reactor, pool, read)
    return found


def _main() -> None:
    port, ca, pairs, per_s = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    CORES.keep_generator()
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _FIRST)
    task.react(lambda reactor: Deferred.fromCoroutine(_talk(reactor, port, ca, pairs, per_s)))


if __name__ == "__main__":
    _main()
