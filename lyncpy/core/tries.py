"""How often who may try to sign in: guessing is slow, and nobody's guesses shut out another.

What is counted are failures, each for the *pair* of a user and a place, so that guesses made in
one place cost nothing in another. In a place where a user has signed in before they count apart,
and apart again for the device that did: whoever guesses beside it does not shut it out. So

- a pair has `tries_per_user` failures in a window, then waits for ever longer;
- a place has `tries_per_address` failures with all users together, then users who have never
  signed in from there wait; those who have do not notice;
- a user at whom many guess from many places has one failure for each such place;
- a name that does not exist counts for nobody but itself. A place that tries many of them is told
  no more that they do not exist: names are as hard to guess from then on as passwords.

What that leaves to a guesser is said in docs/sign-in.md. All in memory; bounded.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor
from lyncpy.contracts.networks import Relays, network_of
from lyncpy.core.limits import Held, Throttle, TryRules
from lyncpy.core.places import Places

PRESSED: Final = 20
"""Strangers' failures as one user in a window, from wherever, from which on each place has one for free."""

AT_ONCE: Final = 4
"""Tries of one place that may be judged at once: this many times the failures that it has for free."""

BUSY_S: Final = 1.0


class SignInRules(TryRules, Protocol):
    """What the settings of sign-in say about failures."""

    @property
    def tries_per_user(self) -> int:
        """Failures as one user from one place that cost nothing."""

    @property
    def tries_per_address(self) -> int:
        """Failures from one place that cost nothing."""

    @property
    def tell_unknown_users(self) -> bool:
        """Whether an unknown address is refused as such."""


class Pair(NamedTuple):
    """Whose failures count together."""

    aor: Aor
    place: str
    device: str = ""
    """"" for who has never signed in from there; for others "known", or the device's epid."""


KNOWN: Final = "known"
BROWSER: Final = "browser"


@dataclass(slots=True)
class Attempt:
    """One try, from before the password is looked at: what runs already counts, lest many at once be free."""

    aor: Aor
    address: str
    place: str
    epid: str
    pair: Pair
    is_user: bool
    is_relayed: bool
    """It came from a relay, whose address is many people's."""
    counted: bool = field(default=False)
    """Whether it counts as a failure as long as nothing better is known."""


class Tries:
    """Counts failures, and says who waits. Time is an argument."""

    def __init__(self, people: IPeople, places: Places, relays: Relays, rules: SignInRules) -> None:
        self._people = people
        self.places: Final = places
        self._relays = relays
        self._rules = rules
        self._pairs = Throttle(rules, rules.tries_per_user)
        # Names that do not exist have tables of their own, lest a flood of them drive real failures out.
        self._invented = Throttle(rules, rules.tries_per_user)
        self._addresses = Throttle(rules, rules.tries_per_address)
        self._curious = Throttle(rules, rules.tries_per_address)
        self._pressed = Throttle(rules, PRESSED)
        self._running: Counter[str] = Counter()

    # --- asking

    def attempt(self, aor: Aor, address: str, epid: str) -> Attempt:
        """Give a try that is not counted yet."""
        place = network_of(address)
        person = self._people.person(aor)
        device = ""
        if person is not None and self.places.knows(person.key, place):
            device = (epid or BROWSER) if self.places.knows(person.key, place, epid) else KNOWN
        return Attempt(aor, address, place, epid, Pair(aor, place, device), person is not None, address in self._relays)

    def wait(self, attempt: Attempt, now: float) -> float:
        """Give the seconds until this may be tried; 0: now."""
        if attempt.pair.device:
            return self._pairs.wait(attempt.pair, now)
        place = attempt.place
        throttle = self._pairs if attempt.is_user else self._invented
        pressed = self._pressed.failures(attempt.aor, now) >= PRESSED
        wait_s = throttle.wait(attempt.pair, now, allowed=1 if pressed else None)
        if attempt.is_relayed:
            return wait_s
        if self._addresses.failures(place, now) + self._running[place] >= AT_ONCE * self._rules.tries_per_address:
            wait_s = max(wait_s, BUSY_S)
        return max(wait_s, self._addresses.wait(place, now))

    def may_know(self, attempt: Attempt, now: float) -> bool:
        """Tell whether to say that an address does not exist; asking counts."""
        if not self._rules.tell_unknown_users:
            return False
        if self._curious.failures(attempt.place, now) >= self._rules.tries_per_address:
            return False
        self._curious.failed(attempt.place, now)
        return True

    def pressure(self, aor: Aor, now: float) -> int:
        """Give the number of failures of strangers as this user, where it makes everybody's tries fewer; else 0."""
        failures = self._pressed.failures(aor, now)
        return failures if failures >= PRESSED else 0

    # --- for operators

    def held(self, now: float) -> Iterator[Held]:
        """Give who has to wait: pairs, and places by their name alone."""
        for throttle in (self._pairs, self._invented, self._addresses):
            yield from throttle.held(now)

    def unlock_user(self, aor: Aor) -> int:
        """Forget what was failed as a user; give the number of failures."""
        self._pressed.forgive(aor)
        return self._forgive(lambda pair: pair.aor == aor)

    def unlock_place(self, address: str) -> int:
        """Forget what was failed from a place; give the number of failures."""
        place = network_of(address)
        counted = self._addresses.forgive(place)
        asked = self._curious.forgive(place)
        return max(counted, self._forgive(lambda pair: pair.place == place)) + asked

    def _forgive(self, concerns: Callable[[Pair], bool]) -> int:
        count = 0
        for throttle in (self._pairs, self._invented):
            for name in throttle.names():
                if isinstance(name, Pair) and concerns(name):
                    count += throttle.forgive(name)
        return count

    # --- counting

    def begin(self, attempt: Attempt, now: float) -> None:
        """A password is going to be looked at."""
        attempt.counted = True
        self._running[attempt.place] += 1
        self._table(attempt).failed(attempt.pair, now)

    def spare(self, attempt: Attempt) -> None:
        """It was no guess, or came to no end."""
        if self._ended(attempt):
            self._table(attempt).spare(attempt.pair)

    def failed(self, attempt: Attempt, now: float) -> None:
        """It was a wrong guess."""
        if not self._ended(attempt):
            self._table(attempt).failed(attempt.pair, now)
        if attempt.is_user and not attempt.pair.device:
            self._pressed.failed(attempt.aor, now)
            if not attempt.is_relayed:
                self._addresses.failed(attempt.place, now)

    def succeeded(self, attempt: Attempt) -> None:
        """Whoever it was has proved to be the user: what they failed before is forgiven, here and at this place.

        Others' failures of the same place stay: one valid account must not buy more guesses.
        """
        counted = self._ended(attempt)
        missed = self._pairs.forgive(attempt.pair) - counted
        if attempt.pair.device:
            missed = self._pairs.forgive(Pair(attempt.aor, attempt.place))
        self._addresses.spare(attempt.place, missed)
        person = self._people.person(attempt.aor)
        if person is not None:
            self.places.learn(person.key, attempt.place, attempt.epid)

    def _ended(self, attempt: Attempt) -> bool:
        """Note that it does not run any more; tell whether it counted."""
        if not attempt.counted:
            return False
        attempt.counted = False
        self._running[attempt.place] -= 1
        if not self._running[attempt.place]:
            del self._running[attempt.place]
        return True

    def _table(self, attempt: Attempt) -> Throttle:
        return self._pairs if attempt.is_user else self._invented
