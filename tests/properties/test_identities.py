"""Whose things are whose, after any history of a directory, compared with a model that knows keys alone.

The model is a dictionary from key to what its person owns. A history gives keys addresses,
takes them away, swaps them and gives them to others, between full and incremental pulls,
restarts, and ends like `kill -9` at any write. Whatever happens, a person finds what their
key owned, and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lyncpy.contracts.directory import Person, Pull
from lyncpy.contracts.facts import AddressesChanged
from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.owners import OwnerId, resolve
from lyncpy.contracts.refusal import DirectoryUnavailable, StoreUnavailable
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.pull import PeopleSource, Pulls
from lyncpy.workloads.directory.records import DirectoryRecords
from lyncpy.workloads.directory.secrets import StoredSecrets
from lyncpy.workloads.directory.settings import Settings, places_of
from tests.kit.directory import Facts, FakeDirectory, PlainSeals, person
from tests.kit.leases import only_node
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of
from tests.kit.soak import many

KEYS, ADDRESSES = ("k1", "k2", "k3", "k4"), ("a", "b", "c", "d", "e")


class Killed(StoreUnavailable):
    """The process ended here."""


class MortalStore(MemoryStore):
    """Ends the process at a write: it is made, or not, and nothing comes after it."""

    left: int | None = None

    def write(self, kind: str, key: str, value: bytes, expected: Version, expires: float | None = None) -> Any:
        """Write, unless the process is dead."""
        self._spend()
        return super().write(kind, key, value, expected, expires)

    def remove(self, kind: str, key: str, expected: Version) -> Any:
        """Remove, unless the process is dead."""
        self._spend()
        return super().remove(kind, key, expected)

    def _spend(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Killed("killed")
            self.left -= 1


class World:
    """A directory workload that can be killed, and the directory that it pulls."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = MortalStore(self.wall)
        self.holders: dict[str, str] = {}
        """What the directory says: address by key."""

        self.told: dict[str, str] = {}
        """What it said at the last pull."""

        self.start()

    def wall(self) -> float:
        """Give the time of day."""
        return 1.7e9 + self.clock.seconds()

    def start(self, *, down: bool = False) -> None:
        """Start a server on what there is."""
        # Whoever was killed does nothing any more: their clocks are not those of the next process.
        for call in tuple(self.clock.getDelayedCalls()):
            call.cancel()
        self.store.left = None
        self.people, self.facts = People(), Facts()
        timers = Timers(self.clock, self.wall)
        self.directory = FakeDirectory(*self.listed())
        kept = DirectoryRecords(self.store, PlainSeals())
        options = Settings(removal_share=1.0, held_s=1000, interval_s=86400)
        self.pulls = Pulls(
            PeopleSource(self.directory, places_of([options])),
            kept,
            self.people,
            Groups(self.people),
            self.facts,
            options,
            timers,
            only_node(),
        )
        self.secrets = StoredSecrets(self.store, self.people, self.facts, PlainSeals(), self.people.owners)
        self.directory.down = "down" if down else ""
        answer_of(self.pulls.open())
        self.directory.down = ""
        if not down:
            self.told = dict(self.holders)

    def listed(self) -> list[Person]:
        """Give the entries of the directory."""
        return [person(user, key=key, source=key) for key, user in self.holders.items()]

    def pull(self, *, increment: bool) -> None:
        """Pull what is there now."""
        self.clock.advance(1)
        self.directory.people = self.listed()
        if increment:
            news = [one for one in self.listed() if self.told.get(one.key) != self.holders[one.key]]
            self.directory.answers = [
                Pull(tuple(news), frozenset(), complete=False, present=frozenset(self.holders), cookie="c")
            ]
        answer_of(self.pulls.pull())
        self.told = dict(self.holders)


@dataclass(frozen=True)
class Step:
    """What happens next."""

    holders: Mapping[str, str]
    increment: bool
    killed_after: int | None
    passes_s: int


STEPS = st.builds(
    Step,
    st.permutations(ADDRESSES).flatmap(
        lambda users: st.sets(st.sampled_from(range(len(KEYS)))).map(lambda some: {KEYS[n]: users[n] for n in some})
    ),
    st.booleans(),
    st.none() | st.integers(0, 8),
    st.sampled_from([0, 0, 0, 400]),
)


@settings(max_examples=many(300))
@given(st.lists(STEPS, min_size=1, max_size=6))
def test_everybody_finds_what_is_theirs_and_nothing_else(steps: list[Step]) -> None:
    """Passwords stand for all that is owned; a name that was written down stands for what others have of somebody."""
    world = World()
    owned: dict[str, bytes] = {}
    gone_at: dict[str, float] = {}
    entries: list[tuple[str, Aor, OwnerId]] = []
    for number, step in enumerate(steps):
        world.holders = dict(step.holders)
        world.clock.advance(step.passes_s)
        now = world.wall()
        world.store.left = step.killed_after
        try:
            world.pull(increment=step.increment)
        except StoreUnavailable:
            after_the_end(world, step, owned)
        world.store.left = None
        for key in KEYS:
            if key in step.holders:
                if key in gone_at and now - gone_at.pop(key) > 1000:
                    owned.pop(key, None)
            else:
                gone_at.setdefault(key, now)
        check(world, owned, gone_at)
        for key, user in step.holders.items():
            aor = person(user).aor
            owned[key] = f"{key}{number}".encode().ljust(16)
            answer_of(world.secrets.set_hash(aor, owned[key]))
            entries.append((key, aor, world.people.owners.meant(aor)))
        names(world, entries)
    assert all(isinstance(one.aors, frozenset) for one in world.facts.told if isinstance(one, AddressesChanged))


def after_the_end(world: World, step: Step, owned: Mapping[str, bytes]) -> None:
    """See what a server finds that was killed in the middle, while the directory cannot be asked.

    Whoever was there and is to be is known, under the old address or the new one, and has their own.
    """
    try:
        world.start(down=True)
    except DirectoryUnavailable:  # nobody was known before
        world.start()
        return
    assert set(world.told) & set(step.holders) <= {one.key for one in world.people.everybody()}
    for one in world.people.everybody():
        assert answer_of(world.secrets.nt_hash(one.aor)) in (owned.get(one.key), None)
    world.pull(increment=False)


def check(world: World, owned: Mapping[str, bytes], gone_at: Mapping[str, float]) -> None:
    """See that those who are known are as the directory says, and have what is theirs."""
    assert {one.key: one.aor for one in world.people.everybody()} == {
        key: person(user).aor for key, user in world.holders.items()
    }
    for one in world.people.everybody():
        found = answer_of(world.secrets.nt_hash(one.aor))
        assert found in (owned.get(one.key), None)
        if one.key not in gone_at:
            assert found == owned.get(one.key)


def names(world: World, entries: list[tuple[str, Aor, OwnerId]]) -> None:
    """See that each name means who was meant: where they are now, or, when they are gone, nobody else."""
    owners = world.people.owners
    for key, aor, owner in entries:
        now = resolve(owners, aor, owner)
        if key in world.holders:
            keyed = owners.keyed(key)
            assert keyed is not None
            if keyed.id == owner:
                assert now == person(world.holders[key]).aor
        else:
            assert now is None or not owners.owner(now)
