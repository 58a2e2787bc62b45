"""What failed at one process is counted at all, once."""

from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from lyncpy.auth.settings import Settings
from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.directory import Person
from lyncpy.contracts.facts import Fact, SignInFailed, SignInForgiven
from lyncpy.contracts.names import Aor, NodeName
from lyncpy.contracts.networks import Relays
from lyncpy.core.known_networks import KnownNetworks
from lyncpy.core.shared_tries import SharedTries
from lyncpy.core.tries import SignInTries, UserAtPlace
from tests.kit.gatehouse import TablePeople, timers_of
from tests.kit.memory import MemoryStore
from tests.kit.results import result_of

ALICE = Aor("sip:alice@example.test")
PLACE = "192.0.2.1"
OURS, THEIRS = NodeName("n1"), NodeName("n2")
FAILED = SignInFailed(THEIRS, ALICE, PLACE, "", "", is_user=True, is_account_user=True, is_relayed=False)


class Desk:
    """One process of several."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.timers, self.bus = timers_of(self.clock), MemoryBus(OURS, self.clock)
        places = KnownNetworks(MemoryStore(self.timers.steady), self.timers, lambda place: None)
        self.tries = SignInTries(TablePeople(Person(ALICE, "1")), places, Relays(()), Settings())
        self.shared = SharedTries(OURS, self.tries, self.bus, self.timers)
        result_of(self.shared.open())

    def hears(self, fact: Fact, times: int = 1) -> None:
        """Hear a fact so often."""
        for _ in range(times):
            self.bus.tell(fact)
        self.clock.pump([0.0] * (times + 1))

    def waits(self, aor: Aor = ALICE, epid: str = "") -> bool:
        """Tell whether somebody may not try now."""
        return self.tries.wait(self.tries.attempt(aor, PLACE, epid), self.timers.now()) > 0

    def account_waits(self) -> bool:
        """Tell whether the password of the account `alice` may not be guessed now."""
        return self.tries.wait_of(UserAtPlace("alice", PLACE), self.timers.now(), is_user=True) > 0


def test_what_failed_elsewhere_counts_here() -> None:
    """For the name and for the account whose password it was, until somebody signs in there."""
    desk = Desk()
    desk.hears(replace(FAILED, account="alice"), 5)
    assert (desk.waits(), desk.account_waits()) == (True, True)
    desk.hears(SignInForgiven(THEIRS, ALICE, PLACE, ""))
    assert (desk.waits(), desk.account_waits()) == (False, True)


def test_what_failed_here_is_told_and_counts_once() -> None:
    """It is counted already when it is told."""
    desk, heard = Desk(), list[SignInFailed]()
    desk.bus.listen(SignInFailed, heard.append)
    attempt = desk.tries.attempt(ALICE, PLACE, "")
    for _ in range(5):
        desk.shared.failed(attempt, "", is_account_user=True)
    desk.clock.pump([0.0] * 6)
    assert heard == [replace(FAILED, node=OURS)] * 5
    assert not desk.waits()
    desk.shared.forgiven(attempt)


@pytest.mark.parametrize(
    ("told", "crowded"),
    [
        (replace(FAILED, is_user=False), True),
        (replace(FAILED, is_relayed=True), False),
        (replace(FAILED, device="abb2"), False),
    ],
    ids=["a stranger", "by a relay", "a device that is known"],
)
def test_a_place_is_crowded_by_what_strangers_fail_there(told: SignInFailed, crowded: bool) -> None:
    """At whichever process; of a relay, and of devices that are known, nothing is counted for the place."""
    desk = Desk()
    for number in range(Settings().tries_per_address):
        desk.hears(replace(told, name=f"sip:x{number}@example.test"))
    assert bool([*desk.tries.crowded(desk.timers.now())]) == crowded


def test_after_the_end_nothing_is_heard() -> None:
    """Its tables may be gone."""
    desk = Desk()
    result_of(desk.shared.close())
    desk.hears(FAILED, 9)
    assert not desk.waits()
