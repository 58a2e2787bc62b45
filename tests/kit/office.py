"""Pulls from a real LDAP server, as an office has them: people, store and facts in memory, time in the test's hand."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.ldap import LdapDirectory
from lyncpy.backends.ldap_link import LdapConnection
from lyncpy.backends.threads import Threads
from lyncpy.contracts.directory import Pull
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.pull import PeopleSource, PullResult, Pulls
from lyncpy.workloads.directory.records import DirectoryRecords
from lyncpy.workloads.directory.settings import Settings, places_of
from tests.kit.directory import Facts, PlainSeals
from tests.kit.leases import only_node
from tests.kit.memory import MemoryStore
from tests.kit.threads import ThreadPump


class LdapServer(Protocol):
    """What a server of the kit has."""

    url: str
    folder: Path


class _Turning(Clock):
    """A clock that a test moves, but what is to come at once comes while the test waits."""

    def __init__(self, pump: ThreadPump) -> None:
        super().__init__()
        self._pump = pump

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> Any:  # noqa: A002  # Any: IDelayedCall, whose promise has no class
        """Call later, or in the pump's next turn."""
        call = super().callLater(delay, callable, *args, **kw)
        if delay <= 0:
            self._pump.callFromThread(self.advance, 0)
        return call


class Office:
    """A directory workload's pulls over a server; `**settings` are those of [directory]."""

    def __init__(self, server: LdapServer, pump: ThreadPump, **settings: Any) -> None:  # Any: what Settings takes
        self._before = _sockets()
        self.pump = pump
        self.clock = _Turning(pump)
        self.timers = Timers(self.clock, time.time)
        self.settings = Settings(**{"url": server.url, "answer_timeout_s": 1, "connect_timeout_s": 1, **settings})
        self.people = People()
        self.groups = Groups(self.people)
        self.facts = Facts()
        self.store = MemoryStore(time.time)
        self.directory = LdapDirectory(
            self.settings, ("example.com",), server.folder, LdapConnection, Threads(pump, "ldap"), self.timers
        )
        self.pulls = Pulls(
            PeopleSource(self.directory, places_of([self.settings])),
            DirectoryRecords(self.store, PlainSeals()),
            self.people,
            self.groups,
            self.facts,
            self.settings,
            self.timers,
            only_node(),
        )

    def pull(self, **how: bool) -> PullResult:
        """Pull, and give what came of it."""
        return self.pump.run(self.pulls.pull(**how))

    def read(self, cookie: str = "") -> Pull:
        """Ask the backend alone."""
        return self.pump.run(self.directory.pull(cookie))

    def trouble(self) -> str:
        """Pull in vain; give what the operator is told."""
        with pytest.raises(DirectoryUnavailable) as caught:
            self.pull()
        return str(caught.value)

    def wait_until_connected(self) -> None:
        """Let the thread get as far as waiting for an answer, or nearly: a cut must work at any point."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if _sockets() - self._before:
                return
            time.sleep(0.005)
        raise AssertionError("no connection was made")

    def close(self) -> None:
        """Let go of thread and connection."""
        self.pump.run(self.directory.close())


def _sockets() -> set[str]:
    """Give the sockets of this process."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith("socket:")}


OpenOffice = Callable[..., Office]
