"""What the servers of one deployment have in common: time, the database, people, and the bus; in memory."""

from itertools import count
from threading import get_ident
from typing import Any, Final

from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from lyncpy.auth.ntlm import nt_hash
from lyncpy.contracts.directory import Person
from tests.kit.archive import MemoryExports
from tests.kit.clocks import Clocks
from tests.kit.directory import FakeDirectory, FakePhotos, person
from tests.kit.hub import Hub
from tests.kit.leases import NodesOfStore
from tests.kit.ledger import MemoryLedger
from tests.kit.logs import LogEar
from tests.kit.memory import MemoryRecords, MemoryStore
from tests.kit.volatile import SharedRecords

WALL: Final = 1_784_548_800.0
"""Where the wall clock begins: 2026-07-20 12:00 UTC."""

CAST: Final = ("alice", "bob", "carol", "dave", "erin", "frank", "mallory")
"""Everybody whom the directory knows at first; the password of each is `password_of` his name."""


def password_of(user: str) -> str:
    """Give somebody's password."""
    return f"{user}'s secret"


def someone(user: str, **facts: Any) -> Person:  # Any: the fields of Person
    """Give a person as the directory has him."""
    known: dict[str, Any] = {"display_name": user.title(), "nt_hash": nt_hash(password_of(user)), **facts}
    return person(user, **known)


class Deployment:
    """What there is once, however many servers stand on it.

    Attributes:
        clocks: The time of all.
        hub: The bus between servers.
        photos, directory: Where people come from; a play may change them.
        store: What the database keeps, read past all disks.
        volatile: What several servers share for as long as one of them is there.
        nodes: The servers that work with the store, by its own clock.
        records: The call detail records.
        ledger: The archive's lines.
        exports: What has left the archive.
        complaints: What any server logged at error or worse.
        expected: Words of complaints that may be.
        stepped: By how much the clocks of all hosts were set.
        devices: The numbers of devices.
        starts: Those of starts of servers.
    """

    def __init__(self) -> None:
        """Begin with people and without servers."""
        self.clocks: Final = Clocks()
        self.hub: Final = Hub()
        self.photos = FakePhotos()
        self.directory = FakeDirectory(*(someone(user) for user in CAST))
        self.store: Final = MemoryStore(self.true_wall)
        self.volatile: Final = SharedRecords(self.true_wall)
        self.nodes: Final = NodesOfStore(lambda: self.clocks.now)
        self.records: Final = MemoryRecords(self.nodes.is_alive)
        self.ledger: Final = MemoryLedger()
        self.exports: Final = MemoryExports()
        self.complaints: Final[list[str]] = []
        self.expected: Final[list[str]] = []
        self.stepped = 0.0
        self.devices: Final = count(1)
        self.starts: Final = count(1)
        self._ear: Final = LogEar(self._hear_log)
        self._thread: Final = get_ident()
        self._servers = 0

    def true_wall(self) -> float:
        """Seconds since the epoch, as all have them whose clock is right."""
        return WALL + self.clocks.now

    def joined(self) -> None:
        """Note one more server; while there is any, what is logged is heard."""
        self._servers += 1
        if self._servers == 1:
            globalLogPublisher.addObserver(self._ear)

    def left(self) -> None:
        """Note one server less."""
        self._servers -= 1
        if not self._servers:
            globalLogPublisher.removeObserver(self._ear)

    @property
    def unexpected(self) -> list[str]:
        """Give the complaints that nobody expected."""
        return [one for one in self.complaints if not any(words in one for words in self.expected)]

    def _hear_log(self, event: LogEvent) -> None:
        # No server of a story has a thread: what another says is about what a test before has left to it.
        if event.get("log_level", LogLevel.info) >= LogLevel.error and get_ident() == self._thread:
            failure = event.get("log_failure")
            text = failure.getTraceback() if isinstance(failure, Failure) else ""
            self.complaints.append(f"{formatEvent(event)}\n{text}".strip())
