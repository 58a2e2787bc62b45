"""The authority for people's certificates: one, durable, and made anew before it ends."""

from twisted.internet.task import Clock

from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.timers import Timers
from lyncpy.workloads.webservices.authority import KIND, PEOPLE, PeopleAuthority
from tests.kit.directory import PlainSeals
from tests.kit.fakes import awaited
from tests.kit.gatehouse import WALL
from tests.kit.key_pairs import SameKey
from tests.kit.memory import MemoryStore
from tests.kit.results import result_of

DAY_S = 86_400.0


class Vault:
    """A store with an authority, whose calendar can be turned."""

    def __init__(self) -> None:
        self.wall = WALL
        self.store = MemoryStore(lambda: WALL)
        self.keys = SameKey()

    def authority(self) -> PeopleAuthority:
        """Start a server on it."""
        timers = Timers(Clock(), lambda: self.wall)
        return PeopleAuthority(self.store, PlainSeals(), self.keys, KeyedLock(timers), timers, 180 * 86_400)


def test_it_is_made_once_and_kept_sealed() -> None:
    """A restart finds the same; its key stands nowhere in clear."""
    vault = Vault()
    first = vault.authority()
    made = result_of(first.current())
    assert result_of(first.current()) is made
    again = result_of(vault.authority().current())
    assert again.certificate == made.certificate
    assert vault.keys.asked == 1
    record = result_of(awaited(vault.store.read(KIND, PEOPLE)))
    assert record is not None
    assert record.value.startswith(b"authority:people")


def test_one_that_ends_before_its_certificates_is_replaced() -> None:
    """So no certificate outlives who signed it, also where nothing is started anew."""
    vault = Vault()
    kept = vault.authority()
    made = result_of(kept.current())
    vault.wall += 9 * 365 * DAY_S
    assert result_of(kept.current()) is made
    vault.wall += 200 * DAY_S
    other = result_of(kept.current())
    assert other.certificate != made.certificate
    assert other.until > vault.wall + 180 * DAY_S
    assert result_of(vault.authority().current()).certificate == other.certificate
