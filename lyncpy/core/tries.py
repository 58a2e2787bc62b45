"""How often who may try to sign in: guessing is slow, and nobody's guesses shut out another.

What is counted are failures, each for the *pair* of a name and a place, so that guesses made in
one place cost nothing in another. A device that has signed in from a place before has a count of
its own there: whoever guesses beside it does not shut it out. So

- a pair has `tries_per_user` failures in a window, then waits for ever longer;
- in a place with `tries_per_address` failures of all names together a pair has one for free, and so
  it has where many guess at that name from many places. The right password needs no more than one:
  whatever others fail, whoever comes for the first time is let in;
- the account that a client names is counted like the address it signs in as, since it is the
  account whose password is guessed.

A name that does not exist is counted by the same rules as one that does, so that nothing which may
be tried tells the two apart. Only where the settings let unknown addresses be told: a place that
has asked for many of them is told no more.

What that leaves to a guesser is said in docs/sign-in.md. All in memory; bounded.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.networks import Relays, network_of
from lyncpy.core.known_networks import KnownNetworks
from lyncpy.core.limits import Throttle, TryRules

PRESSED: Final = 4
"""So many times `tries_per_user` strangers' failures as one name in a window, from wherever, and each place has one free."""

NAME_CHARACTERS: Final = 254
"""Letters of an account's name that are counted; no address has more."""


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


class UserAtPlace(NamedTuple):
    """Whose failures count together."""

    name: str
    """An address, "sip:alice@example.com"; or what an account's name has before the @, "alice"."""

    place: str
    device: str = ""
    """"" for whoever has never signed in from there, else the device's epid."""


class ThrottledName(NamedTuple):
    """A name that is refused for a while."""

    name: UserAtPlace
    wait_s: float
    failures: int


class CrowdedNetwork(NamedTuple):
    """A place with so many failures that each name has one free try there."""

    place: str
    ends_s: float
    failures: int


@dataclass(slots=True)
class SignInAttempt:
    """One try to sign in, counted from before its password is verified, lest many at once be free."""

    aor: Aor
    address: str
    place: str
    epid: str
    pair: UserAtPlace
    is_user: bool
    is_relayed: bool
    """It came from a relay, whose address is many people's."""
    counted: bool = field(default=False)
    """Whether it counts as a failure as long as nothing better is known."""


def account_of(login: str) -> str:
    r"""Give under which name the failures of an account are counted: "alice", of `CORP\alice` and of alice@example.com too.

    Nothing but the text decides that: who has which logins is not to be found out by counting.
    """
    text = login[:NAME_CHARACTERS].strip().lower().removeprefix("sip:")
    return text.rpartition("\\")[2].partition("@")[0]


class _Counts:
    """The failures of names of one kind, real or invented."""

    def __init__(self, rules: SignInRules, most: Callable[[], int] = lambda: 0) -> None:
        self.pairs: Final = Throttle(rules, rules.tries_per_user, "auth.tries_per_user", most=most)
        self.pressed_at: Final = PRESSED * rules.tries_per_user
        self.pressed: Final = Throttle(rules, self.pressed_at, "auth.tries_of_all", most=most)

    def wait(self, pair: UserAtPlace, now: float, *, crowded: bool) -> float:
        """Give the seconds until this pair may try; 0: now."""
        if pair.device:
            return self.pairs.wait(pair, now)
        few = crowded or self.pressed.failures(pair.name, now) >= self.pressed_at
        return self.pairs.wait(pair, now, allowed=1 if few else None)

    def count_failure(self, pair: UserAtPlace, now: float) -> None:
        """Count a failure for the pair."""
        self.pairs.count_failure(pair, now, pair.place)

    def press(self, pair: UserAtPlace, now: float) -> None:
        """Count it for the name, from wherever."""
        if not pair.device:
            self.pressed.count_failure(pair.name, now, pair.place)


