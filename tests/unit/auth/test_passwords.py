"""Passwords in plain text against what is kept for SIP."""

import pytest
from twisted.internet.task import Clock

from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.passwords import PASSWORD_CHARACTERS, Passwords
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import Moment, Person, SignInObjection
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.kit.directory import FakePasswords
from tests.kit.gatehouse import TablePeople, TableSecrets, timers_of
from tests.kit.results import result_of

ALICE, DAN, ERIN = Aor("sip:alice@example.test"), Aor("sip:dan@example.test"), Aor("sip:erin@example.test")


class Counting(TableSecrets):
    """Secrets that count how often they are asked."""

    asked = 0

    async def nt_hash(self, aor: Aor) -> bytes | None:
        """Count, and give a user's hash."""
        self.asked += 1
        return self.table.get(aor)


def _passwords() -> tuple[Passwords, Counting]:
    people = TablePeople(Person(ALICE, "1"), Person(DAN, "2", enabled=False), Person(ERIN, "3"))
    secrets = Counting({ALICE: nt_hash("secret"), DAN: nt_hash("secret")})
    return Passwords(people, secrets, timers_of(Clock()), None), secrets


@pytest.mark.parametrize(
    ("login", "password", "outcome"),
    [
        ("alice@example.test", "secret", ALICE),
        ("alice@example.test", "Secret", "wrong password"),
        ("alice@example.test", "s" * (PASSWORD_CHARACTERS + 1), "wrong password"),
        ("dan@example.test", "secret", "disabled"),
        # Whether somebody is disabled is said only to who knows his password.
        ("dan@example.test", "wrong", "wrong password"),
        ("erin@example.test", "", "no password set"),
        ("nobody@example.test", "secret", "unknown user"),
    ],
)
def test_a_password_is_right_or_the_operator_reads_why_not(login: str, password: str, outcome: str) -> None:
    """Each outcome has its word, and each costs one look at the store, so that time does not tell who exists."""
    passwords, secrets = _passwords()
    found = result_of(passwords.check(login, password, "192.0.2.1"))
    assert (found.reason if isinstance(found, AuthenticationDenied) else found) == outcome
    assert secrets.asked == 1


def test_a_long_password_is_not_right_because_its_beginning_is() -> None:
    """What is cut off is not ignored."""
    long = "x" * PASSWORD_CHARACTERS
    passwords = Passwords(
        TablePeople(Person(ALICE, "1")), TableSecrets({ALICE: nt_hash(long)}), timers_of(Clock()), None
    )
    assert result_of(passwords.check("alice@example.test", long, "192.0.2.1")) == ALICE
    assert isinstance(result_of(passwords.check("alice@example.test", long + "y", "192.0.2.1")), AuthenticationDenied)


def test_whose_time_is_over_is_told_so_only_with_the_right_password() -> None:
    """A browser is refused as a client is."""
    person = Person(ALICE, "1", until=Moment(0.0, "accountExpires"), logins=("alice",))
    passwords = Passwords(TablePeople(person), TableSecrets({ALICE: nt_hash("right")}), timers_of(Clock()), None)
    right = result_of(passwords.check("alice", "right", "192.0.2.1"))
    assert isinstance(right, AuthenticationDenied)
    assert (right.reason, right.detail) == ("expired", "expired on 1970-01-01T00:00:00Z (accountExpires)")
    wrong = result_of(passwords.check("alice", "wrong", "192.0.2.1"))
    assert isinstance(wrong, AuthenticationDenied)
    assert wrong.reason == "wrong password"


def _kept(keeper: FakePasswords, *people: Person) -> Passwords:
    table = TablePeople(*(people or (Person(ALICE, "1"), Person(DAN, "2", enabled=False))))
    return Passwords(table, TableSecrets({ALICE: nt_hash("of old")}), timers_of(Clock()), keeper)


def test_a_password_that_is_kept_here_needs_no_directory() -> None:
    """Any other is asked for there."""
    keeper = FakePasswords()
    passwords = _kept(keeper)
    assert result_of(passwords.check("alice@example.test", "of old", "192.0.2.1")) == ALICE
    assert keeper.asked == []
    assert result_of(passwords.check("alice@example.test", "of the directory", "192.0.2.1")) == ALICE
    assert keeper.asked == [(ALICE, "of the directory")]


def test_the_directory_is_asked_for_who_has_no_password_here_and_for_nobody() -> None:
    """So that a name which nobody has takes as long; a right password does not let in who is disabled."""
    keeper = FakePasswords()
    passwords = _kept(keeper)
    for login, reason in (("dan@example.test", "disabled"), ("nobody@example.test", "unknown user")):
        denied = result_of(passwords.check(login, "secret", "192.0.2.1"))
        assert isinstance(denied, AuthenticationDenied)
        assert denied.reason == reason
    assert [aor for aor, _ in keeper.asked] == [DAN, None]


def test_no_hash_of_nothing_lets_anybody_in() -> None:
    """Who has no hash is compared with a stand-in, which is not taken for theirs."""
    keeper = FakePasswords(SignInObjection(DenialReason.WRONG_PASSWORD, ""))
    denied = result_of(_kept(keeper).check("dan@example.test", "", "192.0.2.1"))
    assert isinstance(denied, AuthenticationDenied)
    assert denied.reason == "wrong password"


def test_what_the_directory_objects_to_is_passed_on() -> None:
    """With its words, for the operator."""
    denied = result_of(
        _kept(FakePasswords(SignInObjection(DenialReason.LOCKED, "it is locked", unproven=True))).check(
            "alice@example.test", "x", "192.0.2.1"
        )
    )
    assert denied == AuthenticationDenied(
        DenialReason.LOCKED, "alice@example.test", ALICE, detail="it is locked", unproven=True
    )


def test_a_directory_that_cannot_be_asked_has_not_said_that_a_password_is_wrong() -> None:
    """The operator reads what it is, and whether it was compared with one that is kept here."""
    for login, aor, reason in (
        ("alice@example.test", ALICE, DenialReason.NOT_THE_KEPT_ONE),
        ("dan@example.test", DAN, DenialReason.DIRECTORY_UNAVAILABLE),
        ("nobody@example.test", None, DenialReason.DIRECTORY_UNAVAILABLE),
    ):
        denied = result_of(
            _kept(FakePasswords(DirectoryUnavailable("ldap://x is away"))).check(login, "x", "192.0.2.1")
        )
        assert denied == AuthenticationDenied(reason, login, aor, detail="ldap://x is away")


def test_a_password_that_is_too_long_is_not_asked_for() -> None:
    """No directory has one."""
    keeper = FakePasswords()
    denied = result_of(_kept(keeper).check("alice@example.test", "x" * (PASSWORD_CHARACTERS + 1), "192.0.2.1"))
    assert isinstance(denied, AuthenticationDenied)
    assert keeper.asked == []
