"""Which certificates of people's devices end soon is said to operators before their users ask."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import Record
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.timers import Timers
from lyncpy.workloads.webservices.authority import KIND as AUTHORITY
from lyncpy.workloads.webservices.authority import PEOPLE, PeopleAuthority
from lyncpy.workloads.webservices.ending import FIRST_S, LOOK_S, EndingCertificates
from lyncpy.workloads.webservices.issued_table import KIND
from lyncpy.workloads.webservices.model.issued import Issued, IssuedCertificate, pack
from tests.kit.fakes import awaited
from tests.kit.gatehouse import WALL
from tests.kit.key_pairs import SameKey
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressOwners
from tests.kit.results import result_of

DAY_S = 86_400.0


class Store(MemoryStore):
    """One that a test may take away."""

    is_away = False

    def scan(self, kind: str, prefix: str = "") -> Deferred[Sequence[Record]]:
        """Read, or fail."""
        return fail(StoreUnavailable("the disk is full")) if self.is_away else super().scan(kind, prefix)


class Seals:
    """A key that a test may take away."""

    is_lost = False

    def seal(self, plain: bytes, about: str = "") -> bytes:
        """Hide nothing."""
        return plain

    def unseal(self, sealed: bytes, about: str = "") -> bytes:
        """Give it back, where the key is there."""
        if self.is_lost:
            raise StoreUnavailable("sealed with another key")
        return sealed


class House:
    """What looks, at people whose devices have certificates."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: WALL + self.clock.seconds())
        self.store, self.seals = Store(self.timers.steady), Seals()
        self.authority = PeopleAuthority(
            self.store, self.seals, SameKey(), KeyedLock(self.timers), self.timers, 180 * 86_400
        )
        self.ending = EndingCertificates(self.store, AddressOwners(), self.authority, self.timers)
        self.ending.open()

    def issued(self, name: str, *days: float) -> None:
        """Have a person's devices have certificates that end in so many days."""
        certificates = [IssuedCertificate("d", "s", str(n), WALL, WALL + n * DAY_S, "m") for n in days]
        owner = Aor(f"sip:{name}@example.test")
        result_of(awaited(self.store.write(KIND, owner, pack(Issued(0, certificates)), Version(0))))

    def said(self) -> list[str]:
        """Let it look, and give what it says."""
        self.clock.pump([FIRST_S, LOOK_S, 0.0, 0.0, 0.0])
        return [one.finding for one in self.ending.conditions()]


def test_what_ends_within_three_days_is_said_with_whose_it_is() -> None:
    """Each device that asks for a password then; what has ended, and what lasts, is left out."""
    house = House()
    house.issued("alice", 2, 90)
    house.issued("bob", -1, 60)
    (said,) = house.said()
    assert said.startswith("one certificate ends within 3 days, of devices of alice@example.test, from ")


def test_of_many_people_some_are_named() -> None:
    """A sentence, not a list."""
    house = House()
    for name in ("alice", "bob", "carol", "dave", "erin"):
        house.issued(name, 2, 2.5)
    (said,) = house.said()
    assert "10 certificates end within 3 days" in said
    assert "alice@example.test, bob@example.test, carol@example.test and 2 more people" in said


def test_an_authority_that_ends_or_cannot_be_read_is_said() -> None:
    """Though another one would be made in time."""
    house = House()
    assert house.said() == []
    until = result_of(house.authority.current()).until
    assert house.said() == []
    house.clock.advance(until - WALL - 20 * DAY_S)
    assert "the authority of people's certificates ends on" in house.said()[0]
    house.seals.is_lost = True
    assert "the authority of people's certificates cannot be read: sealed with another key" in house.said()[0]
    assert result_of(awaited(house.store.read(AUTHORITY, PEOPLE))) is not None


def test_a_store_that_is_away_ends_nothing() -> None:
    """What was found stays, and the next look comes."""
    house = House()
    house.issued("alice", 2)
    before = house.said()
    house.store.is_away = True
    assert house.said() == before
    house.store.is_away = False
    house.clock.advance(10 * DAY_S)
    assert house.said() == []
    house.ending.close()
    assert len(house.timers) == 0