class SignInTries:
    """Counts failures, and says who waits. Time is an argument."""

    def __init__(self, people: IPeople, places: KnownNetworks, relays: Relays, rules: SignInRules) -> None:
        self._people = people
        self.places: Final = places
        self._relays = relays
        self._rules = rules
        # One place may fail as everybody: if that made the first of them forgotten, guessing would be fast again.
        self._real = _Counts(rules, lambda: len(people.everybody()))
        # Names that do not exist have tables of their own, lest a flood of them drive real failures out.
        self._invented = _Counts(rules)
        self._places = Throttle(rules, rules.tries_per_address, "auth.tries_per_address")
        self._curious = Throttle(rules, rules.tries_per_address, "auth.unknown_addresses_per_address")
        self._running: Counter[str] = Counter()

    # --- asking

    def attempt(self, aor: Aor, address: str, epid: str, account: str = "") -> SignInAttempt:
        """Give a try that is not counted yet.

        Args:
            epid: The device; "" for a browser, which is like all others.
            account: What stands for the name, where no address was named but a login.
        """
        place = network_of(address)
        person = self._people.person(aor)
        known = bool(epid) and person is not None and self.places.knows(person.key, place, epid)
        pair = UserAtPlace(account_of(account) if account else aor, place, epid if known else "")
        return SignInAttempt(aor, address, place, epid, pair, person is not None, address in self._relays)

    def wait(self, attempt: SignInAttempt, now: float) -> float:
        """Give the seconds until this may be tried; 0: now."""
        counts = self._real if attempt.is_user else self._invented
        if attempt.pair not in counts.pairs:
            return 0.0  # nearly always: nothing has failed
        return counts.wait(attempt.pair, now, crowded=self._is_crowded(attempt.place, now))

    def wait_of(self, account: UserAtPlace, now: float, *, is_user: bool) -> float:
        """Give the seconds until the password of an account may be guessed from a place; 0: now."""
        return self._table(is_user).wait(account, now, crowded=self._is_crowded(account.place, now))

    def may_know(self, attempt: SignInAttempt, now: float) -> bool:
        """Tell whether to say that an address does not exist; asking counts."""
        if not self._rules.tell_unknown_users:
            return False
        if self._curious.failures(attempt.place, now) >= self._rules.tries_per_address:
            return False
        self._curious.count_failure(attempt.place, now)
        return True

    def pressure(self, aor: Aor, now: float) -> int:
        """Give the number of failures of strangers as this user, where it makes everybody's tries fewer; else 0."""
        failures = max(self._real.pressed.failures(name, now) for name in self._names(aor))
        return failures if failures >= self._real.pressed_at else 0

    # --- for operators

    def throttled(self, now: float, aor: Aor | None = None) -> Sequence[ThrottledName]:
        """Give the names that are refused now, of one user or of all, each place once. Walks the tables."""
        names = self._names(aor) if aor is not None else None
        found: dict[UserAtPlace, ThrottledName] = {}
        for counts in (self._real, self._invented):
            for pair in counts.pairs.names():
                if isinstance(pair, UserAtPlace) and (names is None or pair.name in names):
                    wait_s = counts.wait(pair, now, crowded=self._is_crowded(pair.place, now))
                    shown = pair._replace(name=self._shown(pair.name))
                    if wait_s > 0 and (shown not in found or found[shown].wait_s < wait_s):
                        found[shown] = ThrottledName(shown, wait_s, counts.pairs.failures(pair, now))
        return tuple(found.values())

    def _shown(self, name: str) -> str:
        """Give the address of whose account a name is."""
        person = None if name.startswith("sip:") else self._people.by_login("", name)
        return person.aor if person is not None else name

    def crowded(self, now: float) -> Iterator[CrowdedNetwork]:
        """Give the places where names have one try for free. Walks the table."""
        for place in self._places.names():
            ends_s = self._places.relief_s(place, now)
            if ends_s > 0:
                yield CrowdedNetwork(str(place), ends_s, self._places.failures(place, now))

    def unlock_user(self, aor: Aor) -> int:
        """Forget what was failed as a user; give the number of failures."""
        names = self._names(aor)
        for name in names:
            self._real.pressed.forgive(name)
            self._invented.pressed.forgive(name)
        return self._forgive(lambda pair: pair.name in names)

    def unlock_places(self, concerned: Callable[[str], bool]) -> int:
        """Forget what was failed from places, by their names; give the number of failures."""
        counted = sum(self._places.forgive(place) for place in self._places.names() if concerned(str(place)))
        asked = sum(self._curious.forgive(place) for place in self._curious.names() if concerned(str(place)))
        return max(counted, self._forgive(lambda pair: concerned(pair.place))) + asked

    def _forgive(self, concerns: Callable[[UserAtPlace], bool]) -> int:
        """Forget what some pairs failed. A failure may have counted for an address and for an account: it is one."""
        forgiven = {True: 0, False: 0}
        for counts in (self._real, self._invented):
            for pair in counts.pairs.names():
                if isinstance(pair, UserAtPlace) and concerns(pair):
                    forgiven[pair.name.startswith("sip:")] += counts.pairs.forgive(pair)
        return max(forgiven.values())

    def _names(self, aor: Aor) -> frozenset[str]:
        """Give the names under which a user's failures are counted."""
        person: Person | None = self._people.person(aor)
        logins = person.logins if person is not None else ()
        return frozenset((aor, account_of(bare(aor)), *map(account_of, logins)))

    # --- counting

    def count_attempt(self, attempt: SignInAttempt, now: float) -> None:
        """Note that a password is about to be verified."""
        attempt.counted = True
        if not attempt.is_relayed:
            self._running[attempt.place] += 1
        self._table(attempt.is_user).count_failure(attempt.pair, now)

    def spare(self, attempt: SignInAttempt) -> None:
        """Stop counting a try as failed: it was no guess, or came to no end."""
        if self._ended(attempt):
            self._table(attempt.is_user).pairs.spare(attempt.pair)

    def count_failure(self, attempt: SignInAttempt, now: float) -> None:
        """Count a failed try."""
        counts = self._table(attempt.is_user)
        if not self._ended(attempt):
            counts.count_failure(attempt.pair, now)
        counts.press(attempt.pair, now)
        if not attempt.pair.device and not attempt.is_relayed:
            self._places.count_failure(attempt.place, now, attempt.place)

    def guessed(self, account: UserAtPlace, now: float, *, is_user: bool) -> None:
        """Count a wrong guess of this account's password."""
        counts = self._table(is_user)
        counts.count_failure(account, now)
        counts.press(account, now)

    def failed_elsewhere(self, pair: UserAtPlace, now: float, *, is_user: bool, is_relayed: bool) -> None:
        """Count a failed try that another process has seen."""
        counts = self._table(is_user)
        counts.count_failure(pair, now)
        counts.press(pair, now)
        if not pair.device and not is_relayed:
            self._places.count_failure(pair.place, now, pair.place)

    def forgiven_elsewhere(self, pair: UserAtPlace) -> None:
        """Forget the failures of a user who has signed in at another process."""
        self._forgiven(pair, is_user=True)

    def _forgiven(self, pair: UserAtPlace, *, is_user: bool, counted: int = 0) -> int:
        missed = self._table(is_user).pairs.forgive(pair) - counted
        if not pair.device:
            self._places.spare(pair.place, missed)
        return missed

    def succeeded(self, attempt: SignInAttempt) -> int:
        """Note a sign-in: forget the failures of the user and of their device at this place; give how many those were.

        Others' failures of the same place stay: one valid account must not buy more guesses.
        """
        counted = self._ended(attempt)
        missed = self._forgiven(attempt.pair, is_user=attempt.is_user, counted=counted)
        person = self._people.person(attempt.aor)
        if person is not None:
            self.places.learn(person.key, attempt.place, attempt.epid)
        return missed

    def _is_crowded(self, place: str, now: float) -> bool:
        # Of a relay nothing is counted.
        return self._places.failures(place, now) + self._running.get(place, 0) >= self._rules.tries_per_address

    def _ended(self, attempt: SignInAttempt) -> bool:
        """End a running try; tell whether it was counted."""
        if not attempt.counted:
            return False
        attempt.counted = False
        if not attempt.is_relayed:
            self._running[attempt.place] -= 1
            if not self._running[attempt.place]:
                del self._running[attempt.place]
        return True

    def _table(self, is_user: bool) -> _Counts:
        return self._real if is_user else self._invented
