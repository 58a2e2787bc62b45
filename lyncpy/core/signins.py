"""Failed sign-ins: what the client is told, what the operator can read, and who must wait.

A client shows words for 403, 404 and 503 alone, from a header that differs by status
(protocol notes, "transport and registration" §3.4); for a plain 401 after its proof it
says that authentication failed. Whoever does not know the password learns nothing but
that, and whether an address exists, unless the settings conceal this too.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.contracts.authenticator import Denied
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Reason
from lyncpy.core.limits import Throttle, TryRules

FAILURES_PER_USER: Final = 10
USERS_REMEMBERED: Final = 4096
STRANGERS_REMEMBERED: Final = 256
PLACES_REMEMBERED: Final = 65_536
"""Pairs of a user and an address from which he signed in; some 10 MB when full."""

NOT_YOU: Final = Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI", public=True)
_SKEW: Final = Diagnostics(1013, "Significant time skew detected during authentication")
_SKEW_SHOWN: Final = Diagnostics(1013, "The clock of your computer is wrong", public=True)
_DISABLED: Final = Diagnostics(4141, "User disabled", public=True)
_UNKNOWN: Final = Diagnostics(4005, "Destination URI either not enabled for SIP or does not exist")

# Failures that a guesser of passwords or names causes. The others need the password, or none was tried.
_GUESSES: Final = frozenset({"unknown user", "no password set", "wrong password", "malformed"})

_REMEDIES: Final = {
    "wrong password": "check the caps lock and the account's name; set a new password with `lyncpy user passwd`",
    "no password set": "set one with `lyncpy user passwd`, or map the directory's NT hash attribute",
    "unknown user": "the login name that the client sent belongs to nobody; see `users` for the names that do",
    "disabled": "enable the user in the directory",
    "clock skew": "set the clock of the client's computer, or raise auth.skew_s; if many are told so, the clock of this server is wrong",
    "not this user": "the login name belongs to another user than the sign-in address",
}


class SignInRules(TryRules, Protocol):
    """What the settings of sign-in say about failures."""

    @property
    def tell_unknown_users(self) -> bool:
        """Whether an unknown address is refused as such."""

    @property
    def tries_per_user(self) -> int:
        """Failures as one user that cost nothing."""

    @property
    def tries_per_address(self) -> int:
        """Failures from one address that cost nothing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One sign-in that failed."""

    wall: float
    """Seconds since the epoch."""

    address: str
    reason: str
    account: str
    """The login name that was claimed, if it came that far."""

    detail: str


Failures = OrderedDict[Aor, deque[Failure]]


class SignIns:
    """Judges who may try to sign in, and keeps why it failed: in the log, in meters, and per user for `why`.

    A user's failures count together wherever they come from. Only where he has signed in
    before they count for themselves, so that a stranger who guesses his password cannot
    shut him out of his own office.
    """

    log = Logger()

    def __init__(self, people: IPeople, rules: SignInRules, meter: IMeter, timers: ITimers) -> None:
        self._people = people
        self._rules = rules
        self._meter = meter
        self._timers = timers
        self._users = Throttle(rules, rules.tries_per_user)
        self._addresses = Throttle(rules, rules.tries_per_address)
        self._places: OrderedDict[tuple[Aor, str], None] = OrderedDict()
        self._failures: Failures = OrderedDict()
        self._strangers: Failures = OrderedDict()

    def check(self, aor: Aor, address: str) -> None:
        """Let somebody try to sign in as this user from this address.

        Raises:
            Refused: 404 for an address that does not exist, 503 after too many failures.
        """
        now = self._timers.now()
        self._check_patience(max(self._users.wait(self._name(aor, address), now), self._addresses.wait(address, now)))
        if self._rules.tell_unknown_users and self._people.person(aor) is None:
            self._note(Denied("unknown user"), aor, address)
            raise Refused(404, _UNKNOWN)

    def _check_patience(self, wait_s: float) -> None:
        if wait_s > 0:
            self._count("too many tries")
            seconds = ceil(wait_s)
            raise Refused(
                503,
                Diagnostics(1, f"Too many failed sign-ins, try again in {seconds} seconds"),
                headers=[("Retry-After", str(seconds))],
            )

    def failed(self, denied: Denied, aor: Aor, address: str) -> None:
        """Take note of a failed handshake for the user `aor` in From; return where the client shall begin anew.

        Raises:
            Refused: With the words that the client shall show.
        """
        now = self._timers.now()
        # Who signs in under his own address to guess another's password finds that one's patience at an end too.
        other = denied.aor if denied.aor is not None and denied.aor != aor else None
        refused_s = self._users.wait(self._name(other, address), now) if other is not None else 0.0
        self._note(denied, aor, address)
        if other is not None and denied.reason in _GUESSES:
            self._punish(self._users, self._name(other, address))
        self._check_patience(refused_s)
        if denied.reason == "disabled":
            raise Refused(403, _DISABLED)
        if denied.reason == "clock skew":
            raise Refused(403, _SKEW, headers=[_SKEW_SHOWN.header()])
        if denied.reason == "not this user":
            raise Refused(403, NOT_YOU)

    def succeeded(self, aor: Aor, address: str) -> None:
        """Forget a user's failed tries. Those of the address stay: one valid account must not buy more guesses."""
        self._users.forgive(self._name(aor, address))
        self._places[aor, address] = None
        self._places.move_to_end((aor, address))
        if len(self._places) > PLACES_REMEMBERED:
            self._places.popitem(last=False)

    def _name(self, aor: Aor, address: str) -> str:
        """Give the name under which a user's failures from this address count."""
        return f"{aor} from {address}" if (aor, address) in self._places else aor

    def _note(self, denied: Denied, aor: Aor, address: str) -> None:
        self.log.info(
            "{aor} could not sign in from {address} as {account}: {reason} {detail}",
            aor=_shown(aor),
            address=address,
            account=repr(denied.account[:80]),
            reason=denied.reason,
            detail=_shown(denied.detail),
        )
        self._count(denied.reason)
        failure = Failure(self._timers.wall(), address, denied.reason, denied.account[:80], denied.detail)
        # Made-up names have a table of their own, lest a flood of them drive real users out.
        if self._people.person(aor) is not None:
            _remember(self._failures, USERS_REMEMBERED, aor, failure)
        else:
            _remember(self._strangers, STRANGERS_REMEMBERED, aor, failure)
        if denied.reason in _GUESSES:
            self._punish(self._users, self._name(aor, address))
            self._punish(self._addresses, address)

    def _punish(self, throttle: Throttle, name: str) -> None:
        now = self._timers.now()
        throttle.failed(name, now)
        wait_s = throttle.wait(name, now)
        if wait_s > 0:
            self.log.warn(
                "sign-in of {name} is refused for {wait_s} s after {count} failures",
                name=_shown(name),
                wait_s=wait_s,
                count=throttle.failures(name, now),
            )

    def _count(self, reason: str) -> None:
        self._meter.counter("lyncpy_core_signin_failures_total", "Sign-ins that failed.", reason=reason).add()

    def failures(self, aor: Aor) -> tuple[Failure, ...]:
        """Give a user's last failed sign-ins, oldest first."""
        return tuple(self._failures.get(aor) or self._strangers.get(aor) or ())

    async def reasons(self, aor: Aor) -> Sequence[Reason]:
        """Say why this user could not sign in lately, newest first; for `why`."""
        wait_s = self._users.wait(aor, self._timers.now())
        found = []
        if wait_s > 0:
            found.append(
                Reason(
                    "sign-in",
                    f"refused for another {ceil(wait_s)} s after too many failures",
                    good=False,
                    remedy="wait; see who tries in the lines below",
                )
            )
        for failure in reversed(self.failures(aor)):
            when = datetime.fromtimestamp(failure.wall, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            account = f" as {failure.account!r}" if failure.account else ""
            detail = f" ({failure.detail})" if failure.detail else ""
            finding = f"{when} from {failure.address}{account}: {failure.reason}{detail}"
            found.append(Reason("sign-in", finding, good=False, remedy=_REMEDIES.get(failure.reason, "")))
        return tuple(found) or (Reason("sign-in", "no failed sign-in since the server started", good=True),)


def _remember(failures: Failures, most: int, aor: Aor, failure: Failure) -> None:
    known = failures.get(aor)
    if known is None:
        if len(failures) >= most:
            failures.popitem(last=False)
        known = failures[aor] = deque(maxlen=FAILURES_PER_USER)
    known.append(failure)
    failures.move_to_end(aor)


def _shown(text: str) -> str:
    """Give what a stranger wrote as a log may show it: briefly, and nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text[:80])
