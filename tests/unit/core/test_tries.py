"""Who may try to sign in: whatever a guesser does, the office gets in, and guessing stays slow."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lyncpy.auth.settings import Settings
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.networks import Relays
from lyncpy.core.known_networks import DEVICES, GATHER_S, KEPT_DAYS, KIND, KnownNetworks
from lyncpy.core.timers import Timers
from lyncpy.core.tries import PRESSED, SignInTries
from tests.kit.fakes import FragileStore, Fragility, awaited
from tests.kit.gatehouse import TablePeople, timers_of
from tests.kit.memory import MemoryStore
from tests.kit.results import result_of

ALICE, BOB, NOBODY = Aor("sip:alice@x"), Aor("sip:bob@x"), Aor("sip:nobody@x")
STAFF: Final = tuple(Aor(f"sip:user{n}@x") for n in range(40))
NEW: Final = tuple(Aor(f"sip:new{n}@x") for n in range(6))
OFFICE: Final = "192.0.2.1"
HOUR_S: Final = 3600.0


class Door:
    """Where people and guessers try; tries are judged at once."""

    def __init__(self, store: Any = None, clock: Clock | None = None, **rules: object) -> None:
        self.clock = clock or Clock()
        self.timers: Timers = timers_of(self.clock)
        self.store: Any = store or MemoryStore(self.timers.steady)
        people = TablePeople(*(Person(aor, f"key-{aor}") for aor in (ALICE, BOB, *STAFF, *NEW)))
        self.places = KnownNetworks(self.store, self.timers, lambda place: None)
        relays = Relays(["10.0.0.0/8"])
        self.tries = SignInTries(people, self.places, relays, Settings.model_validate(rules))
        result_of(self.places.open())

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.timers.now()

    def guess(self, aor: Aor = ALICE, address: str = "203.0.113.9", epid: str = "") -> bool:
        """Guess wrongly; tell whether the guess was looked at."""
        attempt = self.tries.attempt(aor, address, epid)
        if self.tries.wait(attempt, self.now) > 0:
            return False
        self.tries.count_attempt(attempt, self.now)
        self.tries.count_failure(attempt, self.now)
        return True

    def signs_in(self, aor: Aor = ALICE, address: str = OFFICE, epid: str = "desk") -> bool:
        """Sign in with the right password; tell whether it was looked at."""
        attempt = self.tries.attempt(aor, address, epid)
        if self.tries.wait(attempt, self.now) > 0:
            return False
        self.tries.count_attempt(attempt, self.now)
        self.tries.succeeded(attempt)
        return True


def test_one_failure_a_minute_never_locks_an_office() -> None:
    """A phone with an old password at a house of many: nobody waits, at any time of the day."""
    door = Door()
    for minute in range(24 * 60):
        door.guess(STAFF[minute % 40], OFFICE)
        door.clock.advance(60)
        assert door.signs_in(BOB, OFFICE, "new laptop" if minute == 700 else "desk")


def test_the_window_slides() -> None:
    """Five failures spread over the day are five times one, not five."""
    door = Door()
    for _ in range(50):
        assert door.guess(ALICE, OFFICE)
        door.clock.advance(Settings().tries_window_s / 4)
        assert door.signs_in(BOB, OFFICE)


def test_success_forgives_what_the_same_person_failed() -> None:
    """Four wrong ones and a right one cost neither the user nor the place anything; others' failures stay."""
    door = Door(tries_per_address=10)
    for who in STAFF[:5]:
        for _ in range(4):
            assert door.guess(who, OFFICE, "desk")
        assert door.signs_in(who, OFFICE)
    for who in STAFF[5:15]:
        assert door.guess(who, OFFICE)
    assert door.signs_in(STAFF[0], OFFICE)
    assert door.guess(STAFF[20], OFFICE)
    assert not door.guess(STAFF[20], OFFICE)  # one for free is left in a place where so much was failed
    assert not door.guess(STAFF[5], OFFICE)
    assert door.signs_in(STAFF[21], OFFICE)  # whoever knows the password needs no more


def test_known_places_outlive_a_restart_and_a_new_address() -> None:
    """They are kept under the directory's key, while they are used."""
    door = Door()
    assert door.signs_in()
    door.clock.advance(GATHER_S)
    again = Door(door.store, door.clock)
    assert again.places.knows(f"key-{ALICE}", OFFICE, "desk")
    assert again.places.knows(f"key-{ALICE}", OFFICE)
    assert not again.places.knows(f"key-{BOB}", OFFICE)
    told: list[str] = []
    places = KnownNetworks(door.store, door.timers, told.append)
    result_of(places.open())
    assert told == [OFFICE], "the doors hear of each network once"
    door.clock.advance((KEPT_DAYS + 1) * 86_400.0)
    assert not len(Door(door.store, door.clock).places)
    assert not result_of(awaited(door.store.scan(KIND)))


