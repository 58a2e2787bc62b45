"""Failed sign-ins: what the client is told, what the operator can read, and who must wait.

A client shows words for 403, 404 and 503 alone, from a header that differs by status
(protocol notes, "transport and registration" §3.4); for a plain 401 after its proof it
says that authentication failed. Whoever does not know the password learns nothing but
that, and whether an address exists, unless the settings conceal this too.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.networks import network_of
from lyncpy.contracts.refusal import EXPECTED_FAILURE, Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Reason
from lyncpy.core.certificate_offers import CertificateOffers
from lyncpy.core.shared_tries import SharedTries
from lyncpy.core.timestamps import moment
from lyncpy.core.tries import SignInAttempt, SignInTries, UserAtPlace, account_of
from lyncpy.sip.text import shown

FAILURES_PER_USER: Final = 10
USERS_REMEMBERED: Final = 4096
STRANGERS_REMEMBERED: Final = 256

NOT_YOU: Final = Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI", public=True)
_SKEW: Final = Diagnostics(1013, "Significant time skew detected during authentication")
_SKEW_SHOWN: Final = Diagnostics(1013, "The clock of your computer is wrong", public=True)
_BARRED: Final = {
    DenialReason.DISABLED: Diagnostics(4141, "User disabled", public=True),
    DenialReason.EXPIRED: Diagnostics(4141, "User disabled, the account has expired", public=True),
    DenialReason.NOT_YET_VALID: Diagnostics(4141, "User disabled, the account is not valid yet", public=True),
    DenialReason.MUST_CHANGE_PASSWORD: Diagnostics(4141, "The password must be changed first", public=True),
    DenialReason.PASSWORD_EXPIRED: Diagnostics(4141, "The password has expired and must be changed", public=True),
    DenialReason.LOCKED: Diagnostics(
        4141, "The account is locked after too many wrong passwords, try again later", public=True
    ),
    DenialReason.RESTRICTED: Diagnostics(
        4141, "The account may not sign in at this hour or from this computer", public=True
    ),
}
"""What is wrong with an account whose password is right, as far as anybody knows that."""

_TOLD: Final = {
    DenialReason.UNKNOWN_PRINCIPAL: Diagnostics(
        EXPECTED_FAILURE + 401, "The Kerberos ticket is of an account that nobody has here"
    ),
    DenialReason.TICKET_EXPIRED: Diagnostics(EXPECTED_FAILURE + 401, "The Kerberos ticket has expired"),
    DenialReason.TICKET_REPLAYED: Diagnostics(EXPECTED_FAILURE + 401, "The Kerberos ticket was shown before"),
    DenialReason.WRONG_SERVICE: Diagnostics(EXPECTED_FAILURE + 401, "The Kerberos ticket is for another service"),
    DenialReason.WRONG_KEY_VERSION: Diagnostics(
        EXPECTED_FAILURE + 401, "The Kerberos ticket was made with a key that this server does not have"
    ),
    DenialReason.BAD_TICKET: Diagnostics(EXPECTED_FAILURE + 401, "The Kerberos ticket cannot be decrypted"),
    DenialReason.NO_KEYTAB: Diagnostics(EXPECTED_FAILURE + 401, "This server cannot use its Kerberos keys"),
    DenialReason.HANDSHAKE_FAILED: Diagnostics(1000, "Final handshake failed, TLS could not be agreed on"),
    DenialReason.EXPIRED_CHALLENGE: Diagnostics(1000, "Final handshake failed, it took too long"),
    DenialReason.UNKNOWN_CERTIFICATE: Diagnostics(1000, "Final handshake failed, the certificate is not ours"),
    DenialReason.REVOKED_CERTIFICATE: Diagnostics(1000, "Final handshake failed, the certificate was revoked"),
    DenialReason.EXPIRED_CERTIFICATE: Diagnostics(1000, "Final handshake failed, the certificate has expired"),
    DenialReason.OUTDATED_CERTIFICATE: Diagnostics(1000, "Final handshake failed, the password has been changed since"),
}
"""What is said beside the challenge, with which a client may go on to another scheme."""

_CROWDED: Final = Diagnostics(1, "Too many tickets are shown at once, try again in 5 seconds")
"""Nothing is wrong with the ticket; it was not looked at."""

UNASKED: Final = Diagnostics(1, "The directory cannot be asked for passwords now, try again in 30 seconds")
"""The directory may know the password; it was not looked at, or nobody knows."""

_UNASKED: Final = frozenset({DenialReason.DIRECTORY_UNAVAILABLE, DenialReason.NOT_THE_KEPT_ONE})

_UNKNOWN: Final = Diagnostics(4005, "Destination URI either not enabled for SIP or does not exist")

# Failures that a guesser of passwords, names or certificates causes. The others need what is right, or none was tried.
_GUESSES: Final = frozenset(
    {
        DenialReason.UNKNOWN_USER,
        DenialReason.NO_PASSWORD_SET,
        DenialReason.WRONG_PASSWORD,
        # The one that is kept here would have let in: it can be guessed while the directory is away.
        DenialReason.NOT_THE_KEPT_ONE,
        DenialReason.MALFORMED,
        # Of a ticket nothing is proven before it is decrypted: anybody can make such.
        DenialReason.TICKET_REPLAYED,
        DenialReason.WRONG_SERVICE,
        DenialReason.WRONG_KEY_VERSION,
        DenialReason.BAD_TICKET,
        DenialReason.HANDSHAKE_FAILED,
        DenialReason.UNKNOWN_CERTIFICATE,
    }
)

_REMEDIES: Final = {
    DenialReason.WRONG_PASSWORD: "check the caps lock and the account's name; set a new password in the directory, or with `lyncpy user passwd` where it is kept here",
    DenialReason.NO_PASSWORD_SET: "where the directory checks passwords let the client use TLS-DSK, or see [auth] ntlm_auth; otherwise set one with `lyncpy user passwd`, or map the directory's NT hash attribute",
    DenialReason.UNKNOWN_USER: "the login name that the client sent belongs to nobody; see `users` for the names that do",
    DenialReason.DISABLED: "enable the user in the directory",
    DenialReason.EXPIRED: "give them a later date in the directory",
    DenialReason.NOT_YET_VALID: "wait, or give them an earlier date in the directory",
    DenialReason.MUST_CHANGE_PASSWORD: "change it where the directory keeps it, and run `directory pull`; or see [directory] must_change",
    DenialReason.PASSWORD_EXPIRED: "change it where the directory keeps it",
    DenialReason.LOCKED: "wait as long as the directory's policy says, or unlock the account there; see from where wrong passwords come in the lines below",
    DenialReason.RESTRICTED: "see the account's logon hours and workstations in the directory, and whether it may sign in with a smart card alone",
    DenialReason.DIRECTORY_UNAVAILABLE: "mend what the sentence names; until then only who has a certificate, a Kerberos ticket or a password kept here signs in",
    DenialReason.NOT_THE_KEPT_ONE: "mend what the sentence names; it counts as a failed try, for the password that is kept here could be guessed meanwhile",
    DenialReason.CLOCK_SKEW: "set the clock of the client's computer, or raise auth.skew_s; if many are told so, the clock of this server is wrong",
    DenialReason.NOT_THIS_USER: "the login name, ticket or certificate belongs to another user than the sign-in address",
    DenialReason.OTHER_SERVER: "if it is HTTP/ or host/ and a name of this server, add that name to [auth] web_names; otherwise somebody passes on what the client proved elsewhere",
    DenialReason.UNKNOWN_PRINCIPAL: "give somebody that login: [directory] maps sAMAccountName, uid or userPrincipalName to `logins`; of a realm that is only trusted the whole principal has to be a login or an address",
    DenialReason.TICKET_EXPIRED: "the client has to get a new ticket: lock and unlock the computer, or run kinit; if its ticket is new, the clock of this server is ahead",
    DenialReason.TICKET_REPLAYED: "the same token came twice: somebody repeats what they have overheard, or a proxy does",
    DenialReason.WRONG_SERVICE: "the client asked for a ticket under another name: run `lyncpy doctor kerberos`, which compares SPN, DNS and keytab",
    DenialReason.WRONG_KEY_VERSION: "the service got new keys after the keytab was written, or the client has a ticket from before: write the keytab anew, see `lyncpy doctor kerberos`; klist purge on the client",
    DenialReason.BAD_TICKET: "the keytab's key is not the KDC's, as after a changed service password or with an SPN on two accounts (setspn -X): run `lyncpy doctor kerberos`; otherwise it was forged",
    DenialReason.NO_KEYTAB: "run `lyncpy doctor kerberos`",
    DenialReason.TOO_MANY_TICKETS: "none, if the whole company came at once: its clients come again; otherwise see who sends them from there, and whether the disk of the Kerberos replay cache (KRB5RCACHEDIR) is slow",
    DenialReason.HANDSHAKE_FAILED: "the client speaks no TLS that this server does within SIP (1.0 to 1.2, AES with SHA-1), or somebody has meddled; NTLM goes on working",
    DenialReason.UNKNOWN_CERTIFICATE: "none: the client gets another one with the password; if many are told so, the store is not the one that the certificates were issued from",
    DenialReason.REVOKED_CERTIFICATE: "none: the client gets another one with the password; see `user certificates`",
    DenialReason.EXPIRED_CERTIFICATE: "none: the client gets another one with the password; [webservices] certificate_s says how long they hold",
    DenialReason.OUTDATED_CERTIFICATE: "none: the client gets another one with the new password",
}


@dataclass(frozen=True, slots=True)
class SignInFailure:
    """One sign-in that failed."""

    wall: float
    """Seconds since the epoch."""

    address: str
    reason: DenialReason
    account: str
    """The login name that was claimed, if it came that far."""

    detail: str


Failures = OrderedDict[Aor, deque[SignInFailure]]


class SignIns:
    """Decides who may try to sign in, and keeps the reasons of failures: in the log, in meters, and per user for `why`.

    What is counted for whom is the affair of `SignInTries`.

    Args:
        shared: Tells other processes of failures.
    """

    log = Logger()

    def __init__(
        self, people: IPeople, tries: SignInTries, shared: SharedTries, meter: IMeter, timers: ITimers
    ) -> None:
        self._people = people
        self.shared: Final = shared
        self.tries: Final = tries
        self.offers: Final = CertificateOffers(timers)
        self._meter = meter
        self._timers = timers
        self._failures: Failures = OrderedDict()
        self._strangers: Failures = OrderedDict()

    def attempt(self, aor: Aor, address: str, epid: str = "", account: str = "") -> SignInAttempt:
        """Give a try to sign in as this user, from this address, with this device ("": a browser).

        Args:
            account: The login name, where that is what was typed and not an address.
        """
        return self.tries.attempt(aor, address, epid, account)

    def numbers_of(self, aor: Aor) -> Collection[str]:
        """Give the telephone numbers of a user, as tel URIs."""
        person: Person | None = self._people.person(aor)
        return () if person is None else {person.line, person.private_line} - {""}

    def check(self, attempt: SignInAttempt) -> None:
        """Check that a try to sign in is allowed now.

        Raises:
            Refused: 404 for an address that does not exist, 503 after too many failures.
        """
        now = self._timers.now()
        if not attempt.is_user and self.tries.may_know(attempt, now):
            self._note(AuthenticationDenied(DenialReason.UNKNOWN_USER), attempt)
            raise Refused(404, _UNKNOWN)
        self.check_wait(attempt)

    def check_wait(self, attempt: SignInAttempt) -> None:
        """Check that nobody has to wait who tries something that names nobody, as a ticket that is not decrypted yet.

        Raises:
            Refused: 503 after too many failures.
        """
        self._check_patience(attempt, self.tries.wait(attempt, self._timers.now()))

    def count_attempt(self, attempt: SignInAttempt) -> None:
        """Count a try as failed until its password was looked at."""
        self.offers.tried(attempt)
        self.tries.count_attempt(attempt, self._timers.now())

    def spare(self, attempt: SignInAttempt) -> None:
        """Count a try no more that came to no verdict; may be called for any."""
        self.tries.spare(attempt)

    def _check_patience(self, attempt: SignInAttempt, wait_s: float) -> None:
        if wait_s > 0:
            self._count("too many tries")
            seconds = ceil(wait_s)
            self.shared.note(
                attempt.aor,
                lambda: (
                    f"{bare(attempt.aor)} may not try to sign in from {attempt.place} for another {seconds} s: too many failures"
                ),
            )
            raise Refused(
                503,
                Diagnostics(1, f"Too many failed sign-ins, try again in {seconds} seconds"),
                headers=[("Retry-After", str(seconds))],
            )

    def failed(self, denied: AuthenticationDenied, attempt: SignInAttempt, scheme: str) -> Diagnostics | None:
        """Count and log a failed handshake; return when the client shall begin anew, with what it is told then, if anything.

        Args:
            denied: Why.
            attempt: Whose it was.
            scheme: By which the password, ticket or certificate was shown.

        Raises:
            Refused: With the words that the client shall show.
        """
        now = self._timers.now()
        self._count_result(scheme, "failed")
        self.offers.tried(attempt)
        account, is_user = UserAtPlace(account_of(denied.account), attempt.place), denied.aor is not None
        # Under one address after another somebody may guess one account's password: its patience ends too.
        names_it = bool(account.name) and account.name != attempt.pair.name
        refused_s = self.tries.wait_of(account, now, is_user=is_user) if names_it else 0.0
        self._note(denied, attempt)
        if denied.reason in _GUESSES or denied.unproven:
            self.tries.count_failure(attempt, now)
            if names_it:
                self.tries.guessed(account, now, is_user=is_user)
            guessed = account.name if names_it else ""
            self.shared.failed(attempt, guessed, is_account_user=is_user)
            self._warn(attempt, now)
        else:
            self.tries.spare(attempt)
        self._check_patience(attempt, refused_s)
        if denied.unproven and not self.tries.may_know(attempt, now):
            return None
        if denied.reason in _BARRED:
            raise Refused(403, _BARRED[denied.reason])
        if denied.reason == DenialReason.CLOCK_SKEW:
            raise Refused(403, _SKEW, headers=[_SKEW_SHOWN.header()])
        if denied.reason == DenialReason.NOT_THIS_USER:
            raise Refused(403, NOT_YOU)
        if denied.reason is DenialReason.TOO_MANY_TICKETS:
            raise Refused(503, _CROWDED, headers=[("Retry-After", "5")])
        if denied.reason in _UNASKED:
            raise Refused(503, UNASKED, headers=[("Retry-After", "30")])
        return _TOLD.get(denied.reason)

    def succeeded(self, attempt: SignInAttempt, scheme: str) -> None:
        """Forgive what the user failed before at this place, and know the place from now on."""
        self._count_result(scheme, "succeeded")
        self.offers.tried(attempt)
        if self.tries.succeeded(attempt) > 0:
            self.shared.forgiven(attempt)

    def _note(self, denied: AuthenticationDenied, attempt: SignInAttempt) -> None:
        self.log.info(
            "{aor} could not sign in from {address} as {account}: {reason} {detail}",
            aor=shown(attempt.aor),
            address=attempt.address,
            account=repr(denied.account[:80]),
            reason=denied.reason,
            detail=shown(denied.detail),
        )
        detail = f" ({denied.detail})" if denied.detail else ""
        self.shared.note(
            attempt.aor,
            lambda: f"{bare(attempt.aor)} could not sign in from {attempt.address}: {denied.reason}{detail}",
        )
        self._count(denied.reason)
        failure = SignInFailure(self._timers.wall(), attempt.address, denied.reason, denied.account[:80], denied.detail)
        # Made-up names have a table of their own, lest a flood of them drive real users out.
        if attempt.is_user:
            _remember(self._failures, USERS_REMEMBERED, attempt.aor, failure)
        else:
            _remember(self._strangers, STRANGERS_REMEMBERED, attempt.aor, failure)

    def _warn(self, attempt: SignInAttempt, now: float) -> None:
        wait_s = self.tries.wait(attempt, now)
        if wait_s > 0:
            self.log.warn(
                "sign-in of {aor} from {place} is refused for {wait_s} s after too many failures",
                aor=shown(attempt.aor),
                place=attempt.place,
                wait_s=ceil(wait_s),
            )

    def _count_result(self, scheme: str, result: str) -> None:
        help_ = "Sign-ins by scheme and result; reasons are in lyncpy_core_signin_failures_total."
        self._meter.counter("lyncpy_core_signins_total", help_, scheme=scheme.lower(), result=result).add()

    def _count(self, reason: str) -> None:
        self._meter.counter("lyncpy_core_signin_failures_total", "Sign-ins that failed.", reason=reason).add()

    def failures(self, aor: Aor) -> tuple[SignInFailure, ...]:
        """Give a user's last failed sign-ins, oldest first."""
        return tuple(self._failures.get(aor) or self._strangers.get(aor) or ())

    async def reasons(self, aor: Aor) -> Sequence[Reason]:
        """Say why this user could not sign in lately, newest first; for `why`."""
        found = [*self._holds(aor), *self.offers.reasons(aor)]
        for failure in reversed(self.failures(aor)):
            when = moment(failure.wall)
            account = f" as {failure.account!r}" if failure.account else ""
            detail = f" ({failure.detail})" if failure.detail else ""
            finding = f"{when} from {failure.address}{account}: {failure.reason}{detail}"
            found.append(Reason("sign-in", finding, good=False, remedy=_REMEDIES.get(failure.reason, "")))
        return tuple(found) or (Reason("sign-in", "no failed sign-in since the server started", good=True),)

    def _holds(self, aor: Aor) -> Iterator[Reason]:
        """Explain where this user is refused, and how to end that."""
        now = self._timers.now()
        for pair, wait_s, failures in self.tries.throttled(now, aor):
            finding = f"refused from {where(pair)} for another {ceil(wait_s)} s after {failures} failures"
            remedy = f"wait, or `signin unlock {bare(aor)}`; see who tries in the lines below"
            yield Reason("sign-in", finding, good=False, remedy=remedy)
        theirs = {network_of(failure.address) for failure in self.failures(aor)}
        for place, ends_s, failures in self.tries.crowded(now):
            if place in theirs:
                finding = (
                    f"{place}: after {failures} failures each name has one try at a time there, for {ceil(ends_s)} s"
                )
                yield Reason(
                    "sign-in", finding, good=False, remedy=f"see who guesses there, or `signin unlock {place}`"
                )
        pressure = self.tries.pressure(aor, now)
        if pressure:
            finding = f"{pressure} failures from places where this user never signed in: each such place has one try"
            yield Reason("sign-in", finding, good=False, remedy=f"it ends by itself, or by `signin unlock {bare(aor)}`")


def where(pair: UserAtPlace) -> str:
    """Give the place of a pair in words."""
    return pair.place + (f" (device {pair.device})" if pair.device else "")


def _remember(failures: Failures, most: int, aor: Aor, failure: SignInFailure) -> None:
    known = failures.get(aor)
    if known is None:
        if len(failures) >= most:
            failures.popitem(last=False)
        known = failures[aor] = deque(maxlen=FAILURES_PER_USER)
    known.append(failure)
    failures.move_to_end(aor)
