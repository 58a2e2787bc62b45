"""Whom the addresses in operators' files mean, at several servers that note it in one record."""

from typing import Any

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.directory.meanings import Meanings
from tests.kit.fakes import FragileStore, Fragility
from tests.kit.memory import MemoryStore
from tests.kit.results import result_of

ALICE, BOB = Aor("sip:alice@example.com"), Aor("sip:bob@example.com")
FILE = "a file"


class Server:
    """A server on a store of all, and what its directory says of who has which address."""

    def __init__(self, store: MemoryStore, **owners: str) -> None:
        self.has = {Aor(f"sip:{user}@example.com"): OwnerId(owner) for user, owner in owners.items()}
        self.disk = Fragility()
        directory: Any = self  # Any: a part of IOwners
        self.meanings = Meanings(FragileStore(store, self.disk), directory)
        result_of(self.meanings.open())

    def owner(self, aor: Aor) -> OwnerId:
        """Give who has an address."""
        return self.has.get(aor, OwnerId(""))

    def address(self, owner: OwnerId) -> Aor | None:
        """Give the address that somebody has."""
        return next((aor for aor, one in self.has.items() if one == owner), None)

    def means(self, aor: Aor) -> Aor | None:
        """Give who is meant by an address in the file."""
        return self.meanings.present_address(FILE, aor)

    def sweeps(self) -> None:
        """Look what others have written."""
        for key in self.meanings.held():
            result_of(self.meanings.renew(key))


def store() -> MemoryStore:
    """Give an empty one."""
    return MemoryStore(lambda: 1.7e9)


def test_what_one_has_noted_counts_for_the_other() -> None:
    """Alice leaves, and somebody else gets her address: what the file grants is nobody's at either server."""
    shared = store()
    one, other = Server(shared, alice="first"), Server(shared, alice="first")
    assert one.means(ALICE) == ALICE
    one.has[ALICE] = other.has[ALICE] = OwnerId("second")
    other.sweeps()
    assert (one.means(ALICE), other.means(ALICE)) == (None, None)
    assert Server(shared, alice="second").means(ALICE) is None


def test_whoever_was_first_is_right() -> None:
    """Who has not looked yet takes the newcomer for who was meant, until their note meets the one that is there."""
    shared = store()
    one, other = Server(shared, alice="first", bob="b"), Server(shared, alice="second", bob="b")
    assert one.means(ALICE) == ALICE
    assert other.means(ALICE) == ALICE
    assert other.means(ALICE) is None
    assert other.means(BOB) == BOB
    one.sweeps()
    one.has.pop(BOB)
    assert one.means(BOB) is None


def test_what_is_not_in_the_file_any_more_is_forgotten_by_all() -> None:
    """And means who has it then, when it is written again."""
    shared = store()
    one, other = Server(shared, alice="first"), Server(shared, alice="first")
    one.means(ALICE)
    other.sweeps()
    other.meanings.only(FILE, [BOB])
    one.sweeps()
    one.has[ALICE] = OwnerId("second")
    assert one.means(ALICE) == ALICE
    assert one.meanings.version_of("another") is None


def test_what_could_not_be_written_is_written_with_the_next() -> None:
    """It counts meanwhile, whatever is read."""
    shared = store()
    one = Server(shared, alice="first", bob="b")
    one.disk.broken = True
    assert one.means(ALICE) == ALICE
    one.disk.broken = False
    one.sweeps()
    one.has[ALICE] = OwnerId("second")
    assert one.means(ALICE) is None
    one.means(BOB)
    assert Server(shared, alice="second").means(ALICE) is None