def test_known_places_are_bounded_and_written_once_a_day() -> None:
    """Who travels with many devices does not fill the store, and a sign-in each hour is no write each hour."""
    door = Door()
    for n in range(DEVICES + 5):
        door.signs_in(epid=f"device{n}")
    door.clock.advance(GATHER_S)
    assert [door.places.knows(f"key-{ALICE}", OFFICE, f"device{n}") for n in range(DEVICES + 5)].count(True) == DEVICES
    record = result_of(awaited(door.store.read(KIND, f"key-{ALICE}")))
    for _ in range(10):
        door.signs_in(epid=f"device{DEVICES + 4}")
    door.clock.advance(GATHER_S)
    assert record is not None
    assert result_of(awaited(door.store.read(KIND, f"key-{ALICE}"))) == record


def test_a_place_that_cannot_be_written_is_known_all_the_same() -> None:
    """A full disk keeps nobody out."""
    clock = Clock()
    disk = Fragility()
    door = Door(FragileStore(MemoryStore(lambda: 0.0), disk), clock)
    disk.broken = True
    assert door.signs_in()
    assert door.places.knows(f"key-{ALICE}", OFFICE, "desk")


def test_who_signs_in_together_is_written_together() -> None:
    """After a restart a whole company does: what nobody waits for is one commit. An end writes what waits."""
    disk = Fragility()
    door = Door(FragileStore(MemoryStore(lambda: 0.0), disk))
    before = disk.calls
    for who in STAFF:
        assert door.signs_in(who)
    assert disk.calls == before
    disk.slow_down()
    door.clock.advance(GATHER_S)
    assert disk.calls - before == len(disk) == len(STAFF)
    door.signs_in(STAFF[0], epid="another")
    door.clock.advance(GATHER_S)
    assert len(disk) == len(STAFF), "one write of a record at a time"
    disk.catch_up()
    door.clock.advance(GATHER_S)
    assert disk.calls - before == len(STAFF) + 1
    assert door.signs_in(ALICE)
    result_of(door.places.close())
    again = Door(door.store, door.clock)
    assert again.places.knows(f"key-{STAFF[0]}", OFFICE, "another")
    assert again.places.knows(f"key-{ALICE}", OFFICE)


def test_a_record_that_cannot_be_read_is_left_out() -> None:
    """It is written anew at the next sign-in."""
    door = Door()
    door.signs_in()
    door.clock.advance(GATHER_S)
    record = result_of(awaited(door.store.read(KIND, f"key-{ALICE}")))
    assert record is not None
    result_of(awaited(door.store.write(KIND, f"key-{ALICE}", b"[[1]]", record.version)))
    again = Door(door.store, door.clock)
    assert not len(again.places)
    assert again.signs_in()


def test_a_colleague_who_guesses_does_not_shut_out_the_desk_beside() -> None:
    """At one address, with a device of the guesser's own; the user's device counts apart."""
    door = Door()
    door.signs_in()
    while door.guess(ALICE, OFFICE, "colleague"):
        pass
    assert door.signs_in()
    assert door.signs_in(BOB)


def test_a_relay_s_address_is_not_counted() -> None:
    """It is everybody's: what somebody fails behind it does not keep others from their first try."""
    door = Door()
    for who in STAFF:
        for _ in range(5):
            door.guess(who, "10.1.2.3")
    assert door.signs_in(ALICE, "10.1.2.3")


@pytest.mark.parametrize("inside", [True, False])
def test_an_ipv6_network_is_one_place(inside: bool) -> None:
    """Who has one address of a /64 has them all; a neighbour has others."""
    door = Door()
    for n in range(5):
        assert door.guess(ALICE, f"2001:db8::{n:x}")
    assert door.guess(ALICE, "2001:db8::ffff" if inside else "2001:db8:0:1::") is not inside
    assert door.guess(ALICE, "203.0.113.9")
    for _ in range(4):
        assert door.guess(ALICE, "203.0.113.9")
    assert not door.guess(ALICE, "::ffff:203.0.113.9")


def test_an_operator_can_unlock() -> None:
    """A user, wherever it was; or a place, whoever it was."""
    door = Door(tries_per_address=10)
    for n in range(6):
        while door.guess(ALICE, f"198.51.100.{n}"):
            pass
    assert door.tries.unlock_user(ALICE) > 0
    assert not list(door.tries.throttled(door.now))
    for who in STAFF:
        door.guess(who, OFFICE)
    assert [(one.place, one.failures) for one in door.tries.crowded(door.now)] == [(OFFICE, 40)]
    assert door.guess(BOB, OFFICE)
    assert not door.guess(BOB, OFFICE)
    assert door.tries.unlock_places(OFFICE.__eq__) > 0
    assert door.guess(BOB, OFFICE)
    assert door.guess(BOB, OFFICE)
    assert not list(door.tries.crowded(door.now))


