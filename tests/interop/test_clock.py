"""A real server on a host whose clock is set while it runs: nobody waits longer, nobody is cut off."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.kit.caller import Caller, Line
from tests.kit.server import RunningServer, wait_until

pytestmark = pytest.mark.interop

HOST: Final = '''
"""A host whose wall clock is what a file says; its monotonic clock runs on, as every kernel's does."""
import os, time
_real = time.time
def _set():
    try:
        with open(os.environ["HOST_CLOCK"]) as file:
            return float(file.read() or 0)
    except FileNotFoundError:
        return 0.0
time.time = lambda: _real() + _set()
'''

DEADLINE: Final = """
import sys, importlib, time
module, steadied = sys.argv[1], sys.argv[2] == "steady"
importlib.import_module("twisted.internet." + module).install()
from twisted.internet import reactor
from lyncpy.core.timers import steady
began = time.monotonic()
def late():
    print("late"); reactor.stop()
def met():
    print("met"); reactor.stop()
reactor.callLater(0.2, lambda: None)
before = reactor.callLater(0.6, met)
if steadied:
    steady(reactor)
    before.cancel()
    reactor.callLater(0.6, met)
open(__import__("os").environ["HOST_CLOCK"], "w").write("-3600")
import threading
threading.Timer(3.0, lambda: reactor.callFromThread(late)).start()
reactor.run()
"""


def host_of(folder: Path) -> dict[str, str]:
    """Give the environment of a process on such a host, which keeps its files in a folder."""
    place = folder / "host"
    place.mkdir()
    (place / "sitecustomize.py").write_text(HOST)
    return {**os.environ, "PYTHONPATH": str(place), "HOST_CLOCK": str(folder / "set")}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a process on a host of its own."""
    return host_of(tmp_path)


@pytest.mark.parametrize("reactor", ["epollreactor", "pollreactor", "selectreactor", "asyncioreactor"])
def test_a_deadline_is_met_although_the_clock_is_set_back(reactor: str, environment: dict[str, str]) -> None:
    """Whichever reactor twistd is told to use, its deadlines do not go by the wall clock."""
    words = [sys.executable, "-c", DEADLINE, reactor, "steady"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout.split()[:1], done.stderr) == (["met"], "")


def test_without_it_the_deadline_is_an_hour_late(environment: dict[str, str]) -> None:
    """The fault that is mended: were this to pass by itself, the other tests here would show nothing."""
    words = [sys.executable, "-c", DEADLINE, "epollreactor", "as it is"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split()[:1] == ["late"]


class SetHost:
    """A server on a host whose clock a test sets."""

    def __init__(self, server: RunningServer, file: Path) -> None:
        self.server = server
        self._file = file

    def set(self, seconds: float) -> None:
        """Set the clock: to so much from the right time."""
        self._file.write_text(str(seconds))

    def caller(self, name: str) -> Caller:
        """Give somebody who is signed in."""
        account = self.server.accounts[name]
        return Caller(Line(self.server.tcp_port), account.address, account.password).sign_in()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SetHost]:
    """Give a server on such a host; one that is silent for a minute is cut off, one that asks too much is refused."""
    environment = host_of(tmp_path)
    server = RunningServer(tmp_path / "home", sip__idle_s=60, limits__requests_burst=10.0, limits__requests_per_s=5.0)
    server.init()
    try:
        # Its modules have to be read on such a host: they keep what tells the time.
        server.start(server.twistd, environment)
        yield SetHost(server, Path(environment["HOST_CLOCK"]))
        server.stop()
    finally:
        server.close()


@pytest.mark.parametrize("to", [-60.0, -3600.0, 3600.0])
def test_a_signed_in_client_notices_nothing(host: SetHost, to: float) -> None:
    """Set back: nobody has asked too much. Set forward: nobody was silent for too long."""
    alice = host.caller("alice")
    begin = len(host.server.log())
    # Its bucket is nearly empty when the clock is set.
    for _ in range(5):
        assert alice.ask(alice.request("OPTIONS")).status != 503
    time.sleep(1.5)
    host.set(to)
    time.sleep(0.5)
    for _ in range(6):
        assert alice.ask(alice.request("OPTIONS")).status != 503
        time.sleep(0.3)
    # It refreshes as it always does, and another signs in.
    assert alice.ask(alice.register()).status == 200
    bob = host.caller("bob")
    assert bob.ask(bob.request("OPTIONS")).status != 503
    wait_until(lambda: "the clock of this host was set" in host.server.log()[begin:], "the log says so")