# --- attackers against an office


def one_address(door: Door) -> Iterator[tuple[Aor, str, str]]:
    """Guess one user's password from one address as fast as possible."""
    while True:
        yield ALICE, "203.0.113.9", ""


def thousand_addresses(door: Door) -> Iterator[tuple[Aor, str, str]]:
    """Guess one user's password from a thousand addresses."""
    while True:
        for n in range(1000):
            yield ALICE, f"198.18.{n // 250}.{n % 250}", ""


def spraying(door: Door) -> Iterator[tuple[Aor, str, str]]:
    """Try one password on everybody, from one address."""
    while True:
        yield from ((who, "203.0.113.9", "") for who in (ALICE, BOB, *STAFF))


def inside(door: Door) -> Iterator[tuple[Aor, str, str]]:
    """Sit in the office, and guess everybody's."""
    while True:
        yield from ((who, OFFICE, "mallory") for who in (ALICE, BOB, *STAFF))


def inventing(door: Door) -> Iterator[tuple[Aor, str, str]]:
    """Sit in the office, and make up names."""
    n = 0
    while True:
        n += 1
        yield Aor(f"sip:x{n}@x"), OFFICE, ""


ATTACKS: Final = (one_address, thousand_addresses, spraying, inside, inventing)
PER_PAIR: Final = 32
"""Guesses of one user's password from one address in an hour, whatever the order: thirty or so."""

PER_PAIR_OF_MANY: Final = 20
"""The same, where the passwords of many are guessed from there."""


@pytest.mark.untraced
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_office_gets_in_and_guessing_stays_slow(attack: Callable[[Door], Iterator[tuple[Aor, str, str]]]) -> None:
    """For an hour of guessing without a pause: each device signs in whenever it wants, also where it never was.

    Whoever sits in the office and has never signed in there is let in beside the guesser, too.
    """
    door = Door()
    for who in (ALICE, BOB, *STAFF):
        assert door.signs_in(who)
    looked_at: dict[tuple[Aor, str], int] = {}
    guesses = attack(door)
    for second in range(0, int(HOUR_S), 5):
        for _ in range(40):
            who, address, epid = next(guesses)
            if door.guess(who, address, epid):
                looked_at[who, address] = looked_at.get((who, address), 0) + 1
        door.clock.advance(5)
        assert door.signs_in(STAFF[second % 40])
        assert door.signs_in(ALICE)
        if second % 600 == 0:
            assert door.signs_in(ALICE, f"100.64.0.{second // 600}", "new phone")
            assert door.signs_in(NEW[second // 600], "203.0.113.9", "new phone")
            assert door.signs_in(NEW[second // 600], OFFICE, "new phone")
    if attack is inventing:
        return
    assert max(looked_at.values()) <= PER_PAIR
    if attack is spraying:
        assert max(looked_at.values()) <= PER_PAIR_OF_MANY
    if attack is thousand_addresses:
        assert sum(looked_at.values()) <= 1000 * PER_PAIR


def test_under_pressure_each_new_place_has_one_try() -> None:
    """When many guess at one user, strangers' places have one try each; who knows the password needs no more."""
    door = Door()
    for n in range(PRESSED * Settings().tries_per_user):
        assert door.guess(ALICE, f"198.18.0.{n}")
    assert door.guess(ALICE, "203.0.113.9")
    assert not door.guess(ALICE, "203.0.113.9")
    assert door.signs_in(ALICE, "203.0.113.77", "new phone")
    assert door.guess(BOB, "203.0.113.9")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ALICE, BOB, NOBODY]),
            st.sampled_from([OFFICE, "203.0.113.9", "2001:db8::1"]),
            st.sampled_from(["", "desk", "other"]),
            st.floats(0, 300),
            st.sampled_from(["guess", "sign in", "begin", "spare"]),
        ),
        max_size=60,
    )
)
def test_nothing_is_counted_for_whom_it_does_not_concern(plays: list[tuple[Aor, str, str, float, str]]) -> None:
    """Whatever happens elsewhere, or with other devices: Alice's own device at her own place never waits."""
    door = Door(tries_per_user=2, tries_per_address=3)
    door.signs_in(ALICE, OFFICE, "hers")
    for aor, address, epid, pause_s, what in plays:
        door.clock.advance(pause_s)
        if what == "guess":
            door.guess(aor, address, epid)
        elif what == "sign in" and aor is not NOBODY:
            door.signs_in(aor, address, epid)
        elif what in ("begin", "spare"):
            attempt = door.tries.attempt(aor, address, epid)
            door.tries.count_attempt(attempt, door.now)
            if what == "spare":
                door.tries.spare(attempt)
                door.tries.spare(attempt)
        assert door.signs_in(ALICE, OFFICE, "hers")
